"""A model with members of all types, for the tests of updates."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag
from typing import Any

from atom.api import (
    Bool,
    Dict,
    Float,
    Instance,
    Int,
    List,
    Range,
    ReadOnly,
    Set,
    Str,
    Tuple,
    Typed,
    Value,
)
from atom.api import Enum as Choice

from ... import (
    JSONModel,
    NoSQLModel,
    Store,
)
from .models import Node
from .tools import Elsewhere


class Colour(Enum):
    """Stored by its values."""

    RED = "r"
    BLUE = "b"


class Level(IntEnum):
    """Stored as numbers that one does not count with."""

    LOW = 1
    HIGH = 2


class Right(IntFlag):
    """Stored as bits."""

    READ = 1
    WRITE = 2


class Address(JSONModel):
    """Embedded in a `Meter`."""

    city = Str().tag(name="town")
    number = Int()
    since: Any = Typed(datetime)


class Meter(NoSQLModel):
    """Has members of all kinds."""

    class Meta:
        app_label = "contract"

    name = Str().tag(name="n", required=True)
    count = Int().tag(name="c")
    anything = Value()
    ratio = Float()
    price = Typed(Decimal)
    spent = Typed(timedelta)
    opens = Typed(time)
    day = Typed(date)
    when: Any = Typed(datetime)
    flag = Bool()
    size = Range(0, 100, 50)
    colour = Typed(Colour)
    level = Typed(Level)
    rights = Typed(Right)
    choice = Choice("a", "b")
    tags = List(Str())
    numbers = List(Int())
    spans = List(Typed(timedelta))
    days = Set(Int())
    pair = Tuple(Int())
    facts = Dict()
    totals = Dict(Str(), Int())
    by_number = Dict(Int(), Int())
    nodes = List(Instance(Node))
    node = Instance(Node)
    address: Any = Typed(Address)
    addresses: Any = List(Typed(Address))
    fixed = ReadOnly()
    tripled = Int().tag(flatten=lambda value, scope: 3 * value, unflatten=lambda value, scope: value // 3)
    moved = Int().tag(alias="former")


async def new_meter(**values: Any) -> Meter:
    """A meter that was saved."""
    meter = Meter(**{"name": "m", **values})
    await meter.save()
    return meter


async def stored_in(store: Store, obj: Any) -> dict[str, Any]:
    """The document of an object."""
    document = await Elsewhere(store).read(type(obj), obj._id)
    assert document is not None
    return document
