"""How files of older layouts are brought forward."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from atomodm.contract import IndexSpec, Store
from atomodm.encoding import encode
from atomodm.errors import SchemaTooNew, StoreBusy, StoreError, UnsupportedOperation
from atomodm.query.keys import encode_key
from atomodm.query.nodes import Compare, Operator
from atomodm.store import create_store
from atomodm.store.sqlite import SQLiteStore
from atomodm.store.sqlite.schema import LAYOUT, Layout, Migration
from atomodm.testing.contract.stores import find_all, ids, insert_all
from tests.requirements import need_store

# The first layout there was, written down once and never changed: files like this exist.
VERSION_1 = """
    CREATE TABLE collections (
        number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, catalogue BLOB NOT NULL,
        documents INTEGER NOT NULL);
    CREATE TABLE documents (
        number INTEGER PRIMARY KEY, collection INTEGER NOT NULL, id BLOB NOT NULL, revision INTEGER NOT NULL,
        data BLOB NOT NULL, UNIQUE (collection, id));
    CREATE TABLE entries (
        collection INTEGER NOT NULL, index_number INTEGER NOT NULL, key BLOB NOT NULL, id BLOB NOT NULL,
        PRIMARY KEY (collection, index_number, key, id)) WITHOUT ROWID;
    CREATE TABLE claims (
        collection INTEGER NOT NULL, index_number INTEGER NOT NULL, key BLOB NOT NULL, id BLOB NOT NULL,
        PRIMARY KEY (collection, index_number, key)) WITHOUT ROWID;
    CREATE TABLE log (
        last INTEGER PRIMARY KEY, first INTEGER NOT NULL, operation_id BLOB NOT NULL UNIQUE, origin BLOB NOT NULL,
        record BLOB NOT NULL);
    PRAGMA application_id = 1635020653;
    PRAGMA user_version = 1;
"""


@pytest.fixture(autouse=True)
def _needs_sqlite() -> None:
    need_store("sqlite")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in the first layout with one document and one index entry."""
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1)
        catalogue = encode(
            {
                "format": 1,
                "next_number": 2,
                "indexes": [
                    {
                        "number": 1,
                        "name": "age_1",
                        "fields": [["age", 1]],
                        "unique": False,
                        "sparse": False,
                        "complete": True,
                        "multikey": False,
                    }
                ],
            }
        )
        id = encode_key(1)
        connection.execute("INSERT INTO collections VALUES (1, 'people', 1, ?, 1)", (catalogue,))
        connection.execute("INSERT INTO documents VALUES (1, 1, ?, 2, ?)", (id, encode({"_id": 1, "age": 32})))
        connection.execute("INSERT INTO entries VALUES (1, 1, ?, ?)", (encode_key(32), id))
        connection.commit()
    return path


def store_with(path: Path, migrations: Sequence[Migration], *, timeout: float = 5.0, read_only: bool = False) -> Store:
    """A store of a program whose newest layout is that of now and some migrations more."""
    store = SQLiteStore(path, timeout=timeout, read_only=read_only)
    layout = Layout(LAYOUT.statements, (*LAYOUT.migrations, *migrations))
    store._file._options = replace(store._file._options, layout=layout)
    return store


