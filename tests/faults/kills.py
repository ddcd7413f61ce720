"""Kills writers at random moments, and looks whether what they left is whole.

``python -m tests.faults.kills --rounds 1000`` does so for as long as one wants; the suite does a few rounds.
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
from tests.faults.processes import writing
from tests.faults.workload import check_contents, last_batch

#: Kills after which a new file is begun, so that those who create and declare are killed too.
ROUNDS_OF_A_FILE = 20
#: Seconds after which a writer is killed at most.
LONGEST = 0.25


@dataclass
class Tally:
    """What became of some rounds.

    Attributes
    ----------
    kills : int
    acknowledged : int
        Batches that the killed writers had told of.
    unacknowledged : int
        Batches that were there although nobody had told of them yet.
    opening : int
        Kills before a first batch.
    """

    kills: int = 0
    acknowledged: int = 0
    unacknowledged: int = 0
    opening: int = 0


async def _found(url: str) -> int:
    store = create_store(url)
    await store.open()
    try:
        return await check_contents(store)
    finally:
        await store.close()


async def _before(url: str) -> int:
    store = create_store(url)
    await store.open()
    try:
        return await last_batch(store)
    finally:
        await store.close()


def kill_writers(folder: Path, rounds: int, seed: int, synchronous: str = "normal") -> Tally:
    """Kill writers, and check the file after each.

    Raises
    ------
    AssertionError
        A batch that was acknowledged is not there, or one is there in parts, or a check finds a problem.
    """
    chance = random.Random(seed)
    tally = Tally()
    for number in range(rounds):
        path = folder / f"{seed}-{number // ROUNDS_OF_A_FILE}.db"
        url = f"sqlite:///{path}?synchronous={synchronous}"
        before = asyncio.run(_before(url)) if path.exists() and number % ROUNDS_OF_A_FILE else 0
        with writing(url) as writer:
            if chance.random() < 0.7:
                writer.wait_for_batches(1)
            time.sleep(chance.uniform(0, LONGEST))
            told = writer.kill()
        found = asyncio.run(_found(url))
        assert told == list(range(before + 1, before + len(told) + 1))
        assert found - before in (len(told), len(told) + 1), f"{len(told)} told of, {found - before} found"
        tally.kills += 1
        tally.acknowledged += len(told)
        tally.unacknowledged += found - before - len(told)
        tally.opening += not told
    return tally


def main() -> None:
    """Run rounds, and print what became of them."""
    parser = argparse.ArgumentParser(description="Kill writers of a SQLite store at random moments.")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--synchronous", choices=["off", "normal", "full"], default="normal")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tally = kill_writers(Path(folder), arguments.rounds, arguments.seed, arguments.synchronous)
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"{tally.kills} kills in {seconds:.0f} s: {tally.acknowledged} batches acknowledged, none lost; "
        f"{tally.unacknowledged} more were there whole; {tally.opening} kills before the first batch; "
        "every check clean\n"
    )


if __name__ == "__main__":
    main()
