"""Arithmetic in updates: values, and the types that servers give them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from bson import Decimal128, Int64
from hypothesis import given
from hypothesis import strategies as st

from atomodm.query.bson_types import bson_type
from atomodm.query.keys import encode_key
from atomodm.query.updates import parse_update
from tests.query.strategies import numbers
from tests.query.updating import NOW, Code, Result, check, updated

INT32_MAX, INT64_MAX = 2**31 - 1, 2**63 - 1
INFINITY = float("inf")

Case = tuple[dict[str, Any], dict[str, Any], Result]

INC: list[Case] = [
    ({"a": 1}, {"$inc": {"a": 2}}, {"a": 3}),
    ({"quantity": 10, "metrics": {"orders": 2}}, {"$inc": {"quantity": -2, "metrics.orders": 1}},
     {"quantity": 8, "metrics": {"orders": 3}}),
    ({}, {"$inc": {"a": 2}}, {"a": 2}),
    ({}, {"$inc": {"a.b": Int64(2)}}, {"a": {"b": Int64(2)}}),
    ({"a": [1, 2]}, {"$inc": {"a.1": 5}}, {"a": [1, 7]}),
    ({"a": [1]}, {"$inc": {"a.2": 5}}, {"a": [1, None, 5]}),
    # the wider type wins
    ({"a": 1}, {"$inc": {"a": Int64(2)}}, {"a": Int64(3)}),
    ({"a": Int64(1)}, {"$inc": {"a": 2}}, {"a": Int64(3)}),
    ({"a": 1}, {"$inc": {"a": 0.5}}, {"a": 1.5}),
    ({"a": 1}, {"$inc": {"a": 2.0}}, {"a": 3.0}),
    ({"a": 1.5}, {"$inc": {"a": Int64(2)}}, {"a": 3.5}),
    ({"a": Decimal128("1.10")}, {"$inc": {"a": 2}}, {"a": Decimal128("3.10")}),
    ({"a": Int64(2)}, {"$inc": {"a": Decimal128("1.10")}}, {"a": Decimal128("3.10")}),
    ({"a": Decimal128("1")}, {"$inc": {"a": 0.1}}, {"a": Decimal128("1.100000000000000")}),
    ({"a": 0.5}, {"$inc": {"a": Decimal128("1")}}, {"a": Decimal128("1.500000000000000")}),
    ({"a": Decimal128("1")}, {"$inc": {"a": 0.0}}, {"a": Decimal128("1")}),
    ({"a": Decimal128("0.1")}, {"$inc": {"a": Decimal128("0.2")}}, {"a": Decimal128("0.3")}),
    # overflow
    ({"a": INT32_MAX}, {"$inc": {"a": 1}}, {"a": Int64(INT32_MAX + 1)}),
    ({"a": -INT32_MAX - 1}, {"$inc": {"a": -1}}, {"a": Int64(-INT32_MAX - 2)}),
    ({"a": Int64(INT32_MAX + 1)}, {"$inc": {"a": -5}}, {"a": Int64(INT32_MAX - 4)}),
    ({"a": Int64(INT64_MAX)}, {"$inc": {"a": 1}}, Code(2)),
    ({"a": Int64(-INT64_MAX - 1)}, {"$inc": {"a": -1}}, Code(2)),
    ({"a": 1e308}, {"$inc": {"a": 1e308}}, {"a": INFINITY}),
    ({"a": Decimal128("9E+6144")}, {"$inc": {"a": Decimal128("9E+6144")}}, {"a": Decimal128("Infinity")}),
    ({"a": Decimal128("NaN")}, {"$inc": {"a": 1}}, {"a": Decimal128("NaN")}),
    # no numbers
    ({"a": "1"}, {"$inc": {"a": 1}}, Code(14)),
    ({"a": None}, {"$inc": {"a": 1}}, Code(14)),
    ({"a": True}, {"$inc": {"a": 1}}, Code(14)),
    ({"a": [1]}, {"$inc": {"a": 1}}, Code(14)),
    ({"a": 1}, {"$inc": {"a": "1"}}, Code(14)),
    ({"a": 1}, {"$inc": {"a": None}}, Code(14)),
    ({"a": 1}, {"$inc": {"a": True}}, Code(14)),
    ({"a": 1}, {"$inc": {"a": {"$mul": 1}}}, Code(14)),
    ({"a": 1}, {"$inc": {"a.b": 1}}, Code(28)),
]  # fmt: skip

MUL: list[Case] = [
    ({"a": 3}, {"$mul": {"a": 4}}, {"a": 12}),
    ({"price": Decimal128("10.99"), "quantity": 25}, {"$mul": {"price": Decimal128("1.25"), "quantity": 2}},
     {"price": Decimal128("13.7375"), "quantity": 50}),
    ({}, {"$mul": {"a": 4}}, {"a": 0}),
    ({}, {"$mul": {"a": Int64(100)}}, {"a": Int64(0)}),
    ({}, {"$mul": {"a": 2.5}}, {"a": 0.0}),
    ({}, {"$mul": {"a": Decimal128("2")}}, {"a": Decimal128("0")}),
    ({"a": Int64(10)}, {"$mul": {"a": 5}}, {"a": Int64(50)}),
    ({"a": 10}, {"$mul": {"a": 0.5}}, {"a": 5.0}),
    ({"a": 2**20}, {"$mul": {"a": 2**20}}, {"a": Int64(2**40)}),
    ({"a": -(2**31)}, {"$mul": {"a": -1}}, {"a": Int64(2**31)}),
    ({"a": Int64(2**62)}, {"$mul": {"a": 2}}, Code(2)),
    ({"a": Int64(-(2**62))}, {"$mul": {"a": 2}}, {"a": Int64(-(2**63))}),
    ({"a": "x"}, {"$mul": {"a": 2}}, Code(14)),
    ({"a": 1}, {"$mul": {"a": "x"}}, Code(14)),
]  # fmt: skip

BIT: list[Case] = [
    ({"a": 13}, {"$bit": {"a": {"and": 10}}}, {"a": 8}),
    ({"a": 3}, {"$bit": {"a": {"or": 5}}}, {"a": 7}),
    ({"a": 1}, {"$bit": {"a": {"xor": 5}}}, {"a": 4}),
    ({"a": 12}, {"$bit": {"a": {"and": 6, "or": 3, "xor": 1}}}, {"a": 6}),
    ({"a": 12}, {"$bit": {"a": {"or": 3, "and": 6}}}, {"a": 6}),
    ({"a": -1}, {"$bit": {"a": {"and": 2**31 - 1}}}, {"a": 2**31 - 1}),
    ({"a": 1}, {"$bit": {"a": {"or": Int64(2)}}}, {"a": Int64(3)}),
    ({"a": Int64(3)}, {"$bit": {"a": {"and": 1}}}, {"a": Int64(1)}),
    ({"a": -1}, {"$bit": {"a": {"xor": Int64(0)}}}, {"a": Int64(-1)}),
    ({}, {"$bit": {"a": {"or": 5}}}, {"a": 5}),
    ({}, {"$bit": {"a.b": {"and": 5}}}, {"a": {"b": 0}}),
    ({"a": 1.0}, {"$bit": {"a": {"or": 5}}}, Code(2)),
    ({"a": "x"}, {"$bit": {"a": {"or": 5}}}, Code(2)),
    ({"a": True}, {"$bit": {"a": {"or": 5}}}, Code(2)),
    ({"a": 1}, {"$bit": {"a": {"or": 5.0}}}, Code(2)),
    ({"a": 1}, {"$bit": {"a": {"or": True}}}, Code(2)),
    ({"a": 1}, {"$bit": {"a": {"not": 5}}}, Code(2)),
    ({"a": 1}, {"$bit": {"a": {}}}, Code(2)),
    ({"a": 1}, {"$bit": {"a": 5}}, Code(2)),
]


@pytest.mark.parametrize(("document", "update", "result"), [*INC, *MUL, *BIT], ids=str)
def test_arithmetic_gives_what_a_mongodb_server_gives(
    document: dict[str, Any], update: dict[str, Any], result: Result
) -> None:
    check(document, update, result)


@pytest.mark.parametrize(("operator", "operand"), [("$inc", -INFINITY), ("$mul", 0), ("$mul", Int64(0))])
def test_infinity_can_become_no_number(operator: str, operand: Any) -> None:
    assert math.isnan(updated({"a": INFINITY}, {operator: {"a": operand}})["a"])


def test_minus_nothing_is_kept_for_a_missing_double() -> None:
    assert str(updated({}, {"$mul": {"a": -2.0}})["a"]) == "-0.0"


def test_integers_that_were_never_decoded_have_the_width_that_they_are_stored_with() -> None:
    result = updated({"a": 2**40}, {"$inc": {"a": -(2**40)}})
    assert type(result["a"]) is Int64
    assert result["a"] == 0


@pytest.mark.parametrize(
    ("double", "text"),
    [
        (9.99, "9.99000000000000"),
        (1e300, "1.00000000000000E+300"),
        (5e-324, "4.94065645841247E-324"),
        (0.9999999999999999, "1.00000000000000"),
        (-2.5, "-2.50000000000000"),
        (INFINITY, "Infinity"),
    ],
)
def test_a_double_counts_with_15_digits_beside_a_decimal(double: float, text: str) -> None:
    result = updated({"a": Decimal128("1")}, {"$mul": {"a": double}})
    assert str(result["a"]) == text


ORDER = ["int", "long", "double", "decimal"]


@given(numbers, numbers, st.sampled_from(["$inc", "$mul"]))
def test_the_wider_of_two_types_is_the_type_of_the_result(one: Any, other: Any, operator: str) -> None:
    integers = {bson_type(one), bson_type(other)} <= {"int", "long"}
    if integers and not -(2**63) <= (one + other if operator == "$inc" else one * other) < 2**63:
        check({"a": one}, {operator: {"a": other}}, Code(2))
        return
    result = updated({"a": one}, {operator: {"a": other}})["a"]
    widest = max(bson_type(one), bson_type(other), key=ORDER.index)
    assert bson_type(result) == widest or (widest == "int" and bson_type(result) == "long")


integers = st.integers(-(2**31), 2**31 - 1) | st.integers(-(2**61), 2**61).map(Int64)


@given(integers, integers, integers)
def test_increments_of_integers_commute(start: int, one: int, other: int) -> None:
    first, second = parse_update({"$inc": {"a": one}}), parse_update({"$inc": {"a": other}})
    forth = second.apply(first.apply({"a": start}, now=NOW), now=NOW)
    back = first.apply(second.apply({"a": start}, now=NOW), now=NOW)
    assert forth == back == {"a": start + one + other}


@given(numbers, numbers)
def test_of_two_values_one_is_the_least_and_one_the_greatest(one: Any, other: Any) -> None:
    least = updated({"a": one}, {"$min": {"a": other}})["a"]
    greatest = updated({"a": one}, {"$max": {"a": other}})["a"]
    assert encode_key(least) == min(encode_key(one), encode_key(other))
    assert encode_key(greatest) == max(encode_key(one), encode_key(other))
