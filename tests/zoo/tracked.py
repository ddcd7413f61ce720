"""Models whose edits are watched."""

from __future__ import annotations

from typing import Any

from atom.api import ContainerList, DefaultDict, Dict, Int, List, Set, Str, Typed, Value

from atomodm import JSONModel, NoSQLModel


class Address(JSONModel):
    street = Str()
    lines = List(Str())
    extra = Dict()


class Person(NoSQLModel):
    name = Str()
    age = Int()
    value = Value()
    tags = List(Str())
    watched = ContainerList(Int())
    scores = Dict(Str(), Int())
    groups = DefaultDict(Str(), List(Int()))
    flags = Set(Str())
    deep = Dict()
    matrix = List(List(Int()))
    home = Typed(Address)
    addresses = List(Address)
    by_place = Dict(Str(), Address)
    friend = Typed(NoSQLModel)


class Witness(NoSQLModel):
    """Has static observers of its own."""

    first = Int()
    second = Int().tag(setstate_order=10)
    third = List(Int())
    heard = Value().tag(store=False)

    def _default_heard(self) -> list[Any]:
        return []

    def _observe_first(self, change: dict[str, Any]) -> None:
        self._hear("first", change)

    def _observe_second(self, change: dict[str, Any]) -> None:
        self._hear("second", change)

    def _observe_third(self, change: dict[str, Any]) -> None:
        self._hear("third", change)

    def _hear(self, name: str, change: dict[str, Any]) -> None:
        self.heard.append((name, change["type"], self.first, self.second, list(self.third)))


class Fragile(NoSQLModel):
    """Has an observer that raises, and one that does not."""

    bad = Int()
    good = Int()
    heard = Value().tag(store=False)

    def _default_heard(self) -> list[str]:
        return []

    def _observe_bad(self, change: dict[str, Any]) -> None:
        if change["value"] == 13:
            raise RuntimeError("the observer's own")

    def _observe_good(self, change: dict[str, Any]) -> None:
        self.heard.append("good")
