"""What a program knows of documents that another version of it writes too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from atom.api import Dict, Int, List, Str, Typed, Value

from atomodm import JSONModel, NoSQLModel


class Address(JSONModel):
    """Lacks fields that others store, and has one, ``city``, that they do not."""

    __model__ = "versions.Address"
    __on_error__ = "ignore"

    street = Str()
    zip = Int(7)
    names = List(Str())
    city = Str("nowhere")
    since = Typed(datetime).tag(alias="moved")


class ForgetfulAddress(Address):
    __model__ = "versions.ForgetfulAddress"

    class Meta:
        unknown = "drop"


class MigratingAddress(Address):
    __model__ = "versions.MigratingAddress"

    async def __restorestate__(self, state: dict[str, Any], scope: Any = None) -> None:
        await super().__restorestate__({**state, "street": state["street"].title()}, scope)


class Parcel(JSONModel):
    """Makes another embedded object where none is stored."""

    __model__ = "versions.Parcel"

    address = Typed(Address, ())


class Office(NoSQLModel):
    """A document that is stored inside others."""

    __on_error__ = "ignore"

    name = Str()
    rooms = Int()


class Customer(NoSQLModel):
    __model__ = "versions.Customer"
    __on_error__ = "ignore"

    name = Str()
    address = Typed(Address)
    addresses = List(Address)
    by_name = Dict(Str(), Address)
    anything = Value()
    office = Typed(Office).tag(embed=True)
    joined = Typed(datetime).tag(alias=("entered", "since"))
    left = Typed(datetime)
    remark = Str()
    tags = List(Str())
    counts = Dict(Str(), Int())
