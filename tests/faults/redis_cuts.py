"""Cuts connections to a Redis server around requests, and looks whether anything is applied twice or not at all.

``python -m tests.faults.redis_cuts --cuts 1000`` does so for as long as one wants; the suite does some.
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
from atomodm.testing.proxy import FaultProxy, Moment
from tests.faults.load import Load
from tests.servers.redis import RedisServer, running

#: Seconds that go by before a cut that nobody has come upon is given up.
PATIENCE = 10


@dataclass
class Tally:
    """What became of some cuts.

    Attributes
    ----------
    cuts : int
    moments : dict of Moment to int
        How many there were of each kind.
    acknowledged : int
        Batches that writers were told to be done.
    unknown, unavailable : int
        How often a writer was told `OutcomeUnknown`, `StoreUnavailable`.
    """

    cuts: int
    moments: dict[Moment, int]
    acknowledged: int
    unknown: int
    unavailable: int


async def cut_connections(server: RedisServer, cuts: int, seed: int, timeout: float = 5) -> Tally:
    """Cut connections of a store that is in use, over and over.

    Raises
    ------
    AssertionError
        A batch that was acknowledged is not there, or one is there in parts or twice, or a check finds a problem.
    ExceptionGroup
        A writer got another error than `StoreUnavailable` and `OutcomeUnknown`.
    """
    chance = random.Random(seed)
    moments = dict.fromkeys(Moment, 0)
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        store = create_store(f"redis://{proxy.address}/0?namespace=cuts-{seed}&timeout={timeout}")
        await store.open()
        load = Load(store)
        await load.prepare()
        async with load.running():
            for _ in range(cuts):
                moment = chance.choice(list(Moment))
                planned = proxy.cut_when(
                    moment,
                    containing=b"EVALSHA",
                    after=chance.randrange(4),
                    reply_bytes=chance.choice([0, 0, 1, 5, 30]),
                    reset=chance.random() < 0.5,
                )
                async with asyncio.timeout(PATIENCE):
                    while not planned.happened:
                        await asyncio.sleep(0.001)
                moments[moment] += 1
        await load.check()
        await store.close()
    return Tally(cuts, moments, load.total, load.unknown, load.unavailable)


def main() -> None:
    """Cut, and print what became of it."""
    parser = argparse.ArgumentParser(description="Cut connections to a Redis server at random moments.")
    parser.add_argument("--cuts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=5)
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "server") as server:
        tally = asyncio.run(cut_connections(server, arguments.cuts, arguments.seed, arguments.timeout))
    seconds = time.monotonic() - began
    kinds = ", ".join(f"{number} {moment.value}" for moment, number in tally.moments.items())
    sys.stdout.write(
        f"{tally.cuts} cuts in {seconds:.0f} s ({kinds}): {tally.acknowledged} batches acknowledged, none lost, none "
        f"twice; writers were told {tally.unknown} times that the outcome is unknown, {tally.unavailable} times that "
        "the store is unavailable; every check clean\n"
    )


if __name__ == "__main__":
    main()
