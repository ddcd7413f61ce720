"""Waiting for the locks of others: bounded for each request as a whole, and never on the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from atomodm.contract import IndexSpec, Store
from atomodm.errors import StoreBusy
from atomodm.store import create_store
from atomodm.store.sqlite.waiting import Patience, StillHeld
from atomodm.testing.contract.stores import find_all, insert_all
from tests.requirements import need_store


@pytest.fixture(autouse=True)
def _needs_sqlite() -> None:
    need_store("sqlite")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def opened(path: Path, timeout: float) -> Store:
    store = create_store(f"sqlite:///{path}?timeout={timeout}")
    await store.open()
    return store


@contextmanager
def locked(path: Path, *, everything: bool = False) -> Iterator[sqlite3.Connection]:
    """Another program that writes; with `everything` nobody may even read meanwhile."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        if everything:
            other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE collections SET version = version")
        yield other
        if other.in_transaction:
            other.execute("ROLLBACK")


async def elapsed(waiting: object) -> float:
    began = time.monotonic()
    with pytest.raises(StoreBusy) as caught:
        await waiting  # type: ignore[misc]
    assert caught.value.retryable
    return time.monotonic() - began


async def test_the_event_loop_goes_on_while_a_request_waits(path: Path) -> None:
    store = await opened(path, 0.5)
    await insert_all(store, "people", [{"_id": 1}])
    with locked(path):
        waiting = asyncio.create_task(insert_all(store, "people", [{"_id": 2}]))
        turns = 0
        while not waiting.done():
            turns += 1
            await asyncio.sleep(0.001)
        with pytest.raises(StoreBusy):
            await waiting
    assert turns > 50
    await store.close()


async def test_requests_that_queue_up_behind_a_lock_wait_for_it_together(path: Path) -> None:
    store = await opened(path, 0.3)
    await insert_all(store, "people", [{"_id": 0}])
    with locked(path):
        began = time.monotonic()
        results = await asyncio.gather(
            *(insert_all(store, "people", [{"_id": number}]) for number in range(1, 11)), return_exceptions=True
        )
        assert all(isinstance(result, StoreBusy) for result in results)
        assert 0.29 <= time.monotonic() - began < 1.5
    await insert_all(store, "people", [{"_id": 11}])
    await store.close()


async def test_a_lock_that_goes_in_time_is_waited_for(path: Path) -> None:
    store = await opened(path, 10)
    await insert_all(store, "people", [{"_id": 1}])
    with locked(path) as other:
        waiting = asyncio.create_task(insert_all(store, "people", [{"_id": 2}]))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        other.execute("ROLLBACK")
        await waiting
    assert len(await find_all(store, "people")) == 2
    await store.close()


async def test_a_commit_that_is_tried_twice_waits_once(path: Path) -> None:
    store = await opened(path, 0.4)
    await store.ensure_indexes("people", [IndexSpec(name="mail_1", fields=[("mail", 1)], unique=True)])
    await insert_all(store, "people", [{"_id": 1, "mail": "a"}])
    with locked(path) as other:
        # The first attempt gets the lock late and finds the value taken; what looks closer at it has less time left.
        waiting = asyncio.create_task(elapsed_or_refused(insert_all(store, "people", [{"_id": 2, "mail": "a"}])))
        await asyncio.sleep(0.3)
        other.execute("ROLLBACK")
        assert await waiting < 2
    await store.close()


async def elapsed_or_refused(writing: object) -> float:
    began = time.monotonic()
    with pytest.raises(Exception, match=r"lock|unique|same"):
        await writing  # type: ignore[misc]
    return time.monotonic() - began


async def test_opening_a_file_that_another_program_has_for_itself_waits_and_is_told(path: Path) -> None:
    store = await opened(path, 5)
    await insert_all(store, "people", [{"_id": 1}])
    await store.close()
    with locked(path, everything=True):
        for options in ("timeout=0.3", "timeout=0.3&mode=ro"):
            again = create_store(f"sqlite:///{path}?{options}")
            assert 0.29 <= await elapsed(again.open()) < 1.5
    await again.open()
    assert await again.count("people") == 1
    await again.close()


async def test_creating_a_store_where_another_program_writes_waits_and_is_told(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        store = create_store(f"sqlite:///{path}?timeout=0.3")
        assert 0.29 <= await elapsed(store.open()) < 1.5
        other.execute("ROLLBACK")
    await store.open()
    await store.close()


async def test_without_a_timeout_a_lock_is_not_waited_for(path: Path) -> None:
    store = await opened(path, 0)
    await insert_all(store, "people", [{"_id": 1}])
    with locked(path):
        assert await elapsed(insert_all(store, "people", [{"_id": 2}])) < 0.25
    await insert_all(store, "people", [{"_id": 2}])
    await store.close()


# -- patience ----------------------------------------------------------------------------------------------------------


def held() -> None:
    raise StillHeld


def test_patience_is_spent_by_all_attempts_together() -> None:
    patience = Patience(0.2)
    began = time.monotonic()
    for _ in range(5):
        with pytest.raises(StillHeld):
            patience.attempt(held)
    assert 0.19 <= time.monotonic() - began < 1
    assert patience.left == 0
    assert patience.waited == pytest.approx(0.2)


def test_patience_that_is_given_up_ends_at_once() -> None:
    patience = Patience(60)
    patience.give_up()
    began = time.monotonic()
    with pytest.raises(StillHeld):
        patience.attempt(held)
    assert time.monotonic() - began < 1


def test_other_errors_are_not_waited_for() -> None:
    patience = Patience(60)
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(sqlite3.OperationalError, match="no such"):
        patience.attempt(lambda: connection.execute("SELECT * FROM missing"))
    assert patience.waited < 1
