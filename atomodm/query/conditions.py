"""Conditions on one value: what `Compare`, `In` and their like ask of a value that a path leads to.

All comparing is that of `atomodm.query.keys`; where both sides are of the same simple type, Python's own comparison
says the same and is faster.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId
from bson import Regex as BSONRegex

from .bits import bits_test
from .bson_types import NUMBER, NUMBER_TYPES, bson_type
from .keys import bracket, encode_key, is_nan, regex_options, type_bracket
from .nodes import ELEMENT, Bits, Compare, Exists, In, Modulo, Node, Operator, Regex, Text, TextKind, TypeIs
from .numbers import truncated
from .paths import MISSING
from .patterns import SearchTime, compile_pattern, text_test

#: Decides on one value, which may be `MISSING`.
Test = Callable[[Any], bool]

_OPERATORS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.GT: operator.gt,
    Operator.GTE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LTE: operator.le,
}
_INCLUSIVE = (Operator.GTE, Operator.LTE)


def value_test(node: Node, time: SearchTime | None = None) -> Test | None:
    """Make the function that says whether one value fulfils `node`.

    Parameters
    ----------
    node : Node
    time : SearchTime, optional
        What the regular expressions of one filter share.

    Returns
    -------
    callable or None
        None for nodes that are no condition on single values: those that combine others, and those on arrays.

    Raises
    ------
    InvalidQuery
        A regular expression is none.
    """
    match node:
        case Compare(_, Operator.EQ, value):
            return _equals(value)
        case Compare(_, how, value):
            return _compares(how, value)
        case In(_, values):
            return _is_one_of(values)
        case Exists(_, True):
            return _exists
        case Text(_, kind, text, ignore_case):
            return _has_text(kind, text, ignore_case)
        case Regex(path, pattern, options):
            return _matches_pattern(path, pattern, options, time)
        case TypeIs(_, types):
            return _has_type(types)
        case Modulo(_, divisor, remainder):
            return _leaves_remainder(divisor, remainder)
        case Bits(_, how, positions):
            return bits_test(how, positions)
        case _:
            return None


def _never(value: Any) -> bool:
    return False


def _exists(value: Any) -> bool:
    return value is not MISSING


def _has_text(kind: TextKind, text: str, ignore_case: bool) -> Test:
    matches = text_test(kind, text, ignore_case)
    return lambda value: type(value) is str and matches(value)


def _equals(operand: Any) -> Test:
    kind = type(operand)
    if operand is None:
        return lambda value: value is None or value is MISSING
    if kind is str:
        return lambda value: type(value) is str and value == operand
    if kind is bool:
        return lambda value: value is operand
    key = encode_key(operand)
    if kind is ObjectId:
        binary = operand.binary
        return lambda value: type(value) is ObjectId and value.binary == binary
    if (kind is int or kind is float or kind is Int64) and operand == operand:

        def same_number(value: Any) -> bool:
            kind = type(value)
            if kind is int or kind is float or kind is Int64:
                return bool(value == operand)
            return kind is Decimal128 and encode_key(value) == key

        return same_number
    within = type_bracket(operand)
    return lambda value: value is not MISSING and type_bracket(value) == within and encode_key(value) == key


def _compares(how: Operator, operand: Any) -> Test:
    kind = type(operand)
    compare = _OPERATORS[how]
    if operand is None or is_nan(operand):
        return _equals(operand) if how in _INCLUSIVE else _never
    if kind is str:
        return lambda value: type(value) is str and compare(value, operand)
    key = encode_key(operand)
    if isinstance(operand, MinKey | MaxKey):
        return lambda value: compare(encode_key(None if value is MISSING else value), key)
    within = type_bracket(operand)
    # NaN is in the bracket of numbers but below this bound.
    low, _ = bracket(operand)

    def compares(value: Any) -> bool:
        if value is MISSING or type_bracket(value) != within:
            return False
        other = encode_key(value)
        return other >= low and compare(other, key)

    if kind is int or kind is float or kind is Int64:

        def compares_number(value: Any) -> bool:
            kind = type(value)
            if kind is int or kind is float or kind is Int64:
                return compare(value, operand)
            return kind is Decimal128 and compares(value)

        return compares_number
    return compares


def _is_one_of(operands: Sequence[Any]) -> Test:
    keys = frozenset(map(encode_key, operands))
    brackets = frozenset(map(type_bracket, operands))
    texts = frozenset(operand for operand in operands if type(operand) is str)
    with_null = None in operands

    def is_one_of(value: Any) -> bool:
        if type(value) is str:
            return value in texts
        if value is MISSING:
            return with_null
        return type_bracket(value) in brackets and encode_key(value) in keys

    return is_one_of


def _matches_pattern(path: str, pattern: str, options: str, time: SearchTime | None) -> Test:
    matches = compile_pattern(pattern, options, path=None if path == ELEMENT else path, time=time)
    letters = "".join(sorted(set(options)))

    def test(value: Any) -> bool:
        if type(value) is str:
            return matches(value)
        return type(value) is BSONRegex and value.pattern == pattern and regex_options(value.flags) == letters

    return test


def _has_type(types: Sequence[str]) -> Test:
    names = frozenset(types) | (NUMBER_TYPES if NUMBER in types else frozenset())
    return lambda value: bson_type(value) in names


def _leaves_remainder(divisor: int, remainder: int) -> Test:
    def test(value: Any) -> bool:
        whole = truncated(value)
        if whole is None:
            return False
        left = abs(whole) % abs(divisor)
        return (-left if whole < 0 else left) == remainder

    return test
