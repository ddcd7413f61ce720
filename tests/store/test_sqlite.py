"""What SQLite stores do beyond the contract: their files, other processes, and what they refuse."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from atomodm.contract import Atomicity, Batch, IndexSpec, Patch, Store
from atomodm.errors import (
    InvalidURL,
    SchemaTooNew,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreUnavailable,
    UnsupportedOperation,
)
from atomodm.query.changes import Changes
from atomodm.query.nodes import Compare, Operator
from atomodm.store import create_store
from atomodm.store.sqlite import SQLiteStore
from atomodm.store.sqlite.file import StoreConnection
from atomodm.testing.contract.stores import find_all, ids, insert_all, read
from tests.requirements import need_store


@pytest.fixture(autouse=True)
def _needs_sqlite() -> None:
    need_store("sqlite")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


async def opened(url: str) -> Store:
    store = create_store(url)
    await store.open()
    return store


# -- URLs --------------------------------------------------------------------------------------------------------------


async def test_three_slashes_are_a_relative_path_and_four_an_absolute_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = create_store("sqlite:///relative.db")
    # The directory that counts is the one at the time of making the store.
    monkeypatch.chdir("/")
    await relative.open()
    await relative.close()
    absolute = await opened(f"sqlite:///{tmp_path}/absolute.db")
    await absolute.close()
    assert {file.name for file in tmp_path.iterdir()} == {"relative.db", "absolute.db"}


async def test_file_names_are_written_as_urls_write_them(tmp_path: Path) -> None:
    for written, name in (
        ("with%20space.db", "with space.db"),
        ("a%3Fb%23c%25.db", "a?b#c%.db"),
        ("ünï.db", "ünï.db"),
        ("quote'\".db", "quote'\".db"),
    ):
        store = await opened(f"sqlite:///{tmp_path}/{written}")
        await insert_all(store, "people", [{"_id": 1}])
        await store.close()
        assert (tmp_path / name).is_file()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite://host/x.db",
        "sqlite://x.db",
        "sqlite://ann:pw@/x.db",
        "sqlite:///:memory:",
        "sqlite:///x.db?journal=off",
        "sqlite:///x.db?synchronous=maybe",
        "sqlite:///x.db?timeout=-1",
        "sqlite:///x.db?timeout=soon",
        "sqlite:///x.db?mode=rw",
        "sqlite:///x.db?log_size=0",
        "sqlite:///x%00.db",
        "sqlite:///x.db#y",
    ],
)
def test_a_url_that_means_nothing_is_refused(url: str) -> None:
    with pytest.raises(InvalidURL):
        create_store(url)


def test_a_store_says_what_it_can_do(path: Path) -> None:
    capabilities = SQLiteStore(path).capabilities
    assert capabilities.atomic is Atomicity.STORE
    assert capabilities.durable
    assert capabilities.shared
    assert capabilities.change_log
    with pytest.raises(ValueError, match="synchronous"):
        SQLiteStore(path, synchronous="maybe")


@pytest.mark.parametrize(("word", "level"), [("off", 0), ("normal", 1), ("full", 2)])
async def test_synchronous_is_set_as_asked(path: Path, word: str, level: int) -> None:
    store = await opened(f"sqlite:///{path}?synchronous={word}")
    assert await setting(store, "synchronous") == level
    await store.close()


async def test_synchronous_is_normal_by_default(path: Path) -> None:
    store = await opened(f"sqlite:///{path}")
    assert await setting(store, "synchronous") == 1
    await store.close()


async def setting(store: Store, name: str) -> Any:
    assert isinstance(store, SQLiteStore)
    writer = store._driver._writer  # type: ignore[attr-defined]
    return await writer.run(lambda connection, patience: connection.execute(f"PRAGMA {name}").fetchone()[0])


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_usual_umask")
async def test_only_the_owner_can_read_the_files(path: Path) -> None:
    store = await opened(f"sqlite:///{path}")
    await insert_all(store, "people", [{"_id": 1}])
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
    await store.close()
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


@pytest.mark.usefixtures("_usual_umask")
async def test_the_mode_of_a_file_that_exists_is_left_alone(path: Path) -> None:
    path.touch(mode=0o640)
    store = await opened(f"sqlite:///{path}")
    await insert_all(store, "people", [{"_id": 1}])
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o640}
    await store.close()


async def test_a_file_is_in_write_ahead_mode_and_trusts_no_schema(path: Path) -> None:
    store = await opened(f"sqlite:///{path}")
    assert await setting(store, "journal_mode") == "wal"
    assert await setting(store, "trusted_schema") == 0
    await store.close()


async def test_extensions_cannot_be_loaded(path: Path) -> None:
    store = await opened(f"sqlite:///{path}")
    for thread in (store._driver._writer, store._driver._reader):  # type: ignore[attr-defined]
        with pytest.raises(StoreError, match="not authorized"):
            await thread.run(lambda connection, patience: connection.execute("SELECT load_extension('x')"))
    await store.close()


@pytest.mark.parametrize("content", [b"no database at all " * 100, b"SQLite format 3\0" + b"\xff" * 5000])
async def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt):
        await opened(f"sqlite:///{path}")
    assert path.read_bytes() == content


async def test_a_database_that_is_no_store_is_refused_and_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE documents (x)")
        connection.commit()
    content = path.read_bytes()
    for options in ("", "?mode=ro"):
        with pytest.raises(StoreCorrupt, match="no atomodm store"):
            await opened(f"sqlite:///{path}{options}")
    assert path.read_bytes() == content


async def test_a_file_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    store = await opened(f"sqlite:///{path}")
    await insert_all(store, "people", [{"_id": 1}])
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.commit()
    content = path.read_bytes()
    for options in ("", "?mode=ro"):
        with pytest.raises(SchemaTooNew, match="99"):
            await opened(f"sqlite:///{path}{options}")
    assert path.read_bytes() == content


async def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for url in (
        f"sqlite:///{tmp_path}/no/such/directory/x.db",
        f"sqlite:///{tmp_path}",
        f"sqlite:///{tmp_path}/pipe",
        "sqlite:////dev/null",
    ):
        with pytest.raises(StoreUnavailable) as caught:
            await opened(url)
        assert url in str(caught.value)


async def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    store = await opened(f"sqlite:///{path}")
    await insert_all(store, "people", [{"_id": 1}])
    await store.close()


async def test_a_store_that_could_not_be_opened_leaves_no_thread_behind(path: Path) -> None:
    import threading

    path.write_bytes(b"no database at all " * 100)
    for _ in range(3):
        with pytest.raises(StoreCorrupt):
            await opened(f"sqlite:///{path}")
    for _ in range(1000):
        left = [thread.name for thread in threading.enumerate() if "sqlite" in thread.name]
        if not left:
            break
        await asyncio.sleep(0.001)
    assert left == []


async def test_closing_closes_everything_even_if_it_is_cancelled(path: Path) -> None:
    import threading

    store = await opened(f"sqlite:///{path}")
    reading = [asyncio.create_task(find_all(store, "people")) for _ in range(5)]
    await asyncio.sleep(0)
    ending = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert not store.is_open
    await asyncio.gather(*reading, return_exceptions=True)
    for _ in range(1000):
        left = [thread.name for thread in threading.enumerate() if "sqlite" in thread.name]
        if not left:
            break
        await asyncio.sleep(0.001)
    assert left == []
    assert not path.with_name("store.db-wal").exists()


@pytest.mark.parametrize(
    "options", [{"timeout": -1}, {"timeout": float("nan")}, {"log_size": 0}, {"expire_interval": -1}]
)
def test_a_store_is_not_made_with_options_that_mean_nothing(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        SQLiteStore(path, **options)


async def test_the_log_may_be_kept_for_ever(path: Path) -> None:
    store = await opened(f"sqlite:///{path}?log_size=1e30")
    for number in range(3):
        await insert_all(store, "people", [{"_id": number}])
    assert len((await store.changes(0)).entries) == 3
    await store.close()


# -- reading only ------------------------------------------------------------------------------------------------------


async def test_a_store_that_is_open_for_reading_writes_nothing(path: Path) -> None:
    store = await opened(f"sqlite:///{path}")
    await insert_all(store, "people", [{"_id": 1, "age": 3}])
    await store.close()
    content = path.read_bytes()
    reading = await opened(f"sqlite:///{path}?mode=ro")
    assert await find_all(reading, "people", Compare("age", Operator.EQ, 3)) == [{"_id": 1, "age": 3}]
    with pytest.raises(UnsupportedOperation, match="mode=ro"):
        await insert_all(reading, "people", [{"_id": 2}])
    with pytest.raises(UnsupportedOperation, match="mode=ro"):
        await reading.ensure_indexes("people", [IndexSpec(name="age_1", fields=[("age", 1)])])
    with pytest.raises(UnsupportedOperation, match="mode=ro"):
        await reading.drop("people")
    assert await reading.count("people") == 1
    await reading.close()
    assert path.read_bytes() == content


async def test_reading_creates_no_file(path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await opened(f"sqlite:///{path}?mode=ro")
    assert not path.exists()
    path.touch()
    with pytest.raises(StoreCorrupt):
        await opened(f"sqlite:///{path}?mode=ro")
    assert path.stat().st_size == 0


# -- locks and other processes -----------------------------------------------------------------------------------------


async def test_a_writer_that_waits_too_long_is_told_and_readers_go_on(path: Path) -> None:
    store = await opened(f"sqlite:///{path}?timeout=0.1")
    await insert_all(store, "people", [{"_id": 1}])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(StoreBusy) as caught:
            await insert_all(store, "people", [{"_id": 2}])
        assert 0.09 <= time.monotonic() - began < 5
        assert caught.value.retryable
        assert await find_all(store, "people") == [{"_id": 1}]
        other.execute("ROLLBACK")
    await insert_all(store, "people", [{"_id": 2}])
    await store.close()


@pytest.mark.loop_may_block(1)  # for the test's own encoding of the batch
async def test_readers_do_not_wait_for_a_long_batch(path: Path) -> None:
    store = await opened(f"sqlite:///{path}")
    await insert_all(store, "people", [{"_id": 0}])
    writing = asyncio.create_task(insert_all(store, "people", [{"_id": number} for number in range(1, 60_000)]))
    during: list[int] = []
    while not writing.done():
        during.append(await store.count("people"))
        assert await read(store, "people", 0) is not None
        await asyncio.sleep(0.001)
    await writing
    assert during.count(1) > 5
    assert set(during) <= {1, 60_000}
    await store.close()


WRITER = """
import asyncio, sys
from atomodm.contract import Batch, Patch
from atomodm.errors import StoreBusy
from atomodm.query.changes import Changes
from atomodm.store import create_store
from atomodm.testing.contract.stores import insert_all

