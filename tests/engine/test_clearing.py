"""Dropping indexes that are too large to be removed in one go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from atomodm.contract import IndexSpec
from atomodm.engine import EngineStore
from atomodm.engine.indexing.catalogue import Catalogue
from atomodm.query.ranges import EVERYTHING
from atomodm.store.memory import MemoryStore
from atomodm.store.sqlite import SQLiteStore
from atomodm.testing.contract.stores import ids, insert_all

NAME = IndexSpec(name="name_1", fields=(("name", 1),))
UNIQUE = IndexSpec(name="name_1", fields=(("name", 1),), unique=True)


@pytest.fixture(params=["memory", "sqlite"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[EngineStore]:
    monkeypatch.setattr("atomodm.engine.indexing.clearing.AT_ONCE", 20)
    monkeypatch.setattr("atomodm.engine.indexing.clearing.STEP", 7)
    store: EngineStore = MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "store.db")
    await store.open()
    await insert_all(store, "people", [{"_id": number, "name": number} for number in range(100)])
    yield store
    await store.close()


async def catalogue(store: EngineStore) -> Catalogue:
    return Catalogue.of(await store._driver.state("people"))


@pytest.mark.parametrize("spec", [NAME, UNIQUE], ids=["plain", "unique"])
async def test_a_large_index_is_removed_a_part_at_a_time(store: EngineStore, spec: IndexSpec) -> None:
    await store.ensure_indexes("people", [spec])
    (index,) = await catalogue(store)
    before = await store.position()
    await store.drop_indexes("people", ["name_1"])
    assert (await catalogue(store)).cleared == ()
    assert await store._driver.count("people", index.ref, [EVERYTHING]) == 0
    # Only the changes of the catalogue are in the log, at its beginning and end.
    position = await store.position()
    assert isinstance(before, int)
    assert position == before + 2


@pytest.mark.parametrize("spec", [NAME, UNIQUE], ids=["plain", "unique"])
async def test_what_was_left_of_a_dropped_index_is_removed_by_the_next_change(
    store: EngineStore, spec: IndexSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.ensure_indexes("people", [spec])
    (index,) = await catalogue(store)
    entries, calls = store._driver.entries, 0

    async def die(*args: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyError("killed")
        return await entries(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store._driver, "entries", die)
    with pytest.raises(KeyError):
        await store.drop_indexes("people", ["name_1"])
    assert await store.list_indexes("people") == []
    assert await store._driver.count("people", index.ref, [EVERYTHING]) == 86
    assert (await catalogue(store)).cleared == (index.ref,)
    # What is left is no index to anybody.
    await insert_all(store, "people", [{"_id": "new", "name": 99}])
    assert len(await ids(store, "people", sort=[("name", 1)])) == 101
    monkeypatch.undo()
    await store.ensure_indexes("people", [NAME])
    assert (await catalogue(store)).cleared == ()
    assert await store._driver.count("people", index.ref, [EVERYTHING]) == 0
    assert await store._driver.count("people", (await catalogue(store)).indexes[0].ref, [EVERYTHING]) == 101


@pytest.mark.parametrize("spec", [NAME, UNIQUE], ids=["plain", "unique"])
async def test_a_new_collection_of_the_same_name_keeps_its_entries(
    store: EngineStore, spec: IndexSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.ensure_indexes("people", [spec])
    entries = store._driver.entries

    async def made_anew(*args: Any, **options: Any) -> Any:
        monkeypatch.undo()
        places = await entries(*args, **options)
        await store.drop("people")
        await insert_all(store, "people", [{"_id": number, "name": number} for number in range(100)])
        await store.ensure_indexes("people", [spec])
        return places

    monkeypatch.setattr(store._driver, "entries", made_anew)
    await store.drop_indexes("people", ["name_1"])
    (index,) = await catalogue(store)
    assert await store._driver.count("people", index.ref, [EVERYTHING]) == 100
