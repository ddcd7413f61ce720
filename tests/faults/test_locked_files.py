"""Files that another process has locked: who wants them waits, is told, and goes on when the lock is gone."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from atomodm.contract import Store
from atomodm.errors import StoreBusy
from atomodm.store import create_store
from atomodm.testing.contract.stores import insert_all
from tests.requirements import need_store

HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
if sys.argv[2] == "everything":
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("BEGIN EXCLUSIVE")
connection.execute("UPDATE collections SET version = version")
print("locked", flush=True)
time.sleep(60)
"""


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A file with one document that nobody has open."""
    need_store("sqlite")
    path = tmp_path / "store.db"
    store = await opened(path)
    await insert_all(store, "people", [{"_id": 1}])
    await store.close()
    return path


async def opened(path: Path, timeout: float = 5) -> Store:
    store = create_store(f"sqlite:///{path}?timeout={timeout}")
    await store.open()
    return store


async def locking(path: Path, what: str) -> Process:
    """A process that has locked the file."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLD, str(path), what, stdout=PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"locked\n"
    return process


async def test_a_store_that_is_open_goes_on_reading_and_writes_when_the_lock_is_gone(path: Path) -> None:
    store = await opened(path, timeout=0.2)
    process = await locking(path, "writing")
    with pytest.raises(StoreBusy):
        await insert_all(store, "people", [{"_id": 2}])
    assert await store.count("people") == 1
    # What a process had locked is free when it is killed, and what it was writing is gone.
    process.kill()
    await process.wait()
    await insert_all(store, "people", [{"_id": 2}])
    assert (await store.check()).ok
    await store.close()


async def test_a_file_that_a_process_has_for_itself_is_opened_when_that_process_ends(path: Path) -> None:
    process = await locking(path, "everything")
    with pytest.raises(StoreBusy):
        await opened(path, timeout=0.2)
    opening = asyncio.create_task(opened(path, timeout=30))
    await asyncio.sleep(0.1)
    assert not opening.done()
    process.kill()
    await process.wait()
    store = await opening
    assert await store.count("people") == 1
    assert (await store.check()).ok
    await store.close()
