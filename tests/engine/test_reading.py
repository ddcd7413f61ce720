"""Finds that go on while the catalogue and the documents change under them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from atomodm.contract import Batch, Chunk, Delete, Find, IndexSpec, Patch, Store
from atomodm.encoding import decode_all
from atomodm.engine.finding import sorting
from atomodm.errors import StaleCatalogue
from atomodm.query.changes import Changes
from atomodm.query.filters import parse_filter
from atomodm.query.nodes import ALL, And, Compare, Node, Operator
from atomodm.store import create_store
from atomodm.testing.contract.stores import find_all, insert_all

AGE = IndexSpec(name="age_1", fields=[("age", 1)])
POSITIVE = Compare("age", Operator.GTE, 0)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = create_store("memory://")
    await store.open()
    await store.ensure_indexes("c", [AGE])
    await insert_all(store, "c", [{"_id": number, "age": number} for number in range(100)])
    yield store
    await store.close()


def found_in(chunk: Chunk) -> list[Any]:
    return [document["_id"] for document in decode_all(chunk.documents)]


@pytest.mark.parametrize("way", [1, -1])
async def test_an_index_declared_meanwhile_does_not_disturb(store: Store, way: int) -> None:
    found: list[Any] = []
    async with aclosing(store.find("c", Find(filter=POSITIVE, sort=[("age", way)], batch_size=10))) as chunks:
        async for chunk in chunks:
            found += found_in(chunk)
            await store.ensure_indexes("c", [IndexSpec(name=f"x{len(found)}", fields=[(f"x{len(found)}", 1)])])
    assert found == list(range(100))[::way]


@pytest.mark.parametrize("way", [1, -1])
async def test_arrays_that_appear_meanwhile_come_once(store: Store, way: int) -> None:
    found: list[Any] = []
    async with aclosing(store.find("c", Find(filter=POSITIVE, sort=[("age", way)], batch_size=10))) as chunks:
        async for chunk in chunks:
            if not found:
                await insert_all(store, "c", [{"_id": "array", "age": [40, 50, 60]}])
            found += found_in(chunk)
    assert [id for id in found if id != "array"] == list(range(100))[::way]
    assert found.count("array") == 1


async def test_a_find_whose_index_is_removed_meanwhile_asks_to_be_repeated(store: Store) -> None:
    async with aclosing(store.find("c", Find(filter=POSITIVE, batch_size=10))) as chunks:
        await anext(chunks)
        await store.drop("c")
        with pytest.raises(StaleCatalogue) as caught:
            await anext(chunks)
    assert caught.value.retryable
    assert await find_all(store, "c", POSITIVE) == []


async def test_a_scan_of_documents_ends_when_they_are_dropped(store: Store) -> None:
    async with aclosing(store.find("c", Find(batch_size=10))) as chunks:
        await anext(chunks)
        await store.drop("c")
        assert [chunk async for chunk in chunks] == []


@pytest.mark.parametrize("limit", [None, 30])
@pytest.mark.parametrize("filter", [ALL, Compare("age", Operator.LT, 1000)])
async def test_sorted_documents_that_were_not_kept_are_read_and_evaluated_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, filter: Node, limit: int | None
) -> None:
    monkeypatch.setattr(sorting, "KEPT_BYTES", 100)
    find = Find(filter=filter, sort=[("other", 1), ("_id", -1)], batch_size=10, limit=limit)
    found: list[dict[str, Any]] = []
    async with aclosing(store.find("c", find)) as chunks:
        async for chunk in chunks:
            if not found:
                await store.write(
                    Batch(
                        [
                            Delete("c", 85),
                            Patch("c", 84, Changes(set={"age": 5000})),
                            Patch("c", 83, Changes(set={"age": 7})),
                        ]
                    )
                )
            found += decode_all(chunk.documents)
    ages = {document["_id"]: document["age"] for document in found}
    gone = {85} if filter is ALL else {85, 84}
    assert [document["_id"] for document in found] == [
        id for id in range(99, -1 if limit is None else 99 - limit, -1) if id not in gone
    ]
    assert ages[83] == 7


async def test_a_filter_that_few_documents_match_is_answered_in_few_requests(store: Store) -> None:
    await insert_all(store, "large", [{"_id": number, "age": number} for number in range(20_000)])
    before = store.requests
    both = And((Compare("age", Operator.GTE, 19_990), Compare("age", Operator.LT, 19_995)))
    assert len(await find_all(store, "large", both)) == 5
    assert store.requests - before <= 25


async def test_a_union_goes_on_under_a_new_catalogue(store: Store) -> None:
    await store.ensure_indexes("c", [IndexSpec(name="name_1", fields=[("name", 1)])])
    await insert_all(store, "c", [{"_id": 1000 + number, "name": number} for number in range(50)])
    filter = parse_filter({"$or": [{"age": {"$lt": 30}}, {"name": {"$gte": 10}}, {"_id": {"$gt": 1045}}]})
    found: list[Any] = []
    async with aclosing(store.find("c", Find(filter=filter, batch_size=10))) as chunks:
        async for chunk in chunks:
            found += found_in(chunk)
            await store.ensure_indexes("c", [IndexSpec(name=f"x{len(found)}", fields=[(f"x{len(found)}", 1)])])
    assert sorted(found) == [*range(30), *range(1010, 1050)]


async def test_what_is_merged_goes_on_under_a_new_catalogue(store: Store) -> None:
    await store.ensure_indexes("c", [IndexSpec(name="kind_age", fields=[("kind", 1), ("age", 1)])])
    await insert_all(store, "c", [{"_id": 1000 + number, "kind": number % 3, "age": number} for number in range(90)])
    filter = parse_filter({"kind": {"$in": [0, 2]}})
    found: list[Any] = []
    find = Find(filter=filter, sort=[("age", 1)], limit=70, batch_size=5)
    assert (await store.explain("c", find)).access == "merge"
    async with aclosing(store.find("c", find)) as chunks:
        async for chunk in chunks:
            found += found_in(chunk)
            await store.ensure_indexes("c", [IndexSpec(name=f"x{len(found)}", fields=[(f"x{len(found)}", 1)])])
    assert found == [1000 + number for number in range(90) if number % 3 != 1]


async def test_documents_that_two_indexes_have_in_common_are_evaluated_when_they_are_read() -> None:
    store = create_store("memory://")
    await store.open()
    await store.ensure_indexes("c", [IndexSpec(name=name, fields=[(name, 1)]) for name in ("two", "three")])
    for start in range(0, 15_000, 5000):
        documents = [{"_id": number, "two": number % 2, "three": number % 3} for number in range(start, start + 5000)]
        await insert_all(store, "c", documents)
    find = Find(filter=parse_filter({"two": 1, "three": 2}), batch_size=100)
    assert (await store.explain("c", find)).access == "intersection"
    found: list[Any] = []
    changed: set[int] = set()
    async with aclosing(store.find("c", find)) as chunks:
        async for chunk in chunks:
            documents = decode_all(chunk.documents)
            assert all(document["two"] == 1 and document["three"] == 2 for document in documents)
            if not found:
                await store.ensure_indexes("c", [IndexSpec(name="new", fields=[("new", 1)])])
            found += [document["_id"] for document in documents]
            near, far = found[-1] + 600, found[-1] + 6000
            changed |= {near, far}
            for id in (near, far):
                if id < 15_000:
                    await store.write(Batch([Patch("c", id, Changes(set={"two": 7}))]))
    expected = [id for id in range(15_000) if id % 6 == 5]
    assert len(set(found)) == len(found)
    assert [id for id in found if id not in changed] == [id for id in expected if id not in changed]
    await store.close()


async def test_a_page_begins_where_the_last_one_ended_however_many_values_are_asked_for(store: Store) -> None:
    wanted = list(range(0, 100, 2))
    for way in (1, -1):
        find = Find(filter=parse_filter({"age": {"$in": wanted}}), sort=[("age", way)], batch_size=3)
        found = [id async for chunk in store.find("c", find) for id in found_in(chunk)]
        assert found == wanted[::way]
