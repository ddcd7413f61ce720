"""The wiki of `tests.zoo.wiki` as a program of atom-db's declares it: the same names, the same stored data."""

from __future__ import annotations

import copy
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from atom.api import Bytes, Dict, ForwardInstance, Instance, Int, List, Set, Str, Tuple, Typed, Value
from atomdb.base import JSONModel
from atomdb.nosql import NoSQLModel, NoSQLModelManager


class Address(JSONModel):
    __model__ = "wiki.Address"

    street = Str()
    zip = Int()


class Author(NoSQLModel):
    __model__ = "wiki.Author"

    name = Str()
    email = Str()
    address: Any = Typed(Address)
    former: Any = Typed(Address)
    friend: Any = ForwardInstance(lambda: Author)


class Comment(JSONModel):
    __model__ = "wiki.Comment"

    text = Str()
    author: Any = Instance(Author)
    replies = List()
    parent: Any = ForwardInstance(lambda: Comment)


class Page(NoSQLModel):
    __model__ = "wiki.Page"

    title = Str()
    author: Any = Instance(Author)
    editors = List(Author)
    comments = List(Comment)
    pinned: Any = Instance(Comment)
    related = List(ForwardInstance(lambda: Page))
    data = Dict()
    anything = Value()


class Everything(JSONModel):
    __model__ = "wiki.Everything"

    day = Instance(date)
    clock = Instance(time)
    moment = Instance(datetime)
    price = Instance(Decimal)
    number = Instance(UUID)
    blob = Bytes()
    tags = Set()
    pair = Tuple()
    anything = Value()


class Table:
    """As much of a collection as atom-db needs to restore a graph."""

    def __init__(self, documents: list[dict[str, Any]]) -> None:
        self._documents = {document["_id"]: document for document in documents}

    async def find_one(self, filter: dict[str, Any]) -> dict[str, Any] | None:
        """The document with an id."""
        return copy.deepcopy(self._documents.get(filter["_id"]))


def use_documents(collections: dict[str, list[dict[str, Any]]]) -> None:
    """Make documents what atom-db's models find, with nothing in their caches."""
    manager: Any = NoSQLModelManager.instance()
    manager.proxies = {}
    manager.database = {name: Table(documents) for name, documents in collections.items()}
