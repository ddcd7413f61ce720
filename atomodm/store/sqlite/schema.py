"""The layout of SQLite stores, its version, and how files of older versions are brought forward."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from ...errors import SchemaTooNew, StoreCorrupt, StoreUnavailable, UnsupportedOperation

#: Marks a database file as ours: "atom" in the file's header.
APPLICATION_ID: Final = 0x61746F6D

#: Brings a file from one version of the layout to the next. It runs within a transaction and must not end it.
Migration = Callable[[sqlite3.Connection], None]


@dataclass(frozen=True, slots=True)
class Layout:
    """What a store's file consists of.

    Attributes
    ----------
    statements : sequence of str
        What makes the newest layout in an empty file.
    migrations : sequence of Migration
        The first one turns version 1 into version 2, and so on. They are never changed, only added to.
    """

    statements: Sequence[str]
    migrations: Sequence[Migration] = ()

    @property
    def version(self) -> int:
        """The newest version. A file with a higher number was written by a newer atomodm and is left alone."""
        return 1 + len(self.migrations)


#: The layout that this version of atomodm writes.
LAYOUT: Final = Layout(
    statements=(
        """CREATE TABLE collections (
            number INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            version INTEGER NOT NULL,
            catalogue BLOB NOT NULL,
            documents INTEGER NOT NULL)""",
        # With a row id of its own a document of some kilobytes fills its page; as a part of the key it would not.
        """CREATE TABLE documents (
            number INTEGER PRIMARY KEY,
            collection INTEGER NOT NULL,
            id BLOB NOT NULL,
            revision INTEGER NOT NULL,
            data BLOB NOT NULL,
            UNIQUE (collection, id))""",
        """CREATE TABLE entries (
            collection INTEGER NOT NULL,
            index_number INTEGER NOT NULL,
            key BLOB NOT NULL,
            id BLOB NOT NULL,
            PRIMARY KEY (collection, index_number, key, id)) WITHOUT ROWID""",
        """CREATE TABLE claims (
            collection INTEGER NOT NULL,
            index_number INTEGER NOT NULL,
            key BLOB NOT NULL,
            id BLOB NOT NULL,
            PRIMARY KEY (collection, index_number, key)) WITHOUT ROWID""",
        """CREATE TABLE log (
            last INTEGER PRIMARY KEY,
            first INTEGER NOT NULL,
            operation_id BLOB NOT NULL UNIQUE,
            origin BLOB NOT NULL,
            record BLOB NOT NULL)""",
    )
)


def number_of(connection: sqlite3.Connection, pragma: str) -> int:
    """The value of a pragma that is a number; `pragma` is a constant of ours."""
    with closing(connection.execute(f"PRAGMA {pragma}")) as cursor:
        return int(cursor.fetchone()[0])


def version_of(connection: sqlite3.Connection, layout: Layout, url: str) -> int:
    """The version of a file's layout; 0 for an empty file. Called within a transaction.

    Another process may be creating the layout: what is read must be of one moment.

    Raises
    ------
    StoreCorrupt
        The file is not ours.
    SchemaTooNew
    """
    application, version = number_of(connection, "application_id"), number_of(connection, "user_version")
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables and not application and not version:
        return 0
    if application != APPLICATION_ID or version < 1:
        raise StoreCorrupt("the file is an SQLite database but no atomodm store", store=url)
    refuse_newer(version, layout, url)
    return version


def refuse_newer(version: int, layout: Layout, url: str) -> None:
    """Raise `SchemaTooNew` for a layout that this version of atomodm does not know."""
    if version > layout.version:
        raise SchemaTooNew(
            f"the file has layout {version}, this version of atomodm knows {layout.version}; update atomodm", store=url
        )


def check_readable(connection: sqlite3.Connection, layout: Layout, url: str) -> None:
    """Make sure that a file holds a store in the newest layout.

    Raises
    ------
    StoreCorrupt, SchemaTooNew
    UnsupportedOperation
        The layout is an older one.
    """
    version = _current_version(connection, layout, url)
    if version == 0:
        raise StoreCorrupt("the file is empty: it holds no store", store=url)
    if version < layout.version:
        raise UnsupportedOperation(
            f"the file has the older layout {version}, and mode=ro cannot bring it to {layout.version}; "
            "open it for writing once",
            store=url,
        )


def bring_up_to_date(connection: sqlite3.Connection, layout: Layout, url: str) -> None:
    """Create the layout in an empty file, or bring an older one forward: one step, done by whoever comes first.

    Where a lock is in the way this raises SQLite's error, and may be called again.

    Raises
    ------
    StoreCorrupt, SchemaTooNew
    """
    version = _current_version(connection, layout, url)
    _set_write_ahead_log(connection, url)
    if version == layout.version:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster.
        version = version_of(connection, layout, url)
        if version == 0:
            for statement in layout.statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        else:
            for migration in layout.migrations[version - 1 :]:
                migration(connection)
        connection.execute(f"PRAGMA user_version = {layout.version}")
        connection.execute("COMMIT")
    except BaseException:
        # A full disk ends the transaction by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _set_write_ahead_log(connection: sqlite3.Connection, url: str) -> None:
    def mode(statement: str) -> str:
        with closing(connection.execute(statement)) as cursor:
            return str(cursor.fetchone()[0])

    # New files are in another mode, and so are backups.
    if mode("PRAGMA journal_mode") != "wal" and mode("PRAGMA journal_mode = WAL") != "wal":
        raise StoreUnavailable(
            "SQLite cannot keep a write-ahead log there; use a file system of this machine", store=url
        )


def _current_version(connection: sqlite3.Connection, layout: Layout, url: str) -> int:
    connection.execute("BEGIN")
    try:
        return version_of(connection, layout, url)
    finally:
        # SQLite ends a transaction by itself when it cannot read on.
        if connection.in_transaction:
            connection.execute("COMMIT")
