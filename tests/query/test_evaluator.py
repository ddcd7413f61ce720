"""What filters match: the cases of MongoDB's manual and of its servers' behaviour."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from atomodm.errors import InvalidQuery
from atomodm.query.evaluator import compile_filter
from atomodm.query.filters import parse_filter
from atomodm.query.keys import encode_key, type_bracket
from atomodm.query.nodes import ELEMENT, And, Compare, ElementMatch, In, Operator
from atomodm.query.nodes import Regex as RegexNode
from tests.query.comparison import compare
from tests.query.strategies import values

ONE, TWO = ObjectId("0" * 23 + "1"), ObjectId("0" * 23 + "2")
NAN = float("nan")


def matches(filter: dict[str, Any], document: dict[str, Any]) -> bool:
    return compile_filter(parse_filter(filter))(document)


CASES: list[tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]] = [
    # filter, documents that match, documents that do not
    ({}, [{}, {"a": 1}], []),
    # equality
    (
        {"a": 1},
        [{"a": 1}, {"a": 1.0}, {"a": Int64(1)}, {"a": Decimal128("1.0")}, {"a": [0, 1]}],
        [{"a": True}, {"a": "1"}],
    ),
    ({"a": 2**53 + 1}, [{"a": 2**53 + 1}], [{"a": float(2**53)}, {"a": 2**53}]),
    ({"a": Decimal128("0.1")}, [{"a": Decimal128("0.10")}], [{"a": 0.1}]),
    ({"a": 0}, [{"a": -0.0}, {"a": Decimal128("-0E+3")}], [{"a": False}, {"a": None}]),
    ({"a": NAN}, [{"a": NAN}, {"a": Decimal128("NaN")}, {"a": [NAN]}], [{"a": 1}, {}]),
    ({"a": True}, [{"a": True}, {"a": [True]}], [{"a": 1}, {"a": False}]),
    ({"a": "x"}, [{"a": "x"}, {"a": ["y", "x"]}], [{"a": "X"}, {"a": Code("x")}, {"a": [["x"]]}]),
    ({"a": ONE}, [{"a": ONE}, {"a": [TWO, ONE]}], [{"a": TWO}, {"a": str(ONE)}]),
    ({"a": {"$eq": Regex("x")}}, [{"a": Regex("x")}], [{"a": "x"}, {"a": Regex("x", "i")}]),
    ({"a": b"x"}, [{"a": b"x"}, {"a": Binary(b"x", 0)}], [{"a": Binary(b"x", 5)}, {"a": "x"}]),
    ({"a": UUID(int=5)}, [{"a": UUID(int=5)}, {"a": Binary(UUID(int=5).bytes, 4)}], [{"a": UUID(int=6)}]),
    (
        {"a": datetime(2026, 1, 1)},
        [{"a": datetime(2026, 1, 1)}],
        [{"a": Timestamp(1767225600, 0)}, {"a": 1767225600000}],
    ),
    (
        {"a": datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))},
        [{"a": datetime(2026, 1, 1)}, {"a": datetime(2026, 1, 1, tzinfo=UTC)}],
        [{"a": datetime(2026, 1, 1, 1)}],
    ),
    ({"a": datetime(2026, 1, 1, microsecond=1999)}, [{"a": datetime(2026, 1, 1, microsecond=1000)}], []),
    ({"a": MinKey()}, [{"a": MinKey()}], [{"a": None}, {}, {"a": MaxKey()}]),
    # null and missing
    ({"a": None}, [{}, {"a": None}, {"a": [1, None]}], [{"a": 0}, {"a": []}, {"a": False}]),
    (
        {"a.b": None},
        [{}, {"a": None}, {"a": 4}, {"a": {}}, {"a": {"b": None}}, {"a": [{"b": 1}, {}]}, {"a": [{"b": None}]}],
        [{"a": {"b": 1}}, {"a": []}, {"a": [1, None]}, {"a": [[]]}, {"a": [{"b": 1}]}],
    ),
    ({"a": {"$ne": None}}, [{"a": 0}, {"a": []}], [{}, {"a": None}, {"a": [None]}]),
    ({"a": {"$gte": None}}, [{}, {"a": None}], [{"a": 0}]),
    ({"a": {"$lte": None}}, [{}, {"a": None}], [{"a": 0}, {"a": []}]),
    ({"a": {"$gt": None}}, [], [{}, {"a": None}, {"a": 0}, {"a": []}]),
    ({"a": {"$in": [None, 1]}}, [{}, {"a": None}, {"a": 1}], [{"a": 2}]),
    ({"a": {"$nin": [None, 1]}}, [{"a": 2}, {"a": []}], [{}, {"a": None}, {"a": [2, 1]}]),
    ({"a": {"$exists": True}}, [{"a": None}, {"a": []}, {"a": 1}], [{}]),
    ({"a": {"$exists": False}}, [{}], [{"a": None}, {"a": []}]),
    ({"a.b": {"$exists": True}}, [{"a": {"b": None}}, {"a": [{}, {"b": 1}]}], [{"a": {}}, {"a": 1}, {"a": []}, {}]),
    ({"a.b": {"$exists": False}}, [{"a": {}}, {"a": 1}, {"a": []}, {}, {"a": [{}]}], [{"a": [{}, {"b": 1}]}]),
    # type bracketing
    (
        {"a": {"$gt": 5}},
        [{"a": 6}, {"a": 5.5}, {"a": Decimal128("5.1")}, {"a": [1, 9]}, {"a": float("inf")}],
        [{"a": 5}, {"a": "x"}, {"a": True}, {"a": None}, {}, {"a": ONE}, {"a": {"b": 9}}, {"a": [[9]]}, {"a": NAN}],
    ),
    (
        {"a": {"$lt": 5}},
        [{"a": 4}, {"a": float("-inf")}],
        [{"a": NAN}, {"a": Decimal128("NaN")}, {"a": None}, {}, {"a": []}],
    ),
    ({"a": {"$lte": NAN}}, [{"a": NAN}], [{"a": 1}, {"a": float("-inf")}]),
    ({"a": {"$gte": NAN}}, [{"a": Decimal128("NaN")}], [{"a": 1}]),
    ({"a": {"$lt": NAN}}, [], [{"a": NAN}, {"a": 1}]),
    ({"a": {"$gte": "b"}}, [{"a": "b"}, {"a": "ba"}, {"a": "é"}], [{"a": "a"}, {"a": "B"}, {"a": 9}]),
    ({"a": {"$gt": "\uffff"}}, [{"a": "\U00010000"}], [{"a": "\uffff"}]),
    ({"a": {"$gt": False}}, [{"a": True}], [{"a": False}, {"a": 1}]),
    ({"a": {"$gt": ONE}}, [{"a": TWO}], [{"a": ONE}, {"a": "f" * 24}]),
    (
        {"a": {"$gt": datetime(2026, 1, 1)}},
        [{"a": datetime(2026, 1, 2)}, {"a": DatetimeMS(2**60)}],
        [{"a": datetime(2025, 1, 1)}, {"a": Timestamp(2**31, 0)}],
    ),
    ({"a": {"$lt": b"b"}}, [{"a": b"a"}, {"a": b""}], [{"a": b"aa"}, {"a": "a"}]),
    (
        {"a": {"$gt": {"b": 1}}},
        [{"a": {"b": 2}}, {"a": {"b": 1, "c": 0}}, {"a": {"c": 0}}],
        [{"a": {"b": 1}}, {"a": {"a": 9}}],
    ),
    ({"a": {"$gt": MinKey()}}, [{}, {"a": None}, {"a": 1}, {"a": []}, {"a": MaxKey()}], [{"a": MinKey()}]),
    ({"a": {"$lt": MaxKey()}}, [{}, {"a": 1}, {"a": MinKey()}], [{"a": MaxKey()}]),
    ({"a": {"$lte": MinKey()}}, [{"a": MinKey()}], [{"a": None}, {"a": 1}]),
    # arrays
    (
        {"a": [1, 2]},
        [{"a": [1, 2]}, {"a": [1.0, 2]}, {"a": [[1, 2], 5]}],
        [{"a": [2, 1]}, {"a": [1, 2, 3]}, {"a": [1]}, {"a": 1}],
    ),
    ({"a": []}, [{"a": []}, {"a": [[]]}], [{}, {"a": None}, {"a": [1]}]),
    ({"a": {"$gt": [1]}}, [{"a": [1, 0]}, {"a": [2]}, {"a": [[2]]}], [{"a": [1]}, {"a": []}, {"a": 2}]),
    ({"a": {"$gt": 15, "$lt": 20}}, [{"a": 17}, {"a": [10, 25]}], [{"a": 21}, {"a": [21, 25]}]),
    ({"a": {"$ne": 1}}, [{}, {"a": 2}, {"a": "1"}, {"a": []}], [{"a": 1}, {"a": [1, 2]}]),
    ({"a.0": 5}, [{"a": [5, 6]}, {"a": {"0": 5}}, {"a": [{"0": 5}]}], [{"a": [6, 5]}, {"a": 5}, {"a": [[5]]}]),
    ({"a.0.b": 1}, [{"a": [{"b": 1}]}, {"a": [[{"b": 1}]]}], [{"a": [{"b": 2}, {"b": 1}]}]),
    (
        {"a.b": 2},
        [{"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": [1, 2]}]}, {"a": {"b": [2]}}],
        [{"a": [[{"b": 2}]]}, {"a": [2]}],
    ),
    ({"a.b": {"$gt": 1, "$lt": 3}}, [{"a": [{"b": 0}, {"b": 9}]}], [{"a": [{"b": 9}]}]),
    ({"a": {"$all": ["x", "y"]}}, [{"a": ["y", "x", "z"]}], [{"a": ["x"]}, {"a": "x"}, {}]),
    ({"a": {"$all": ["x"]}}, [{"a": "x"}, {"a": ["x"]}], [{"a": []}]),
    ({"a": {"$all": [["x", "y"]]}}, [{"a": ["x", "y"]}, {"a": [["x", "y"]]}], [{"a": ["y", "x"]}]),
    ({"a": {"$all": []}}, [], [{"a": []}, {}, {"a": [1]}]),
    ({"a": {"$all": [Regex("^x"), "y"]}}, [{"a": ["xx", "y"]}], [{"a": ["y"]}]),
    (
        {"a": {"$all": [{"$elemMatch": {"b": 1, "c": 1}}, {"$elemMatch": {"b": 2}}]}},
        [{"a": [{"b": 1, "c": 1}, {"b": 2}]}],
        [{"a": [{"b": 1}, {"b": 2, "c": 1}]}],
    ),
    ({"a": {"$size": 2}}, [{"a": [1, 2]}, {"a": [[], []]}], [{"a": [[1, 2]]}, {"a": []}, {"a": 2}, {}, {"a": "xy"}]),
    ({"a": {"$size": 0}}, [{"a": []}], [{}, {"a": None}, {"a": [[]]}]),
    ({"a.b": {"$size": 1}}, [{"a": [{"b": []}, {"b": [1]}]}], [{"a": [{"b": 1}]}]),
    ({"a.0": {"$size": 1}}, [{"a": [[1], 2]}], [{"a": [2]}]),
    # $elemMatch
    (
        {"a": {"$elemMatch": {"$gte": 80, "$lt": 85}}},
        [{"a": [82, 85, 88]}],
        [{"a": [75, 88]}, {"a": 82}, {"a": []}, {"a": [[82]]}],
    ),
    (
        {"a": {"$elemMatch": {"b": 1, "c": {"$gt": 2}}}},
        [{"a": [{"b": 1, "c": 3}]}],
        [{"a": [{"b": 1}, {"c": 3}]}, {"a": {"b": 1, "c": 3}}],
    ),
    ({"a": {"$elemMatch": {"$ne": 1}}}, [{"a": [1, 2]}], [{"a": [1]}, {"a": []}, {}]),
    ({"a": {"$elemMatch": {"b": None}}}, [{"a": [{}]}, {"a": [[]]}], [{"a": [1]}, {"a": [{"b": 1}]}, {"a": []}]),
    ({"a": {"$elemMatch": {"0.b": 1}}}, [{"a": [[{"b": 1}]]}], [{"a": [{"b": 1}]}]),
    ({"a": {"$elemMatch": {"b": 1}}}, [], [{"a": [[{"b": 1}]]}]),
    ({"a": {"$elemMatch": {}}}, [{"a": [{}]}, {"a": [[1]]}], [{"a": [1]}, {"a": []}]),
    ({"a": {"$elemMatch": {"$elemMatch": {"$gt": 1}}}}, [{"a": [[0, 2]]}], [{"a": [2]}, {"a": [[1]]}]),
    ({"a": {"$elemMatch": {"$or": [{"b": 1}, {"c": 1}]}}}, [{"a": [{"c": 1}]}], [{"a": [{"b": 2, "c": 2}]}]),
    (
        {"a.b": {"$elemMatch": {"$in": [1, None]}}},
        [{"a": [{"b": [3, 1]}]}, {"a": {"b": [None]}}],
        [{"a": {"b": 1}}, {"a": {"b": []}}],
    ),
    ({"a": {"$elemMatch": {"$size": 1}}}, [{"a": [[5]]}], [{"a": [5]}]),
    ({"a": {"$elemMatch": {"$not": {"$type": "string"}}}}, [{"a": ["x", 1]}], [{"a": ["x"]}]),
    ({"a": {"$not": {"$elemMatch": {"$gt": 1}}}}, [{"a": [1]}, {}, {"a": 5}], [{"a": [2]}]),
    # documents
    (
        {"a": {"b": 1, "c": 2}},
        [{"a": {"b": 1, "c": 2}}, {"a": {"b": 1.0, "c": 2}}],
        [{"a": {"c": 2, "b": 1}}, {"a": {"b": 1}}],
    ),
    ({"a": {}}, [{"a": {}}, {"a": [{}]}], [{}, {"a": {"b": 1}}, {"a": []}]),
    ({"a": {"b": {"$gt": 1}}}, [{"a": {"b": {"$gt": 1}}}], [{"a": {"b": 2}}]),
    (
        {"a": DBRef("people", 1)},
        [{"a": DBRef("people", 1)}, {"a": {"$ref": "people", "$id": 1}}],
        [{"a": DBRef("people", 2)}],
    ),
    ({"a": {"$ref": "people", "$id": 1}}, [{"a": DBRef("people", 1)}], [{"a": {"$id": 1, "$ref": "people"}}]),
    ({"a.$id": 1}, [{"a": DBRef("people", 1)}], [{"a": DBRef("people", 2)}]),
    # $in
    ({"a": {"$in": []}}, [], [{}, {"a": None}, {"a": []}]),
    (
        {"a": {"$in": [1, "x", [2]]}},
        [{"a": 1.0}, {"a": ["x"]}, {"a": [2]}, {"a": [[2]]}],
        [{"a": 2}, {"a": True}, {"a": "X"}],
    ),
    ({"a": {"$in": [Regex("^x"), 5]}}, [{"a": "xy"}, {"a": 5}, {"a": [1, "xx"]}], [{"a": "yx"}]),
    ({"a": {"$nin": [Regex("^x"), 5]}}, [{"a": "yx"}, {}], [{"a": "xy"}, {"a": [5]}]),
    # $type
    ({"a": {"$type": "string"}}, [{"a": "x"}, {"a": [1, "x"]}], [{"a": 1}, {}, {"a": []}]),
    ({"a": {"$type": "array"}}, [{"a": []}, {"a": [[]]}], [{"a": {}}]),
    (
        {"a": {"$type": "number"}},
        [{"a": 1}, {"a": 1.0}, {"a": Int64(1)}, {"a": Decimal128("1")}],
        [{"a": True}, {"a": "1"}],
    ),
    ({"a": {"$type": ["int", 2]}}, [{"a": 1}, {"a": "x"}], [{"a": Int64(1)}, {"a": 2**31}, {"a": 1.0}]),
    ({"a": {"$type": "long"}}, [{"a": 2**31}, {"a": Int64(1)}], [{"a": 1}]),
    ({"a": {"$type": "null"}}, [{"a": None}], [{}]),
    ({"a": {"$type": "object"}}, [{"a": {}}, {"a": DBRef("x", 1)}, {"a": [{}]}], [{"a": []}]),
    ({"a": {"$type": "date"}}, [{"a": datetime(2026, 1, 1)}, {"a": DatetimeMS(2**60)}], [{"a": Timestamp(1, 1)}]),
    ({"a": {"$type": "binData"}}, [{"a": b"x"}, {"a": UUID(int=1)}, {"a": Binary(b"x", 5)}], [{"a": "x"}]),
    ({"a": {"$type": [-1, 127]}}, [{"a": MinKey()}, {"a": MaxKey()}], [{"a": 1}]),
    ({"a": {"$type": "javascript"}}, [{"a": Code("x")}], [{"a": Code("x", {})}, {"a": "x"}]),
    # $mod
    (
        {"a": {"$mod": [4, 0]}},
        [{"a": 0}, {"a": 12}, {"a": 4.9}, {"a": Decimal128("8.5")}, {"a": [3, 8]}],
        [{"a": 5}, {"a": "8"}, {"a": NAN}],
    ),
    ({"a": {"$mod": [4, -3]}}, [{"a": -7}], [{"a": 1}, {"a": 1.0}]),
    ({"a": {"$mod": [-4, 3]}}, [{"a": 7}], [{"a": -7}]),
    ({"a": {"$mod": [4.9, 1]}}, [{"a": 5}], [{"a": float("inf")}, {"a": Decimal128("Infinity")}, {"a": True}]),
    # $regex
    ({"a": {"$regex": "^b"}}, [{"a": "bc"}, {"a": ["x", "b"]}], [{"a": "cb"}, {"a": 1}, {}, {"a": Code("bc")}]),
    ({"a": {"$regex": "^B", "$options": "i"}}, [{"a": "bc"}], [{"a": "cb"}]),
    ({"a": {"$options": "m", "$regex": "^b$"}}, [{"a": "x\nb\ny"}], [{"a": "xb"}]),
    ({"a": {"$regex": "x . y", "$options": "sx"}}, [{"a": "x\ny"}], [{"a": "x . y"}]),
    ({"a": Regex("b", "i")}, [{"a": "B"}, {"a": Regex("b", "i")}], [{"a": Regex("b")}, {"a": "c"}]),
    ({"a": {"$not": Regex("^b")}}, [{"a": "c"}, {}, {"a": 1}], [{"a": "b"}, {"a": ["c", "b"]}]),
    ({"a": {"$not": {"$regex": "^b"}}}, [{"a": "c"}], [{"a": "b"}]),
    # logic
    ({"a": {"$not": {"$gt": 5}}}, [{"a": 5}, {}, {"a": "x"}, {"a": NAN}], [{"a": 6}, {"a": [1, 6]}]),
    ({"a": {"$not": {"$gt": 5, "$lt": 10}}}, [{"a": 5}, {"a": 10}], [{"a": 7}]),
    ({"$and": [{"a": 1}, {"b": 1}]}, [{"a": 1, "b": 1}], [{"a": 1}]),
    ({"$or": [{"a": 1}, {"b": 1}]}, [{"b": 1}], [{"a": 2}]),
    ({"$nor": [{"a": 1}, {"b": 1}]}, [{}, {"a": 2}], [{"a": 1}, {"b": 1}]),
    ({"$nor": [{}]}, [], [{}]),
    (
        {"$or": [{"a": 1}, {"b": 1}, {"c": 1}], "d": 1, "e": 1},
        [{"c": 1, "d": 1, "e": 1}],
        [{"c": 1, "d": 1}, {"d": 1, "e": 1}],
    ),
    ({"a": 1, "$comment": "for the log"}, [{"a": 1}], [{"a": 2}]),
]


@pytest.mark.parametrize(("filter", "matching", "others"), CASES, ids=[repr(case[0]) for case in CASES])
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
