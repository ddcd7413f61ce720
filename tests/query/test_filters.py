"""Filters of MongoDB's language: what is refused, and that writing a tree as a filter keeps its meaning."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from bson import Decimal128, Int64, Regex
from hypothesis import given, settings
from hypothesis import strategies as st

from atomodm.errors import InvalidQuery
from atomodm.query import compile_filter, parse_filter, to_mongo
from atomodm.query.nodes import (
    ALL,
    ELEMENT,
    NOTHING,
    AllOf,
    And,
    Bits,
    BitTest,
    Compare,
    ElementMatch,
    Exists,
    In,
    Modulo,
    Node,
    Not,
    Operator,
    Or,
    Size,
    Text,
    TextKind,
    TypeIs,
)
from atomodm.query.nodes import Regex as RegexNode
from tests.ids import readable
from tests.query.strategies import documents, few_values, paths

FOREIGN = [
    *(
        "$where",
        "$expr",
        "$function",
        "$text",
        "$jsonSchema",
        "$near",
        "$geoWithin",
        "$geoIntersects",
        "$search",
        "$rand",
    ),
    *("$alwaysTrue", "$set", "$unknown", "$", "$eq2", "$nand"),
]
NESTINGS: list[Any] = [
    lambda inner: {"a": inner},
    lambda inner: {"a": {"$not": inner}},
    lambda inner: {"a": {"$elemMatch": inner}},
    lambda inner: {"a": {"$all": [{"$elemMatch": inner}]}},
    lambda inner: {"$or": [{"a": 1}, {"b": inner}]},
    lambda inner: {"$nor": [{"$and": [{"b": inner}]}]},
    lambda inner: {"a": {"$elemMatch": {"b": {"$not": inner}}}},
]


@pytest.mark.parametrize("operator", FOREIGN)
@pytest.mark.parametrize("nest", NESTINGS)
def test_an_operator_outside_the_portable_set_is_refused_by_name_at_every_depth(operator: str, nest: Any) -> None:
    with pytest.raises(InvalidQuery, match=re.escape(operator)):
        parse_filter(nest({operator: 1}))


@pytest.mark.parametrize("operator", [*FOREIGN, "$eq", "$gt", "$not", "$elemMatch", "$regex"])
def test_an_operator_without_a_field_is_refused_by_name(operator: str) -> None:
    for filter in (
        {operator: 1},
        {"a": 1, operator: 1},
        {"$or": [{operator: 1}]},
        {"a": {"$elemMatch": {"b": 1, operator: 1}}},
    ):
        with pytest.raises(InvalidQuery, match=re.escape(operator)):
            parse_filter(filter)


@pytest.mark.parametrize(
    "filter",
    [
        [],
        None,
        {1: 2},
        {"a\0": 1},
        {"$and": []},
        {"$or": {}},
        {"$nor": [1]},
        {"$and": None},
        {"a": {"$in": 7777}},
        {"a": {"$in": "secret"}},
        {"a": {"$in": [{"$gt": 7777}]}},
        {"a": {"$nin": {"a": 7777}}},
        {"a": {"$all": 7777}},
        {"a": {"$all": [{"$gt": 7777}]}},
        {"a": {"$all": [{"$elemMatch": {}}, 7777]}},
        {"a": {"$type": "secret"}},
        {"a": {"$type": 7777}},
        {"a": {"$type": 5.5}},
        {"a": {"$type": True}},
        {"a": {"$type": 0}},
        {"a": {"$type": []}},
        {"a": {"$type": None}},
        {"a": {"$type": [["string"]]}},
        {"a": {"$size": -7777}},
        {"a": {"$size": 1.5}},
        {"a": {"$size": "secret"}},
        {"a": {"$size": True}},
        {"a": {"$mod": 7777}},
        {"a": {"$mod": [7777]}},
        {"a": {"$mod": [0, 7777]}},
        {"a": {"$mod": [0.5, 7777]}},
        {"a": {"$mod": [1, 2, 7777]}},
        {"a": {"$mod": [float("nan"), 7777]}},
        {"a": {"$mod": [7777, float("inf")]}},
        {"a": {"$mod": [1e300, 7777]}},
        {"a": {"$mod": [7777, Decimal128("1E+6000")]}},
        {"a": {"$mod": [Decimal128("0.9"), 7777]}},
        {"a": {"$mod": []}},
        {"a": {"$mod": [True, 7777]}},
        {"a": {"$bitsAllSet": "secret"}},
        {"a": {"$bitsAllClear": True}},
        {"a": {"$bitsAnySet": None}},
        {"a": {"$bitsAnyClear": -7777}},
        {"a": {"$bitsAllSet": 7777.5}},
        {"a": {"$bitsAllSet": float("inf")}},
        {"a": {"$bitsAllSet": 2.0**63}},
        {"a": {"$bitsAllSet": [-1]}},
        {"a": {"$bitsAllSet": [2**31]}},
        {"a": {"$bitsAllSet": ["secret"]}},
        {"a": {"$bitsAllSet": [1.5]}},
        {"a": {"$bitsAllSet": [True]}},
        {"a": {"$mod": ["secret", 1]}},
        {"a": {"$elemMatch": 7777}},
        {"a": {"$elemMatch": {"$gt": 1, "b": 7777}}},
        {"a": {"$elemMatch": {"b": 7777, "$gt": 1}}},
        {"a": {"$not": 7777}},
        {"a": {"$not": {}}},
        {"a": {"$not": {"b": 7777}}},
        {"a": {"$not": "secret"}},
        {"a": {"$gt": re.compile("secret")}},
        {"a": {"$ne": Regex("secret")}},
        {"a": {"$regex": 7777}},
        {"a": {"$regex": "secret("}},
        {"a": {"$regex": "secret", "$options": "q"}},
        {"a": {"$regex": "secret", "$options": 7777}},
        {"a": {"$regex": Regex("secret", "i"), "$options": "m"}},
        {"a": {"$regex": Regex("secret"), "$options": 7777}},
        {"a": {"$regex": "secret", "$options": None}},
        {"a": {"$regex": "x" * 40_000}},
        {"a": {"$options": "i"}},
        {"a": re.compile(b"secret")},
        {"a": re.compile(b"secret", re.LOCALE)},
        {"a": {"$gt": 1, "b": 7777}},
        {"a": {"$gt": 1, 7777: 1}},
        {"a": {"$id": 7777}},
        {"a": {"$ref": "secret"}},
        {"a": {"$in": [{"$id": 7777}]}},
        {"a": {"$elemMatch": {"$id": 7777, "$gt": 1}}},
        {"a": 2**64},
        {"a": {"$gt": {1: "secret"}}},
        {"a": {"$eq": "secret\ud800"}},
        {"a": {"$in": [object()]}},
        {"a": 7777j},
    ],
    ids=readable,
)
def test_a_filter_that_makes_no_sense_is_refused_without_showing_its_values(filter: Any) -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_filter(filter)
    assert not re.search("secret|7777", str(caught.value))
    assert caught.value.__cause__ is None


def test_a_mask_of_bits_has_a_greatest_size() -> None:
    parse_filter({"a": {"$bitsAllSet": bytes(65_536)}})
    with pytest.raises(InvalidQuery, match="65,536"):
        parse_filter({"a": {"$bitsAllSet": bytes(65_537)}})


def test_two_conditions_on_the_field_of_a_reference_stay_two() -> None:
    node = parse_filter({"a": {"$elemMatch": {"$and": [{"$id": {"x": 1}}, {"$id": {"y": 1}}]}}})
    assert to_mongo(node) == {"a": {"$elemMatch": {"$and": [{"$id": {"x": 1}}, {"$id": {"y": 1}}]}}}
    assert parse_filter(to_mongo(node)) == node


@pytest.mark.parametrize(
    ("filter", "code"),
    [
        ({"$and": []}, 2),
        ({"$unknown": 1}, 2),
        ({"a": {"$unknown": 1}}, 2),
        ({"a": {"$in": 1}}, 2),
        ({"a": {"$in": [{"$gt": 1}]}}, 2),
        ({"a": {"$all": [{"$gt": 1}]}}, 2),
        ({"a": {"$type": "unknown"}}, 2),
        ({"a": {"$type": []}}, 9),
        ({"a": {"$type": True}}, 14),
        ({"a": {"$type": ["string", None]}}, 14),
        ({"a": {"$type": "text"}}, 2),
        ({"a": {"$size": -1}}, 2),
        ({"a": {"$mod": [0, 1]}}, 2),
        ({"a": {"$bitsAllSet": -1}}, 9),
        ({"a": {"$bitsAllSet": 1.5}}, 9),
        ({"a": {"$bitsAllSet": [-1]}}, 2),
        ({"a": {"$bitsAllSet": "x"}}, 2),
        ({"a": {"$elemMatch": 1}}, 2),
        ({"a": {"$not": {}}}, 2),
        ({"a": {"$regex": 1}}, 2),
        ({"a": {"$options": "i"}}, 2),
        ({"a": {"$regex": "("}}, 51091),
        ({"a": {"$regex": "a" * 40_000}}, 51091),
        ({"a": {"$regex": "a", "$options": "q"}}, 51108),
        ({"a": {"$regex": Regex("a", "i"), "$options": "m"}}, 51075),
    ],
    ids=repr,
)
def test_a_refusal_has_the_servers_code(filter: dict[str, Any], code: int) -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_filter(filter)
    assert caught.value.server_code == code


def nested(levels: int, wrap: Any, inner: Any) -> Any:
    for _ in range(levels):
        inner = wrap(inner)
    return inner


@pytest.mark.parametrize(
    "filter",
    [
        nested(5000, lambda inner: {"$and": [inner]}, {"a": 1}),
        {"a": nested(5000, lambda inner: {"$not": inner}, {"$gt": 1})},
        {"a": nested(5000, lambda inner: {"$elemMatch": inner}, {"$gt": 1})},
        {"a": nested(5000, lambda inner: [inner], 1)},
        {"a": nested(200, lambda inner: {"b": inner}, 1)},
    ],
    ids=["logic", "not", "elements", "arrays", "documents"],
)
def test_a_filter_that_is_nested_too_deep_is_refused(filter: Any) -> None:
    with pytest.raises(InvalidQuery):
        parse_filter(filter)


def test_a_filter_may_be_nested_deep() -> None:
    filter = nested(45, lambda inner: {"$and": [{"b": 1}, inner]}, {"a": nested(40, lambda inner: [inner], 1)})
    assert compile_filter(parse_filter(filter))({"a": filter and nested(40, lambda inner: [inner], 1.0), "b": 1})


EQ, GT = Operator.EQ, Operator.GT


@pytest.mark.parametrize(
    ("filter", "node"),
    [
        ({}, ALL),
        ({"a": 1}, Compare("a", EQ, 1)),
        ({"a": {"$gt": 1, "$lt": 5}}, And((Compare("a", GT, 1), Compare("a", Operator.LT, 5)))),
        ({"a": {"$ne": 1}}, Not(Compare("a", EQ, 1))),
        ({"a": {"$in": [1, 2]}}, In("a", (1, 2))),
        ({"a": {"$nin": [1]}}, Not(In("a", (1,)))),
        ({"a": {"$in": [1, Regex("x", "i")]}}, Or((In("a", (1,)), RegexNode("a", "x", "i")))),
        ({"a": {"$exists": 0}}, Exists("a", False)),
        ({"a": {"$exists": None}}, Exists("a", False)),
        ({"a": {"$exists": Decimal128("0.0")}}, Exists("a", False)),
        ({"a": {"$exists": "false"}}, Exists("a", True)),
        ({"a": {"$exists": float("nan")}}, Exists("a", True)),
        ({"a": {"$exists": []}}, Exists("a", True)),
        ({"a": {"$bitsAllSet": 5}}, Bits("a", BitTest.ALL_SET, (0, 2))),
        ({"a": {"$bitsAllClear": [9, 1, 9]}}, Bits("a", BitTest.ALL_CLEAR, (1, 9))),
        ({"a": {"$bitsAnySet": b"\x01\x80"}}, Bits("a", BitTest.ANY_SET, (0, 15))),
        ({"a": {"$bitsAnyClear": Decimal128("4")}}, Bits("a", BitTest.ANY_CLEAR, (2,))),
        ({"a": {"$bitsAnyClear": Int64(2**62)}}, Bits("a", BitTest.ANY_CLEAR, (62,))),
        ({"a": {"$bitsAnySet": UUID(int=1)}}, Bits("a", BitTest.ANY_SET, (120,))),
        ({"a": {"$elemMatch": {"$id": 5}}}, ElementMatch("a", Compare("$id", EQ, 5))),
        ({"a": {"b": 1, "$gt": 1}}, Compare("a", EQ, {"b": 1, "$gt": 1})),
        ({"a": {"$in": [{"b": 1, "$gt": 1}]}}, In("a", ({"b": 1, "$gt": 1},))),
        ({"$and": [{"$comment": "x"}, {"a": 1, "$comment": {"$where": 1}}]}, Compare("a", EQ, 1)),
        ({"a": {"$type": [2, "number"]}}, TypeIs("a", ("string", "number"))),
        ({"a": {"$type": Decimal128("16")}}, TypeIs("a", ("int",))),
        ({"a": {"$size": Int64(3)}}, Size("a", 3)),
        ({"a": {"$all": [1, 2]}}, AllOf("a", (1, 2))),
        ({"a": {"$mod": [4, 1.9]}}, Modulo("a", 4, 1)),
        ({"a": {"$elemMatch": {"$gt": 1}}}, ElementMatch("a", Compare(ELEMENT, GT, 1))),
        ({"a": {"$elemMatch": {"b": 1}}}, ElementMatch("a", Compare("b", EQ, 1))),
        ({"a": {"$regex": "x", "$options": "xi"}}, RegexNode("a", "x", "ix")),
        ({"a": re.compile("x", re.I | re.S)}, RegexNode("a", "x", "is")),
        ({"a": {"$regex": re.compile("x"), "$options": "m"}}, RegexNode("a", "x", "m")),
        ({"a": {"$not": {"$exists": True}}}, Exists("a", False)),
        ({"$nor": [{"a": 1}]}, Not(Compare("a", EQ, 1))),
        ({"$nor": [{}]}, NOTHING),
        ({"$or": [{"a": 1}, {}]}, ALL),
        ({"a": {}}, Compare("a", EQ, {})),
    ],
)
def test_a_filter_becomes_this_tree_and_is_written_as_the_same(filter: dict[str, Any], node: Node) -> None:
    assert parse_filter(filter) == node
    assert parse_filter(to_mongo(node)) == node


@pytest.mark.parametrize(
    ("node", "filter"),
    [
        (And((Compare("a", GT, 1), Compare("a", Operator.LTE, 5))), {"a": {"$gt": 1, "$lte": 5}}),
        (And((Compare("a", EQ, 1), Compare("b", EQ, 2))), {"a": 1, "b": 2}),
        (And((Compare("a", EQ, 1), Compare("a", EQ, 2))), {"$and": [{"a": 1}, {"a": 2}]}),
        (Compare("a", EQ, {"b": 1}), {"a": {"$eq": {"b": 1}}}),
        (Not(And((Compare("a", EQ, 1), Compare("b", EQ, 2)))), {"$nor": [{"a": 1, "b": 2}]}),
        (Not(Or((Compare("a", EQ, 1), Compare("b", EQ, 2)))), {"$nor": [{"a": 1}, {"b": 2}]}),
        (Text("a", TextKind.STARTSWITH, "x.y"), {"a": {"$regex": "^x\\.y"}}),
        (Text("a", TextKind.CONTAINS, "x", True), {"a": {"$regex": "x", "$options": "i"}}),
        (NOTHING, {"$nor": [{}]}),
    ],
)
def test_a_tree_is_written_as_a_reader_would(node: Node, filter: dict[str, Any]) -> None:
    assert to_mongo(node) == filter


def test_what_cannot_be_said_of_an_element_is_refused() -> None:
    either = ElementMatch("a", Or((Compare(ELEMENT, EQ, 1), Compare(ELEMENT, GT, 5))))
    assert compile_filter(either)({"a": [6]})
    with pytest.raises(InvalidQuery, match="element"):
        to_mongo(either)


@pytest.mark.parametrize("kind", TextKind)
@pytest.mark.parametrize("ignore_case", [False, True])
@given(
    st.text("a.B\n\0\\^$ *-#\u017fßKk\u212a", max_size=4),
    st.text("a.B\n\0\\^$ *-#\u017fßKk\u212a", max_size=6),
)
@settings(max_examples=150)
def test_text_means_the_same_as_its_pattern(kind: TextKind, ignore_case: bool, text: str, value: str) -> None:
    node = Text("a", kind, text, ignore_case)
    written = compile_filter(parse_filter(to_mongo(node)))
    for candidate in (value, value + text, text + value, text.swapcase() + value):
        assert compile_filter(node)({"a": candidate}) == written({"a": candidate})
    if not ignore_case:
        method = {
            TextKind.CONTAINS: str.__contains__,
            TextKind.STARTSWITH: str.startswith,
            TextKind.ENDSWITH: str.endswith,
        }
        assert compile_filter(node)({"a": value}) == method[kind](value, text)


@pytest.mark.parametrize(
    ("text", "value", "same"),
    [
        ("straße", "STRAßE", True),
        ("straße", "STRASSE", False),
        ("\u1e9e", "ß", True),
        ("s", "\u017f", True),
        ("K", "\u212a", True),
        ("\u03c3", "\u03c2", True),
        ("\u00b5", "\u03bc", True),
        ("i", "\u0130", False),
        ("I", "\u0131", False),
        ("é", "É", True),
        ("é", "e\u0301", False),
        ("\U00010428", "\U00010400", True),
    ],
)
def test_ignoring_case_folds_one_character_for_one(text: str, value: str, same: bool) -> None:
    for kind in TextKind:
        assert compile_filter(Text("a", kind, text, True))({"a": value}) is same
        assert compile_filter(Text("a", kind, value, True))({"a": text}) is same


_lists = st.lists(few_values, max_size=3)
_plain_lists = st.lists(few_values.filter(lambda value: not isinstance(value, Regex)), max_size=2)
_conditions: st.SearchStrategy[dict[str, Any]] = st.one_of(
    *[st.fixed_dictionaries({name: few_values}) for name in ("$eq", "$gt", "$gte", "$lt", "$lte")],
    *[st.fixed_dictionaries({name: _lists}) for name in ("$in", "$nin")],
    st.fixed_dictionaries({"$all": _plain_lists}),
    st.fixed_dictionaries({"$exists": st.booleans()}),
    st.fixed_dictionaries({"$size": st.integers(0, 2)}),
    st.fixed_dictionaries({"$type": st.sampled_from(["string", "number", ["array", "null"]])}),
    st.fixed_dictionaries({"$mod": st.just([2, 1])}),
    *[st.fixed_dictionaries({how.value: st.sampled_from([1, [1, 70], b"\1"])}) for how in BitTest],
    st.fixed_dictionaries({"$regex": st.sampled_from(["a", "^B"]), "$options": st.sampled_from(["", "i"])}),
)
_nested_conditions: st.SearchStrategy[Any] = st.recursive(
    _conditions,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"$not": inner}),
        st.fixed_dictionaries({"$elemMatch": inner}),
        st.fixed_dictionaries({"$elemMatch": st.dictionaries(paths, inner, min_size=1, max_size=2)}),
    ),
    max_leaves=3,
)
_filters: st.SearchStrategy[Any] = st.recursive(
    st.dictionaries(paths, _nested_conditions | few_values, max_size=2),
    lambda inner: st.dictionaries(
        st.sampled_from(["$and", "$or", "$nor"]), st.lists(inner, min_size=1, max_size=3), min_size=1, max_size=2
    ),
    max_leaves=4,
)


@given(_filters, st.lists(documents, min_size=1, max_size=5))
@settings(max_examples=600)
def test_a_filter_that_is_read_and_written_again_means_the_same(filter: dict[str, Any], some: list[Any]) -> None:
    try:
        node = parse_filter(filter)
    except InvalidQuery:
        # MongoDB refuses regular expressions in comparisons.
        return
    written = to_mongo(node)
    again = parse_filter(written)
    for document in some:
        assert compile_filter(node)(document) == compile_filter(again)(document), written
    # By their text, because NaN is not equal to itself.
    assert repr(parse_filter(to_mongo(again))) == repr(again)
