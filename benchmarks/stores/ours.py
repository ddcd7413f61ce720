"""atomodm on its SQLite store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from atom.api import Bool, Dict, Float, Instance, Int, List, Str

from atomodm import NoSQLModel, NoSQLModelManager, create_store, save_all

from ..documents import FIELDS, Document
from .contestant import StoreContestant


class IndexedPerson(NoSQLModel):
    """The document of atomodm with the two indexes that everybody has."""

    __model__ = "benchmarks.IndexedPerson"

    name = Str()
    email = Str().tag(index=True)
    age = Int().tag(index=True)
    score = Float()
    active = Bool()
    joined = Instance(datetime)
    tags = List(Str())
    address = Dict(Str(), Str())
    note = Str()


class Atomodm(StoreContestant):
    """Objects that are validated, tracked, in the object cache, and saved with a check of their revisions."""

    name = "atomodm"

    async def open(self) -> None:
        self._store = create_store(f"sqlite:///{self.path}")
        await self._store.open()
        NoSQLModelManager.instance().database = self._store
        await IndexedPerson.objects.ready()

    async def close(self) -> None:
        await self._store.close()

    async def empty(self) -> None:
        await IndexedPerson.objects.delete_many({})

    def make(self, documents: Sequence[Document]) -> list[Any]:
        return [IndexedPerson(**document) for document in documents]

    async def insert(self, objects: Sequence[Any]) -> None:
        await save_all(objects)

    async def list(self) -> Sequence[Any]:
        return await IndexedPerson.objects.all()

    async def get(self, ids: Sequence[Any]) -> None:
        for id in ids:
            await IndexedPerson.objects.get(_id=id)

    async def find(self, age: int) -> Sequence[Any]:
        return await IndexedPerson.objects.filter(age=age)

    async def save(self, edits: Sequence[Any]) -> None:
        for person, score in edits:
            person.score = score
            await person.save()

    def values(self, obj: Any) -> dict[str, Any]:
        return {field: getattr(obj, field) for field in ("_id", *FIELDS)}
