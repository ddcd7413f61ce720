"""The other object mappers, each reading and writing documents as it does behind its own queries.

None needs a server: what comes from the wire is BSON, and what is timed is what happens to it in the client.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime
from typing import Any

import atom.api
import beanie
import bson
import mongoengine
import odmantic
from atomdb.nosql import NoSQLModel, NoSQLModelManager
from beanie.odm.utils.dump import get_dict
from beanie.odm.utils.parsing import parse_obj
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from .contestant import Blobs, Contestant
from .documents import Document


def peers() -> Iterator[Contestant]:
    """All of them, ready to run."""
    yield _atom_db()
    yield _odmantic()
    yield _beanie()
    yield _mongoengine()


class AtomDBPerson(NoSQLModel):
    """The document of atom-db; `_id` comes from its base class."""

    name = atom.api.Str()
    email = atom.api.Str()
    age = atom.api.Int()
    score = atom.api.Float()
    active = atom.api.Bool()
    joined = atom.api.Typed(datetime)
    tags = atom.api.List(atom.api.Str())
    address = atom.api.Dict(atom.api.Str(), atom.api.Str())
    note = atom.api.Str()


def _atom_db() -> Contestant:
    # Its restore asks for the model's collection although it needs the cache only.
    NoSQLModelManager.instance().database = defaultdict(lambda: None)

    restore: Callable[[Document], Coroutine[Any, Any, Any]] = AtomDBPerson.restore

    runner = asyncio.Runner()

    async def restore_all(blobs: Blobs) -> list[Any]:
        return [await restore(bson.decode(blob)) for blob in blobs]

    def hydrate(blobs: Blobs) -> list[Any]:
        AtomDBPerson.objects.cache.clear()
        return runner.run(restore_all(blobs))

    return Contestant("atom-db", hydrate, lambda person: person.__getstate__())


class ODManticPerson(odmantic.Model):
    """The document of ODMantic."""

    id: odmantic.ObjectId = odmantic.Field(primary_field=True)
    name: str
    email: str
    age: int
    score: float
    active: bool
    joined: datetime
    tags: list[str]
    address: dict[str, str]
    note: str


def _odmantic() -> Contestant:
    return Contestant(
        "ODMantic",
        lambda blobs: [ODManticPerson.model_validate_doc(bson.decode(blob)) for blob in blobs],
        lambda person: person.model_dump_doc(),
    )


class BeaniePerson(beanie.Document):
    """The document of Beanie; `id` comes from its base class."""

    name: str
    email: str
    age: int
    score: float
    active: bool
    joined: datetime
    tags: list[str]
    address: dict[str, str]
    note: str


class _OfflineDatabase(AsyncDatabase[Document]):
    """Answers the two questions that Beanie asks when it starts."""

    async def command(self, *_arguments: Any, **_options: Any) -> Any:
        return {"version": "8.0.0"}

    async def list_collection_names(self, *_arguments: Any, **_options: Any) -> list[str]:
        return []


def _beanie() -> Contestant:
    async def start() -> None:
        client: AsyncMongoClient[Document] = AsyncMongoClient("mongodb://127.0.0.1:1", connect=False)
        database = _OfflineDatabase(client, "offline")
        await beanie.init_beanie(database=database, document_models=[BeaniePerson], skip_indexes=True)

    asyncio.run(start())
    return Contestant(
        "Beanie",
        lambda blobs: [parse_obj(BeaniePerson, bson.decode(blob)) for blob in blobs],
        lambda person: get_dict(person, to_db=True),
    )


def _mongoengine() -> Contestant:
    members = {
        "name": mongoengine.StringField(),
        "email": mongoengine.StringField(),
        "age": mongoengine.IntField(),
        "score": mongoengine.FloatField(),
        "active": mongoengine.BooleanField(),
        "joined": mongoengine.DateTimeField(),
        "tags": mongoengine.ListField(mongoengine.StringField()),
        "address": mongoengine.MapField(mongoengine.StringField()),
        "note": mongoengine.StringField(),
    }
    person_class: Any = type("MongoEnginePerson", (mongoengine.Document,), members)
    return Contestant(
        "MongoEngine",
        lambda blobs: [person_class._from_son(bson.decode(blob)) for blob in blobs],
        lambda person: person.to_mongo(),
    )
