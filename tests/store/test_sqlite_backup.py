"""Backups while others write, giving space back, and what is left when either is broken off."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import stat
import sys
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from atomodm.contract import Batch, Delete, IndexSpec, Store
from atomodm.errors import BackupRefused, StoreBusy, StoreClosed, StoreUnavailable, UnsupportedOperation
from atomodm.query.nodes import Compare, Operator
from atomodm.store import create_store
from atomodm.store.sqlite.backup import STEP_PAGES
from atomodm.testing.contract.stores import find_all, ids, insert_all
from tests.requirements import need_store


@pytest.fixture(autouse=True)
def _needs_sqlite() -> None:
    need_store("sqlite")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store" / "store.db"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where backups go: alone in its directory, so that left-overs show."""
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "backup.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    store = await opened(path)
    await store.ensure_indexes("people", [IndexSpec(name="age_1", fields=[("age", 1)])])
    await insert_all(store, "people", [{"_id": number, "age": number % 7} for number in range(100)])
    yield store
    if store.is_open:
        await store.close()


async def opened(path: Path, options: str = "") -> Store:
    store = create_store(f"sqlite:///{path}{options}")
    await store.open()
    return store


async def grow(store: Store, megabytes: int) -> None:
    for number in range(megabytes):
        texts = [os.urandom(100_000) for _ in range(10)]
        await insert_all(store, "texts", [{"_id": f"{number}/{i}", "text": text} for i, text in enumerate(texts)])


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


# -- backups -----------------------------------------------------------------------------------------------------------


async def test_a_backup_is_a_store_with_the_same_documents_and_indexes(store: Store, target: Path) -> None:
    await store.backup(target)
    copy = await opened(target)
    assert await find_all(copy, "people") == await find_all(store, "people")
    assert await ids(copy, "people", Compare("age", Operator.EQ, 3)) == list(range(3, 100, 7))
    assert await copy.list_indexes("people") == await store.list_indexes("people")
    assert (await copy.check()).problems == ()
    await insert_all(copy, "people", [{"_id": "new"}])
    await copy.close()
    assert await store.count("people") == 100


async def test_a_backup_is_one_file_that_its_owner_alone_can_read(store: Store, target: Path) -> None:
    before = os.umask(0)
    try:
        await store.backup(str(target))
    finally:
        os.umask(before)
    assert names_in(target.parent) == ["backup.db"]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


async def test_a_backup_can_be_read_where_nothing_can_be_written(store: Store, target: Path) -> None:
    await store.backup(target)
    content = target.read_bytes()
    copy = await opened(target, "?mode=ro")
    assert await copy.count("people") == 100
    assert names_in(target.parent) == ["backup.db"]
    await copy.close()
    assert target.read_bytes() == content


async def test_a_relative_path_starts_at_the_current_directory(
    store: Store, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(target.parent)
    await store.backup("relative.db")
    assert names_in(target.parent) == ["relative.db"]


async def test_a_store_that_is_open_for_reading_can_be_backed_up(store: Store, path: Path, target: Path) -> None:
    await store.close()
    reading = await opened(path, "?mode=ro")
    await reading.backup(target)
    await reading.close()
    copy = await opened(target)
    assert await copy.count("people") == 100
    await copy.close()


async def test_progress_is_told_on_the_event_loop_and_ends_at_the_end(store: Store, target: Path) -> None:
    await grow(store, 5)
    told: list[tuple[int, int]] = []
    threads: set[int] = set()

    def progress(done: int, total: int) -> None:
        told.append((done, total))
        threads.add(threading.get_ident())

    await store.backup(target, progress)
    assert threads == {threading.get_ident()}
    assert len(told) >= 5
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] == target.stat().st_size // 4096


async def test_others_write_during_a_backup_which_has_one_moment(store: Store, target: Path) -> None:
    await grow(store, 20)
    pairs = 0
    steps_with_writes = 0

    async def write() -> None:
        nonlocal pairs
        # Always two at once, in two collections: a copy of two moments would have one without the other.
        while True:
            await insert_all(store, "left", [{"_id": pairs}])
            await insert_all(store, "right", [{"_id": pairs}])
            pairs += 1

    def progress(done: int, total: int) -> None:
        nonlocal steps_with_writes
        steps_with_writes += pairs > 0 and done < total

    writing = asyncio.create_task(write())
    await asyncio.sleep(0.01)
    before = pairs
    await store.backup(target, progress)
    after = pairs
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    copy = await opened(target)
    left, right = await copy.count("left"), await copy.count("right")
    assert left - right in (0, 1)
    assert before <= right <= after
    assert after - before > 5
    assert steps_with_writes > 5
    assert (await copy.check()).ok
    await copy.close()
    assert (await store.check()).ok