async def main(url, name, rounds):
    store = create_store(url)
    await store.open()
    for number in range(rounds):
        await store.write(Batch([Patch("people", 1, Changes(push={"seen": [name]}))]))
        await insert_all(store, "people", [{"_id": f"{name}/{number}", "name": name}])
    await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@pytest.mark.timeout(120)
async def test_several_processes_write_and_lose_nothing(path: Path) -> None:
    url = f"sqlite:///{path}?timeout=30"
    store = await opened(url)
    await insert_all(store, "people", [{"_id": 1, "seen": []}])
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, url, name, "40") for name in ("a", "b")
    ]
    # Declared while both write with a catalogue that lacks it.
    await asyncio.sleep(0.4)
    await store.ensure_indexes("people", [IndexSpec(name="name_1", fields=[("name", 1)])])
    for number in range(20):
        await store.write(Batch([Patch("people", 1, Changes(push={"seen": [number]}))]))
    assert [await process.wait() for process in processes] == [0, 0]
    found = await read(store, "people", 1)
    assert found is not None
    seen = found[1]["seen"]
    assert (seen.count("a"), seen.count("b"), len(seen)) == (40, 40, 100)
    for name in ("a", "b"):
        assert len(await ids(store, "people", Compare("name", Operator.EQ, name))) == 40
    await store.close()