def add_table(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE more (x)")
    connection.execute("INSERT INTO more VALUES (1)")


def rename_table(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE more RENAME TO most")


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


async def test_a_file_of_the_first_layout_is_read_and_written(path: Path) -> None:
    store = create_store(f"sqlite:///{path}")
    await store.open()
    assert await ids(store, "people", Compare("age", Operator.EQ, 32)) == [1]
    await insert_all(store, "people", [{"_id": 2, "age": 30}])
    report = await store.check()
    assert (report.problems, report.documents, report.entries) == ((), 2, 2)
    await store.close()
    assert version(path) == LAYOUT.version


async def test_a_file_is_brought_through_all_newer_layouts_with_what_it_holds(path: Path) -> None:
    store = store_with(path, [add_table, rename_table])
    await store.open()
    assert await find_all(store, "people") == [{"_id": 1, "age": 32}]
    await store.close()
    assert version(path) == LAYOUT.version + 2
    assert "most" in tables(path)
    assert "more" not in tables(path)


async def test_a_migration_runs_once(path: Path) -> None:
    for _ in range(2):
        store = store_with(path, [add_table])
        await store.open()
        await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM more").fetchone() == (1,)


async def test_a_new_file_needs_no_migration(tmp_path: Path) -> None:
    def never(connection: sqlite3.Connection) -> None:
        raise AssertionError

    store = store_with(tmp_path / "new.db", [never])
    await store.open()
    await store.close()
    assert version(tmp_path / "new.db") == LAYOUT.version + 1


async def test_a_migration_that_fails_leaves_the_older_layout_whole(path: Path) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE documents")
        connection.execute("SELECT * FROM no_such_table")

    store = store_with(path, [add_table, fail])
    with pytest.raises(StoreError, match="no_such_table"):
        await store.open()
    assert version(path) == LAYOUT.version
    assert "more" not in tables(path)
    again = create_store(f"sqlite:///{path}")
    await again.open()
    assert await find_all(again, "people") == [{"_id": 1, "age": 32}]
    await again.close()


async def test_a_program_that_dies_while_it_migrates_leaves_the_older_layout_whole(path: Path) -> None:
    program = f"""
import asyncio, os, sqlite3
from pathlib import Path
from tests.store.test_sqlite_layout import store_with

def die(connection):
    connection.execute("DROP TABLE entries")
    connection.execute("CREATE TABLE half AS SELECT randomblob(9000) FROM documents")
    os.kill(os.getpid(), 9)

asyncio.run(store_with(Path({str(path)!r}), [die]).open())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    assert await process.wait() == -9
    store = create_store(f"sqlite:///{path}")
    await store.open()
    assert (await store.check()).problems == ()
    await store.close()
    assert "half" not in tables(path)


async def test_many_who_open_an_older_file_at_once_migrate_it_once(path: Path) -> None:
    def slow(connection: sqlite3.Connection) -> None:
        add_table(connection)
        time.sleep(0.1)

    stores = [store_with(path, [slow]) for _ in range(6)]
    await asyncio.gather(*(store.open() for store in stores))
    for store in stores:
        assert await store.count("people") == 1
        await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM more").fetchone() == (1,)


async def test_whoever_waits_too_long_for_a_migration_is_told(path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def long(connection: sqlite3.Connection) -> None:
        begun.set()
        go_on.wait(20)
        add_table(connection)

    first, second = store_with(path, [long]), store_with(path, [add_table], timeout=0.1)
    opening = asyncio.create_task(first.open())
    await asyncio.to_thread(begun.wait, 20)
    with pytest.raises(StoreBusy):
        await second.open()
    go_on.set()
    await opening
    await second.open()
    await first.close()
    await second.close()


async def test_a_program_that_had_the_file_open_writes_no_more_once_it_was_migrated(path: Path) -> None:
    older = create_store(f"sqlite:///{path}")
    await older.open()
    newer = store_with(path, [add_table])
    await newer.open()
    with pytest.raises(SchemaTooNew):
        await insert_all(older, "people", [{"_id": 2}])
    await insert_all(newer, "people", [{"_id": 2}])
    await older.close()
    with pytest.raises(SchemaTooNew):
        await older.open()
    await newer.close()


async def test_an_older_file_is_not_migrated_by_who_only_reads(path: Path) -> None:
    content = path.read_bytes()
    store = store_with(path, [add_table], read_only=True)
    with pytest.raises(UnsupportedOperation, match="mode=ro"):
        await store.open()
    assert path.read_bytes() == content


async def test_a_catalogue_of_the_first_layout_can_be_added_to(path: Path) -> None:
    store = create_store(f"sqlite:///{path}")
    await store.open()
    await store.ensure_indexes("people", [IndexSpec(name="name_1", fields=[("name", 1)])])
    assert {index.name for index in await store.list_indexes("people")} == {"age_1", "name_1"}
    assert (await store.check()).problems == ()
    await store.close()
