"""Building indexes beside others who write, or build the same ones."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from atomodm.contract import Batch, Delete, IndexSpec, Operation, Patch, Replace
from atomodm.encoding import decode, encode
from atomodm.engine import Applied, Commit
from atomodm.query.changes import Changes
from atomodm.query.ranges import EVERYTHING
from atomodm.store.memory import MemoryStore
from atomodm.store.sqlite import SQLiteStore
from atomodm.testing.contract.stores import ids, insert_all

PROGRAM = """
import asyncio, sys
from atomodm.contract import IndexSpec
from atomodm.store.sqlite import SQLiteStore
from atomodm.testing.contract.stores import insert_all

async def main():
    store = SQLiteStore(sys.argv[1], timeout=30)
    await store.open()
    number = int(sys.argv[2])
    await store.ensure_indexes("people", [
        IndexSpec(name="name_1", fields=[("name", 1)]),
        IndexSpec(name="unique", fields=[("tags", 1), ("code", -1)], unique=True),
        IndexSpec(name=f"own{number}", fields=[(f"own{number}", 1)]),
    ])
    await insert_all(store, "people", [{"_id": 10_000 * number + place, "name": 5, "code": -10_000 * number - place}
                                       for place in range(50)])
    await store.close()

asyncio.run(main())
"""


@pytest.mark.slow
async def test_several_processes_build_one_index_and_write_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "people.db"
    store = SQLiteStore(path, timeout=30)
    await store.open()
    documents = [{"_id": number, "name": number % 10, "code": number, "tags": ["a", "b"]} for number in range(2000)]
    await insert_all(store, "people", documents)
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, str(path), str(number + 1))
        for number in range(3)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    names = {spec.name for spec in await store.list_indexes("people")}
    assert names == {"name_1", "unique", "own1", "own2", "own3"}
    assert len(await ids(store, "people", sort=[("_id", 1)])) == 2150
    report = await store.check()
    assert report.ok, report
    await store.close()


async def test_a_build_that_cannot_go_on_leaves_indexes_of_others_alone(tmp_path: Path) -> None:
    store, other = SQLiteStore(tmp_path / "people.db"), SQLiteStore(tmp_path / "people.db")
    await store.open()
    await other.open()
    await insert_all(store, "people", [{"_id": number, "name": number % 900, "age": 1} for number in range(1500)])
    unique = IndexSpec(name="unique", fields=[("name", 1)], unique=True)
    plain = [IndexSpec(name="name_1", fields=[("name", 1)]), IndexSpec(name="age_1", fields=[("age", 1)])]
    results = await asyncio.gather(
        store.ensure_indexes("people", [unique]), other.ensure_indexes("people", plain), return_exceptions=True
    )
    assert [type(result).__name__ for result in results] == ["DuplicateKey", "NoneType"]
    assert {spec.name for spec in await store.list_indexes("people")} == {"name_1", "age_1"}
    assert (await store.check()).ok
    await store.close()
    await other.close()


@pytest.mark.parametrize(
    ("operation", "entries"),
    [
        (Patch("people", 1, Changes(set={"b": 5})), 2),
        (Replace("people", 1, encode({"_id": 1})), 2),
        (Delete("people", 1), 1),
    ],
    ids=["patch", "replace", "delete"],
)
async def test_a_document_that_does_not_fit_can_be_mended_while_the_index_is_built(
    monkeypatch: pytest.MonkeyPatch, operation: Operation, entries: int
) -> None:
    store = MemoryStore()
    await store.open()
    await insert_all(store, "people", [{"_id": 1, "a": [1], "b": [2]}, {"_id": 2, "a": 1, "b": 1}])
    scan = store._driver.scan

    async def mend_after_scan(*args: Any, **options: Any) -> Any:
        page = await scan(*args, **options)
        await store.write(Batch([operation]))
        return page

    monkeypatch.setattr(store._driver, "scan", mend_after_scan)
    await store.ensure_indexes("people", [IndexSpec(name="both", fields=[("a", 1), ("b", 1)])])
    monkeypatch.undo()
    (index,) = await store._catalogues.reload("people")
    assert len(await store._driver.entries("people", index.ref, [EVERYTHING], limit=9)) == entries
    assert (await store.check()).ok
    await store.close()


async def test_a_build_comes_to_its_end_where_others_write_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    await store.open()
    await insert_all(store, "people", [{"_id": number, "name": number} for number in range(2000)])
    apply = store._driver.apply
    refused = 0

    async def written_before(commit: Commit) -> Applied:
        # Of many documents together somebody always writes one.
        nonlocal refused
        guards = commit.collections["people"].guards
        if len(guards) > 50:
            refused += 1
            monkeypatch.setattr(store._driver, "apply", apply)
            id = decode((await store._driver.get("people", [guards[refused % 50][0]]))[0][2])["_id"]
            await store.write(Batch([Patch("people", id, Changes(set={"name": -id}))]))
            monkeypatch.setattr(store._driver, "apply", written_before)
        return await apply(commit)

    monkeypatch.setattr(store._driver, "apply", written_before)
    await store.ensure_indexes("people", [IndexSpec(name="name_1", fields=[("name", 1)])])
    monkeypatch.undo()
    assert 0 < refused < 100
    assert (await store.check()).ok
    await store.close()
