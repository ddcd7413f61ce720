"""What a find is answered from, seen in its explanation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomodm.contract import Explanation, Find, IndexSpec, Store
from atomodm.engine.plan import EVERYTHING, contains, intersect, is_point
from atomodm.query.bounds import point
from atomodm.query.filters import parse_filter
from atomodm.query.keys import encode_key
from atomodm.store import create_store
from atomodm.testing.contract.stores import ids, insert_all

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
        ({"$or": [{"tens": 3}, {"tens": 4}]}, None, 200, True),
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
        ({"tens": {"$gt": 3}}, [("tens", 1)], 5, "tens_-1", True, 5),
        ({"tens": 3}, [("_id", 1)], 5, "tens_-1", True, 5),
        ({"tens": 3}, [("_id", -1)], None, "tens_-1", False, 10),
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


async def test_an_explanation_can_be_read(store: Store) -> None:
    explanation = await explain(store, {"tens": {"$gt": 3, "$lte": 5}, "even": True})
    assert explanation.bounds == "tens > 3 and tens <= 5"
    assert explanation.residual == "even == True"
    assert (await explain(store, {})).bounds == "everything"


async def test_counting_an_exact_range_reads_no_document(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*args: Any, **options: Any) -> None:
        raise AssertionError("documents were read")

    driver = store._driver  # type: ignore[attr-defined]
    monkeypatch.setattr(driver, "scan", refuse)
    monkeypatch.setattr(driver, "get", refuse)
    for filter, number in (({}, 200), ({"tens": {"$gte": 18}}, 20), ({"tags": "t1"}, 27), ({"even": True}, 100)):
        assert await store.count("c", parse_filter(filter)) == number


sorted_ranges = st.lists(st.binary(max_size=2), max_size=8, unique=True).map(
    lambda found: list(zip(sorted(found)[::2], sorted(found)[1::2], strict=False))
)


@given(one=sorted_ranges, other=sorted_ranges, key=st.binary(max_size=3))
def test_an_intersection_has_the_keys_that_both_have(
    one: list[tuple[bytes, bytes]], other: list[tuple[bytes, bytes]], key: bytes
) -> None:
    both = intersect(one, other)
    assert contains(both, key) == (contains(one, key) and contains(other, key))
    assert list(both) == sorted(both)


def test_a_point_is_one_key_and_everything_is_none() -> None:
    assert is_point(point(encode_key("x")))
    assert not is_point(EVERYTHING)
    assert not is_point((encode_key(1), encode_key(2)))
