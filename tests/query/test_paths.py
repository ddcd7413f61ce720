"""Dotted paths reach into documents and arrays as MongoDB's do."""

from __future__ import annotations

from typing import Any

import pytest
from bson import DBRef
from hypothesis import given, settings
from hypothesis import strategies as st

from atomodm.query.bounds import index_ranges
from atomodm.query.document_keys import index_keys
from atomodm.query.evaluator import compile_filter
from atomodm.query.keys import NULL_KEY, UNDEFINED_KEY, encode_key
from atomodm.query.nodes import AllOf, Compare, Exists, In, Operator, Text, TextKind
from atomodm.query.paths import MISSING, Whole, compile_path
from tests.query.strategies import documents, few_values, paths


@pytest.mark.parametrize(
    ("document", "path", "expected"),
    [
        ({"a": 1}, "a", [1]),
        ({"a": None}, "a", [None]),
        ({}, "a", [MISSING]),
        ({"a": [1, 2]}, "a", [1, 2, [1, 2]]),
        ({"a": []}, "a", [[]]),
        ({"a": [[1, 2]]}, "a", [[1, 2], [[1, 2]]]),
        ({"a": {"b": 1}}, "a.b", [1]),
        ({"a": {"b": [1]}}, "a.b", [1, [1]]),
        ({"a": 1}, "a.b", [MISSING]),
        ({"a": None}, "a.b", [MISSING]),
        ({}, "a.b", [MISSING]),
        ({"a": [{"b": 1}, {"b": 2}]}, "a.b", [1, 2]),
        ({"a": [{"b": 1}, {}]}, "a.b", [1, MISSING]),
        ({"a": [{"b": [1]}, {"b": 2}]}, "a.b", [1, [1], 2]),
        ({"a": []}, "a.b", []),
        ({"a": [1, "x"]}, "a.b", []),
        ({"a": [[{"b": 1}]]}, "a.b", []),
        ({"a": [5, 6]}, "a.1", [6]),
        ({"a": [5, 6]}, "a.2", []),
        ({"a": [5, 6]}, "a.01", []),
        ({"a": [5, 6]}, "a." + "9" * 5000, []),
        ({"a": {"1": 7}}, "a.1", [7]),
        ({"a": [{"0": 7}, {"b": 8}]}, "a.0", [7, MISSING, {"0": 7}]),
        ({"a": [5, {"1": 4}]}, "a.1", [4, {"1": 4}]),
        ({"a": [[1, 2], 3]}, "a.0", [[1, 2]]),
        ({"a": [[1, 2], 3]}, "a.0.1", [2]),
        ({"a": [[{"b": 1}, {"b": 2}]]}, "a.0.b", [1, 2]),
        ({"a": [{"b": 1}]}, "a.0.b", [MISSING, 1]),
        ({"a": {"b": {"c": {"d": [{"e": 3}]}}}}, "a.b.c.d.e", [3]),
        ({"": {"": 1}}, ".", [1]),
        ({"a": DBRef("people", 7)}, "a.$id", [7]),
        ({"a": [DBRef("people", 7)]}, "a.$id", [7]),
    ],
)
def test_a_condition_is_tried_on_the_elements_of_arrays_and_on_the_whole(
    document: dict[str, Any], path: str, expected: list[Any]
) -> None:
    tried: list[Any] = []
    for end in compile_path(path)(document):
        if type(end) is list:
            tried += [*end, end]
        else:
            tried.append(end.array if type(end) is Whole else end)
    assert tried == expected


@pytest.mark.parametrize(
    ("document", "path", "expected"),
    [
        ({"a": 1}, "a", [encode_key(1)]),
        ({}, "a", [NULL_KEY]),
        ({"a": None}, "a", [NULL_KEY]),
        ({"a": [2, 1, 2.0]}, "a", [encode_key(1), encode_key(2)]),
        ({"a": []}, "a", [UNDEFINED_KEY]),
        ({"a": [[]]}, "a", [encode_key([])]),
        ({"a": [[1, 2], 3]}, "a", [encode_key(3), encode_key([1, 2])]),
        ({"a": [[1, 2], 3]}, "a.0", [encode_key([1, 2])]),
        ({"a": []}, "a.b", [NULL_KEY]),
        ({"a": [1]}, "a.b", [NULL_KEY]),
        ({"a": [1, {"b": 2}, [{"b": 3}]]}, "a.b", [NULL_KEY, encode_key(2)]),
        ({"a": [{"b": 1}, {"b": 2}]}, "a.0.b", [encode_key(1)]),
        ({"a": [{"b": 1}, {"b": 2}]}, "a.2.b", [NULL_KEY]),
        ({"a": [1, {"b": 2}]}, "a.0.b", [NULL_KEY]),
        ({"a": [[{"b": 1}, {"b": 2}]]}, "a.0.b", [encode_key(1), encode_key(2)]),
        ({"a": [{"b": []}, {"b": {"c": 2}}]}, "a.b.c", [NULL_KEY, encode_key(2)]),
        ({"a": [{"b": 1}, {}, {"b": []}]}, "a.b", [UNDEFINED_KEY, NULL_KEY, encode_key(1)]),
    ],
)
def test_a_document_is_in_an_index_under_these_keys(document: dict[str, Any], path: str, expected: list[bytes]) -> None:
    assert index_keys(document, path) == expected


_conditions = st.one_of(
    st.builds(Compare, paths, st.sampled_from(Operator), few_values),
    st.builds(In, paths, st.lists(few_values, max_size=3).map(tuple)),
    st.builds(AllOf, paths, st.lists(few_values, max_size=2).map(tuple)),
    st.builds(Exists, paths, st.booleans()),
    st.builds(Text, paths, st.sampled_from(TextKind), st.sampled_from(["", "a", "ab", "A"]), st.booleans()),
)


@given(documents, _conditions)
@settings(max_examples=1500)
def test_every_matching_document_has_an_index_key_in_the_ranges_of_the_condition(
    document: dict[str, Any], condition: Any
) -> None:
    ranges = index_ranges(condition)
    if ranges is None:
        return
    keys = index_keys(document, condition.path)
    found = any(low <= key < high for low, high in ranges for key in keys)
    assert found or not compile_filter(condition)(document)


@given(documents, paths, st.sampled_from(Operator), few_values)
@settings(max_examples=1000)
def test_ranges_of_simple_values_hold_nothing_but_what_matches(
    document: dict[str, Any], path: str, how: Operator, value: Any
) -> None:
    condition = Compare(path, how, value)
    ranges = index_ranges(condition)
    if ranges is None or value is None or isinstance(value, list):
        return
    keys = index_keys(document, path)
    found = any(low <= key < high for low, high in ranges for key in keys)
    assert found == compile_filter(condition)(document)


@given(_conditions)
def test_ranges_ascend_and_do_not_overlap(condition: Any) -> None:
    ranges = index_ranges(condition) or ()
    bounds = [bound for pair in ranges for bound in pair]
    assert bounds == sorted(bounds)
    assert all(low < high for low, high in ranges)
