"""Byte keys order and equal values exactly as MongoDB compares them."""

from __future__ import annotations

import re
from collections import OrderedDict
from decimal import Decimal
from itertools import pairwise, product
from typing import Any

import pytest
from bson import Decimal128, MaxKey, MinKey, ObjectId
from hypothesis import example, given
from hypothesis import strategies as st

from atomodm.errors import IntegerOutOfRange, ValueNotStorable
from atomodm.query.keys import (
    HIGHEST,
    LOWEST,
    UNDEFINED_KEY,
    bracket,
    descending,
    encode_key,
    text_prefix_range,
    type_bracket,
)
from tests.query.comparison import compare
from tests.query.strategies import INTERESTING, numbers, values


def order(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def test_keys_order_all_pairs_of_interesting_values_as_mongodb_compares_them() -> None:
    keys = [encode_key(value) for value in INTERESTING]
    for (one, key), (other, other_key) in product(zip(INTERESTING, keys, strict=True), repeat=2):
        assert order(key, other_key) == compare(one, other), (one, other)


def test_no_key_of_an_interesting_value_is_a_proper_prefix_of_another() -> None:
    keys = sorted({encode_key(value) for value in INTERESTING})
    for key, following in pairwise(keys):
        assert not following.startswith(key)


@given(values, values)
def test_keys_order_any_two_values_as_mongodb_compares_them(one: Any, other: Any) -> None:
    assert order(encode_key(one), encode_key(other)) == compare(one, other)


@given(numbers, numbers)
def test_keys_order_numbers_of_all_types_by_exact_value(one: Any, other: Any) -> None:
    assert order(encode_key(one), encode_key(other)) == compare(one, other)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-2, 2))
def test_neighbouring_integers_and_their_doubles_and_decimals_keep_their_order(number: int, step: int) -> None:
    candidates = [number, float(number), Decimal128(str(number)), Decimal128(f"{number}.5")]
    if -(2**63) <= number + step < 2**63:
        candidates.append(number + step)
    for one, other in product(candidates, repeat=2):
        assert order(encode_key(one), encode_key(other)) == compare(one, other)


@given(values, values)
def test_no_key_is_a_proper_prefix_of_another(one: Any, other: Any) -> None:
    key, other_key = encode_key(one), encode_key(other)
    assert key == other_key or not (key.startswith(other_key) or other_key.startswith(key))


@given(values, values, values, values)
def test_joined_keys_order_by_the_first_value_and_then_by_the_second(a: Any, b: Any, x: Any, y: Any) -> None:
    joined = order(encode_key(a) + encode_key(x), encode_key(b) + encode_key(y))
    assert joined == (compare(a, b) or compare(x, y))


@given(values, values)
def test_descending_keys_order_the_other_way_round(one: Any, other: Any) -> None:
    assert order(descending(encode_key(one)), descending(encode_key(other))) == -compare(one, other)


@given(values)
def test_every_key_lies_between_lowest_and_highest_and_apart_from_undefined(value: Any) -> None:
    key = encode_key(value)
    assert LOWEST < key < HIGHEST
    assert not key.startswith(UNDEFINED_KEY)


@given(values, values)
def test_a_bracket_holds_exactly_the_keys_of_comparable_values(operand: Any, value: Any) -> None:
    low, high = bracket(operand)
    comparable = type_bracket(operand) == type_bracket(value)
    nans = [encode_key(item) == encode_key(float("nan")) for item in (operand, value)]
    expected = isinstance(operand, MinKey | MaxKey) or (comparable and nans[0] == nans[1])
    assert (low <= encode_key(value) < high) == expected


@given(st.text("ab\0\1\x7f\U0010ffff", max_size=3), st.text("ab\0\1\x7f\U0010ffff", max_size=4))
@example("a", "b")
@example("a", "aa")
def test_a_prefix_range_holds_exactly_the_strings_with_that_prefix(prefix: str, text: str) -> None:
    low, high = text_prefix_range(prefix)
    key = encode_key(text) + encode_key(ObjectId("f" * 24))
    assert (low <= key < high) == text.startswith(prefix)


@pytest.mark.parametrize("value", [0, 1, -1, 2**53 + 1, 1.5, "text", ["x"], {"a": [1]}, b"data"])
def test_the_bracket_of_a_value_is_that_of_its_subclasses(value: Any) -> None:
    special = type("Special", (type(value),), {})(value)
    assert encode_key(special) == encode_key(value)
    assert type_bracket(special) == type_bracket(value)


def test_other_mappings_and_tuples_are_documents_and_arrays() -> None:
    assert encode_key(OrderedDict(b=1, a=2)) == encode_key({"b": 1, "a": 2})
    assert encode_key((1, "x")) == encode_key([1, "x"])


def test_a_pattern_of_python_is_a_regular_expression_with_its_flags() -> None:
    assert encode_key(re.compile(b"a", re.M)) < encode_key(re.compile(b"a", re.S)) < encode_key(re.compile("b"))


def test_a_lone_surrogate_has_a_key_of_its_own() -> None:
    assert encode_key("\ud800") not in {encode_key("?"), encode_key("\ufffd"), encode_key("\ud801")}


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_an_integer_past_64_bits_is_refused(value: int) -> None:
    with pytest.raises(IntegerOutOfRange):
        encode_key(value)


@pytest.mark.parametrize("value", [Decimal("1"), {1}, object(), 1j])
def test_a_value_that_bson_has_no_type_for_is_refused_by_its_type(value: Any) -> None:
    with pytest.raises(ValueNotStorable) as caught:
        encode_key([{"a": value}])
    assert type(value).__name__ in str(caught.value)
