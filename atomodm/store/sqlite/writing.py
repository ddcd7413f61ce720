"""Applies commits to SQLite stores: functions that run on the writing connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from ...engine.driver import Applied, CollectionChanges, Commit, EntryRow, LogEntry, Refused
from ...errors import StaleCatalogue
from .file import StoreConnection
from .reading import position
from .waiting import Damaged, Patience

Result = TypeVar("Result")

_INSERT: Final = "INSERT INTO documents (collection, id, revision, data) VALUES (?, ?, ?, ?)"
_UPDATE: Final = "UPDATE documents SET revision = ?, data = ? WHERE collection = ? AND id = ? AND revision = ?"
_DELETE: Final = "DELETE FROM documents WHERE collection = ? AND id = ? AND revision = ?"
_REVISION: Final = "SELECT revision FROM documents WHERE collection = ? AND id = ?"
_REMOVE: Final = "DELETE FROM entries WHERE collection = ? AND index_number = ? AND key = ? AND id = ?"
_ADD: Final = "INSERT OR IGNORE INTO entries (collection, index_number, key, id) VALUES (?, ?, ?, ?)"
#: Entries that one statement adds where there are many: running a statement costs as much as adding one.
_TOGETHER: Final = 32
_ADD_TOGETHER: Final = _ADD.replace("(?, ?, ?, ?)", ", ".join(["(?, ?, ?, ?)"] * _TOGETHER))
_RELEASE: Final = "DELETE FROM claims WHERE collection = ? AND index_number = ? AND key = ? AND id = ?"
# Counts as a change only where the key was free or is the same document's.
_CLAIM: Final = """
    INSERT INTO claims (collection, index_number, key, id) VALUES (?, ?, ?, ?)
    ON CONFLICT (collection, index_number, key) DO UPDATE SET id = excluded.id WHERE id = excluded.id"""
_OWNER: Final = "SELECT id FROM claims WHERE collection = ? AND index_number = ? AND key = ?"
_LOG: Final = "INSERT INTO log (last, first, operation_id, origin, record) VALUES (?, ?, ?, ?, ?)"


class _Doubt(Exception):
    """A commit did not do all that it should: something in it is refused."""


def apply(connection: StoreConnection, commit: Commit, patience: Patience) -> Applied:
    """As `Driver.apply`.

    The statements carry the conditions, so that a commit that nothing speaks against is not checked beforehand. One
    that fails is undone and checked document by document, to say what is wrong.
    """
    try:
        return in_transaction(connection, patience, lambda: _Application(connection, commit).run(careful=False))
    except (_Doubt, StaleCatalogue, sqlite3.IntegrityError):
        return in_transaction(connection, patience, lambda: _Application(connection, commit).run(careful=True))


def in_transaction(connection: StoreConnection, patience: Patience, function: Callable[[], Result]) -> Result:
    """Run a function that writes, and commit what it wrote.

    Raises
    ------
    StoreUnavailable
        The file is no longer the one that was opened; nothing was written.
    SchemaTooNew
    """
    patience.attempt(lambda: connection.execute("BEGIN IMMEDIATE"))
    try:
        connection.check_layout()
        result = function()
        connection.check_in_place()
        connection.execute("COMMIT")
    except BaseException:
        # A full disk ends the transaction by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


class _Application:
    """One commit being applied inside of a transaction."""

    def __init__(self, connection: sqlite3.Connection, commit: Commit) -> None:
        self._connection = connection
        self._commit = commit
        self._numbers: dict[str, int] = {}

    def run(self, *, careful: bool) -> Applied:
        entry = self._commit.log
        # Without a look beforehand, a commit that the log has fails: its operation id is unique there.
        if careful and entry is not None and (former := self._former(entry)) is not None:
            return former
        for name, changes in self._commit.collections.items():
            self._find_collection(name, changes)
        if careful:
            self._check()
        first = position(self._connection) + 1
        dropped = 0
        for name, changes in self._commit.collections.items():
            if changes.dropped:
                dropped += self._drop(name)
            elif changes.renamed is None:
                self._change(name, changes, first)
        for name, changes in self._commit.collections.items():
            if changes.renamed is not None:
                self._rename(name, changes.renamed)
        if entry is None:
            return Applied(0, dropped=dropped)
        self._append(first, entry)
        return Applied(first, dropped=dropped)

    def _former(self, entry: LogEntry) -> Applied | None:
        row = self._connection.execute(
            "SELECT first, record FROM log WHERE operation_id = ?", (entry.operation_id,)
        ).fetchone()
        return None if row is None else Applied(*row)

    def _find_collection(self, name: str, changes: CollectionChanges) -> None:
        row = self._connection.execute("SELECT number, version FROM collections WHERE name = ?", (name,)).fetchone()
        if changes.version != (0 if row is None else row[1]):
            raise StaleCatalogue("the index catalogue changed")
        if row is not None:
            self._numbers[name] = row[0]

    # -- checking ------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Say what speaks against the commit, if anything does.

        Raises
        ------
        Refused
        """
        collections = self._commit.collections
        if mismatched := [
            (name, id) for name, changes in collections.items() for id in self._mismatched(name, changes)
        ]:
            raise Refused(mismatched=mismatched)
        if taken := [
            (name, number, id) for name, changes in collections.items() for number, _, id in self._taken(name, changes)
        ]:
            raise Refused(taken=taken)

    def _mismatched(self, name: str, changes: CollectionChanges) -> Iterator[bytes]:
        number = self._numbers.get(name)
        expected = [(id, 0) for id, _, _ in changes.inserts]
        expected += [(id, revision) for id, revision, _, _ in changes.updates]
        expected += [*changes.deletes, *changes.guards]
        for id, revision in expected:
            if self._revision(number, id) != revision:
                yield id

    def _revision(self, number: int | None, id: bytes) -> int:
        row = self._connection.execute(_REVISION, (number, id)).fetchone()
        if row is None:
            return 0
        if type(row[0]) is not int:
            raise Damaged
        return row[0]

    def _taken(self, name: str, changes: CollectionChanges) -> Iterator[EntryRow]:
        number = self._numbers.get(name)
        released = set(changes.released)
        owners: dict[tuple[int, bytes], bytes] = {}
        for claim in changes.claimed:
            index, key, id = claim
            owner = owners.get((index, key))
            if owner is None:
                row = self._connection.execute(_OWNER, (number, index, key)).fetchone()
                owner = None if row is None or (index, key, row[0]) in released else row[0]
            if owner is None or owner == id:
                owners[index, key] = id
            else:
                yield claim

    # -- changing ------------------------------------------------------------------------------------------------------

    def _many(self, statement: str, rows: Iterator[Sequence[Any]], expected: int | None = None) -> None:
        changed = self._connection.executemany(statement, rows).rowcount
        if expected is not None and changed != expected:
            raise _Doubt

    def _change(self, name: str, changes: CollectionChanges, first: int) -> None:
        number = self._numbers.get(name)
        if number is None:
            if changes.updates or changes.deletes or any(expected for _, expected in changes.guards):
                raise _Doubt
            if not changes.inserts and changes.catalogue is None:
                return
            number = self._create(name)
        for id, expected in changes.guards:
            if self._revision(number, id) != expected:
                raise _Doubt
        if changes.deletes:
            rows = ((number, id, expected) for id, expected in changes.deletes)
            self._many(_DELETE, rows, len(changes.deletes))
        if changes.updates:
            updates = ((first + offset, data, number, id, expected) for id, expected, data, offset in changes.updates)
            self._many(_UPDATE, updates, len(changes.updates))
        if changes.inserts:
            inserts = ((number, id, first + offset, data) for id, data, offset in changes.inserts)
            self._many(_INSERT, inserts)
        self._change_entries(number, changes)
        if (difference := len(changes.inserts) - len(changes.deletes)) != 0:
            self._connection.execute(
                "UPDATE collections SET documents = documents + ? WHERE number = ?", (difference, number)
            )
        if changes.catalogue is not None:
            self._connection.execute(
                "UPDATE collections SET version = ?, catalogue = ? WHERE number = ?",
                (first, changes.catalogue, number),
            )

    def _change_entries(self, number: int, changes: CollectionChanges) -> None:
        for index in changes.cleared:
            table = "claims" if index.unique else "entries"
            self._connection.execute(
                f"DELETE FROM {table} WHERE collection = ? AND index_number = ?", (number, index.number)
            )
        whole = len(changes.added) // _TOGETHER * _TOGETHER
        together = [changes.added[start : start + _TOGETHER] for start in range(0, whole, _TOGETHER)]
        if together:
            rows = ([value for entry in entries for value in (number, *entry)] for entries in together)
            self._many(_ADD_TOGETHER, rows)
        for statement, entries, expected in (
            (_REMOVE, changes.removed, None),
            (_ADD, changes.added[whole:], None),
            (_RELEASE, changes.released, None),
            (_CLAIM, changes.claimed, len(changes.claimed)),
        ):
            if entries:
                self._many(statement, ((number, *entry) for entry in entries), expected)

    def _create(self, name: str) -> int:
        cursor = self._connection.execute(
            "INSERT INTO collections (name, version, catalogue, documents) VALUES (?, 0, x'', 0)", (name,)
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _drop(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            return 0
        execute = self._connection.execute
        documents = execute("DELETE FROM documents WHERE collection = ?", (number,)).rowcount
        execute("DELETE FROM entries WHERE collection = ?", (number,))
        execute("DELETE FROM claims WHERE collection = ?", (number,))
        execute("DELETE FROM collections WHERE number = ?", (number,))
        return documents

    def _rename(self, name: str, new_name: str) -> None:
        number = self._numbers.get(name)
        if number is None:
            raise StaleCatalogue("the collection is not there")
        row = self._connection.execute("SELECT documents FROM collections WHERE name = ?", (new_name,)).fetchone()
        if row is not None:
            if row[0]:
                raise StaleCatalogue("the collection has documents")
            self._drop(new_name)
        self._connection.execute("UPDATE collections SET name = ? WHERE number = ?", (new_name, number))

    def _append(self, first: int, entry: LogEntry) -> None:
        last = first + entry.size - 1
        self._connection.execute(_LOG, (last, first, entry.operation_id, entry.origin, entry.record))
        if first > entry.keep:
            self._connection.execute("DELETE FROM log WHERE last < ?", (first - entry.keep,))
