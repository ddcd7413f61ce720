"""What a package exports is written in its ``__all__``, and nothing else is there."""

from __future__ import annotations

import importlib
import importlib.resources
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import atomodm

HOME = Path(atomodm.__file__).parent


def packages() -> list[str]:
    """The names of atomodm and all packages in it."""
    return sorted(".".join(path.parent.relative_to(HOME.parent).parts) for path in HOME.rglob("__init__.py"))


def is_export(value: Any) -> bool:
    """Whether a name of a package's namespace is one of ours to export: no module, no future feature."""
    return not isinstance(value, ModuleType) and type(value).__module__ != "__future__"


@pytest.mark.parametrize("name", packages())
def test_the_names_in_all_are_there_and_stand_once(name: str) -> None:
    package = importlib.import_module(name)
    declared = list(getattr(package, "__all__", []))
    assert sorted(set(declared)) == sorted(declared)
    assert not [key for key in declared if not hasattr(package, key)]


def test_the_public_names_are_exactly_those_in_all() -> None:
    public = {key for key, value in vars(atomodm).items() if not key.startswith("_") and is_export(value)}
    assert public == set(atomodm.__all__)
    assert list(atomodm.__all__) == sorted(atomodm.__all__)


@pytest.mark.parametrize("name", getattr(atomodm, "__all__", []))
def test_every_public_class_and_function_has_a_docstring(name: str) -> None:
    value = getattr(atomodm, name)
    if callable(value) or isinstance(value, ModuleType):
        assert (value.__doc__ or "").strip()


def test_types_are_shipped() -> None:
    assert importlib.resources.files(atomodm).joinpath("py.typed").is_file()
