"""Finds: filters, order, parts of an answer, and how it was got at."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest

from ...contract import Batch, Delete, Find, IndexSpec, Patch
from ...encoding import decode_all
from ...errors import InvalidQuery
from ...query.changes import Changes
from ...query.evaluator import compile_filter
from ...query.nodes import (
    ALL,
    NOTHING,
    And,
    Compare,
    ElementMatch,
    Exists,
    In,
    Not,
    Operator,
    Or,
    Text,
    TextKind,
)
from .stores import Stores, find_all, ids, insert_all

PEOPLE = [
    {"_id": 1, "name": "Ann", "age": 30, "tags": ["a", "b"]},
    {"_id": 2, "name": "Bob", "age": 25, "tags": []},
    {"_id": 3, "name": "Cid", "age": 30},
    {"_id": 4, "name": "ann", "age": None, "tags": ["b"]},
    {"_id": 5, "name": "Anton", "tags": "b"},
    {"_id": 6, "name": "Eve", "age": 41.5, "tags": ["c", "a"]},
]


def compare(path: str, operator: str, value: Any) -> Compare:
    """A comparison, written as in Python."""
    return Compare(path, Operator(operator), value)


FILTERS = [
    (ALL, [1, 2, 3, 4, 5, 6]),
    (NOTHING, []),
    (compare("_id", "==", 3), [3]),
    (compare("_id", ">", 4), [5, 6]),
    (compare("name", "==", "Ann"), [1]),
    (compare("age", ">=", 30), [1, 3, 6]),
    (compare("age", "<", 30.5), [1, 2, 3]),
    (compare("age", "==", None), [4, 5]),
    (compare("tags", "==", "b"), [1, 4, 5]),
    (compare("tags", "==", []), [2]),
    (compare("tags", "==", ["a", "b"]), [1]),
    (In("_id", (6, 2, 9, 2)), [2, 6]),
    (In("tags", ("a", "b")), [1, 4, 5, 6]),
    (In("age", (None, 25)), [2, 4, 5]),
    (Exists("age"), [1, 2, 3, 4, 6]),
    (Exists("age", False), [5]),
    (Text("name", TextKind.STARTSWITH, "An"), [1, 5]),
    (Text("name", TextKind.STARTSWITH, "an", ignore_case=True), [1, 4, 5]),
    (Text("name", TextKind.CONTAINS, "n"), [1, 4, 5]),
    (And((compare("age", ">", 20), compare("age", "<", 31))), [1, 2, 3]),
    (And((compare("tags", ">", "a"), compare("tags", "<", "b"))), [1, 6]),
    (And((compare("age", "==", 30), compare("name", "==", "Cid"))), [3]),
    (And((compare("_id", ">", 1), compare("_id", "<=", 3))), [2, 3]),
    (And((In("_id", (1, 2, 3)), compare("age", "==", 30))), [1, 3]),
    (Or((compare("name", "==", "Eve"), compare("age", "==", 25))), [2, 6]),
    (Not(compare("age", "==", 30)), [2, 4, 5, 6]),
]

INDEXES = [
    IndexSpec(name="name_1", fields=[("name", 1)]),
    IndexSpec(name="age_1", fields=[("age", 1)]),
    IndexSpec(name="tags_1", fields=[("tags", 1)]),
]


class FindContract:
    """`Store.find`, `Store.count` and `Store.explain`."""

    @pytest.mark.parametrize("indexed", [False, True], ids=["without indexes", "with indexes"])
    async def test_filters_find_what_they_mean(self, stores: Stores, indexed: bool) -> None:
        store = await stores.open()
        if indexed:
            await store.ensure_indexes("people", INDEXES)
        await insert_all(store, "people", PEOPLE)
        for filter, expected in FILTERS:
            assert sorted(await ids(store, "people", filter)) == expected, filter
            assert await store.count("people", filter) == len(expected), filter
            assert (await store.explain("people", Find(filter=filter))).returned == len(expected), filter

    @pytest.mark.parametrize("indexed", [False, True], ids=["without indexes", "with indexes"])
    @pytest.mark.parametrize("batch_size", [1, 2, 100])
    async def test_documents_come_in_the_order_asked_for(self, stores: Stores, indexed: bool, batch_size: int) -> None:
        store = await stores.open()
        if indexed:
            await store.ensure_indexes("people", INDEXES)
        await insert_all(store, "people", PEOPLE)
        for sort, expected in (
            ([("_id", 1)], [1, 2, 3, 4, 5, 6]),
            ([("_id", -1)], [6, 5, 4, 3, 2, 1]),
            ([("age", 1)], [4, 5, 2, 1, 3, 6]),
            ([("age", -1)], [6, 1, 3, 2, 4, 5]),
            ([("tags", 1)], [2, 3, 1, 6, 4, 5]),
            ([("tags", -1)], [6, 1, 4, 5, 3, 2]),
            ([("age", -1), ("name", -1)], [6, 3, 1, 2, 4, 5]),
            ([("age", 1), ("_id", -1)], [5, 4, 2, 3, 1, 6]),
            ([("name", 1)], [1, 5, 2, 3, 6, 4]),
        ):
            assert await ids(store, "people", sort=sort, batch_size=batch_size) == expected, sort
            for skip, limit in ((0, 1), (1, 2), (2, None), (5, 5), (0, 0), (9, 1)):
                part = expected[skip : None if limit is None else skip + limit]
                found = await ids(store, "people", sort=sort, skip=skip, limit=limit, batch_size=batch_size)
                assert found == part, (sort, skip, limit)
        over_30 = compare("age", ">=", 30)
        assert await ids(store, "people", over_30, sort=[("age", -1)], limit=2, batch_size=batch_size) == [6, 1]
        in_tags = In("tags", ("a", "b"))
        assert await ids(store, "people", in_tags, sort=[("tags", 1)], batch_size=batch_size) == [1, 6, 4, 5]
        assert await ids(store, "people", in_tags, sort=[("name", -1)], batch_size=batch_size) == [4, 6, 5, 1]

    async def test_many_documents_with_one_value_come_in_the_order_of_their_ids(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", INDEXES)
        await insert_all(store, "people", [{"_id": number, "age": number // 100} for number in range(500)])
        descending = [100 * age + place for age in (4, 3, 2, 1, 0) for place in range(100)]
        for batch_size in (1, 7, 64, 100, 1000):
            found = await ids(store, "people", sort=[("age", -1)], batch_size=batch_size)
            assert found == descending
        for limit in (1, 99, 100, 101, 250):
            assert await ids(store, "people", sort=[("age", -1)], limit=limit) == descending[:limit]

    async def test_chunks_are_no_larger_than_asked_for(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number, "age": number % 7} for number in range(1000)])
        for filter, sort in ((ALL, ()), (compare("age", ">", 2), ()), (ALL, [("age", 1)])):
            find = Find(filter=filter, sort=sort, batch_size=30)
            sizes = [len(chunk.documents) async for chunk in store.find("people", find)]
            assert max(sizes) <= 30
            assert sum(sizes) == await store.count("people", filter)
            assert len(sizes) <= sum(sizes) // 30 + 1

    async def test_revisions_come_with_the_documents(self, stores: Stores) -> None:
        store = await stores.open()
        outcome = await insert_all(store, "people", PEOPLE)
        expected = dict(zip(range(1, 7), outcome.revisions, strict=True))
        for find in (Find(), Find(sort=[("name", -1)]), Find(filter=compare("_id", ">", 0))):
            async for chunk in store.find("people", find):
                found = [document["_id"] for document in decode_all(chunk.documents)]
                assert list(chunk.revisions) == [expected[id] for id in found]

    async def test_a_collection_that_does_not_exist_is_empty(self, stores: Stores) -> None:
        store = await stores.open()
        assert await find_all(store, "nobody") == []
        assert await store.count("nobody") == 0
        assert (await store.explain("nobody", Find(filter=compare("a", "==", 1)))).returned == 0
        assert await store.list_collection_names() == []

    async def test_a_find_that_makes_no_sense_is_refused(self, stores: Stores) -> None:
        store = await stores.open()
        for find in (Find(skip=-1), Find(limit=-1), Find(batch_size=0), Find(sort=[("age", 2)])):
            with pytest.raises(InvalidQuery):
                await anext(store.find("people", find))

    async def test_an_explanation_has_the_numbers_of_a_real_run(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number, "age": number % 10} for number in range(100)])
        scan = await store.explain("people", Find(filter=compare("age", "==", 3)))
        assert (scan.collection, scan.index, scan.scanned, scan.returned) == ("people", None, 100, 10)
        assert scan.residual is not None
        await store.ensure_indexes("people", INDEXES)
        found = await store.explain("people", Find(filter=compare("age", "==", 3), sort=[("age", 1)]))
        assert (found.index, found.scanned, found.fetched, found.returned) == ("age_1", 10, 10, 10)
        assert found.sorted_by_index
        assert "age" in found.bounds
        by_id = await store.explain("people", Find(filter=In("_id", (1, 2, 1000))))
        assert (by_id.index, by_id.fetched, by_id.returned) == ("_id_", 2, 2)

    async def test_the_index_with_the_fewest_entries_is_taken(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", INDEXES)
        await insert_all(store, "people", [{"_id": number, "age": number % 2, "name": number} for number in range(400)])
        both = And((compare("age", "==", 1), compare("name", ">=", 390)))
        explanation = await store.explain("people", Find(filter=both))
        assert (explanation.index, explanation.scanned, explanation.returned) == ("name_1", 10, 5)

    async def test_alternatives_give_every_document_once(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", INDEXES)
        await insert_all(store, "people", PEOPLE)
        either = Or((compare("tags", "==", "b"), compare("age", ">=", 30), In("name", ("Ann", "Bob"))))
        assert sorted(await ids(store, "people", either, batch_size=1)) == [1, 2, 3, 4, 5, 6]
        assert await ids(store, "people", either, sort=[("name", 1)], skip=1, limit=3) == [5, 2, 3]
        assert await store.count("people", either) == 6
        assert await store.count("people", either, limit=4) == 4
        explanation = await store.explain("people", Find(filter=either))
        assert explanation.index is not None
        assert explanation.returned == 6
        assert [part.index for part in explanation.parts] == explanation.index.split(", ")
        assert sum(part.returned for part in explanation.parts) == 6
        assert sum(part.scanned for part in explanation.parts) == explanation.scanned

    async def test_an_index_over_several_paths_filters_and_sorts(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [IndexSpec(name="kind_date", fields=[("kind", 1), ("date", -1)])])
        await insert_all(
            store, "people", [{"_id": number, "kind": "abc"[number % 3], "date": number // 6} for number in range(60)]
        )
        of_a = compare("kind", "==", "a")
        for sort, expected in (
            ([("date", -1)], sorted(range(0, 60, 3), key=lambda number: (-(number // 6), number))),
            ([("date", 1)], list(range(0, 60, 3))),
            ([("date", 1), ("_id", -1)], sorted(range(0, 60, 3), key=lambda number: (number // 6, -number))),
            ([("date", -1), ("_id", -1)], list(range(57, -1, -3))),
        ):
            for limit in (None, 7):
                found = await ids(store, "people", of_a, sort=sort, limit=limit, batch_size=4)
                assert found == expected[:limit], (sort, limit)
        late = And((In("kind", ("a", "c")), compare("date", ">=", 8)))
        assert sorted(await ids(store, "people", late)) == [48, 50, 51, 53, 54, 56, 57, 59]
        assert await ids(store, "people", late, sort=[("date", -1)], limit=5) == [54, 56, 57, 59, 48]
        explanation = await store.explain("people", Find(filter=of_a, sort=[("date", -1)], limit=7))
        assert (explanation.index, explanation.sorted_by_index, explanation.returned) == ("kind_date", True, 7)
        assert explanation.scanned <= 8

    async def test_one_element_must_fulfil_all_conditions_on_elements(self, stores: Stores) -> None:
        store = await stores.open()
        fields = [("lines.name", 1), ("lines.count", 1)]
        await store.ensure_indexes("people", [IndexSpec(name="lines", fields=fields)])
        await insert_all(
            store,
            "people",
            [
                {"_id": 1, "lines": [{"name": "a", "count": 1}, {"name": "b", "count": 9}]},
                {"_id": 2, "lines": [{"name": "a", "count": 9}]},
                {"_id": 3, "lines": {"name": "a", "count": 9}},
                {"_id": 4, "lines": []},
            ],
        )
        inner = And((compare("name", "==", "a"), compare("count", ">", 5)))
        assert await ids(store, "people", ElementMatch("lines", inner)) == [2]
        apart = And((compare("lines.name", "==", "a"), compare("lines.count", ">", 5)))
        assert sorted(await ids(store, "people", apart)) == [1, 2, 3]

    async def test_a_hint_names_the_index_to_scan(self, stores: Stores) -> None:
        store = await stores.open()
        sparse = IndexSpec(name="nick", fields=[("nick", 1)], sparse=True)
        await store.ensure_indexes("people", [*INDEXES, sparse])
        await insert_all(store, "people", [*PEOPLE, {"_id": 7, "name": "Flo", "age": 30, "nick": "f"}])
        thirty = compare("age", "==", 30)
        for hint in ("_id_", "name_1", "age_1", "tags_1"):
            find = Find(filter=thirty, sort=[("_id", 1)], hint=hint)
            explanation = await store.explain("people", find)
            assert explanation.index == (None if hint == "_id_" else hint)
            assert await ids(store, "people", thirty, sort=[("_id", 1)], hint=hint) == [1, 3, 7]
            assert await store.count("people", thirty, hint=hint) == 3
        # A sparse index has not all documents that match, and is scanned all the same.
        assert await ids(store, "people", thirty, hint="nick") == [7]
        for hint in ("missing", ""):
            with pytest.raises(InvalidQuery) as caught:
                await ids(store, "people", thirty, hint=hint)
            assert caught.value.server_code == 2
            with pytest.raises(InvalidQuery):
                await store.count("people", hint=hint)

    async def test_a_hint_may_name_an_index_that_another_handle_made(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await insert_all(store, "people", PEOPLE)
        thirty = compare("age", "==", 30)
        assert await other.count("people", thirty) == 2
        await store.ensure_indexes("people", INDEXES)
        assert await other.count("people", thirty, hint="age_1") == 2
        assert sorted(await ids(other, "people", thirty, hint="name_1")) == [1, 3]
        await store.drop_indexes("people", ["age_1"])
        with pytest.raises(InvalidQuery):
            await other.count("people", thirty, hint="age_1")

    async def test_counting_stops_at_its_limit(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", INDEXES)
        await insert_all(store, "people", PEOPLE)
        for filter, expected in FILTERS:
            for limit in (0, 1, 3, 100):
                assert await store.count("people", filter, limit=limit) == min(limit, len(expected)), filter

    async def test_alternatives_are_right_while_others_write(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await store.ensure_indexes("people", INDEXES)
        await insert_all(
            store,
            "people",
            [{"_id": number, "age": number % 50, "name": f"n{number % 30:02}"} for number in range(600)],
        )
        filter = Or((compare("age", "<", 25), compare("name", "<", "n15")))
        matches = compile_filter(filter)
        touched: set[int] = set()
        found: list[int] = []
        step = 0
        async with aclosing(store.find("people", Find(filter=filter, batch_size=20))) as chunks:
            async for chunk in chunks:
                documents = decode_all(chunk.documents)
                assert all(map(matches, documents))
                found += [document["_id"] for document in documents]
                step += 1
                moved, deleted = (step * 31) % 600, (step * 17 + 5) % 600
                touched |= {moved, deleted}
                await other.write(Batch([Delete("people", deleted)]))
                if await other.count("people", compare("_id", "==", moved)):
                    await other.write(Batch([Patch("people", moved, Changes(set={"age": 40, "name": "n29"}))]))
        untouched = [id for id in found if id not in touched]
        expected = {number for number in range(600) if number % 50 < 25 or number % 30 < 15} - touched
        assert sorted(untouched) == sorted(expected)

    @pytest.mark.parametrize("sort", [(), (("_id", 1),), (("age", 1),), (("age", -1),)])
    async def test_documents_that_nobody_touches_come_once_while_others_are_changed(
        self, stores: Stores, sort: tuple[tuple[str, int], ...]
    ) -> None:
        store, other = await stores.open(), await stores.open()
        await store.ensure_indexes("people", INDEXES)
        await insert_all(store, "people", [{"_id": number, "age": number % 50} for number in range(600)])
        touched: set[int] = set()
        found: list[int] = []
        step = 0
        async with aclosing(
            store.find("people", Find(filter=compare("age", "<", 1000), sort=sort, batch_size=20))
        ) as chunks:
            async for chunk in chunks:
                documents = decode_all(chunk.documents)
                assert all(document["age"] < 1000 for document in documents)
                found += [document["_id"] for document in documents]
                step += 1
                deleted, changed = (step * 31) % 600, (step * 17 + 5) % 600
                touched |= {deleted, changed}
                await other.write(Batch([Delete("people", deleted)]))
                if await other.count("people", compare("_id", "==", changed)):
                    await other.write(Batch([Patch("people", changed, Changes(set={"age": 5000 + step}))]))
                await insert_all(other, "people", [{"_id": 10_000 + step, "age": 7}])
        untouched = [id for id in found if id < 10_000 and id not in touched]
        assert sorted(untouched) == sorted(set(range(600)) - touched)
        if sort in ((), (("_id", 1),)):
            assert len(set(found)) == len(found)

    async def test_a_find_that_is_left_early_leaves_the_store_usable(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number} for number in range(1000)])
        async with aclosing(store.find("people", Find(batch_size=10))) as chunks:
            async for _ in chunks:
                break
        await insert_all(store, "people", [{"_id": "more"}])
        assert await store.count("people") == 1001

    async def test_two_finds_run_side_by_side(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number} for number in range(100)])
        one, other = (store.find("people", Find(sort=[("_id", way)], batch_size=7)) for way in (1, -1))
        pairs: list[tuple[int, int]] = []
        async with aclosing(one), aclosing(other):
            async for chunk in one:
                opposite = await anext(other)
                pairs += zip(
                    [document["_id"] for document in decode_all(chunk.documents)],
                    [document["_id"] for document in decode_all(opposite.documents)],
                    strict=True,
                )
        assert pairs == [(number, 99 - number) for number in range(100)]

    @pytest.mark.slow
    async def test_a_find_of_very_many_values_gives_each_document_once_and_holds_nobody_up(
        self, stores: Stores
    ) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [IndexSpec(name="age_1", fields=[("age", 1)])])
        # Before, between and after those that there are, thousands of values have no document.
        await insert_all(store, "people", [{"_id": n, "age": 30_000 + 11 * n} for n in range(2000)])
        values = range(60_000)
        for path, many in (("age", values), ("_id", range(-30_000, 30_000))):
            filter = In(path, tuple(many))
            assert sorted(await ids(store, "people", filter)) == list(range(2000))
            assert await ids(store, "people", filter, sort=[("age", 1)]) == list(range(2000))
            assert await ids(store, "people", filter, sort=[("age", -1)], limit=700) == list(range(1999, 1299, -1))
            assert await store.count("people", filter) == 2000
        nobody = In("age", tuple(range(20_000)))
        assert await ids(store, "people", nobody) == await ids(store, "people", nobody, sort=[("age", -1)]) == []
        either = Or((In("age", tuple(range(30_000, 41_000))), In("_id", (1500, 1))))
        assert sorted(await ids(store, "people", either)) == [*range(1000), 1500]
