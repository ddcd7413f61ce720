"""What a find is answered from, seen in its explanation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from atomodm.contract import Explanation, Find, IndexSpec, Store
from atomodm.query.filters import parse_filter
from atomodm.store import create_store
from atomodm.testing.contract.stores import find_all, ids, insert_all

DOCUMENTS = [
    {"_id": number, "even": number % 2 == 0, "tens": number // 10, "name": f"n{number:03}", "email": f"{number}@x"}
    | ({"tags": ["a", f"t{number % 5}"]} if number % 3 else {})
    | ({"nick": f"k{number}"} if number < 50 else {})
    for number in range(200)
]
INDEXES = [
    IndexSpec(name="even_1", fields=[("even", 1)]),
    IndexSpec(name="tens_-1", fields=[("tens", -1)]),
    IndexSpec(name="name_1", fields=[("name", 1)]),
    IndexSpec(name="email_1", fields=[("email", 1)], unique=True),
    IndexSpec(name="tags_1", fields=[("tags", 1)]),
    IndexSpec(name="nick_1", fields=[("nick", 1)], sparse=True),
]


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = create_store("memory://")
    await store.open()
    await insert_all(store, "c", DOCUMENTS)
    await store.ensure_indexes("c", INDEXES)
    yield store
    await store.close()


async def explain(
    store: Store, filter: dict[str, Any], sort: Sequence[tuple[str, int]] = (), **options: Any
) -> Explanation:
    return await store.explain("c", Find(filter=parse_filter(filter), sort=sort, **options))


@pytest.mark.parametrize(
    ("filter", "index", "scanned", "residual"),
    [
        ({}, None, 200, False),
        ({"other": 1}, None, 200, True),
        ({"_id": 5}, "_id_", 1, False),
        ({"_id": {"$in": [5, 7, 1000]}}, "_id_", 3, False),
        ({"_id": {"$gte": 190}}, "_id_", 10, False),
        ({"_id": 5, "tens": 0}, "_id_", 1, True),
        ({"tens": 3}, "tens_-1", 10, False),
        ({"tens": {"$in": [3, 5, 3]}}, "tens_-1", 20, False),
        ({"tens": {"$gt": 3, "$lte": 5}}, "tens_-1", 20, False),
        ({"tens": {"$gt": 5, "$lt": 5}}, "tens_-1", 0, False),
        ({"tens": 3, "even": True}, "tens_-1", 10, True),
        ({"tens": 3, "email": "35@x"}, "email_1", 1, True),
        ({"$and": [{"tens": 3}, {"$or": [{"even": True}, {"name": "n031"}]}]}, "tens_-1", 10, True),
        ({"tags": "t1"}, "tags_1", 27, False),
        ({"tags": {"$in": ["a", "t1"]}}, "tags_1", 160, False),
        # Different elements of an array may fulfil the two: one of them bounds the scan.
        ({"tags": {"$gt": "t", "$lt": "t2"}}, "tags_1", 133, True),
        ({"nick": "k7"}, "nick_1", 1, False),
        ({"nick": None}, None, 200, True),
        ({"nick": {"$exists": False}}, None, 200, True),
        ({"tags": None}, "tags_1", 67, True),
        ({"tags": {"$exists": False}}, "tags_1", 67, True),
        ({"tags": ["a", "t1"]}, "tags_1", 133, True),
        ({"tens": {"$ne": 3}}, None, 200, True),
        ({"tens": {"$not": {"$gt": 3}}}, None, 200, True),
        ({"$or": [{"tens": 3}, {"tens": 4}]}, "tens_-1", 20, False),
        ({"$or": [{"tens": {"$gt": 5, "$lt": 5}}, {"name": {"$in": []}}]}, None, 0, False),
    ],
)
async def test_a_filter_is_answered_from(
    store: Store, filter: dict[str, Any], index: str | None, scanned: int, residual: bool
) -> None:
    explanation = await explain(store, filter)
    found = (explanation.index, explanation.scanned, explanation.residual is not None)
    assert found == (index, scanned, residual)
    assert explanation.returned == await store.count("c", parse_filter(filter))


@pytest.mark.parametrize(
    ("filter", "sort", "limit", "index", "by_index", "most_scanned"),
    [
        ({}, [("name", 1)], None, "name_1", True, 200),
        ({}, [("name", -1)], 3, "name_1", True, 10),
        ({}, [("email", -1)], 3, "email_1", True, 3),
        ({}, [("_id", -1)], 3, None, True, 3),
        ({"_id": {"$gt": 100}}, [("_id", -1)], 3, "_id_", True, 3),
        ({"_id": {"$in": [3, 1, 2]}}, [("_id", -1)], 3, "_id_", True, 3),
        ({"tens": {"$gt": 3}}, [("tens", -1)], 5, "tens_-1", True, 5),
        # Backwards with ids that ascend: to the end of the last value, and its documents once more.
        ({"tens": {"$gt": 3}}, [("tens", 1)], 5, "tens_-1", True, 16),
        ({"tens": 3}, [("_id", 1)], 5, "tens_-1", True, 5),
        ({"tens": 3}, [("_id", -1)], 5, "tens_-1", True, 5),
        # Few match: read and sort them.
        ({"tens": 3}, [("name", 1)], None, "tens_-1", False, 10),
        # Half of them match and few are wanted: walk the order until they are found.
        ({"even": True}, [("name", 1)], 3, "name_1", True, 150),
        ({"other": 1}, [("name", 1)], None, "name_1", True, 200),
        # An array's place is that of its lowest element, which may be outside of the range.
        ({"tags": {"$gt": "b"}}, [("tags", 1)], None, "tags_1", False, 133),
        ({}, [("tags", 1)], None, "tags_1", True, 333),
        # Documents without the path are not in a sparse index.
        ({}, [("nick", 1)], None, None, False, 200),
        ({"nick": {"$gt": "k"}}, [("nick", 1)], None, "nick_1", True, 50),
        ({}, [("name", 1), ("_id", 1)], 3, "name_1", True, 3),
        ({}, [("name", 1), ("tens", 1)], 3, None, False, 200),
    ],
)
async def test_an_order_is_taken_from(
    store: Store,
    filter: dict[str, Any],
    sort: list[tuple[str, int]],
    limit: int | None,
    index: str | None,
    by_index: bool,
    most_scanned: int,
) -> None:
    explanation = await explain(store, filter, sort, limit=limit)
    assert (explanation.index, explanation.sorted_by_index) == (index, by_index)
    assert explanation.scanned <= most_scanned
    # The same without any index.
    await insert_all(store, "plain", DOCUMENTS)
    node = parse_filter(filter)
    assert await ids(store, "c", node, sort=sort, limit=limit) == await ids(
        store, "plain", node, sort=sort, limit=limit
    )


@pytest.fixture
async def compound() -> AsyncIterator[Store]:
    """Documents with indexes over several paths."""
    store = create_store("memory://")
    await store.open()
    documents = [
        {
            "_id": number,
            "kind": "abcd"[number % 4],
            "date": number * 7 % 200,
            "size": number % 10,
            "labels": [f"l{number % 3}", f"m{number % 7}"],
            "lines": [{"name": f"n{number % 5}", "count": number % 2}, {"name": "n9", "count": number % 20}],
        }
        for number in range(200)
    ]
    await insert_all(store, "c", documents)
    await insert_all(store, "plain", documents)
    specs: list[list[tuple[str, int]]] = [
        [("kind", 1), ("date", -1)],
        [("labels", 1), ("date", 1)],
        [("lines.name", 1), ("lines.count", 1)],
        [("size", -1), ("kind", 1), ("date", 1)],
    ]
    await store.ensure_indexes(
        "c", [IndexSpec(name=f"{fields[0][0]}_{len(fields)}", fields=fields) for fields in specs]
    )
    await store.ensure_indexes(
        "c", [IndexSpec(name="late", fields=[("date", 1)], partial={"kind": "d", "date": {"$gte": 100}})]
    )
    yield store
    await store.close()


@pytest.mark.parametrize(
    ("filter", "access", "index", "scanned", "residual"),
    [
        ({"kind": "a"}, "scan", "kind_2", 50, False),
        ({"kind": "a", "date": {"$gt": 150}}, "scan", "kind_2", 13, False),
        ({"kind": {"$in": ["a", "b"]}, "date": {"$gte": 100, "$lt": 120}}, "scan", "kind_2", 10, False),
        ({"kind": {"$gt": "b"}, "date": 7}, "scan", "kind_2", 100, True),
        # A path in the middle that nothing bounds ends what the index can do.
        ({"size": 3, "date": 21}, "scan", "size_3", 20, True),
        ({"size": 3, "kind": "d", "date": {"$lt": 100}}, "scan", "size_3", 5, False),
        ({"labels": "l1", "date": {"$lt": 50}}, "scan", "labels_2", 18, False),
        # Of one array, and of no more than one element, two conditions bound a scan.
        ({"lines": {"$elemMatch": {"name": "n9", "count": 3}}}, "scan", "lines.name_2", 10, True),
        ({"lines.name": "n9", "lines.count": 3}, "scan", "lines.name_2", 200, True),
        ({"lines.name": {"$gte": "n1", "$lt": "n2"}}, "scan", "lines.name_2", 240, True),
        # The partial index has all that match where the filter says so.
        ({"kind": "d", "date": {"$gt": 180}}, "scan", "kind_2", 5, False),
        ({"kind": "d", "date": {"$gt": 180}, "size": {"$gte": 0}}, "scan", "kind_2", 5, True),
        ({"$or": [{"kind": "a", "date": 0}, {"size": 3, "kind": "d"}]}, "union", "kind_2, size_3", 11, True),
        ({"$or": [{"kind": "a", "date": 0}, {"kind": "b", "date": {"$lt": 20}}]}, "scan", "kind_2", 6, False),
        ({"$or": [{"kind": "a"}, {"other": 1}]}, "scan", None, 200, True),
        ({"size": 3, "$or": [{"kind": "d"}, {"kind": "b"}]}, "scan", "size_3", 20, False),
        (
            {"size": {"$lt": 5}, "$or": [{"labels": "m1"}, {"kind": "a", "date": 0}]},
            "union",
            "labels_2, kind_2",
            30,
            True,
        ),
        ({"$or": [{"kind": "a", "$or": [{"date": 0}, {"labels": "m1"}]}, {"size": 3}]}, "union", None, 90, True),
        ({"_id": 5, "$or": [{"kind": "a"}, {"kind": "b"}]}, "lookup", "_id_", 1, True),
        ({"$or": [{"_id": 5}, {"_id": {"$in": [6, 7]}}]}, "lookup", "_id_", 3, False),
    ],
)
async def test_indexes_over_several_paths_answer(
    compound: Store, filter: dict[str, Any], access: str, index: str | None, scanned: int, residual: bool
) -> None:
    explanation = await explain(compound, filter)
    assert (explanation.access, explanation.residual is not None) == (access, residual)
    assert explanation.index == index or access == "union"
    assert explanation.scanned <= scanned
    node = parse_filter(filter)
    expected = sorted(await ids(compound, "plain", node))
    assert sorted(await ids(compound, "c", node)) == expected
    assert await compound.count("c", node) == explanation.returned == len(expected)
    assert sum(part.returned for part in explanation.parts) in (0, len(expected))


@pytest.mark.parametrize(
    ("filter", "sort", "limit", "access", "backward", "scanned"),
    [
        ({"kind": "a"}, [("date", -1)], 5, "scan", False, 5),
        ({"kind": "a"}, [("date", 1), ("_id", -1)], 5, "scan", True, 5),
        ({"kind": "a"}, [("kind", 1), ("date", -1)], 5, "scan", False, 5),
        ({}, [("kind", 1), ("date", -1)], 5, "scan", False, 5),
        ({}, [("kind", -1), ("date", 1), ("_id", -1)], 5, "scan", True, 5),
        ({"size": 3, "kind": "d"}, [("date", 1)], 5, "scan", False, 5),
        ({"size": {"$gt": 3}, "kind": "d"}, [("date", 1)], 5, "scan", True, 21),
        # The order of what several values hold is merged.
        ({"kind": {"$in": ["a", "c"]}}, [("date", -1)], 6, "merge", None, 10),
        ({"size": 3, "kind": {"$in": ["a", "b", "d"]}}, [("date", 1)], 6, "merge", None, 15),
        ({"labels": {"$in": ["l0", "m1", "m2"]}}, [("date", 1)], 9, "merge", None, 60),
        ({"$or": [{"kind": "a"}, {"size": 3, "kind": "d"}]}, [("date", -1)], 6, "merge", None, 30),
        # What ties comes together, and is sorted by itself.
        ({}, [("kind", 1)], 5, "scan", False, 150),
        ({}, [("size", 1)], 5, "scan", True, 60),
        ({}, [("size", -1), ("_id", -1)], 25, "scan", False, 125),
        ({"size": {"$gte": 5}}, [("size", -1), ("kind", 1)], 5, "scan", False, 40),
        ({"kind": "a"}, [("date", -1), ("_id", -1)], 5, "scan", False, 40),
        # A label is one of several: the order by labels is that of the lowest, which may be another one.
        ({"labels": "m1"}, [("labels", 1), ("date", 1)], 5, "scan", None, 200),
        ({"labels": "m1"}, [("date", 1)], 5, "scan", False, 5),
        ({}, [("lines.name", 1), ("lines.count", 1)], 5, "scan", None, 400),
    ],
)
async def test_the_order_of_indexes_over_several_paths_is_used(
    compound: Store,
    filter: dict[str, Any],
    sort: list[tuple[str, int]],
    limit: int,
    access: str,
    backward: bool | None,
    scanned: int,
) -> None:
    explanation = await explain(compound, filter, sort, limit=limit)
    assert explanation.access == access
    assert explanation.scanned <= scanned
    assert explanation.sorted_by_index == (backward is not None or access == "merge")
    assert backward is None or explanation.backward == backward
    node = parse_filter(filter)
    for number in (limit, None):
        found = await ids(compound, "c", node, sort=sort, limit=number)
        assert found == await ids(compound, "plain", node, sort=sort, limit=number)


async def test_a_partial_index_serves_what_its_filter_has(compound: Store) -> None:
    late = [("date", 1)]
    inside = await explain(compound, {"kind": "d", "date": {"$gte": 150}}, late, hint="late")
    assert (inside.index, inside.residual, inside.scanned) == ("late", None, inside.returned)
    whole = await explain(compound, {"kind": "d", "date": {"$gt": 50}}, late)
    assert whole.index == "kind_2"
    assert (await explain(compound, {"date": {"$gte": 150}})).index is None


async def test_entries_of_two_indexes_are_compared_before_documents_are_read() -> None:
    store = create_store("memory://")
    await store.open()
    documents = [{"_id": number, "two": number % 2, "three": number % 3} for number in range(6000)]
    await insert_all(store, "c", documents)
    await store.ensure_indexes("c", [IndexSpec(name=name, fields=[(name, 1)]) for name in ("two", "three")])
    explanation = await explain(store, {"two": 1, "three": 2})
    assert (explanation.access, explanation.index, explanation.fetched) == ("intersection", "three, two", 1000)
    assert [part.index for part in explanation.parts] == ["three", "two"]
    expected = [document["_id"] for document in documents if document["two"] == 1 and document["three"] == 2]
    assert await ids(store, "c", parse_filter({"two": 1, "three": 2})) == expected
    await store.close()


@pytest.mark.parametrize("unbounded", ["two", "other"])
async def test_few_entries_are_not_compared(unbounded: str) -> None:
    store = create_store("memory://")
    await store.open()
    await insert_all(store, "c", [{"_id": number, "two": number % 2, "rare": number % 500} for number in range(3000)])
    await store.ensure_indexes("c", [IndexSpec(name=name, fields=[(name, 1)]) for name in ("two", "rare")])
    explanation = await explain(store, {unbounded: 1, "rare": 7})
    assert (explanation.access, explanation.index, explanation.scanned) == ("scan", "rare", 6)
    await store.close()


async def test_a_simple_find_is_planned_without_asking_the_driver(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*args: Any, **options: Any) -> None:
        raise AssertionError("entries were counted")

    await store.count("c")
    monkeypatch.setattr(store._driver, "count", refuse)  # type: ignore[attr-defined]
    for filter in (
        {"tens": 3},
        {"_id": 3, "tens": 3},
        {"email": "3@x", "tens": 3, "even": True},
        {"name": {"$gt": "n1"}},
        {"$or": [{"tens": 3}, {"name": "n3"}]},
        {},
    ):
        await find_all(store, "c", parse_filter(filter), limit=2)


async def test_a_choice_asks_the_driver_once_for_each_candidate(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = store._driver  # type: ignore[attr-defined]
    count, asked = driver.count, []

    async def counting(*args: Any, **options: Any) -> Any:
        asked.append(options["limit"])
        return await count(*args, **options)

    await store.count("c")
    monkeypatch.setattr(driver, "count", counting)
    for filter, most in (
        ({"tens": 3, "even": True}, 2),
        ({"tens": 3, "even": True, "name": {"$gt": "n1"}}, 3),
        ({"tags": {"$gt": "t", "$lt": "t2"}}, 2),
        ({"tens": {"$gt": 2}, "$or": [{"name": "n003"}, {"email": "7@x"}]}, 2),
    ):
        asked.clear()
        await find_all(store, "c", parse_filter(filter))
        assert 1 <= len(asked) <= most, filter
        assert None not in asked


async def test_a_limit_keeps_what_is_read_small(store: Store) -> None:
    assert (await explain(store, {"even": True}, limit=3)).scanned == 3
    assert (await explain(store, {"tags": "a"}, limit=3)).scanned == 3
    assert (await explain(store, {"even": True, "other": None}, limit=3)).scanned == 12
    assert (await explain(store, {"tens": {"$gt": 3}}, [("name", 1)], skip=2, limit=3)).scanned <= 200


async def test_an_explanation_can_be_read(store: Store) -> None:
    explanation = await explain(store, {"tens": {"$gt": 3, "$lte": 5}, "even": True})
    assert explanation.bounds == "tens: (3, 5]"
    assert explanation.residual == "even == True"
    assert (await explain(store, {})).bounds == "everything"
    for filter, bounds in (
        ({"tens": 3}, "tens: [3, 3]"),
        ({"tens": {"$gte": 3, "$gt": 3}}, "tens: (3, inf)"),
        ({"tens": {"$lte": 3, "$lt": 9}}, "tens: (-inf, 3]"),
        ({"tens": {"$in": [5, 3]}}, "tens: [3, 3], [5, 5]"),
        ({"name": {"$regex": "^n1"}}, "name: name matches /^n1/"),
    ):
        assert (await explain(store, filter)).bounds == bounds


async def test_counting_an_exact_range_reads_no_document(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*args: Any, **options: Any) -> None:
        raise AssertionError("documents were read")

    driver = store._driver  # type: ignore[attr-defined]
    monkeypatch.setattr(driver, "scan", refuse)
    monkeypatch.setattr(driver, "get", refuse)
    for filter, number in (({}, 200), ({"tens": {"$gte": 18}}, 20), ({"tags": "t1"}, 27), ({"even": True}, 100)):
        assert await store.count("c", parse_filter(filter)) == number
        assert await store.count("c", parse_filter(filter), limit=7) == 7
