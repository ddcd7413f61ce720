"""Removing expired documents: in rounds, beside others, in spite of errors, until the store closes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from atomodm.contract import Batch, ChangeKind, IndexSpec, Replace
from atomodm.encoding import encode
from atomodm.engine import EngineStore
from atomodm.engine.expiry import BATCH, INTERVAL
from atomodm.errors import InvalidURL
from atomodm.store.memory import MemoryStore
from atomodm.store.registry import create_store
from atomodm.store.sqlite import SQLiteStore
from atomodm.testing.contract.stores import ids, insert_all

#: Documents expire an hour after `at`.
EXPIRING = IndexSpec(name="at_1", fields=[("at", 1)], expire_after=3600)
START = datetime(2030, 1, 1)
#: Seconds between rounds that a test waits for.
SOON = 0.01


class Clock:
    """The time of the stores of a test, in place of the driver's."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> int:
        return int(self.time.replace(tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("atomodm.engine.driver.Driver.now", lambda driver: clock.now())
    return clock


@pytest.fixture
async def store(clock: Clock) -> AsyncIterator[EngineStore]:
    store = MemoryStore(expire_interval=SOON)
    await store.open()
    await store.ensure_indexes("notes", [EXPIRING])
    yield store
    await store.close()


async def left(store: EngineStore) -> int:
    """How many documents the store keeps, expired ones included."""
    return (await store._driver.state("notes")).documents


async def until_left(store: EngineStore, number: int) -> None:
    async with asyncio.timeout(10):
        while await left(store) != number:
            await asyncio.sleep(SOON)


def notes(number: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"_id": first + place, "at": START + timedelta(seconds=place)} for place in range(number)]


async def test_expired_documents_are_removed_in_rounds_and_logged(store: EngineStore, clock: Clock) -> None:
    await insert_all(store, "notes", notes(3))
    position = await store.position()
    clock.time = START + timedelta(hours=1, seconds=1)
    assert await ids(store, "notes") == [2]
    await until_left(store, 1)
    entries = (await store.changes(position)).entries
    assert sorted((entry.kind, entry.id) for entry in entries) == [(ChangeKind.DELETE, 0), (ChangeKind.DELETE, 1)]
    clock.time += timedelta(seconds=1)
    await until_left(store, 0)


async def test_a_document_is_gone_exactly_at_its_time(store: EngineStore, clock: Clock) -> None:
    await insert_all(store, "notes", [{"_id": 1, "at": START}])
    clock.time = START + timedelta(hours=1) - timedelta(milliseconds=1)
    assert await ids(store, "notes") == [1]
    clock.time += timedelta(milliseconds=1)
    assert await ids(store, "notes") == []


async def test_many_documents_are_removed_a_batch_at_a_time(store: EngineStore, clock: Clock) -> None:
    await insert_all(store, "notes", [*notes(BATCH + 10), {"_id": "for ever"}])
    position = await store.position()
    clock.time = START + timedelta(days=1)
    await until_left(store, 1)
    entries = (await store.changes(position, limit=10_000)).entries
    assert len(entries) == BATCH + 10
    assert {entry.size for entry in entries} == {BATCH, 10}


@pytest.mark.parametrize("direction", [1, -1])
async def test_a_document_is_removed_exactly_at_its_time(tmp_path: Path, clock: Clock, direction: int) -> None:
    store = SQLiteStore(tmp_path / "notes.db")
    await store.open()
    await store.ensure_indexes("notes", [IndexSpec(name="at", fields=[("at", direction)], expire_after=3600)])
    await insert_all(store, "notes", [*notes(2), {"_id": "odd", "at": START + timedelta(milliseconds=1)}])
    clock.time = START + timedelta(hours=1)
    await insert_all(store, "notes", [{"_id": 0}])
    assert await left(store) == 3
    assert sorted(await ids(store, "notes"), key=str) == [0, 1, "odd"]
    await store.close()


async def test_a_descending_index_expires_documents_too(store: EngineStore, clock: Clock) -> None:
    await store.drop_indexes("notes")
    await store.ensure_indexes("notes", [IndexSpec(name="at_-1", fields=[("at", -1)], expire_after=3600)])
    await insert_all(store, "notes", [*notes(3), {"_id": 8, "at": [START, START - timedelta(days=1)]}, {"_id": 9}])
    await until_left(store, 4)
    clock.time = START + timedelta(hours=1, seconds=1)
    await until_left(store, 2)
    assert await ids(store, "notes", sort=[("_id", 1)]) == [2, 9]


async def test_several_who_remove_the_same_documents_do_not_disturb_each_other(tmp_path: Path, clock: Clock) -> None:
    stores = [SQLiteStore(tmp_path / "notes.db", expire_interval=SOON) for _ in range(3)]
    for store in stores:
        await store.open()
        await store.ensure_indexes("notes", [EXPIRING])
    await insert_all(stores[0], "notes", [*notes(300), {"_id": "for ever"}])
    position = await stores[0].position()
    clock.time = START + timedelta(days=1)
    await asyncio.gather(*(until_left(store, 1) for store in stores))
    removed = [entry.id for entry in (await stores[1].changes(position)).entries]
    assert sorted(removed) == list(range(300))
    for store in stores:
        await store.close()


async def test_a_document_that_is_written_before_it_is_removed_stays(
    store: EngineStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = notes(3)
    await insert_all(store, "notes", documents)
    write, postponed = store._expiry._write, asyncio.Event()

    async def postpone(batch: Batch) -> Any:
        if not postponed.is_set():
            postponed.set()
            document = encode({"_id": documents[1]["_id"], "at": START + timedelta(days=9)})
            await store.write(Batch([Replace("notes", documents[1]["_id"], document)]))
        return await write(batch)

    monkeypatch.setattr(store._expiry, "_write", postpone)
    clock.time = START + timedelta(days=1)
    await until_left(store, 1)
    assert await ids(store, "notes") == [1]


async def test_an_error_is_logged_and_the_next_round_tries_again(
    store: EngineStore, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scan, failures = store._driver.scan, 0

    async def fail(*args: Any, **options: Any) -> Any:
        nonlocal failures
        failures += 1
        if failures <= 2:
            raise OSError("secret")
        return await scan(*args, **options)

    await insert_all(store, "notes", notes(1))
    clock.time = START + timedelta(days=1)
    monkeypatch.setattr(store._driver, "scan", fail)
    with caplog.at_level(logging.WARNING, "atomodm.expiry"):
        await until_left(store, 0)
    assert len(caplog.records) == 2
    assert "notes" in caplog.text
    assert "OSError" in caplog.text
    assert "secret" not in caplog.text


async def test_rounds_begin_with_the_first_index_that_is_known_and_end_with_the_last(
    store: EngineStore, clock: Clock
) -> None:
    await store.drop_indexes("notes")
    async with asyncio.timeout(10):
        while store._expiry._timer is not None or store._expiry._round is not None:
            await asyncio.sleep(SOON)
    await store.ensure_indexes("notes", [EXPIRING])
    assert store._expiry._timer is not None


async def test_no_rounds_where_the_interval_is_0(clock: Clock) -> None:
    store = MemoryStore(expire_interval=0)
    await store.open()
    await store.ensure_indexes("notes", [EXPIRING])
    await insert_all(store, "notes", notes(1))
    clock.time = START + timedelta(days=1)
    assert store._expiry._timer is None
    assert await ids(store, "notes") == []
    assert await left(store) == 1
    await store.close()


async def test_a_store_that_may_not_write_leaves_it_to_others(tmp_path: Path, clock: Clock) -> None:
    writer = SQLiteStore(tmp_path / "notes.db", expire_interval=0)
    await writer.open()
    await writer.ensure_indexes("notes", [EXPIRING])
    await insert_all(writer, "notes", notes(1))
    clock.time = START + timedelta(days=1)
    reader = SQLiteStore(tmp_path / "notes.db", expire_interval=SOON, read_only=True)
    await reader.open()
    assert await ids(reader, "notes") == []
    async with asyncio.timeout(10):
        while reader._expiry._watched:
            await asyncio.sleep(SOON)
    assert await left(reader) == 1
    await reader.close()
    await writer.close()


async def test_closing_ends_a_round_that_is_under_way(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore(expire_interval=SOON)
    await store.open()
    await store.ensure_indexes("notes", [EXPIRING])
    await insert_all(store, "notes", notes(1))
    begun = asyncio.Event()

    async def stand_still(batch: Batch) -> Any:
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(store._expiry, "_write", stand_still)
    clock.time = START + timedelta(days=1)
    await begun.wait()
    others = asyncio.all_tasks()
    assert len(others) == 2
    await store.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    # Opened again, it goes on.
    monkeypatch.undo()
    monkeypatch.setattr("atomodm.engine.driver.Driver.now", lambda driver: clock.now())
    await store.open()
    await until_left(store, 0)
    await store.close()


def test_a_loop_ends_although_a_store_in_it_is_open(clock: Clock) -> None:
    async def main() -> None:
        store = MemoryStore(expire_interval=60)
        await store.open()
        await store.ensure_indexes("notes", [EXPIRING])
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


@pytest.mark.parametrize("address", ["memory://", "sqlite:///notes.db"])
def test_the_url_says_how_often_expired_documents_are_removed(address: str) -> None:
    for seconds in (0, 2.5, INTERVAL):
        store = create_store(f"{address}?expire_interval={seconds}")
        assert isinstance(store, EngineStore)
        assert store._expiry._interval == seconds
    default = create_store(address)
    assert isinstance(default, EngineStore)
    assert default._expiry._interval == INTERVAL
    with pytest.raises(InvalidURL):
        create_store(f"{address}?expire_interval=-1")
