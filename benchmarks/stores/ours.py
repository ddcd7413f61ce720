"""atomodm on one of its stores."""

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
    """Objects that are validated, tracked, in the object cache, and saved with a check of their revisions.

    Parameters
    ----------
    url : str
        The store.
    """

    name = "atomodm"

    def __init__(self, url: str) -> None:
        self.store = create_store(url)

    async def open(self) -> None:
        await self.store.open()
        NoSQLModelManager.instance().database = self.store
        await IndexedPerson.objects.ready()

    async def close(self) -> None:
        await self.store.close()

    async def empty(self) -> None:
        await IndexedPerson.objects.delete_many({})

    def make(self, documents: Sequence[Document]) -> list[Any]:
        return [IndexedPerson(**document) for document in documents]

    async def insert(self, objects: Sequence[Any]) -> None:
        most = self.store.capabilities.max_batch
        # Documents beyond what goes into one step are stored in several.
        await save_all(objects, atomic=None if most is None or len(objects) <= most else False)

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
