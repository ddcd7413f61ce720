"""Opens the files of SQLite stores: their layout and its version, their modes, and what SQLite says when it refuses."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import SchemaTooNew, StoreBusy, StoreCorrupt, StoreError, StoreUnavailable

#: Marks a database file as ours: "atom" in the file's header.
APPLICATION_ID: Final = 0x61746F6D
#: The layout below. A file with a higher number was written by a newer version and is left alone.
SCHEMA_VERSION: Final = 1

SCHEMA: Final = (
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
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

#: KiB of pages that a connection keeps.
CACHE_KIB: Final = 16 * 1024
#: Pages in the write-ahead log after which it is copied back: a longer log costs small commits less.
WAL_PAGES: Final = 4000
#: Bytes to which the write-ahead log shrinks after a large batch.
WAL_BYTES: Final = 64 * 1024 * 1024

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNAVAILABLE = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
)


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How the file of a store is opened.

    Attributes
    ----------
    path : Path
        Absolute.
    url : str
        The store's address for messages.
    synchronous : str
        ``"full"``: every commit is on the disk before it counts as done. ``"normal"``: after a power cut the last
        commits may be missing, but the file is sound; nothing is lost when only the program dies. ``"off"``: a power
        cut may destroy the file.
    timeout : float
        Seconds to wait for another process's lock.
    read_only : bool
    """

    path: Path
    url: str
    synchronous: str
    timeout: float
    read_only: bool


@contextmanager
def store_errors(options: FileOptions) -> Iterator[None]:
    """Raise ours where SQLite raises its own."""
    try:
        yield
    except sqlite3.Error as error:
        raise _as_store_error(error, options) from error


def _as_store_error(error: sqlite3.Error, options: FileOptions) -> StoreError:
    # The low byte is the primary code, the others say more about it.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return StoreBusy(f"another process held the lock for over {options.timeout:g} s", store=options.url)
    if code in _CORRUPT:
        return StoreCorrupt(f"the file is no sound database: {error}", store=options.url)
    if code in _UNAVAILABLE:
        return StoreUnavailable(f"SQLite: {error}", store=options.url)
    return StoreError(f"SQLite: {error}", store=options.url)


def open_for_writing(options: FileOptions) -> sqlite3.Connection:
    """Open the store's file, creating it where there is none.

    Raises
    ------
    StoreCorrupt, SchemaTooNew, StoreUnavailable, StoreBusy
    """
    _create_file(options)
    with store_errors(options):
        connection = _connect(options, "rw")
        try:
            _check_or_create_schema(connection, options)
            # Text of PRAGMA statements takes no parameters; the word is one of three.
            connection.execute(f"PRAGMA synchronous = {options.synchronous}")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        except BaseException:
            connection.close()
            raise
    return connection


def open_for_reading(options: FileOptions) -> sqlite3.Connection:
    """Open the file of a store that is there.

    Raises
    ------
    StoreCorrupt, SchemaTooNew, StoreUnavailable, StoreBusy
    """
    with store_errors(options):
        connection = _connect(options, "ro" if options.read_only else "rw")
        try:
            connection.execute("BEGIN")
            if not _is_ours(connection, options):
                raise StoreCorrupt("the file is empty: it holds no store", store=options.url)
            connection.execute("COMMIT")
            connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
    return connection


def _create_file(options: FileOptions) -> None:
    """Create the file so that only its owner can read it; SQLite gives its companions the same mode."""
    try:
        # Never opens a file that exists: closing it would drop the locks of this process's other connections.
        os.close(os.open(options.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise StoreUnavailable(f"the file cannot be created: {error.strerror}", store=options.url) from None


def _connect(options: FileOptions, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{options.path.as_uri()}?mode={mode}",
        uri=True,
        timeout=options.timeout,
        isolation_level=None,
        cached_statements=256,
    )
    try:
        # Functions in a hostile file's schema do not run.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    except BaseException:
        connection.close()
        raise
    return connection


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    with closing(connection.execute(f"PRAGMA {name}")) as cursor:
        return int(cursor.fetchone()[0])


def _is_ours(connection: sqlite3.Connection, options: FileOptions) -> bool:
    """Whether the file has our layout; False for an empty one. Called within a transaction.

    Another process may be creating the layout: what is read must be of one moment.
    """
    application, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables and not application and not version:
        return False
    if application != APPLICATION_ID or version < 1:
        raise StoreCorrupt("the file is an SQLite database but no atomodm store", store=options.url)
    if version > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"the file has layout {version}, this version of atomodm knows {SCHEMA_VERSION}; update atomodm",
            store=options.url,
        )
    return True


def _check_or_create_schema(connection: sqlite3.Connection, options: FileOptions) -> None:
    connection.execute("BEGIN")
    found = _is_ours(connection, options)
    connection.execute("COMMIT")
    if not found:
        _set_write_ahead_log(connection, options)
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have been faster.
        if not _is_ours(connection, options):
            for statement in SCHEMA:
                connection.execute(statement)
        connection.execute("COMMIT")


def _set_write_ahead_log(connection: sqlite3.Connection, options: FileOptions) -> None:
    deadline = time.monotonic() + options.timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # SQLite does not wait here, because two who wait for each other would wait for ever.
            if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
