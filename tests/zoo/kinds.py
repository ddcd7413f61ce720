"""One member of every kind that atom has."""

from __future__ import annotations

import enum
import pathlib
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from atom.api import (
    Bool,
    Bytes,
    Coerced,
    Constant,
    ContainerList,
    DefaultDict,
    Delegator,
    Dict,
    Enum,
    Event,
    FixedTuple,
    Float,
    FloatRange,
    ForwardInstance,
    ForwardTyped,
    Instance,
    Int,
    List,
    Property,
    Range,
    ReadOnly,
    Set,
    Signal,
    Str,
    Tuple,
    Typed,
    Value,
)
from bson import ObjectId

from atomodm import JSONModel, NoSQLModel


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Right(enum.Flag):
    READ = 1
    WRITE = 2
    RUN = 4


class Access(enum.IntFlag):
    READ = 1
    WRITE = 2


class Size(enum.StrEnum):
    SMALL = "s"
    LARGE = "l"


class Corner(enum.Enum):
    """Values that BSON has no type for."""

    NEAR = (0, 0)
    FAR = (1, 1)


class Name(str):
    """A text of a class of its own."""

    __slots__ = ()


class Point(JSONModel):
    x = Int()
    y = Int()


class Scalars(NoSQLModel):
    flag = Bool()
    count = Int()
    ratio = Float()
    text = Str()
    blob = Bytes()
    anything = Value()
    word = Enum("one", "two")
    mixed = Enum(1, "1", True, None)
    kind = Enum(int, str, Point)
    color_choice = Enum(Color.RED, Color.BLUE)
    percent = Range(0, 100)
    share = FloatRange(0.0, 1.0)
    promoted = Float(strict=False)


class Classes(NoSQLModel):
    color = Typed(Color)
    level = Typed(Level)
    right = Instance(Right)
    access = Instance(Access)
    size = Instance(Size)
    corner = Instance(Corner)
    path = Typed(pathlib.PurePosixPath)
    file = Instance(pathlib.Path)
    windows = Typed(pathlib.PureWindowsPath)
    day = Typed(date)
    clock = Typed(time)
    moment = Typed(datetime)
    span = Typed(timedelta)
    price = Typed(Decimal)
    key = Typed(UUID)
    number = Instance(complex)
    object_id = Typed(ObjectId)
    either = Instance((int, str))
    day_or_text = Instance((date, str))
    whole = Instance(object)
    plain_list = Typed(list)
    plain_dict = Instance(dict)
    plain_set = Typed(set)
    frozen = Typed(frozenset)
    plain_tuple = Typed(tuple)
    buffer = Typed(bytearray)
    later_point = ForwardTyped(lambda: Point)
    later_color = ForwardInstance(lambda: Color)
    later_either = ForwardInstance(lambda: (int, str))
    coerced = Coerced(int)
    coerced_path = Coerced(pathlib.PurePosixPath, coercer=pathlib.PurePosixPath)
    coerced_set = Coerced(set)


class Containers(NoSQLModel):
    names = List(Str())
    any_list = List()
    points = List(Point)
    days = List(Typed(date))
    colors = List(Typed(Color))
    lists = List(List(Int()))
    watched = ContainerList(Int())
    watched_days = ContainerList(Typed(date))
    counts = Dict(Str(), Int())
    any_dict = Dict()
    by_number = Dict(Int(), Str())
    by_day = Dict(Typed(date), Typed(Decimal))
    by_color = Dict(Typed(Color), List(Typed(time)))
    by_name = Dict(Str(), Point)
    groups = DefaultDict(Str(), List(Int()))
    any_default = DefaultDict(missing=lambda: 0)
    tags = Set(Str())
    any_set = Set()
    day_set = Set(Typed(date))
    pair = FixedTuple(Int(), Typed(date), default=(0, None))
    series = Tuple(Int())
    any_tuple = Tuple()
    day_tuple = Tuple(Typed(date))
    points_tuple = Tuple(Point)
    deep = Dict(Str(), List(Dict(Str(), Set(Int()))))
    deep_days = Dict(Str(), List(Tuple(Typed(date))))
    pairs = List(FixedTuple(Str(), Typed(Decimal)))


class Computed(NoSQLModel):
    first = Str()
    last = Str()
    length = Property().tag(store=True)
    reversed = Property().tag(store=True)
    unstored = Property()

    def _get_length(self) -> int:
        return len(self.first)

    def _get_reversed(self) -> str:
        return self.last[::-1]

    def _set_reversed(self, value: str) -> None:
        self.last = value[::-1]

    def _get_unstored(self) -> str:
        return "never stored"


class Special(NoSQLModel):
    version = Constant(3)
    made = ReadOnly()
    made_text = ReadOnly(str)
    made_on = ReadOnly(date)
    made_at = ReadOnly(datetime)
    serial = ReadOnly()
    changed = Event(Str())
    signalled = Signal()
    nickname = Str().tag(store=False)
    _secret = Str()
    _kept = Str().tag(store=True)

    def _default_serial(self) -> str:
        return "by default"


