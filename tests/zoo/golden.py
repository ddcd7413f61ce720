"""Models whose generated functions are compared with checked-in text."""

from __future__ import annotations

import enum
from datetime import date, datetime
from typing import Any

from atom.api import Constant, Dict, Enum, FixedTuple, ForwardTyped, Int, List, ReadOnly, Set, Str, Tuple, Typed, Value

from atomodm import JSONModel, NoSQLModel


class Grade(enum.Enum):
    GOOD = 1
    BAD = 2


def shout(value: Any, scope: Any) -> Any:
    return value.upper()


def whisper(value: Any, scope: Any) -> Any:
    return value.lower()


class Line(JSONModel):
    text = Str()
    number = Int()


class Plain(NoSQLModel):
    """Nothing needs a conversion: nothing is converted."""

    name = Str()
    age = Int()
    tags = List(Str())
    scores = Dict(Str(), Int())


class Rich(NoSQLModel):
    """One of each conversion."""

    code = Str().tag(primary_key=True)
    renamed = Str().tag(name="it's", alias="old")
    needed = Str().tag(required=True)
    loud = Str().tag(flatten=shout, unflatten=whisper)
    late = Int().tag(setstate_order=2000)
    day = Typed(date)
    moment = Typed(datetime)
    grade = Typed(Grade)
    word = Enum("a", "b")
    anything = Value()
    days = List(Typed(date))
    flags = Set(Str())
    pair = FixedTuple(Int(), Typed(date), default=(0, None))
    series = Tuple(Int())
    by_day = Dict(Typed(date), Int())
    line = Typed(Line)
    lines = List(Line)
    other = ForwardTyped(lambda: Rich)
    copied = Typed(NoSQLModel).tag(embed=True)
    version = Constant(1)
    made = ReadOnly(str)
    loose = Int().tag(store=False)

    def _observe_late(self, change: dict[str, Any]) -> None:
        pass
