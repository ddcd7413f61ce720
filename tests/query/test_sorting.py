"""Documents are put in MongoDB's order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cmp_to_key
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from atomodm.errors import InvalidQuery
from atomodm.query import encode_key, sort_key
from atomodm.query.document_keys import ParallelArrays, compile_composite, directed, index_keys
from atomodm.query.keys import descending
from tests.query.comparison import compare
from tests.query.strategies import documents, paths, values

Sort = list[tuple[str, int]]


def order(sort: Sort, some: Sequence[Any]) -> list[Any]:
    return [document["_id"] for document in sorted(some, key=sort_key(sort))]


def test_without_a_sort_documents_come_in_the_order_of_their_ids() -> None:
    first, second = ObjectId("0" * 24), ObjectId("1" * 24)
    assert order([], [{"_id": second}, {"_id": "x"}, {"_id": first}, {"_id": 2.5}, {"_id": 2}]) == [
        *(2, 2.5, "x", first, second)
    ]


def test_documents_that_tie_come_in_the_order_of_their_ids_in_both_directions() -> None:
    some = [{"_id": 3, "a": 1}, {"_id": 1, "a": 1.0}, {"_id": 2, "a": 0}]
    assert order([("a", 1)], some) == [2, 1, 3]
    assert order([("a", -1)], some) == [1, 3, 2]
    assert order([("a", -1), ("_id", -1)], some) == [3, 1, 2]


def test_several_paths_sort_the_most_important_first() -> None:
    some = [{"_id": 1, "a": 1, "b": 1}, {"_id": 2, "a": 1, "b": 2}, {"_id": 3, "a": 0, "b": 3}]
    assert order([("a", 1), ("b", -1)], some) == [3, 2, 1]
    assert order([("b", -1), ("a", 1)], some) == [3, 2, 1]
    assert order([("a", -1), ("b", 1)], some) == [1, 2, 3]


def test_missing_counts_as_null_and_an_empty_array_comes_before_it() -> None:
    some = [{"_id": 1, "a": 0}, {"_id": 2}, {"_id": 3, "a": []}, {"_id": 4, "a": None}, {"_id": 5, "a": "x"}]
    assert order([("a", 1)], some) == [3, 2, 4, 1, 5]
    assert order([("a", -1)], some) == [5, 1, 2, 4, 3]


def test_an_array_counts_as_its_smallest_or_its_largest_element() -> None:
    some = [{"_id": 1, "a": [1, 9]}, {"_id": 2, "a": 5}, {"_id": 3, "a": [2, 3]}, {"_id": 4, "a": [[0]]}]
    assert order([("a", 1)], some) == [1, 3, 2, 4]
    assert order([("a", -1)], some) == [4, 1, 2, 3]


def test_nested_paths_sort_through_documents_and_arrays() -> None:
    some = [{"_id": 1, "a": {"b": 2}}, {"_id": 2, "a": [{"b": 5}, {"b": 1}]}, {"_id": 3, "a": 7}, {"_id": 4, "a": []}]
    assert order([("a.b", 1)], some) == [3, 4, 2, 1]
    assert order([("a.b", -1)], some) == [2, 1, 3, 4]


def test_a_position_in_a_path_takes_what_is_there() -> None:
    some = [{"_id": 1, "a": [{"b": 3}, {"b": 0}]}, {"_id": 2, "a": [{"b": 1}, {"b": 9}]}, {"_id": 3, "a": [5]}]
    assert order([("a.0.b", 1)], some) == [3, 2, 1]
    assert order([("a.0.b", -1)], some) == [1, 2, 3]
    assert order([("a.1.b", -1)], some) == [2, 1, 3]
    assert order([("a.0.b", -1), ("a.1.b", 1)], some) == [1, 2, 3]


def test_an_element_that_is_no_document_counts_as_null() -> None:
    some = [{"_id": 1, "a": [{"b": 1}]}, {"_id": 2, "a": [{"b": 2}, 5]}, {"_id": 3, "a": [{"b": 3}]}]
    assert order([("a.b", 1)], some) == [2, 1, 3]
    assert order([("a.b", -1)], some) == [3, 2, 1]


def test_paths_through_one_array_count_by_the_same_element() -> None:
    some = [
        {"_id": 1, "a": [{"b": 1, "c": 9}, {"b": 2, "c": 0}], "d": 1},
        {"_id": 2, "a": [{"b": 1, "c": 5}], "d": 1},
        {"_id": 3, "a": {"b": 1, "c": 7}, "d": 0},
    ]
    assert order([("a.b", 1), ("a.c", 1)], some) == [2, 3, 1]
    assert order([("a.b", -1), ("a.c", -1)], some) == [1, 3, 2]
    assert order([("a.b", 1), ("a.c", -1)], some) == [1, 3, 2]
    assert order([("a.b", 1), ("d", -1), ("a.c", 1)], some) == [2, 1, 3]


@pytest.mark.parametrize(
    ("sort", "document"),
    [
        ([("a", 1), ("b", 1)], {"a": [1], "b": [2]}),
        ([("a", 1), ("c", 1), ("b", -1)], {"a": [], "b": []}),
        ([("a.b", 1), ("a.c", 1)], {"a": [{"b": [1], "c": [2]}]}),
    ],
)
def test_arrays_side_by_side_have_no_order(sort: Sort, document: dict[str, Any]) -> None:
    with pytest.raises(InvalidQuery, match="parallel arrays") as caught:
        order(sort, [{"_id": 1, **document}])
    assert caught.value.server_code == 2


def test_a_direction_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="1 or -1"):
        sort_key([("a", 0)])


@given(st.lists(values, max_size=6), st.sampled_from([1, -1]))
def test_values_sort_as_mongodb_compares_them(some: list[Any], direction: int) -> None:
    some = [value for value in some if not isinstance(value, list)]
    found = [{"_id": i, "a": value} for i, value in enumerate(some)]

    def by_value(one: int, other: int) -> int:
        return direction * compare(some[one], some[other]) or one - other

    expected = sorted(range(len(some)), key=cmp_to_key(by_value))
    assert order([("a", direction)], found) == expected


@given(documents, paths)
def test_a_documents_place_is_that_of_its_lowest_or_highest_index_key(document: dict[str, Any], path: str) -> None:
    document = {**document, "_id": 1}
    keys = index_keys(document, path)
    assert sort_key([(path, 1)])(document) == keys[0] + encode_key(1)
    assert sort_key([(path, -1)])(document) == descending(keys[-1]) + encode_key(1)


@given(documents, st.lists(paths, min_size=2, max_size=3, unique=True), st.lists(st.sampled_from([1, -1]), min_size=3))
def test_a_documents_place_is_the_first_that_it_has_in_an_index(
    document: dict[str, Any], several: list[str], ways: list[int]
) -> None:
    try:
        rows = compile_composite(tuple(several))(document)
    except ParallelArrays:
        return
    first = min(b"".join(directed(row, ways[: len(several)])) for row in rows)
    place = sort_key(list(zip(several, ways, strict=False)))
    assert place({**document, "_id": 1}) == first + encode_key(1)
