"""Models whose members carry tags."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from atom.api import Dict, Enum, Int, List, Range, Str, Typed, Value

from atomodm import JSONModel, NoSQLModel


class Logging(NoSQLModel):
    """Members that may refuse what is stored; what happens then is logged."""

    age = Int(7)
    percent = Range(0, 100, 50)
    word = Enum("a", "b")
    names = List(Str())
    moment = Typed(datetime)
    note = Str()


class Ignoring(Logging):
    __on_error__ = "ignore"


class Raising(Logging):
    __on_error__ = "raise"


class Keeping(NoSQLModel):
    name = Str()


class Dropping(NoSQLModel):
    name = Str()

    class Meta:
        unknown = "drop"


class Renamed(NoSQLModel):
    title = Str().tag(name="t", alias=("headline", "head"))
    count = Int().tag(alias="number")


class Required(NoSQLModel):
    owner = Value().tag(required=True)
    name = Str().tag(required=True)


class RequiredPart(JSONModel):
    label = Value().tag(required=True)


class RequiredHolder(NoSQLModel):
    part = Typed(RequiredPart)


class Indexed(NoSQLModel):
    plain = Int()
    listed = Int().tag(index=True)
    single = Str().tag(unique=True, name="s")
    by_meta = Str()
    to = Typed(NoSQLModel).tag(index=True)

    class Meta:
        indexes = ("by_meta",)


class Author(NoSQLModel):
    name = Str()


class Kept(NoSQLModel):
    author = Typed(Author)


class Nullified(NoSQLModel):
    author = Typed(Author).tag(on_delete="nullify")
    title = Str()


class Cascaded(NoSQLModel):
    author = Typed(Author).tag(on_delete="cascade")


class Nested(NoSQLModel):
    parent = Typed(Cascaded).tag(on_delete="cascade")


class Denied(NoSQLModel):
    author = Typed(Author).tag(on_delete="deny")


class Snapshot(NoSQLModel):
    author = Typed(Author).tag(embed=True)
    authors = List(Author).tag(embed=True)


class Ordered(NoSQLModel):
    first = Int().tag(setstate_order=30)
    second = Int().tag(setstate_order=20)
    third = Int().tag(setstate_order=10)
    log = Value().tag(store=False)

    def _default_log(self) -> list[str]:
        return []

    def _post_setattr_first(self, old: Any, new: Any) -> None:
        self.log.append("first")

    def _post_setattr_second(self, old: Any, new: Any) -> None:
        self.log.append("second")

    def _post_setattr_third(self, old: Any, new: Any) -> None:
        self.log.append("third")


class IntKey(NoSQLModel):
    number = Int().tag(primary_key=True)
    name = Str()


class AnyKey(NoSQLModel):
    key = Value().tag(primary_key=True)
    to = Typed(NoSQLModel)


class Wide(NoSQLModel):
    text = Str()
    value = Value()
    entries = Dict()
    names = List(Str())
    counts = Dict(Str(), Int())
