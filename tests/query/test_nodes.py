"""Trees are simple values: combined without what is trivial, readable, and unchangeable."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from atomodm.query.bson_types import TYPE_NAMES
from atomodm.query.filters import parse_filter
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
    Regex,
    Size,
    Text,
    TextKind,
    TypeIs,
    conjunction,
    describe,
    disjunction,
    negation,
    paths_of,
)

A = Compare("a", Operator.EQ, 1)
B = Compare("b", Operator.GTE, 2)
C = Exists("c")


def test_a_conjunction_leaves_out_what_is_trivial() -> None:
    assert conjunction([]) is ALL
    assert conjunction([ALL, A]) is A
    assert conjunction([A, NOTHING]) is NOTHING
    assert conjunction([A, And((B, C))]) == And((A, B, C))
    assert conjunction([A, Or((B, C))]) == And((A, Or((B, C))))


def test_a_disjunction_leaves_out_what_is_trivial() -> None:
    assert disjunction([]) is NOTHING
    assert disjunction([NOTHING, A]) is A
    assert disjunction([A, ALL]) is ALL
    assert disjunction([A, Or((B, C))]) == Or((A, B, C))


def test_a_negation_is_undone_by_another_one() -> None:
    for node in (ALL, NOTHING, A, C, And((A, B))):
        assert negation(negation(node)) == node
    assert negation(A) == Not(A)
    assert negation(C) == Exists("c", False)


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (ALL, "everything"),
        (NOTHING, "nothing"),
        (A, "a == 1"),
        (B, "b >= 2"),
        (C, "c exists"),
        (negation(C), "c is missing"),
        (In("a", (1, "x")), "a in [1, 'x']"),
        (AllOf("a", (1, 2)), "a has all of [1, 2]"),
        (Text("a", TextKind.STARTSWITH, "x", True), "a startswith 'x' ignoring case"),
        (Regex("a", "^x", "i"), "a matches /^x/i"),
        (TypeIs("a", ("int", "null")), "a is of type int or null"),
        (Size("a", 2), "a has 2 elements"),
        (Modulo("a", 4, 1), "a % 4 == 1"),
        (Bits("a", BitTest.ANY_CLEAR, (1, 5)), "a has one of the bits [1, 5] clear"),
        (Bits("a", BitTest.ALL_SET, (1, 5)), "a has all of the bits [1, 5] set"),
        (ElementMatch("a", Compare(ELEMENT, Operator.GT, 1)), "a has an element with ($ > 1)"),
        (Not(And((A, Or((B, C))))), "not (a == 1 and (b >= 2 or c exists))"),
    ],
)
def test_a_node_is_described_in_one_readable_line(node: Node, text: str) -> None:
    assert describe(node) == text


def test_the_paths_of_a_tree_are_those_of_its_conditions() -> None:
    tree = And((A, Not(Or((B, ElementMatch("d", Compare("e", Operator.EQ, 1))))), ALL))
    assert list(paths_of(tree)) == ["a", "b", "d"]


def test_nodes_are_immutable_and_can_be_pickled() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        A.value = 2  # type: ignore[misc]
    tree = Not(Or((A, In("b", (1,)), C)))
    assert pickle.loads(pickle.dumps(tree)) == tree


@pytest.mark.parametrize(("code", "name"), TYPE_NAMES.items())
def test_a_type_may_be_named_or_numbered(code: int, name: str) -> None:
    assert parse_filter({"a": {"$type": code}}) == parse_filter({"a": {"$type": name}}) == TypeIs("a", (name,))
