"""A small wiki: documents that refer to each other, and values embedded in them."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from atom.api import Bytes, Dict, ForwardInstance, Instance, Int, List, Set, Str, Tuple, Typed, Value

from atomodm import JSONModel, NoSQLModel


class Address(JSONModel):
    """A value with a default for every member."""

    __model__ = "wiki.Address"

    street = Str()
    zip = Int()


class Author(NoSQLModel):
    """A document that others refer to."""

    __model__ = "wiki.Author"

    name = Str()
    email = Str()
    address: Any = Typed(Address)
    former: Any = Typed(Address)
    friend: Any = ForwardInstance(lambda: Author)


class Comment(JSONModel):
    """An embedded value that refers to a document and to other values, in circles if need be."""

    __model__ = "wiki.Comment"

    text = Str()
    author: Any = Instance(Author)
    replies = List()
    parent: Any = ForwardInstance(lambda: Comment)


class Page(NoSQLModel):
    """A document with references and embedded values in containers."""

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
    """A member for each kind of value that JSON has no type for."""

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
