"""Kills a Redis server under load at random moments, starts it again, and looks whether anything is lost or torn.

``python -m tests.faults.redis_kills --rounds 300`` does so for as long as one wants; the suite does a few rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from atomodm.store import create_store
from tests.faults.load import Load
from tests.servers.redis import RedisServer

#: Rounds after which everything is compared, and not only at the end.
COMPARED = 20
#: Seconds after which the server is killed at most, and for which it is gone at most.
LONGEST, GONE = 0.3, 0.2


@dataclass
class Tally:
    """What became of some rounds.

    Attributes
    ----------
    kills : int
    acknowledged : int
        Batches that writers were told to be done.
    unknown, unavailable : int
        How often a writer was told `OutcomeUnknown`, `StoreUnavailable`.
    cut : int
        Kills in the middle of writing a batch to the server's log.
    """

    kills: int = 0
    acknowledged: int = 0
    unknown: int = 0
    unavailable: int = 0
    cut: int = 0


async def kill_servers(folder: Path, rounds: int, seed: int, timeout: float = 5) -> Tally:
    """Kill the server of a store that is in use, and start it again, over and over.

    Parameters
    ----------
    folder : Path
    rounds : int
    seed : int
    timeout : float, default 5
        Of the store, in seconds. A short one has writers learn of what happens; with a long one they hardly notice.

    Raises
    ------
    AssertionError
        A batch that was acknowledged is not there, or one is there in parts or twice, or a check finds a problem.
    ExceptionGroup
        A writer got another error than `StoreUnavailable` and `OutcomeUnknown`.
    """
    chance = random.Random(seed)
    server = RedisServer(folder, "--appendonly", "yes", "--appendfsync", "always")
    store, calm = create_store(f"{server.url}?timeout={timeout}"), create_store(server.url)
    load = Load(store)
    kills = cut = 0
    try:
        await asyncio.to_thread(server.start)
        await calm.open()
        await store.open()
        await load.prepare(calm)
        while kills < rounds:
            part = min(rounds - kills, COMPARED)
            async with load.running():
                for _ in range(part):
                    await load.wait_for(1)
                    await asyncio.sleep(chance.uniform(0, LONGEST))
                    if chance.random() < 0.2:
                        # The file of the log is written anew just then.
                        await asyncio.to_thread(server.begin_rewriting_log)
                    await asyncio.to_thread(server.kill)
                    await asyncio.sleep(chance.choice([0, chance.uniform(0, GONE)]))
                    await asyncio.to_thread(server.start)
                    if server.cut_its_log:
                        # As the documentation says.
                        cut += 1
                        await asyncio.to_thread(server.rewrite_log)
            kills += part
            await load.check(calm)
        return Tally(kills, load.total, load.unknown, load.unavailable, cut)
    finally:
        await store.close()
        await calm.close()
        await asyncio.to_thread(server.stop)


def main() -> None:
    """Run rounds, and print what became of them."""
    parser = argparse.ArgumentParser(description="Kill a Redis server with appendfsync=always at random moments.")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=5)
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tally = asyncio.run(kill_servers(Path(folder) / "server", arguments.rounds, arguments.seed, arguments.timeout))
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"{tally.kills} kills in {seconds:.0f} s, {tally.cut} in the middle of writing a batch to the disk: "
        f"{tally.acknowledged} batches acknowledged, none lost, none twice; writers were told {tally.unknown} times "
        f"that the outcome is unknown, {tally.unavailable} times that the store is unavailable; every check clean\n"
    )


if __name__ == "__main__":
    main()
