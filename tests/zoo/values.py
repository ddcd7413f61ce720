"""Models for values that BSON has no type for."""

from __future__ import annotations

import enum
from datetime import datetime
from decimal import Decimal
from typing import Any

from atom.api import Dict, Int, List, Str, Typed, Value

from atomodm import JSONModel, NoSQLModel, register_type


class Anything(NoSQLModel):
    """A member that takes any value, one for lists, one for dicts, and one for exact moments."""

    value = Value()
    items = List()
    entries = Dict()
    moment = Typed(datetime)
    moments = List(Typed(datetime))
    price = Typed(Decimal)
    prices = List(Typed(Decimal))


class Part(JSONModel):
    label = Str()
    value = Value()
    more = List()
    inner = Typed(JSONModel)


class Machine(NoSQLModel):
    main = Typed(Part)
    parts = List(Part)
    by_name = Dict(Str(), Part)


class Weekday(enum.Enum):
    MONDAY = 1
    TUESDAY = (2, "two")


class Feature(enum.Flag):
    A = 1
    B = 2


class Vector:
    """A class of the program's own, with a converter."""

    def __init__(self, x: float, y: float) -> None:
        self.x, self.y = x, y

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (self.x, self.y) == (other.x, other.y)

    def __hash__(self) -> int:
        return hash((self.x, self.y))


class Force(Vector):
    """A subclass without converter of its own."""


class Torque(Vector):
    """A subclass with a converter of its own."""


class Unknown:
    """A class that no converter is registered for."""


def _vector(stored: Any) -> Vector:
    return Vector(*stored)


register_type(Vector, flatten=lambda value: [value.x, value.y], unflatten=_vector)
register_type(Torque, name="torque", flatten=lambda value: (value.x, value.y), unflatten=lambda stored: Torque(*stored))


class Physics(NoSQLModel):
    vector = Typed(Vector)
    vectors = List(Typed(Vector))
    anything = Value()
    count = Int()