async def test_handles_that_create_a_store_at_once_make_one(tmp_path: Path) -> None:
    for attempt in range(40):
        url = f"sqlite:///{tmp_path}/{attempt}.db"
        handles = [create_store(url) for _ in range(6)]
        await asyncio.gather(*(handle.open() for handle in handles))
        await asyncio.gather(*(insert_all(handle, "people", [{"_id": place}]) for place, handle in enumerate(handles)))
        assert await handles[0].count("people") == 6
        for handle in handles:
            await handle.close()


async def test_what_was_acknowledged_is_there_after_the_process_was_killed(path: Path) -> None:
    program = WRITER.replace("await store.close()", "print('done', flush=True); await asyncio.sleep(60)")
    url = f"sqlite:///{path}"
    store = await opened(url)
    await insert_all(store, "people", [{"_id": 1, "seen": []}])
    process = subprocess.Popen([sys.executable, "-c", program, url, "a", "10"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    line = await asyncio.to_thread(process.stdout.readline)
    process.kill()
    process.wait()
    process.stdout.close()
    assert line == b"done\n"
    assert await store.count("people") == 11
    await store.close()


# -- statements --------------------------------------------------------------------------------------------------------


async def test_names_and_values_never_become_statements(path: Path) -> None:
    hostile = "x'); DROP TABLE documents; --"
    store = await opened(f"sqlite:///{path}")
    await store.ensure_indexes(hostile, [IndexSpec(name=hostile, fields=[(hostile, 1)])])
    await insert_all(store, hostile, [{"_id": hostile, hostile: hostile}])
    await store.write(Batch([Patch(hostile, hostile, Changes(set={"more": hostile}))]))
    assert await ids(store, hostile, Compare(hostile, Operator.EQ, hostile)) == [hostile]
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {"collections", "documents", "entries", "claims", "log"}


async def test_no_statement_holds_a_name_or_a_value(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: set[str] = set()
    for name in ("execute", "executemany"):

        def recording(connection: StoreConnection, statement: str, *rest: Any, name: str = name) -> sqlite3.Cursor:
            statements.add(statement)
            method: Callable[..., sqlite3.Cursor] = getattr(super(StoreConnection, connection), name)
            return method(statement, *rest)

        monkeypatch.setattr(StoreConnection, name, recording)
    store = await opened(f"sqlite:///{path}")
    word = "Zebra"
    await store.ensure_indexes(word, [IndexSpec(name=word, fields=[(word, 1)], unique=True)])
    await insert_all(store, word, [{"_id": f"{word}{number}", word: f"{word}{number}"} for number in range(200)])
    await store.write(Batch([Patch(word, f"{word}1", Changes(set={word: word}))], origin=word.encode()))
    assert await ids(store, word, Compare(word, Operator.EQ, word)) == [f"{word}1"]
    assert await ids(store, word, Compare(word, Operator.GT, word), sort=[(word, -1)])
    assert await store.count(word, Compare(word, Operator.GT, word))
    assert (await store.check(repair=True)).ok
    await store.backup(path.with_name(f"{word}.db"))
    await store.vacuum()
    await store.changes(0)
    await store.drop(word)
    await store.close()
    assert len(statements) > 20
    assert not [statement for statement in statements if "zebra" in statement.lower()]


async def test_a_find_reads_many_documents_in_few_requests(path: Path) -> None:
    store = await opened(f"sqlite:///{path}")
    await insert_all(store, "people", [{"_id": number} for number in range(5000)])
    before = store.requests
    assert len(await find_all(store, "people")) == 5000
    assert store.requests - before <= 9
    await store.close()
