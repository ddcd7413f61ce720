"""Models that the suite saves and loads; what they are stored as never changes, so that runs can be compared."""

from __future__ import annotations

from atom.api import Dict, ForwardInstance, Instance, Int, List, Set, Str, Tuple, Value

from ... import JSONModel, NoSQLModel


class Node(NoSQLModel):
    """A part of chains, rings and trees."""

    name = Str().tag(index=True)
    value = Int()
    next = ForwardInstance(lambda: Node)
    others = List(ForwardInstance(lambda: Node))

    class Meta:
        app_label = "contract"


class Part(JSONModel):
    """An embedded value that refers to a document."""

    label = Str()
    node = Instance(Node)
    parts = List(ForwardInstance(lambda: Part))

    class Meta:
        app_label = "contract"


class Holder(NoSQLModel):
    """Refers to documents from every kind of place."""

    one = Instance(Node)
    listed = List(Instance(Node))
    keyed = Dict(Str(), Instance(Node))
    gathered = Set(Instance(Node))
    ordered = Tuple(Instance(Node))
    part = Instance(Part)
    parts = List(Instance(Part))
    anything = Value()

    class Meta:
        app_label = "contract"


class Account(NoSQLModel):
    """Something that several programs change at the same time."""

    name = Str().tag(index=True)
    email = Str().tag(unique=True)
    balance = Int()
    note = Str()
    tags = List(Str())
    labels = Set(Str())
    settings = Dict()
    owner = Instance(Node)

    class Meta:
        app_label = "contract"
        ordering = ("name",)


class Country(NoSQLModel):
    """A document with a primary key of its own."""

    code = Str().tag(primary_key=True)
    name = Str()
    neighbours = List(ForwardInstance(lambda: Country))

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
