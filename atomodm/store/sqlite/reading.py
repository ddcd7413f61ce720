"""Reads SQLite stores: functions that run on a connection's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final

from ...contract.log import Position
from ...engine.driver import CollectionState, IndexRef, LoggedCommit, LogPage, Page, Place, Row
from ...errors import StaleCatalogue, TokenLost
from ...query.bounds import Range
from ...query.keys import HIGHEST, LOWEST
from .waiting import Damaged

#: Bytes of documents after which a page of a scan ends.
PAGE_BYTES: Final = 4 * 1024 * 1024
#: Rows fetched before their size is known; a document may have 16 MB.
_FETCHED_FIRST: Final = 4
#: Ids in one statement; shorter lists are filled up, so that there are two statements in all.
_IDS: Final = (16, 128)

# Ids are never empty, so that (low, b"") lies before all entries of the key low. Every key and id is a parameter.
_SCAN_ENTRIES: Final = """
    SELECT e.key, e.id, d.revision, d.data
    FROM entries AS e CROSS JOIN documents AS d ON d.collection = e.collection AND d.id = e.id
    WHERE e.collection = ? AND e.index_number = ? AND """
_SCAN_CLAIMS: Final = _SCAN_ENTRIES.replace("entries", "claims")
_SCAN: Final[dict[tuple[str, bool], str]] = {
    ("entries", False): _SCAN_ENTRIES + "(e.key, e.id) > (?, ?) AND e.key < ? ORDER BY e.key, e.id LIMIT ?",
    ("entries", True): _SCAN_ENTRIES + "(e.key, e.id) < (?, ?) AND e.key >= ? ORDER BY e.key DESC, e.id DESC LIMIT ?",
    ("claims", False): _SCAN_CLAIMS + "e.key >= ? AND e.key < ? ORDER BY e.key LIMIT ?",
    ("claims", True): _SCAN_CLAIMS + "e.key >= ? AND e.key < ? ORDER BY e.key DESC LIMIT ?",
    ("documents", False): """
        SELECT id, revision, data FROM documents
        WHERE collection = ? AND id >= ? AND id < ? ORDER BY id LIMIT ?""",
    ("documents", True): """
        SELECT id, revision, data FROM documents
        WHERE collection = ? AND id >= ? AND id < ? ORDER BY id DESC LIMIT ?""",
}
_ENTRIES: Final = {
    "entries": """
        SELECT key, id FROM entries WHERE collection = ? AND index_number = ? AND (key, id) > (?, ?) AND key < ?
        ORDER BY key, id LIMIT ?""",
    "claims": """
        SELECT key, id FROM claims WHERE collection = ? AND index_number = ? AND key >= ? AND key < ?
        ORDER BY key LIMIT ?""",
}
_COUNT: Final = {
    "documents": "SELECT count(*) FROM (SELECT 1 FROM documents WHERE collection = ? AND id >= ? AND id < ? LIMIT ?)",
    **{
        table: f"""
        SELECT count(*) FROM (
            SELECT 1 FROM {table} WHERE collection = ? AND index_number = ? AND key >= ? AND key < ? LIMIT ?)"""
        for table in ("entries", "claims")
    },
}
_PRESENT: Final = {
    table: f"SELECT 1 FROM {table} WHERE collection = ? AND index_number = ? AND key = ? AND id = ?"
    for table in ("entries", "claims")
}
_GET: Final = """
    SELECT id, revision, data FROM documents
    WHERE collection = (SELECT number FROM collections WHERE name = ?) AND id """
_GET_ONE: Final = """
    SELECT id, revision, data FROM documents
    WHERE collection = (SELECT number FROM collections WHERE name = ? AND version = ifnull(?, version)) AND id = ?"""
_GET_MANY: Final = {size: _GET + f"IN ({', '.join('?' * size)})" for size in _IDS}

_BYTES: Final = frozenset((bytes,))
_INT: Final = frozenset((int,))

Connection = sqlite3.Connection


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Let several statements see the same state."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        # SQLite ends a transaction by itself when it cannot read on.
        if connection.in_transaction:
            connection.execute("COMMIT")


def state(connection: Connection, name: str) -> CollectionState:
    """As `Driver.state`."""
    row = connection.execute(
        "SELECT name, version, catalogue, documents FROM collections WHERE name = ?", (name,)
    ).fetchone()
    return CollectionState(name) if row is None else _state(*row)


def _state(name: Any, version: Any, catalogue: Any, documents: Any) -> CollectionState:
    if type(name) is not str:
        raise Damaged
    _check_types((catalogue,), numbers=(version, documents))
    return CollectionState(name, version, catalogue, documents)


def states(connection: Connection) -> list[CollectionState]:
    """As `Driver.states`."""
    rows = connection.execute("SELECT name, version, catalogue, documents FROM collections").fetchall()
    return [_state(*row) for row in rows]


def get(connection: Connection, name: str, ids: Sequence[bytes], version: int | None) -> list[Row]:
    """As `Driver.get`."""
    wanted = list(dict.fromkeys(ids))
    if len(wanted) == 1:
        # One statement, and no second one as long as the document is there. Versions do not come back.
        row = connection.execute(_GET_ONE, (name, version, wanted[0])).fetchone()
        if row is None:
            _collection(connection, name, version)
            return []
        if type(row[1]) is not int or type(row[2]) is not bytes:
            raise Damaged
        return [row]
    found: list[Row] = []
    with snapshot(connection):
        _collection(connection, name, version)
        start = 0
        while start < len(wanted):
            size = _IDS[0] if len(wanted) - start <= _IDS[0] else _IDS[-1]
            part = wanted[start : start + size]
            filling = [None] * (size - len(part))
            found += connection.execute(_GET_MANY[size], (name, *part, *filling))
            start += size
    if found:
        ids, revisions, documents = zip(*found, strict=True)
        _check_types(ids, documents, numbers=revisions)
    return found


def scan(
    connection: Connection,
    name: str,
    index: IndexRef | None,
    ranges: Sequence[Range],
    limit: int,
    after: Place | None,
    reverse: bool,
    version: int | None,
) -> Page:
    """As `Driver.scan`."""
    with snapshot(connection):
        number = _collection(connection, name, version)
        rows: list[tuple[Any, ...]] = []
        size = 0
        table = _table(index)
        for bounds in ranges:
            wanted = limit - len(rows)
            if number is None or wanted <= 0 or size >= PAGE_BYTES:
                break
            places = _places(table, bounds, after, reverse)
            if places is None:
                continue
            numbers = (number,) if index is None else (number, index.number)
            # A cursor that is left open would keep the snapshot.
            with closing(connection.execute(_SCAN[table, reverse], (*numbers, *places, wanted))) as cursor:
                fetched = _FETCHED_FIRST
                while size < PAGE_BYTES and (part := cursor.fetchmany(fetched)):
                    rows += part
                    size += _size_of(part)
                    # As many of that size as there is room for.
                    fetched = max(1, min(limit, (PAGE_BYTES - size) * len(rows) // max(1, size)))
    more = len(rows) >= limit or size >= PAGE_BYTES
    if not rows:
        return Page((), (), (), (), more)
    # Documents without an index are in the order of their ids.
    *keys, ids, revisions, documents = zip(*rows, strict=True)
    _check_types(*keys, ids, documents, numbers=revisions)
    return Page(keys[0] if keys else ids, ids, revisions, documents, more)


def entries(
    connection: Connection,
    name: str,
    index: IndexRef,
    ranges: Sequence[Range],
    limit: int,
    after: Place | None,
    version: int | None,
) -> list[Place]:
    """As `Driver.entries`."""
    table = _table(index)
    found: list[Place] = []
    with snapshot(connection):
        number = _collection(connection, name, version)
        for bounds in ranges:
            if number is None or len(found) >= limit:
                break
            places = _places(table, bounds, after, False)
            if places is not None:
                found += connection.execute(_ENTRIES[table], (number, index.number, *places, limit - len(found)))
    _check_types(*zip(*found, strict=True))
    return found


def _size_of(rows: Iterable[tuple[Any, ...]]) -> int:
    try:
        return sum([len(row[-1]) for row in rows])
    except TypeError:
        raise Damaged from None


def _check_types(*columns: Iterable[Any], numbers: Iterable[Any] = ()) -> None:
    """Raise `Damaged` unless columns hold bytes, and `numbers` integers: SQLite puts any type into any column."""
    if not (all(_BYTES.issuperset(map(type, column)) for column in columns) and _INT.issuperset(map(type, numbers))):
        raise Damaged


def _places(table: str, bounds: Range, after: Place | None, reverse: bool) -> tuple[Any, ...] | None:
    """The parameters that bound a scan; None where nothing is left of the range."""
    low, high = bounds
    if table == "entries":
        if reverse:
            end = (high, b"") if after is None else min((high, b""), after)
            return (*end, low) if end > (low, b"") else None
        start = (low, b"") if after is None else max((low, b""), after)
        return (*start, high) if start < (high, b"") else None
    if after is not None:
        # The next key after one is the same with a zero byte.
        low, high = (low, min(high, after[0])) if reverse else (max(low, after[0] + b"\0"), high)
    return (low, high) if low < high else None


def count(
    connection: Connection,
    name: str,
    index: IndexRef | None,
    ranges: Sequence[Range],
    limit: int | None,
    version: int | None,
) -> int:
    """As `Driver.count`."""
    if index is None and tuple(ranges) == ((LOWEST, HIGHEST),):
        return state(connection, name).documents
    with snapshot(connection):
        number = _collection(connection, name, version)
        if number is None:
            return 0
        numbers = (number,) if index is None else (number, index.number)
        found = 0
        for bounds in ranges:
            if limit is not None and found >= limit:
                break
            # A negative limit is none.
            left = -1 if limit is None else limit - found
            found += connection.execute(_COUNT[_table(index)], (*numbers, *bounds, left)).fetchone()[0]
        return found


def absent(connection: Connection, name: str, index: IndexRef, places: Sequence[Place]) -> list[Place]:
    """As `Driver.absent`."""
    with snapshot(connection):
        number = _collection(connection, name, None)
        statement = _PRESENT[_table(index)]
        return [
            (key, id)
            for key, id in places
            if connection.execute(statement, (number, index.number, key, id)).fetchone() is None
        ]


def position(connection: Connection) -> int:
    """As `Driver.position`."""
    (last,) = connection.execute("SELECT max(last) FROM log").fetchone()
    return last or 0


def log(connection: Connection, since: Position, limit: int) -> LogPage:
    """As `Driver.log`."""
    with snapshot(connection):
        row = connection.execute("SELECT first FROM log ORDER BY last LIMIT 1").fetchone()
        oldest = 1 if row is None else row[0]
        _check_types(numbers=(oldest,))
        if not isinstance(since, int) or not oldest - 1 <= since <= position(connection):
            raise TokenLost("the change log does not reach back to that position")
        found: list[LoggedCommit] = []
        positions = 0
        statement = "SELECT first, last, operation_id, origin, record FROM log WHERE last > ? ORDER BY last"
        with closing(connection.execute(statement, (since,))) as cursor:
            for first, last, operation_id, origin, record in cursor:
                _check_types((operation_id, origin, record), numbers=(first,))
                size = last - first + 1
                found.append(LoggedCommit(first, size, operation_id, origin, record))
                positions += size
                since = last
                if positions >= limit:
                    break
        return LogPage(found, since)


def _table(index: IndexRef | None) -> str:
    if index is None:
        return "documents"
    return "claims" if index.unique else "entries"


def _collection(connection: Connection, name: str, version: int | None) -> int | None:
    """The number of a collection, None when it is not there; checks the version of its catalogue."""
    row = connection.execute("SELECT number, version FROM collections WHERE name = ?", (name,)).fetchone()
    if version is not None and version != (0 if row is None else row[1]):
        raise StaleCatalogue("the index catalogue changed")
    return None if row is None else int(row[0])
