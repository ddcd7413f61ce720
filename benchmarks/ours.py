"""atomodm's part of the comparison: what a query does with the store's bytes, and a save with its objects."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import bson
from atom.api import Atom, Bool, Dict, Float, Instance, Int, List, Str, Value

from atomodm import NoSQLModel, NoSQLModelManager, create_store
from atomodm.contract.finding import Chunk
from atomodm.serializer import FlattenScope, Form, generated_for
from atomodm.session import Fetch

from .contestant import Contestant
from .documents import FIELDS


class Person(NoSQLModel):
    """The document of atomodm, observed and cached like any other."""

    __model__ = "benchmarks.Person"

    name = Str()
    email = Str()
    age = Int()
    score = Float()
    active = Bool()
    joined = Instance(datetime)
    tags = List(Str())
    address = Dict(Str(), Str())
    note = Str()


class BarePerson(Atom):
    """The same members on an object that nobody persists."""

    _id = Value()
    name = Str()
    email = Str()
    age = Int()
    score = Float()
    active = Bool()
    joined = Instance(datetime)
    tags = List(Str())
    address = Dict(Str(), Str())
    note = Str()


def bare_atom() -> Contestant:
    """What atom alone costs."""
    stored = ("_id", *FIELDS)
    return Contestant(
        "atom alone",
        lambda blobs: [BarePerson(**bson.decode(blob)) for blob in blobs],
        lambda person: {field: getattr(person, field) for field in stored},
    )


def atomodm() -> Contestant:
    """What a query and a save of ours do in the client."""
    # As a save does: one scope for all objects, each flattened with its id.
    flatten, scope = generated_for(Person).flatten, FlattenScope(Form.DOCUMENT)
    return Contestant("atomodm", Ours().hydrate, lambda person: flatten(person, person._id, scope))


class Ours:
    """Hydrates into the object cache of an open store, on a loop of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._manager = NoSQLModelManager.instance()
        store = create_store("memory://")
        self._loop.run_until_complete(store.open())
        self._manager.database = store

    def hydrate(self, blobs: Sequence[bytes]) -> list[Any]:
        """Stored bytes to objects: decoded, validated, cached, tracked."""
        cache = Person.objects.cache
        cache.clear()
        chunk = Chunk(revisions=range(1, len(blobs) + 1), documents=blobs)
        return self._loop.run_until_complete(Fetch(cache, Person, 0).objects_of(chunk))
