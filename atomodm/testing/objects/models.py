"""Models that the suite saves and loads; what they are stored as never changes, so that runs can be compared."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from atom.api import Dict, ForwardInstance, Instance, Int, List, Set, Str, Tuple, Typed, Value

from ... import JSONModel, NoSQLModel


class Node(NoSQLModel):
    """A part of chains, rings and trees."""

    name = Str().tag(index=True)
    value = Int()
    next: Any = ForwardInstance(lambda: Node)
    others: Any = List(ForwardInstance(lambda: Node))

    class Meta:
        app_label = "contract"


class Part(JSONModel):
    """An embedded value that refers to a document."""

    label = Str()
    node: Any = Instance(Node)
    parts: Any = List(ForwardInstance(lambda: Part))

    class Meta:
        app_label = "contract"


class Holder(NoSQLModel):
    """Refers to documents from every kind of place."""

    one: Any = Instance(Node)
    listed: Any = List(Instance(Node))
    keyed: Any = Dict(Str(), Instance(Node))
    gathered: Any = Set(Instance(Node))
    ordered: Any = Tuple(Instance(Node))
    part: Any = Instance(Part)
    parts: Any = List(Instance(Part))
    anything: Any = Value()

    class Meta:
        app_label = "contract"


class Account(NoSQLModel):
    """Something that several programs change at the same time."""

    name = Str().tag(index=True)
    email = Str().tag(unique=True)
    balance = Int()
    note = Str()
    tags: Any = List(Str())
    labels: Any = Set(Str())
    settings: Any = Dict()
    owner: Any = Instance(Node)

    class Meta:
        app_label = "contract"
        ordering = ("name",)


class Visit(NoSQLModel):
    """Happened at a moment."""

    when = Typed(datetime)

    class Meta:
        app_label = "contract"


class Country(NoSQLModel):
    """A document with a primary key of its own."""

    code = Str().tag(primary_key=True)
    name = Str()
    neighbours: Any = List(ForwardInstance(lambda: Country))

    class Meta:
        app_label = "contract"


class Animal(NoSQLModel):
    """Owns a collection that its subclasses share."""

    name = Str()

    class Meta:
        app_label = "contract"
        name = "contract.animals"


class Dog(Animal):
    """A subclass."""

    tricks = List(Str())


class Puppy(Dog):
    """A subclass of a subclass."""

    weeks = Int()


class Cat(Animal):
    """Another subclass."""

    lives = Int(9)
