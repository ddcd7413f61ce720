"""Keeps SQLite stores well: gives space back, and looks for what SQLite or the counters say is wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from ...engine.driver import Finding
from .file import StoreConnection
from .reading import snapshot
from .waiting import Patience, StillHeld
from .writing import in_transaction

#: Findings of SQLite itself that are reported at most.
_FINDINGS: Final = 100

_COUNTERS: Final = """
    SELECT name, documents, (SELECT count(*) FROM documents WHERE collection = collections.number)
    FROM collections"""
_MEND_COUNTER: Final = """
    UPDATE collections SET documents = (SELECT count(*) FROM documents WHERE collection = collections.number)
    WHERE name = ?"""
_TABLES: Final = ("documents", "entries", "claims")


def vacuum(connection: StoreConnection, patience: Patience) -> None:
    """Write the file anew without what was deleted, and give the space back."""
    connection.check_in_place()
    patience.attempt(lambda: connection.execute("VACUUM"))

    def shorten() -> None:
        (held, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if held:
            raise StillHeld

    patience.attempt(shorten)


def examine(connection: sqlite3.Connection, patience: Patience) -> list[Finding]:
    """As `Driver.examine`, without repairing."""
    found = [
        Finding(f"SQLite: {message}")
        for (message,) in patience.attempt(
            lambda: connection.execute(f"PRAGMA integrity_check({_FINDINGS})").fetchall()
        )
        if message != "ok"
    ]
    try:
        with snapshot(connection):
            for name in _wrong_counters(connection):
                found.append(Finding("the number of documents is wrong", collection=name))
            for table in _TABLES:
                found += [
                    Finding(f"rows of {table} belong to no collection") for _ in _without_collection(connection, table)
                ]
    except sqlite3.DatabaseError as error:
        # A file that SQLite finds damaged may well not be readable either.
        if not found or patience.is_given_up:
            raise
        # What Python itself says about text that is none would show it.
        found.append(Finding(f"SQLite cannot read on ({getattr(error, 'sqlite_errorname', 'no text')})"))
    return found


def mend(connection: StoreConnection, patience: Patience) -> list[Finding]:
    """Mend the counters, and remove index entries of collections that are not there; gives what was mended."""

    def write() -> list[Finding]:
        mended: list[Finding] = []
        for name in list(_wrong_counters(connection)):
            connection.execute(_MEND_COUNTER, (name,))
            mended.append(Finding("the number of documents is wrong", collection=name, repaired=True))
        for table in ("entries", "claims"):
            for number in list(_without_collection(connection, table)):
                connection.execute(f"DELETE FROM {table} WHERE collection = ?", (number,))
                mended.append(Finding(f"rows of {table} belong to no collection", repaired=True))
        return mended

    return in_transaction(connection, patience, write)


def _wrong_counters(connection: sqlite3.Connection) -> Iterator[str]:
    for name, documents, counted in connection.execute(_COUNTERS):
        if documents != counted:
            yield name


def _without_collection(connection: sqlite3.Connection, table: str) -> Iterator[int]:
    """Numbers of collections that a table has rows of, but that are not there."""
    known = {number for (number,) in connection.execute("SELECT number FROM collections")}
    following = f"SELECT collection FROM {table} WHERE collection > ? ORDER BY collection LIMIT 1"
    number = -(2**63)
    while (row := connection.execute(following, (number,)).fetchone()) is not None:
        number = row[0]
        if number not in known:
            yield number
