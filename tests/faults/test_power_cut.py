"""What is in a file after the power went: simulated by freezing a writer and copying what it has written.

A copy holds everything that was handed to the operating system. What a power cut would have lost of that is taken away
from the copy afterwards, as far as it may be lost.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.files import batches_in, copy_store, lose_writes, unsynced_from
from tests.faults.processes import writing
from tests.requirements import need_store

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _needs_sqlite() -> None:
    need_store("sqlite")


@pytest.mark.parametrize("synchronous", ["off", "normal", "full"])
def test_what_the_system_was_handed_is_all_there(tmp_path: Path, synchronous: str) -> None:
    path = tmp_path / "store.db"
    chance = random.Random(1)
    with writing(f"sqlite:///{path}?synchronous={synchronous}") as writer:
        for number in range(4):
            writer.wait_for_batches(5 * (number + 1))
            time.sleep(chance.uniform(0, 0.1))
            with writer.frozen():
                told = writer.batches()
                copies = [
                    copy_store(path, tmp_path / f"{number}-{index}.db", with_index=index) for index in (False, True)
                ]
            for copy in copies:
                assert asyncio.run(batches_in(copy)) - told[-1] in (0, 1)


def test_what_was_not_flushed_is_lost_from_the_end_and_in_whole_batches(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    chance = random.Random(2)
    lost = 0
    with writing(f"sqlite:///{path}?synchronous=normal") as writer:
        for number in range(40):
            writer.wait_for_batches(5 * (number + 1))
            time.sleep(chance.uniform(0, 0.05))
            with writer.frozen():
                told = writer.batches()
                copy = copy_store(path, tmp_path / f"{number}.db", with_index=chance.random() < 0.5)
                start = unsynced_from(path)
            lose_writes(copy.with_name(copy.name + "-wal"), start, chance)
            found = asyncio.run(batches_in(copy))
            assert found <= told[-1] + 1
            lost += found < told[-1]
            if number >= 7 and lost >= 3:
                break
    # Otherwise nothing was tried.
    assert lost >= 3


FULL = """
import asyncio, sys
from tests.faults.workload import write_for_ever
from atomodm.store import create_store

async def main():
    store = create_store(sys.argv[1])
    await store.open()
    await write_for_ever(store, lambda number: sys.stdout.write(f"done {number}\\n") and sys.stdout.flush(), rounds=12)

asyncio.run(main())
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("synchronous", ["off", "normal", "full"])
def test_only_full_flushes_each_commit_before_it_counts_as_done(tmp_path: Path, synchronous: str) -> None:
    trace = tmp_path / "trace"
    url = f"sqlite:///{tmp_path}/store.db?synchronous={synchronous}"
    result = subprocess.run(
        [
            "strace",
            "-f",
            "-y",
            "-e",
            "trace=write,pwrite64,fsync,fdatasync",
            "-o",
            trace,
            sys.executable,
            "-c",
            FULL,
            url,
        ],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    if result.returncode != 0 and "ptrace" in result.stderr.lower():
        pytest.skip("this machine lets nobody trace")
    assert result.returncode == 0, result.stderr
    unflushed_at_acknowledgement: list[bool] = []
    dirty = False
    for line in trace.read_text(errors="replace").splitlines():
        if "-wal>" in line and "pwrite64" in line:
            dirty = True
        elif "-wal>" in line and ("fdatasync" in line or "fsync" in line):
            dirty = False
        elif '"done ' in line:
            unflushed_at_acknowledgement.append(dirty)
    # The first batch comes after indexes were declared, whatever that flushed.
    assert unflushed_at_acknowledgement[1:] == [synchronous != "full"] * 11
