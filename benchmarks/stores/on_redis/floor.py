"""What the same work costs without a library for objects: documents as BSON in keys or in a hash, through redis-py."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import bson
from redis.asyncio import Redis

from ...documents import Document
from ..contestant import StoreContestant

#: A new document: id, BSON, and its members of the two indexes.
Row = tuple[bytes, bytes, bytes, bytes]

_EMAILS, _AGES, _DOCUMENTS = b"emails", b"ages", b"documents"


class Floor(StoreContestant):
    """Lists and finds are of decoded documents; single ones are read, and all are written, as bytes.

    Indexes are sorted sets that are read by their members: a value and an id.

    Parameters
    ----------
    port : int
        Of the server.
    """

    #: The database number, which nobody else uses.
    database: ClassVar[int]

    def __init__(self, port: int) -> None:
        # The types of redis-py allow for decoded text everywhere.
        self.client: Any = Redis(port=port, db=self.database)
        self._ids: list[bytes] = []

    async def open(self) -> None:
        await self.client.flushdb()

    async def close(self) -> None:
        await self.client.aclose()

    async def empty(self) -> None:
        await self.client.flushdb()

    def make(self, documents: Sequence[Document]) -> list[Any]:
        return [_row(document) for document in documents]

    async def insert(self, objects: Sequence[Any]) -> None:
        self._ids = [id for id, _, _, _ in objects]
        async with self.client.pipeline(transaction=True) as pipeline:
            self._put({id: data for id, data, _, _ in objects}, pipeline)
            pipeline.zadd(_EMAILS, {email: 0 for _, _, email, _ in objects})
            pipeline.zadd(_AGES, {age: 0 for _, _, _, age in objects})
            await pipeline.execute()

    async def list(self) -> Sequence[Any]:
        return [bson.decode(data) for data in await self._read(self._ids)]

    async def find(self, age: int) -> Sequence[Any]:
        key = _age_key(age)
        members = await self.client.zrange(_AGES, b"[" + key, b"(" + _age_key(age + 1), bylex=True)
        return [bson.decode(data) for data in await self._read([member[len(key) :] for member in members])]

    async def edits(self, objects: Sequence[Any], score: float) -> Sequence[Any]:
        return [(document["_id"].binary, bson.encode({**document, "score": score})) for document in objects]

    def values(self, obj: Any) -> dict[str, Any]:
        return dict(obj)

    @abstractmethod
    def _put(self, documents: dict[bytes, bytes], pipeline: Any) -> None: ...

    @abstractmethod
    async def _read(self, ids: Sequence[bytes]) -> Sequence[bytes]: ...


class Strings(Floor):
    """A key for each document: what redis-py's users write first."""

    name = "redis-py, MGET"
    database = 1

    def _put(self, documents: dict[bytes, bytes], pipeline: Any) -> None:
        pipeline.mset(documents)

    async def _read(self, ids: Sequence[bytes]) -> Sequence[bytes]:
        documents: Sequence[bytes] = await self.client.mget(ids)
        return documents

    async def get(self, ids: Sequence[Any]) -> None:
        for id in ids:
            await self.client.get(id.binary)

    async def save(self, edits: Sequence[Any]) -> None:
        for id, data in edits:
            await self.client.set(id, data)


class Fields(Floor):
    """A field of one hash for each document."""

    name = "redis-py, HMGET"
    database = 2

    def _put(self, documents: dict[bytes, bytes], pipeline: Any) -> None:
        pipeline.hset(_DOCUMENTS, mapping=documents)

    async def _read(self, ids: Sequence[bytes]) -> Sequence[bytes]:
        documents: Sequence[bytes] = await self.client.hmget(_DOCUMENTS, ids)
        return documents

    async def get(self, ids: Sequence[Any]) -> None:
        for id in ids:
            await self.client.hget(_DOCUMENTS, id.binary)

    async def save(self, edits: Sequence[Any]) -> None:
        for id, data in edits:
            await self.client.hset(_DOCUMENTS, id, data)


def _row(document: Document) -> Row:
    id = document["_id"].binary
    return id, bson.encode(document), document["email"].encode() + b"\0" + id, _age_key(document["age"]) + id


def _age_key(age: int) -> bytes:
    return age.to_bytes(8, "big")