class Room(JSONModel):
    size = Int()


class House(NoSQLModel):
    room = Typed(Room, ())
    size = Delegator(Int(7))
    built = Delegator(Typed(date))
    tags = Delegator(List(Str()))


#: For each member of `Scalars`, `Classes` and `Containers`, values that come back as they went in.
SCALARS: dict[str, list[Any]] = {
    "flag": [True, False],
    "count": [0, -1, 2**63 - 1, -(2**63)],
    "ratio": [0.0, -0.0, 1.5, float("inf"), float("-inf"), 5e-324],
    "text": ["", "ä\0b", "𝄞", "{'a': 1}"],
    "blob": [b"", b"\0\xff"],
    "anything": [None, 1, 1.0, True, "x", b"x", [1], {"a": (1, 2)}],
    "word": ["one", "two"],
    "mixed": [1, "1", None],
    "kind": [int, str, Point],
    "color_choice": [Color.RED, Color.BLUE],
    "percent": [0, 100],
    "share": [0.0, 1.0],
    "promoted": [1.0, 2.5],
}
CLASSES: dict[str, list[Any]] = {
    "color": [Color.BLUE, None],
    "level": [Level.HIGH],
    "right": [Right.READ, Right.READ | Right.RUN, Right(0), ~Right.READ],
    "access": [Access.READ, Access.READ | Access.WRITE, Access(0)],
    "size": [Size.LARGE],
    "corner": [Corner.FAR],
    "path": [pathlib.PurePosixPath("/a/b"), pathlib.PurePosixPath("")],
    "file": [pathlib.Path("x/y")],
    "windows": [pathlib.PureWindowsPath("c:\\a\\b")],
    "day": [date(1, 1, 1), date(1969, 7, 20), date(9999, 12, 31)],
    "clock": [time(0), time(23, 59, 59, 999999), time(1, 2, fold=1)],
    "moment": [datetime(1, 1, 1), datetime(1969, 1, 1, 0, 0, 0, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)],
    "span": [timedelta.min, timedelta.max, timedelta(microseconds=-1), timedelta(0)],
    "price": [Decimal("1.10"), Decimal("-0"), Decimal("Infinity"), Decimal("1E+6111"), Decimal("9" * 34)],
    "key": [UUID(int=0), UUID(int=2**128 - 1)],
    "number": [1 + 2j, complex("inf")],
    "object_id": [ObjectId("0" * 24)],
    "either": [1, "1"],
    "day_or_text": [date(2020, 1, 1), "2020-01-01"],
    "whole": [1, date(2020, 1, 1), frozenset({1})],
    "plain_list": [[1, (2, 3), date(2020, 1, 1)]],
    "plain_dict": [{"a": 1}, {1: "a"}, {"__model__": "x"}],
    "plain_set": [{1, 2}, set(), {date(2020, 1, 1)}],
    "frozen": [frozenset({"a", "b"})],
    "plain_tuple": [(), (1, "a", (2,))],
    "buffer": [bytearray(b"\0a")],
    "later_color": [Color.RED],
    "later_either": ["a", 4],
    "coerced": [5],
    "coerced_path": [pathlib.PurePosixPath("/x")],
    "coerced_set": [{1, 2}],
}
CONTAINERS: dict[str, list[Any]] = {
    "names": [[], ["a", "b"]],
    "any_list": [[1, "a", (1,), {2}, [date(2020, 1, 1)]]],
    "days": [[date(2020, 1, 1), date(1, 1, 1)], [None]],
    "colors": [[Color.RED, Color.BLUE]],
    "lists": [[[1], [], [2, 3]]],
    "watched": [[1, 2]],
    "watched_days": [[date(2020, 1, 1)]],
    "counts": [{}, {"a": 1}, {"": 1, "a.b": 2, "$c": 3, "__py__": 4}],
    "any_dict": [{"a": {"b": [1, {2, 3}]}}, {1: 2, (1, 2): "t"}, {"__py__": "tuple"}, {None: 1, True: 2}],
    "by_number": [{}, {1: "a", -5: "b"}],
    "by_day": [{date(2020, 1, 1): Decimal("1.5")}],
    "by_color": [{Color.RED: [time(1), time(2)]}],
    "groups": [{"a": [1, 2]}],
    "any_default": [{"a": 1}],
    "tags": [set(), {"a", "b", "c"}],
    "any_set": [{1, "a", (1, 2), frozenset({3}), date(2020, 1, 1)}],
    "day_set": [{date(2020, 1, 1), date(2021, 1, 1)}],
    "pair": [(1, date(2020, 1, 1))],
    "series": [(), (1, 2)],
    "any_tuple": [(1, (2, [3]))],
    "day_tuple": [(date(2020, 1, 1),)],
    "deep": [{"a": [{"b": {1, 2}}, {}]}],
    "deep_days": [{"a": [(date(2020, 1, 1), date(2021, 1, 1)), ()]}],
    "pairs": [[("a", Decimal("1.0"))]],
}
