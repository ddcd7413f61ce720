"""What filters match: the cases that stores are held to as well, and properties."""

from __future__ import annotations

import time
from typing import Any

import pytest
from bson import MaxKey, MinKey, ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from atomodm.errors import InvalidQuery
from atomodm.query.evaluator import compile_filter
from atomodm.query.filters import parse_filter
from atomodm.query.keys import encode_key, type_bracket
from atomodm.query.nodes import ELEMENT, And, Compare, ElementMatch, In, Operator
from atomodm.query.nodes import Regex as RegexNode
from atomodm.testing.contract.filter_cases import FILTER_CASES
from tests.query.comparison import compare
from tests.query.strategies import INTERESTING, values

ONE, TWO = ObjectId("0" * 23 + "1"), ObjectId("0" * 23 + "2")
NAN = float("nan")


def matches(filter: dict[str, Any], document: dict[str, Any]) -> bool:
    return compile_filter(parse_filter(filter))(document)


@pytest.mark.parametrize(("filter", "matching", "others"), FILTER_CASES, ids=[repr(case[0]) for case in FILTER_CASES])
def test_a_filter_matches_as_mongodb_does(
    filter: dict[str, Any], matching: list[dict[str, Any]], others: list[dict[str, Any]]
) -> None:
    check = compile_filter(parse_filter(filter))
    for document in matching:
        assert check(document), document
    for document in others:
        assert not check(document), document


@given(values, values)
@settings(max_examples=300)
def test_comparisons_agree_with_the_order_of_keys(operand: Any, value: Any) -> None:
    if isinstance(value, list) or isinstance(operand, MinKey | MaxKey):
        return
    document = {"a": value}
    comparable = type_bracket(operand) == type_bracket(value)
    nan = encode_key(NAN)
    is_nan = [encode_key(operand) == nan, encode_key(value) == nan]
    result = compare(value, operand)
    expected = {
        Operator.EQ: result == 0,
        Operator.GT: result > 0 and comparable and not any(is_nan),
        Operator.GTE: result >= 0 and comparable and is_nan[0] == is_nan[1],
        Operator.LT: result < 0 and comparable and not any(is_nan),
        Operator.LTE: result <= 0 and comparable and is_nan[0] == is_nan[1],
    }
    if operand is None or value is None:
        expected = {how: result == 0 and how not in (Operator.GT, Operator.LT) for how in Operator}
    for how, matching in expected.items():
        assert compile_filter(Compare("a", how, operand))(document) == matching, how
        assert compile_filter(ElementMatch("a", Compare(ELEMENT, how, operand)))({"a": [value]}) == matching, how
    among = compile_filter(In("a", ("none of the values", operand)))
    assert among(document) == (result == 0)


@pytest.mark.slow
def test_filters_order_all_pairs_of_interesting_values_as_their_keys_do() -> None:
    keys = [encode_key(value) for value in INTERESTING]
    nan = encode_key(NAN)
    for operand, key in zip(INTERESTING, keys, strict=True):
        # As an element, so that an array is compared as a whole.
        checks = {
            how: compile_filter(ElementMatch("a", Compare(ELEMENT, how, operand)))
            for how in (Operator.EQ, Operator.GT, Operator.LT, Operator.GTE, Operator.LTE)
        }
        among = compile_filter(ElementMatch("a", In(ELEMENT, ("no value", operand))))
        everything = isinstance(operand, MinKey | MaxKey)
        for value, other in zip(INTERESTING, keys, strict=True):
            document = {"a": [value]}
            comparable = everything or (type_bracket(operand) == type_bracket(value) and (key == nan) == (other == nan))
            expected = {
                Operator.EQ: other == key,
                Operator.GT: comparable and other > key,
                Operator.LT: comparable and other < key,
                Operator.GTE: comparable and other >= key,
                Operator.LTE: comparable and other <= key,
            }
            assert {how: check(document) for how, check in checks.items()} == expected, (operand, value)
            assert among(document) == (other == key), (operand, value)


@given(st.integers(-50, 50), st.integers(-9, 9).filter(bool))
def test_modulo_is_that_of_c(number: int, divisor: int) -> None:
    remainder = abs(number) % abs(divisor) * (-1 if number < 0 else 1)
    assert matches({"a": {"$mod": [divisor, remainder]}}, {"a": number})
    assert not matches({"a": {"$mod": [divisor, remainder + 1]}}, {"a": number})


HOSTILE = RegexNode("a", "(a|aa)+$")


def test_a_hostile_pattern_is_stopped_on_one_string() -> None:
    check = compile_filter(HOSTILE)
    start = time.perf_counter()
    with pytest.raises(InvalidQuery, match="too long"):
        check({"a": "a" * 60 + "b"})
    assert time.perf_counter() - start < 5.0


def test_a_hostile_pattern_is_stopped_when_many_strings_together_take_long() -> None:
    check = compile_filter(HOSTILE)
    length = 8
    while True:
        start = time.perf_counter()
        assert not check({"a": "a" * length + "b"})
        if time.perf_counter() - start > 0.005:
            break
        length += 1

    def scan() -> None:
        for _ in range(2000):
            check({"a": "a" * length + "b"})

    start = time.perf_counter()
    with pytest.raises(InvalidQuery, match="too long"):
        scan()
    assert time.perf_counter() - start < 10.0


def test_an_ordinary_pattern_never_uses_its_budget_up() -> None:
    check = compile_filter(RegexNode("a", "needle"))
    document = {"a": "hay " * 500}
    for _ in range(20_000):
        assert not check(document)


def test_an_element_cannot_be_asked_for_itself_and_for_its_fields_at_once() -> None:
    node = ElementMatch("a", And((Compare(ELEMENT, Operator.EQ, 1), Compare("b", Operator.EQ, 1))))
    with pytest.raises(InvalidQuery, match="at once"):
        compile_filter(node)
