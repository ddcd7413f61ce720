"""Whether conditions imply others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomodm.query.evaluator import compile_filter
from atomodm.query.filters import parse_filter
from atomodm.query.implication import implies, implies_existence
from atomodm.query.nodes import Compare, Exists, In, Node, Operator, TypeIs, conjunction, disjunction
from atomodm.query.paths import MISSING, compile_path
from tests.query.strategies import documents, few_values

_paths = st.sampled_from(["a", "b", "a.b"])
_conditions: st.SearchStrategy[Node] = st.one_of(
    st.builds(Compare, _paths, st.sampled_from(Operator), few_values),
    st.builds(In, _paths, st.lists(few_values, max_size=2).map(tuple)),
    st.builds(Exists, _paths, st.booleans()),
    st.builds(TypeIs, _paths, st.sampled_from([("number",), ("string",), ("null",)])),
)
_filters: st.SearchStrategy[Node] = st.recursive(
    _conditions,
    lambda inner: (
        st.lists(inner, min_size=2, max_size=2).map(conjunction)
        | st.lists(inner, min_size=2, max_size=2).map(disjunction)
    ),
    max_leaves=3,
)


@pytest.mark.parametrize(
    ("filter", "other"),
    [
        ({"a": 5}, {"a": {"$gt": 3}}),
        ({"a": {"$gte": 5}}, {"a": {"$gt": 3}}),
        ({"a": {"$in": [1, 2]}}, {"a": {"$in": [1, 2, 3]}}),
        ({"a": 1, "b": 2}, {"b": 2}),
        ({"a": 5}, {"a": {"$exists": True}}),
        ({"a": {"$gt": 1}, "b": "x"}, {"a": {"$gt": 0}, "b": {"$type": "string"}}),
        ({"a": 1}, {"$or": [{"a": {"$gt": 0}}, {"b": 1}]}),
        ({"$or": [{"a": 1}, {"a": 2}]}, {"a": {"$lt": 3}}),
        ({"a": {"$ne": 1}}, {"a": {"$ne": 1}}),
        ({"a": 1}, {}),
    ],
)
def test_these_imply(filter: dict[str, Any], other: dict[str, Any]) -> None:
    assert implies([parse_filter(filter)], parse_filter(other))


@pytest.mark.parametrize(
    ("filter", "other"),
    [
        ({"a": 5}, {"a": {"$gt": 5}}),
        ({"a": 1}, {"a": True}),
        ({"a": None}, {"a": {"$exists": True}}),
        ({"a": {"$gt": 3}}, {"b": {"$gt": 3}}),
        ({"$or": [{"a": 1}, {"b": 1}]}, {"a": 1}),
        ({}, {"a": 1}),
    ],
)
def test_these_do_not_imply(filter: dict[str, Any], other: dict[str, Any]) -> None:
    assert not implies([parse_filter(filter)], parse_filter(other))


@given(st.lists(_filters, min_size=1, max_size=2), _filters, st.lists(documents, min_size=1, max_size=5))
@settings(max_examples=1500)
def test_what_is_implied_matches_wherever_the_conditions_do(
    filters: list[Node], other: Node, some: list[dict[str, Any]]
) -> None:
    if not implies(filters, other):
        return
    matches, also = compile_filter(conjunction(filters)), compile_filter(other)
    assert all(also(document) for document in some if matches(document))


@given(_filters, _paths, documents)
@settings(max_examples=1500)
def test_where_existence_is_implied_there_is_a_value(filter: Node, path: str, document: dict[str, Any]) -> None:
    if implies_existence([filter], path) and compile_filter(filter)(document):
        assert any(end is not MISSING for end in compile_path(path)(document))
