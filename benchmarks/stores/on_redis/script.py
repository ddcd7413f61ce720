"""What a save costs beside its one request: the script that ours runs, with the arguments that ours gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import bson
from redis.asyncio import Redis

from atomodm import create_store
from atomodm.contract import Batch, Find, IndexSpec, Insert, Update
from atomodm.query.changes import Changes

from ...documents import Document
from ..contestant import StoreContestant

_PEOPLE = "people"
_INDEXES = [IndexSpec(name="email_1", fields=[("email", 1)]), IndexSpec(name="age_1", fields=[("age", 1)])]


class SameScript(StoreContestant):
    """Sends beforehand prepared saves of ours with redis-py, one after the other; nothing else is compared.

    Parameters
    ----------
    port : int
        Of the server.
    """

    name = "redis-py, the same script"
    only = ("save",)

    def __init__(self, port: int) -> None:
        self._store = create_store(f"redis://127.0.0.1:{port}/4?expire_interval=0")
        self._client = Redis(port=port, db=4)

    async def open(self) -> None:
        await self._store.open()
        await self._store.ensure_indexes(_PEOPLE, _INDEXES)

    async def close(self) -> None:
        await self._store.close()
        await self._client.aclose()

    async def empty(self) -> None:
        await self._client.flushdb()

    def make(self, documents: Sequence[Document]) -> list[Any]:
        return [Insert(_PEOPLE, document["_id"], bson.encode(document)) for document in documents]

    async def insert(self, objects: Sequence[Any]) -> None:
        most = self._store.capabilities.max_batch or len(objects)
        for start in range(0, len(objects), most):
            await self._store.write(Batch(objects[start : start + most]))

    async def list(self) -> Sequence[Any]:
        found: list[Any] = []
        async for chunk in self._store.find(_PEOPLE, Find()):
            found += zip(chunk.revisions, chunk.documents, strict=True)
        return found

    async def get(self, ids: Sequence[Any]) -> None:
        raise NotImplementedError

    async def find(self, age: int) -> Sequence[Any]:
        raise NotImplementedError

    async def edits(self, objects: Sequence[Any], score: float) -> Sequence[Any]:
        """The keys and arguments that ours would send, each with the name of its script."""
        requests: list[Any] = []
        # What a store sends is its own business, and recorded where it leaves.
        connection = cast(Any, self._store)._driver._connection
        sending = connection.run

        async def record(script: Any, keys: Sequence[bytes], args: Sequence[bytes | int], **_options: Any) -> Any:
            requests.append((script.sha, len(keys), *keys, *args))
            raise _NotSent

        connection.run = record
        try:
            for revision, previous in objects:
                document = {**bson.decode(previous), "score": score}
                changes = Changes(set={"score": score})
                update = Update(_PEOPLE, document["_id"], revision, changes, bson.encode(document), previous)
                try:
                    await self._store.write(Batch([update]))
                except _NotSent:
                    continue
        finally:
            connection.run = sending
        return requests

    async def save(self, edits: Sequence[Any]) -> None:
        for request in edits:
            reply = await self._client.evalsha(*request)
            if reply[0] != b"applied":
                raise SystemExit(f"{self.name}: a save was refused")

    def values(self, obj: Any) -> dict[str, Any]:
        _, document = obj
        return bson.decode(document)


class _NotSent(BaseException):
    pass
