"""redis-om's asyncio interface, as far as a Redis without modules carries it.

Its `find` and its indexes need RediSearch, and its documents with lists and dicts RedisJSON. So it takes no part in
finding, inserts without indexes, and keeps the list and the dict as JSON text in hashes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import bson
from aredis_om import HashModel
from redis.asyncio import Redis

from ...documents import FIELDS, Document
from ..contestant import StoreContestant

#: Objects that are requested together: redis-om reads each with a request of its own.
TOGETHER = 100


class RedisOM(StoreContestant):
    """Inserts in a pipeline, reads by requests that run side by side, and writes whole objects.

    Parameters
    ----------
    port : int
        Of the server.
    """

    name = "redis-om"
    only = ("list", "insert", "get", "save")

    def __init__(self, port: int) -> None:
        # It decodes what it reads: with a client of its own it has the settings that it expects.
        self._client = Redis(port=port, db=3, decode_responses=True)
        annotations = {"name": str, "email": str, "age": int, "score": float, "active": bool, "joined": datetime}
        annotations |= {"tags": str, "address": str, "note": str}
        meta = type("Meta", (), {"database": self._client, "global_key_prefix": "benchmark"})
        body = {"__module__": __name__, "__qualname__": "Person", "__annotations__": annotations, "Meta": meta}
        make_model: Any = type(HashModel)
        self._model = make_model("Person", (HashModel,), body, index=True)

    async def open(self) -> None:
        await self._client.flushdb()

    async def close(self) -> None:
        await self._client.aclose()

    async def empty(self) -> None:
        await self._client.flushdb()

    def make(self, documents: Sequence[Document]) -> list[Any]:
        return [self._model(pk=str(document["_id"]), **_packed(document)) for document in documents]

    async def insert(self, objects: Sequence[Any]) -> None:
        await self._model.add(objects)

    async def list(self) -> Sequence[Any]:
        keys = iter([key async for key in await self._model.all_pks()])
        people: list[Any] = []
        while part := list(islice(keys, TOGETHER)):
            people += await asyncio.gather(*map(self._model.get, part))
        return people

    async def get(self, ids: Sequence[Any]) -> None:
        for id in ids:
            await self._model.get(str(id))

    async def find(self, age: int) -> Sequence[Any]:
        raise NotImplementedError("its queries need RediSearch")

    async def save(self, edits: Sequence[Any]) -> None:
        for person, score in edits:
            person.score = score
            await person.save()

    def values(self, obj: Any) -> dict[str, Any]:
        values = {field: getattr(obj, field) for field in FIELDS}
        values |= {"tags": json.loads(obj.tags), "address": json.loads(obj.address)}
        return {"_id": bson.ObjectId(obj.pk), **values, "joined": obj.joined.replace(tzinfo=None)}


def _packed(document: Document) -> dict[str, Any]:
    """The fields, with text for what a hash of redis-om cannot hold, and the zone that it gives to times."""
    values = {field: document[field] for field in FIELDS} | {"joined": document["joined"].replace(tzinfo=UTC)}
    return values | {"tags": json.dumps(document["tags"]), "address": json.dumps(document["address"])}