async def test_a_backup_does_not_take_the_place_of_a_file(store: Store, target: Path) -> None:
    target.write_bytes(b"something dear")
    for replace in (False, True):
        with pytest.raises(BackupRefused):
            await store.backup(target, replace=replace)
    assert target.read_bytes() == b"something dear"
    assert names_in(target.parent) == ["backup.db"]


async def test_a_former_backup_is_replaced_when_asked_for(store: Store, target: Path) -> None:
    await store.backup(target)
    await insert_all(store, "people", [{"_id": "new"}])
    with pytest.raises(BackupRefused, match="replace=True"):
        await store.backup(target)
    await store.backup(target, replace=True)
    copy = await opened(target)
    assert await copy.count("people") == 101
    await copy.close()
    assert names_in(target.parent) == ["backup.db"]


async def test_neither_the_store_itself_nor_one_that_is_open_is_replaced(
    store: Store, path: Path, target: Path
) -> None:
    other = await opened(target)
    for destination in (path, target, target.parent):
        with pytest.raises(BackupRefused):
            await store.backup(destination, replace=True)
    await other.close()
    (target.parent / "link.db").symlink_to(path)
    with pytest.raises(BackupRefused):
        await store.backup(target.parent / "link.db", replace=True)
    assert await store.count("people") == 100


async def test_a_file_that_appears_meanwhile_is_not_replaced(store: Store, target: Path) -> None:
    await grow(store, 3)

    def progress(done: int, total: int) -> None:
        target.write_bytes(b"something dear")

    with pytest.raises(BackupRefused):
        await store.backup(target, progress)
    assert target.read_bytes() == b"something dear"
    assert names_in(target.parent) == ["backup.db"]


async def test_a_place_that_cannot_be_written_is_an_error_of_ours(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        await store.backup(tmp_path / "no" / "directory" / "backup.db")
    assert await store.count("people") == 100


async def test_a_backup_that_is_cancelled_leaves_nothing(store: Store, target: Path) -> None:
    await grow(store, 20)
    chance = random.Random(1)
    cancelled = 0
    for _ in range(12):
        begun = asyncio.Event()
        backing_up = asyncio.create_task(store.backup(target, lambda done, total, begun=begun: begun.set()))  # type: ignore[misc]
        if chance.random() < 0.5:
            await begun.wait()
        await asyncio.sleep(chance.uniform(0, 0.01))
        backing_up.cancel()
        try:
            await backing_up
        except asyncio.CancelledError:
            cancelled += 1
            assert names_in(target.parent) == []
        else:
            target.unlink()
    assert cancelled
    for _ in range(1000):
        left = [thread.name for thread in threading.enumerate() if "backup" in thread.name]
        if not left:
            break
        await asyncio.sleep(0.001)
    assert left == []
    await insert_all(store, "people", [{"_id": "new"}])
    await store.backup(target)


async def test_a_program_that_is_killed_leaves_no_half_backup(store: Store, path: Path, target: Path) -> None:
    await grow(store, 10)
    await store.backup(target)
    former = target.read_bytes()
    await insert_all(store, "people", [{"_id": "new"}])
    await store.close()
    program = f"""
import asyncio, os, sys
from atomodm.store import create_store

async def main():
    store = create_store("sqlite:///{path}")
    await store.open()
    await store.backup(sys.argv[1], lambda done, total: done > total / 2 and os.kill(os.getpid(), 9), replace=True)

asyncio.run(main())
"""
    for destination in (target, target.with_name("other.db")):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(destination))
        assert await process.wait() == -9
    assert target.read_bytes() == former
    assert not target.with_name("other.db").exists()
    await store.open()
    await store.backup(target, replace=True)


