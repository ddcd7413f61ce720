"""The names that a program written for atom-db imports."""

from __future__ import annotations

import importlib

import pytest
from atom.api import Int, List, Property, Str, Value

import atomodm
from atomodm import is_db_field

IMPORTED = {
    "Model",
    "JSONModel",
    "NoSQLModel",
    "ModelSerializer",
    "JSONSerializer",
    "NoSQLModelSerializer",
    "ModelManager",
    "NoSQLModelManager",
    "NoSQLDatabaseProxy",
    "RestoreError",
    "is_db_field",
}


@pytest.mark.parametrize("name", sorted(IMPORTED))
def test_a_name_of_atom_db_is_public(name: str) -> None:
    assert name in atomodm.__all__
    assert getattr(atomodm, name).__name__ == name


@pytest.mark.parametrize("name", sorted(IMPORTED))
def test_atom_db_has_a_thing_of_the_same_kind_under_that_name(name: str) -> None:
    theirs = [vars(importlib.import_module(module)).get(name) for module in ("atomdb.base", "atomdb.nosql")]
    assert any(isinstance(thing, type) == isinstance(getattr(atomodm, name), type) for thing in theirs if thing)


def _named(member: object, name: str) -> object:
    member.set_name(name)  # type: ignore[attr-defined]
    return member


@pytest.mark.parametrize(
    ("member", "stored"),
    [
        (_named(Int(), "age"), True),
        (_named(List(Str()), "tags"), True),
        (_named(Value(), "_hidden"), False),
        (_named(Int().tag(store=False), "age"), False),
        (_named(Value().tag(store=True), "_shown"), True),
        (_named(Int().tag(index=True), "age"), True),
        (_named(Property(), "computed"), False),
        (_named(Property().tag(store=True), "computed"), True),
    ],
)
def test_is_db_field_says_what_is_stored_as_atom_db_does(member: object, stored: bool) -> None:
    theirs = importlib.import_module("atomdb.base").is_db_field
    assert is_db_field(member) is stored  # type: ignore[arg-type]
    assert theirs(member) is stored
