"""What the same work costs without any library for objects: documents as BSON in a table, through the bare drivers."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import aiosqlite
import bson

from ...documents import Document
from .files import FileContestant

_CREATE = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "CREATE TABLE people (id BLOB PRIMARY KEY, data BLOB NOT NULL)",
)
_INDEXES = (
    "ALTER TABLE people ADD COLUMN email TEXT",
    "ALTER TABLE people ADD COLUMN age INTEGER",
    "CREATE INDEX people_email ON people (email)",
    "CREATE INDEX people_age ON people (age)",
)
_INSERT = "INSERT INTO people (id, data) VALUES (?, ?)"
_INSERT_INDEXED = "INSERT INTO people (id, data, email, age) VALUES (?, ?, ?, ?)"
_LIST = "SELECT data FROM people"
_GET = "SELECT data FROM people WHERE id = ?"
_FIND = "SELECT data FROM people WHERE age = ?"
_UPDATE = "UPDATE people SET data = ? WHERE id = ?"


class _Floor(FileContestant):
    """Lists and finds are of decoded documents; single rows are read, and all rows are written, as bytes."""

    indexed: ClassVar[bool] = True

    @property
    def _insert(self) -> str:
        return _INSERT_INDEXED if self.indexed else _INSERT

    @property
    def _schema(self) -> Sequence[str]:
        return (*_CREATE, *_INDEXES) if self.indexed else _CREATE

    def make(self, documents: Sequence[Document]) -> list[Any]:
        rows = [(document["_id"].binary, bson.encode(document)) for document in documents]
        if not self.indexed:
            return rows
        return [(*row, document["email"], document["age"]) for row, document in zip(rows, documents, strict=True)]

    async def edits(self, objects: Sequence[Any], score: float) -> Sequence[Any]:
        return [(bson.encode({**document, "score": score}), document["_id"].binary) for document in objects]

    def values(self, obj: Any) -> dict[str, Any]:
        return dict(obj)


class SQLite3(_Floor):
    """The driver of the standard library, on this thread: what SQLite itself costs."""

    name = "sqlite3, two indexes"

    async def open(self) -> None:
        self._connection = sqlite3.connect(self.path, isolation_level=None)
        for statement in self._schema:
            self._connection.execute(statement)

    async def close(self) -> None:
        self._connection.close()

    async def empty(self) -> None:
        self._connection.execute("DELETE FROM people")

    async def insert(self, objects: Sequence[Any]) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany(self._insert, objects)
        self._connection.execute("COMMIT")

    async def list(self) -> Sequence[Any]:
        return [bson.decode(data) for (data,) in self._connection.execute(_LIST)]

    async def get(self, ids: Sequence[Any]) -> None:
        for id in ids:
            self._connection.execute(_GET, (id.binary,)).fetchall()

    async def find(self, age: int) -> Sequence[Any]:
        return [bson.decode(data) for (data,) in self._connection.execute(_FIND, (age,))]

    async def save(self, edits: Sequence[Any]) -> None:
        for row in edits:
            self._connection.execute(_UPDATE, row)


class BareSQLite3(SQLite3):
    """The same without indexes: the floor of inserting."""

    name = "sqlite3"
    only = ("list", "insert")
    indexed = False


class AIOSQLite(_Floor):
    """The usual way from asyncio to SQLite: the same statements on a thread of their own."""

    name = "aiosqlite"
    isolation_level: ClassVar[Literal["DEFERRED"] | None] = "DEFERRED"

    async def open(self) -> None:
        self._connection = await aiosqlite.connect(self.path, isolation_level=self.isolation_level)
        for statement in self._schema:
            await self._connection.execute(statement)

    async def close(self) -> None:
        await self._connection.close()

    async def empty(self) -> None:
        await self._connection.execute("DELETE FROM people")
        await self._connection.commit()

    async def insert(self, objects: Sequence[Any]) -> None:
        await self._connection.executemany(self._insert, objects)
        await self._connection.commit()

    async def list(self) -> Sequence[Any]:
        return [bson.decode(data) for (data,) in await self._connection.execute_fetchall(_LIST)]

    async def get(self, ids: Sequence[Any]) -> None:
        for id in ids:
            await self._connection.execute_fetchall(_GET, (id.binary,))

    async def find(self, age: int) -> Sequence[Any]:
        return [bson.decode(data) for (data,) in await self._connection.execute_fetchall(_FIND, (age,))]

    async def save(self, edits: Sequence[Any]) -> None:
        for row in edits:
            await self._connection.execute(_UPDATE, row)
            await self._connection.commit()


class AutocommitAIOSQLite(AIOSQLite):
    """An update that commits by itself: one request to the thread instead of two."""

    name = "aiosqlite, autocommit"
    only = ("save",)
    isolation_level = None

    async def insert(self, objects: Sequence[Any]) -> None:
        await self._connection.execute("BEGIN")
        await super().insert(objects)

    async def save(self, edits: Sequence[Any]) -> None:
        for row in edits:
            await self._connection.execute(_UPDATE, row)