async def test_an_error_of_the_progress_function_ends_the_backup(store: Store, target: Path) -> None:
    await grow(store, 10)

    def progress(done: int, total: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.backup(target, progress)
    assert names_in(target.parent) == []


async def test_a_store_that_is_closed_is_not_backed_up(store: Store, target: Path) -> None:
    await store.close()
    with pytest.raises(StoreClosed):
        await store.backup(target)
    assert names_in(target.parent) == []


async def test_the_steps_of_a_backup_are_short(store: Store, target: Path) -> None:
    await grow(store, 10)
    moments: list[float] = []
    await store.backup(target, lambda done, total: moments.append(time.monotonic()))
    assert len(moments) >= 10_000_000 / 4096 / STEP_PAGES


async def test_stores_without_files_have_neither_backup_nor_vacuum(target: Path) -> None:
    memory = create_store("memory://")
    await memory.open()
    for refused in (memory.backup(target), memory.vacuum()):
        with pytest.raises(UnsupportedOperation, match="memory://"):
            await refused
    await memory.close()


# -- vacuum ------------------------------------------------------------------------------------------------------------


async def delete_texts(store: Store) -> None:
    await store.write(Batch([Delete("texts", document["_id"]) for document in await find_all(store, "texts")]))


async def test_vacuum_gives_the_space_of_deleted_documents_back(store: Store, path: Path) -> None:
    await grow(store, 5)
    await delete_texts(store)
    await store.vacuum()
    assert path.stat().st_size < 1_000_000
    assert (path.parent / "store.db-wal").stat().st_size == 0
    assert await store.count("people") == 100
    assert (await store.check()).ok
    await insert_all(store, "people", [{"_id": "new"}])


@pytest.mark.slow
async def test_readers_go_on_and_writers_queue_up_during_a_vacuum(path: Path) -> None:
    # Far longer than the timeout: waiting for one's own store is no waiting for a lock.
    store = await opened(path, "?timeout=0.001")
    await grow(store, 20)
    vacuuming = asyncio.create_task(store.vacuum())
    await asyncio.sleep(0)
    writing = asyncio.create_task(insert_all(store, "people", [{"_id": 1}]))
    reads = 0
    while not vacuuming.done():
        assert await store.count("texts") == 200
        reads += 1
    await vacuuming
    await writing
    assert reads > 3
    await store.close()


async def test_vacuum_waits_for_other_writers_and_is_told_when_they_stay(path: Path) -> None:
    store = await opened(path, "?timeout=0.2")
    await insert_all(store, "people", [{"_id": 1}])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            await store.vacuum()
        other.execute("ROLLBACK")
    await store.vacuum()
    await store.close()


async def test_vacuum_is_told_when_a_reader_keeps_the_space(path: Path) -> None:
    store = await opened(path, "?timeout=0.2")
    await grow(store, 2)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM documents").fetchone()
        await delete_texts(store)
        with pytest.raises(StoreBusy):
            await store.vacuum()
        other.execute("ROLLBACK")
    await store.vacuum()
    assert path.stat().st_size < 500_000
    await store.close()


async def test_who_only_reads_cannot_vacuum(store: Store, path: Path) -> None:
    await store.close()
    reading = await opened(path, "?mode=ro")
    with pytest.raises(UnsupportedOperation, match="mode=ro"):
        await reading.vacuum()
    with pytest.raises(UnsupportedOperation, match="mode=ro"):
        await reading.check(repair=True)
    assert (await reading.check()).ok
    await reading.close()


async def cancel_at_some_moment(running: Coroutine[Any, Any, Any], chance: random.Random) -> bool:
    task = asyncio.create_task(running)
    await asyncio.sleep(chance.uniform(0, 0.05))
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    return False


@pytest.mark.slow
async def test_cancelling_upkeep_leaves_the_store_usable(store: Store, path: Path) -> None:
    await grow(store, 20)
    chance = random.Random(2)
    cancelled = 0
    for number in range(10):
        cancelled += await cancel_at_some_moment(store.vacuum(), chance)
        # What queues up behind it is not interrupted in its place.
        await insert_all(store, "people", [{"_id": f"new {number}"}])
        cancelled += await cancel_at_some_moment(store.check(), chance)
        assert await store.count("people") == 101 + number
    assert cancelled > 2
    assert (await store.check()).ok
    await store.vacuum()


async def test_a_vacuum_that_waits_for_a_lock_can_be_cancelled(path: Path) -> None:
    store = await opened(path, "?timeout=60")
    await insert_all(store, "people", [{"_id": 1}])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        vacuuming = asyncio.create_task(store.vacuum())
        await asyncio.sleep(0.05)
        vacuuming.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await vacuuming
        assert time.monotonic() - began < 5
        other.execute("ROLLBACK")
    await insert_all(store, "people", [{"_id": 2}])
    await store.close()
