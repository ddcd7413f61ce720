"""Stores are found by their URL's scheme and imported when they are first used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, cast

import pytest

import atomodm.contract
import atomodm.engine
import atomodm.store
from atomodm.contract import Store
from atomodm.errors import DriverMissing, InvalidURL
from atomodm.store import create_store, data_stores, register_store, registry
from atomodm.store.memory import MemoryStore
from atomodm.store.sqlite import SQLiteStore


@pytest.fixture
def _registrations() -> Iterator[None]:
    before = dict(registry._LOADERS)
    yield
    registry._LOADERS.clear()
    registry._LOADERS.update(before)


def test_a_url_makes_the_store_of_its_scheme_not_yet_opened() -> None:
    for url, kind in (("memory://", MemoryStore), ("memory://x", MemoryStore), ("SQLITE:///x.db", SQLiteStore)):
        store = create_store(url)
        assert type(store) is kind
        assert not store.is_open


def test_the_registered_schemes_can_be_read_and_not_written() -> None:
    assert {"memory", "sqlite"} <= data_stores.keys()
    with pytest.raises(TypeError):
        cast(dict[str, Any], data_stores)["x"] = None


@pytest.mark.parametrize("url", ["", "people.db", "nothing://ann:hunter2@host", "sqlite:people.db", "://x"])
def test_an_unknown_scheme_is_refused_and_the_known_ones_are_named(url: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        create_store(url)
    assert "sqlite://" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_url_is_a_string() -> None:
    with pytest.raises(InvalidURL):
        create_store(cast(str, 5))


@pytest.mark.usefixtures("_registrations")
def test_a_registered_store_is_imported_at_its_first_url(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(MemoryStore):
        pass

    register_store("mine", "some_module_of_mine:Mine")
    assert data_stores["mine"].target == "some_module_of_mine:Mine"
    module = ModuleType("some_module_of_mine")
    module.Mine = Mine  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "some_module_of_mine", module)
    store: Store = create_store("mine://")
    assert type(store) is Mine


@pytest.mark.usefixtures("_registrations")
def test_a_driver_that_is_missing_is_named_with_what_to_install() -> None:
    register_store("absent", "no_such_module_anywhere:Store", extra="absent")
    with pytest.raises(DriverMissing) as caught:
        create_store("absent://ann:hunter2@host")
    assert "pip install atomodm[absent]" in str(caught.value)
    assert "no_such_module_anywhere" in str(caught.value)
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize("scheme", ["", "My", "1a", "a b", "a://"])
def test_a_scheme_must_be_one(scheme: str) -> None:
    with pytest.raises(InvalidURL):
        register_store(scheme, "module:Class")


@pytest.mark.parametrize("target", ["", "module", "module:", ":Class", "mod-ule:Class"])
def test_a_target_names_a_module_and_a_class(target: str) -> None:
    with pytest.raises(ValueError, match=r"package\.module:Class"):
        register_store("mine", target)


def test_finding_stores_imports_no_driver() -> None:
    program = """
import sys
import atomodm.contract
import atomodm.engine
import atomodm.store
loaded = {"sqlite3", "sortedcontainers", "atomodm.store.memory", "atomodm.store.sqlite"} & sys.modules.keys()
assert not loaded, loaded
atomodm.store.create_store("memory://")
assert "sortedcontainers" in sys.modules and "sqlite3" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=50)


def test_the_public_names_are_there() -> None:
    for package in (atomodm.store, atomodm.contract, atomodm.engine):
        assert sorted(package.__all__, key=str.lower) == sorted(set(package.__all__), key=str.lower)
        for name in package.__all__:
            assert getattr(package, name) is not None
