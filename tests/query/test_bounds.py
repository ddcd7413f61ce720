"""What conditions say about the keys of an index."""

from __future__ import annotations

from typing import Any

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from atomodm.query.beginnings import literal_beginning
from atomodm.query.bounds import bounds
from atomodm.query.document_keys import ParallelArrays, compile_composite, index_keys
from atomodm.query.evaluator import compile_filter
from atomodm.query.filters import parse_filter
from atomodm.query.keys import NULL_KEY
from atomodm.query.nodes import (
    ELEMENT,
    Compare,
    ElementMatch,
    In,
    Node,
    Operator,
    Or,
    Regex,
    TypeIs,
    conjunction,
)
from atomodm.query.ranges import contains
from tests.query.strategies import documents, few_values, paths

_types = st.lists(
    st.sampled_from(["number", "int", "double", "string", "null", "bool", "object", "date", "regex", "objectId"]),
    min_size=1,
    max_size=2,
).map(tuple)
_simple = st.one_of(
    st.builds(Compare, paths, st.sampled_from(Operator), few_values),
    st.builds(In, paths, st.lists(few_values, max_size=2).map(tuple)),
    st.builds(TypeIs, paths, _types),
    st.builds(Regex, paths, st.sampled_from(["^a", "^ab?", "^a|b", "^a.*", "a"]), st.sampled_from(["", "i", "s"])),
)
_of_one_path = st.tuples(_simple, _simple).map(lambda two: Or(two))
_inner = st.one_of(
    st.lists(st.builds(Compare, st.sampled_from(["a", "b", "0"]), st.sampled_from(Operator), few_values), min_size=1),
    st.lists(st.builds(Compare, st.just(ELEMENT), st.sampled_from(Operator), few_values), min_size=1, max_size=3),
    st.lists(st.builds(TypeIs, st.just(ELEMENT), _types), min_size=1, max_size=2),
).map(conjunction)
_elements = st.builds(ElementMatch, paths, _inner)


@given(documents, st.one_of(_simple, _of_one_path, _elements))
@settings(max_examples=2000)
def test_every_matching_document_has_a_key_in_all_bounds(document: dict[str, Any], condition: Node) -> None:
    if not compile_filter(condition)(document):
        return
    for bound in bounds(condition):
        assert any(contains(bound.ranges, key) for key in index_keys(document, bound.path)), bound


@given(documents, st.one_of(_simple, _of_one_path))
@settings(max_examples=2000)
def test_every_document_with_a_key_in_bounds_that_decide_matches(document: dict[str, Any], condition: Node) -> None:
    matches = compile_filter(condition)
    for bound in bounds(condition):
        if bound.decided and any(contains(bound.ranges, key) for key in index_keys(document, bound.path)):
            assert matches(document)


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"a": 1}, ["a"]),
        ({"a": {"$regex": "^x"}}, ["a"]),
        ({"a": {"$regex": "x"}}, []),
        ({"a": {"$type": "string"}}, ["a"]),
        ({"a": {"$type": "array"}}, []),
        ({"a": {"$elemMatch": {"$gt": 1, "$lt": 5}}}, ["a"]),
        ({"a": {"$elemMatch": {"b": 1, "c": {"$gt": 2}}}}, ["a.b", "a.c"]),
        # An element that lacks the field has no key.
        ({"a": {"$elemMatch": {"b": None}}}, []),
        ({"a.0": {"$elemMatch": {"$gt": 1}}}, []),
        ({"$or": [{"a": 1}, {"a": {"$gt": 5}}]}, ["a"]),
        ({"$or": [{"a": 1}, {"b": 1}]}, []),
        ({"a": {"$ne": 1}}, []),
    ],
)
def test_these_paths_are_bounded(filter: dict[str, Any], expected: list[str]) -> None:
    assert [bound.path for bound in bounds(parse_filter(filter))] == expected


@pytest.mark.parametrize(
    ("pattern", "options", "beginning"),
    [
        ("^abc", "", "abc"),
        ("^abc", "s", "abc"),
        ("^a.c", "", "a"),
        ("^ab?c", "", "a"),
        ("^ab*", "", "a"),
        ("^ab+", "", "a"),
        ("^ab{2}", "", "a"),
        (r"^a\.b", "", "a.b"),
        (r"^a\d", "", "a"),
        (r"^a\.?", "", "a"),
        ("^a$", "", "a"),
        ("^a(b)", "", "a"),
        ("^(a)", "", ""),
        ("^a|b", "", ""),
        ("^a(?i)", "", ""),
        ("abc", "", ""),
        ("^abc", "i", ""),
        ("^abc", "m", ""),
        ("^a b", "x", ""),
        ("", "", ""),
    ],
)
def test_a_regular_expression_begins_with(pattern: str, options: str, beginning: str) -> None:
    assert literal_beginning(pattern, options) == beginning


@given(st.text("ab.^$*+?{}[]|()\\-1, d", max_size=6).map(lambda text: "^" + text), st.text("ab.1-\nd", max_size=5))
@settings(max_examples=3000)
def test_strings_that_match_begin_with_the_literal_beginning(pattern: str, text: str) -> None:
    try:
        compiled = regex.compile(pattern)
    except (regex.error, ValueError, IndexError, OverflowError):
        return
    if compiled.search(text):
        assert text.startswith(literal_beginning(pattern))


@given(documents, st.lists(paths, min_size=2, max_size=3, unique=True).map(tuple))
@settings(max_examples=1500)
def test_an_index_over_several_paths_has_all_keys_of_each(document: dict[str, Any], some: tuple[str, ...]) -> None:
    try:
        found = compile_composite(some)(document)
    except ParallelArrays:
        return
    for place, path in enumerate(some):
        keys = {key[place] or NULL_KEY for key in found}
        own = set(index_keys(document, path))
        assert own <= keys
        # Where there is one key, it is that of the path: bounds on it can be joined, and it does not disturb an order.
        assert len(keys) > 1 or own == keys
