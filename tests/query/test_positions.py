"""The element of an array that made a filter match."""

from __future__ import annotations

import re
from typing import Any

import pytest
from bson import DBRef, Regex
from hypothesis import given, settings

from atomodm.query.evaluator import compile_filter
from atomodm.query.filters import parse_filter
from atomodm.query.nodes import Compare, Operator, Text, TextKind
from atomodm.query.positions import compile_position
from tests.query.strategies import documents, few_values, paths


def position(filter: dict[str, Any], document: dict[str, Any]) -> int | None:
    node = parse_filter(filter)
    assert compile_filter(node)(document)
    return compile_position(node)(document)


@pytest.mark.parametrize(
    ("filter", "document", "expected"),
    [
        # elements of an array at the end of a path
        ({"grades": 80}, {"grades": [85, 80, 80]}, 1),
        ({"grades": {"$gte": 85}}, {"grades": [80, 90]}, 1),
        ({"grades": {"$in": [1, 2]}}, {"grades": [3, 2, 1]}, 1),
        ({"names": re.compile("^b")}, {"names": ["a", "bc"]}, 1),
        ({"names": {"$in": [Regex("^b"), 5]}}, {"names": ["a", 5, "b"]}, 1),
        ({"names": {"$type": "string"}}, {"names": [1, "a"]}, 1),
        ({"names": {"$mod": [2, 0]}}, {"names": [1, 4]}, 1),
        ({"names": {"$bitsAllSet": 4}}, {"names": [1, 4]}, 1),
        ({"grades": [1]}, {"grades": [[2], [1]]}, 1),
        # elements on the way
        ({"grades.grade": {"$lt": 90}}, {"grades": [{"grade": 90}, {"grade": 85}]}, 1),
        ({"grades.grade": None}, {"grades": [{"grade": 90}, {}]}, 1),
        ({"a.b.c": 1}, {"a": {"b": [{}, {"c": 1}]}}, 1),
        ({"people.$id": 2}, {"people": [DBRef("p", 1), DBRef("p", 2)]}, 1),
        # arrays inside of arrays: the outermost one
        ({"a.b": 2}, {"a": [{"b": [0]}, {"b": [0, 1, 2]}]}, 1),
        ({"a.b.c": 2}, {"a": [{"b": []}, {"b": [{"c": 1}, {"c": 1}, {"c": 2}]}]}, 1),
        # $elemMatch
        ({"a": {"$elemMatch": {"$gt": 1, "$lt": 3}}}, {"a": [0, 4, 2]}, 2),
        ({"a": {"$elemMatch": {"b": 1, "c": 1}}}, {"a": [{"b": 1}, {"c": 1}, {"b": 1, "c": 1}]}, 2),
        ({"a": {"$elemMatch": {"b": {"$elemMatch": {"c": 1}}}}}, {"a": [{}, {"b": [{}, {}, {"c": 1}]}]}, 1),
        ({"a.b": {"$elemMatch": {"c": 1}}}, {"a": {"b": [{}, {"c": 1}]}}, 1),
        ({"a.b": {"$elemMatch": {"c": 1}}}, {"a": [{"b": []}, {"b": [{}, {}, {"c": 1}]}]}, 1),
        ({"a": {"$all": [{"$elemMatch": {"b": 1}}, {"$elemMatch": {"b": 2}}]}}, {"a": [{"b": 2}, {"b": 1}]}, 0),
        # positions in the path are not looked for, what follows them is
        ({"a.1": 5}, {"a": [4, 5]}, None),
        ({"a.1.b": 5}, {"a": [{"b": 5}, {"b": [4, 5]}]}, 1),
        ({"a.0.b": 5}, {"a": [[{"b": 4}, {"b": 5}]]}, 1),
        ({"a.0": {"$elemMatch": {"$gt": 1}}}, {"a": [[1, 2]]}, 1),
        # no element
        ({"a": 1}, {"a": 1}, None),
        ({}, {"a": [1]}, None),
        ({"a": [1, 2]}, {"a": [1, 2]}, None),
        ({"a": {"$size": 1}}, {"a": [1]}, None),
        ({"a": {"$type": "array"}}, {"a": [1]}, None),
        ({"a": {"$ne": 1}}, {"a": [2]}, None),
        ({"a": {"$not": {"$gt": 1}}}, {"a": [1]}, None),
        ({"a": {"$exists": False}}, {}, None),
        ({"a": {"$exists": True}}, {"a": []}, None),
        ({"$or": [{"a": 1}, {"b": 1}]}, {"a": [1]}, None),
        ({"$nor": [{"a": 2}]}, {"a": [1]}, None),
    ],
    ids=repr,
)
def test_the_position_is_that_of_the_element_that_matched(
    filter: dict[str, Any], document: dict[str, Any], expected: int | None
) -> None:
    assert position(filter, document) == expected


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"a": 2, "b": 1}, 0),
        ({"b": 1, "a": 2}, 0),
        ({"$and": [{"b": 1}, {"a": 2}]}, 0),
        ({"a": {"$gte": 2}, "b": 1}, 1),
        ({"a": 2, "b": {"$elemMatch": {"$eq": 1}}}, 1),
        ({"c": 1, "a": 2}, 1),
        ({"a": {"$all": [1, 2]}}, 1),
        ({"a": {"$all": [2, 1]}}, 0),
        ({"a": {"$gte": 1, "$lt": 3}}, 0),
        ({"a": {"$lt": 2, "$gte": 2}}, 1),
    ],
    ids=repr,
)
def test_of_several_arrays_the_servers_order_of_conditions_decides(filter: dict[str, Any], expected: int) -> None:
    assert position(filter, {"a": [1, 2], "b": [1, 2], "c": 1}) == expected


def test_text_of_a_lookup_tells_its_position() -> None:
    assert compile_position(Text("a", TextKind.ENDSWITH, "b"))({"a": ["x", "ab"]}) == 1


@given(documents, paths, few_values)
@settings(max_examples=1500)
def test_the_element_at_the_position_matches_by_itself(document: dict[str, Any], path: str, value: Any) -> None:
    node = Compare(path, Operator.EQ, value)
    matches, locate = compile_filter(node), compile_position(node)
    first, _, _ = path.partition(".")
    array = document.get(first)
    if not matches(document):
        return
    found = locate(document)
    if found is None or not isinstance(array, list) or path.count(".") != path.count(".b"):
        return
    assert matches({**document, first: [array[found]]})
    assert not any(matches({**document, first: [item]}) for item in array[:found])
