"""Projections give what MongoDB's servers give, and refuse what they refuse with their codes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from bson import SON, Regex
from hypothesis import given, settings
from hypothesis import strategies as st

from atomodm.errors import InvalidQuery
from atomodm.query.evaluator import compile_filter
from atomodm.query.filters import parse_filter
from atomodm.query.nodes import ALL
from atomodm.query.projection import compile_projection
from atomodm.testing.contract.projection_cases import POSITIONAL_CASES, PROJECTION_CASES
from tests.query.strategies import documents, few_values, paths


def project(projection: Any, document: dict[str, Any], filter: dict[str, Any] | None = None) -> dict[str, Any]:
    node = parse_filter(filter or {})
    assert compile_filter(node)(document)
    function = compile_projection(projection, node)
    assert function is not None
    before = copy.deepcopy(document)
    given = function(document)
    assert document == before
    return given


@pytest.mark.parametrize(
    ("projection", "document", "expected"), PROJECTION_CASES, ids=[repr(case[0]) for case in PROJECTION_CASES]
)
def test_a_projection_gives(projection: Any, document: dict[str, Any], expected: dict[str, Any]) -> None:
    # With the order of fields.
    assert SON(project(projection, document)) == SON(expected)
    assert list(project(projection, document)) == list(expected)


@pytest.mark.parametrize(
    ("filter", "projection", "document", "expected"),
    POSITIONAL_CASES,
)
def test_the_positional_projection_gives_the_element_that_matched(
    filter: dict[str, Any], projection: Any, document: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert project(projection, document, filter) == expected


@pytest.mark.parametrize(
    ("filter", "document", "code"),
    [
        ({}, {"n": [1]}, 51246),
        ({"n": [1]}, {"n": [1]}, 51246),
        ({"$or": [{"n": 1}, {"m": 1}]}, {"n": [1]}, 51246),
        ({"m": 3}, {"n": [1], "m": [1, 2, 3]}, 51247),
    ],
)
def test_a_positional_projection_without_a_matching_element_is_refused(
    filter: dict[str, Any], document: dict[str, Any], code: int
) -> None:
    with pytest.raises(InvalidQuery) as caught:
        project({"n.$": 1}, document, filter)
    assert caught.value.server_code == code
    assert caught.value.path == "n"


@pytest.mark.parametrize("projection", [None, {}, [], ()])
def test_no_projection_gives_whole_documents(projection: Any) -> None:
    assert compile_projection(projection, ALL) is None


@pytest.mark.parametrize(
    ("projection", "code"),
    [
        ("name", 14),
        (5, 14),
        ([5], 14),
        ({5: 1}, 14),
        ({"a": 1, "b": 0}, 31254),
        ({"b": 0, "a": 1}, 31253),
        ({"a": {"b": 1, "c": 0}}, 31254),
        ({"_id": 0, "a": 1, "b": 0}, 31254),
        ({"_id.x": 0, "a": 1}, 31253),
        ({"a": 1, "a.b": 1}, 31249),
        ({"a.b": 1, "a": 1}, 31250),
        ({"a.b": 1, "a": {"c": 1}}, 31250),
        ({"a": {"b": 1}, "a.b": 1}, 31250),
        ({"a": {"b": 1}, "a.b.c": 1}, 31249),
        ({"a": {"$slice": 1}, "a.b": 1}, 31249),
        ({"a": {"$slice": 1}, "a.$": 1}, 31250),
        ({"_id": 1, "_id.x": 1}, 31249),
        ({"": 1}, 40352),
        ({"a.": 1}, 40353),
        ({"a..b": 1}, 15998),
        ({".a": 1}, 15998),
        ({"$a": 1}, 16410),
        ({"a.$b": 1}, 16410),
        ({"$id": 1}, 16410),
        ({"a.$": 0}, 16410),
        ({"a\0": 1}, 16411),
        ({"a": {}}, 51270),
        ({"a": {"$add": [1, 2]}}, 31325),
        ({"a": {"$meta": "textScore"}}, 31325),
        ({"a": {"$slice": 1, "b": 1}}, 16410),
        ({"a": "$b"}, 2),
        ({"a": None}, 2),
        ({"a": ["b"]}, 2),
        ({"a": {"$slice": "x"}}, 28667),
        ({"a": {"$slice": True}}, 28667),
        ({"a": {"$slice": [1]}}, 28667),
        ({"a": {"$slice": [1, 2, 3]}}, 28667),
        ({"a": {"$slice": [1, 0]}}, 28724),
        ({"a": {"$slice": [1, -1]}}, 28724),
        ({"a": {"$slice": ["$b", 1]}}, 28724),
        ({"a": {"$elemMatch": 5}}, 31274),
        ({"a.b": {"$elemMatch": {"c": 1}}}, 31275),
        ({"a": {"b": {"$elemMatch": {"c": 1}}}}, 31275),
        ({"a": {"$elemMatch": {"$where": "1"}}}, 2),
        ({"a.$": 1, "b.$": 1}, 31276),
        ({"a.$": 1, "b": {"$elemMatch": {"c": 1}}}, 31255),
        ({"b": {"$elemMatch": {"c": 1}}, "a.$": 1}, 31256),
        ({"a.$": {"$slice": 1}}, 31271),
        ({"a.$.b": 1}, 31394),
        ({"a.$.b.$": 1}, 31287),
        ({"a.$.$": 1}, 31287),
        ({"a.$": 1, "b": 0}, 31254),
        ({"b": 0, "a.$": 1}, 31253),
    ],
    ids=repr,
)
def test_a_projection_that_makes_no_sense_is_refused_with_the_servers_code(projection: Any, code: int) -> None:
    with pytest.raises(InvalidQuery) as caught:
        compile_projection(projection, ALL)
    assert caught.value.server_code == code


@pytest.mark.parametrize(
    "operator", ["$meta", "$add", "$cond", "$literal", "$filter", "$function", "$first", "$unknown"]
)
@pytest.mark.parametrize("nest", [lambda inner: {"a": inner}, lambda inner: {"a": {"b": {"c": inner}}}])
def test_an_operator_outside_the_portable_set_is_refused_by_name(operator: str, nest: Any) -> None:
    with pytest.raises(InvalidQuery, match=f"\\{operator}"):
        compile_projection(nest({operator: 1}), ALL)


def test_a_projection_that_is_nested_too_deep_is_refused() -> None:
    projection: dict[str, Any] = {"a": 1}
    for _ in range(5000):
        projection = {"a": projection}
    with pytest.raises(InvalidQuery, match="deep"):
        compile_projection(projection, ALL)
    with pytest.raises(InvalidQuery, match="deep"):
        compile_projection({".".join("a" * 5000): 1}, ALL)


def test_values_of_a_projection_are_not_in_its_errors() -> None:
    for projection in ({"a": "secret"}, {"a": {"$slice": "secret"}}, {"a": {"$elemMatch": "secret"}}):
        with pytest.raises(InvalidQuery) as caught:
            compile_projection(projection, ALL)
        assert "secret" not in str(caught.value)


_paths = st.lists(paths, min_size=1, max_size=3, unique=True)


@given(documents, _paths)
@settings(max_examples=500)
def test_what_is_included_and_what_is_excluded_make_the_document_of_scalars(
    document: dict[str, Any], names: list[str]
) -> None:
    if any(one.startswith(f"{other}.") for one in names for other in names):
        with pytest.raises(InvalidQuery, match="inside of it"):
            compile_projection(dict.fromkeys(names, 1), ALL)
        return
    include = compile_projection(dict.fromkeys(names, 1), ALL)
    exclude = compile_projection(dict.fromkeys(names, 0), ALL)
    assert include is not None
    assert exclude is not None
    given, rest = include(document), exclude(document)
    assert list(given) == [name for name in document if name in given]
    assert list(rest) == [name for name in document if name in rest]
    # Nothing is in neither; and giving twice, or leaving out twice, is the same as once.
    assert set(given) | set(rest) == set(document)
    assert repr(include(given)) == repr(given)
    assert repr(exclude(rest)) == repr(rest)
    assert not _leaves(include(rest))


def _leaves(value: Any) -> list[Any]:
    """All values that are neither documents nor arrays."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


@given(documents, few_values.filter(lambda value: not isinstance(value, Regex)))  # which $gte refuses
@settings(max_examples=300)
def test_an_array_is_left_with_the_element_that_elem_match_finds_first(document: dict[str, Any], value: Any) -> None:
    array = document.get("a")
    function = compile_projection({"a": {"$elemMatch": {"$gte": value}}}, ALL)
    assert function is not None
    matches = compile_filter(parse_filter({"a": {"$elemMatch": {"$gte": value}}}))
    found = [item for item in array if matches({"a": [item]})][:1] if isinstance(array, list) else []
    assert repr(function(document)) == repr({"a": found} if found else {})
