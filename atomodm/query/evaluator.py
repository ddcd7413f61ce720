"""What a filter means: the evaluator decides for every store that has no query language of its own.

The semantics are MongoDB's, as its manual states them:

- A condition on a path holds when it holds for one value there: an element of an array, or the array as a whole.
- Comparisons match values of the operand's own type bracket only; all numbers are one bracket and compare exactly.
  NaN equals NaN and is neither below nor above a number. MinKey and MaxKey compare to everything.
- Equality with None also matches what is missing.
- Documents are equal with the same fields in the same order; arrays with the same elements.
- `Not` is plain negation, so ``not (age == 3)`` matches documents without an age, and arrays without a 3.

All comparing is that of `atomodm.query.keys`; where both sides are of the same simple type, Python's own comparison
says the same and is faster.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bson import Decimal128, Int64, MaxKey, MinKey, ObjectId
from bson import Regex as BSONRegex

from ..errors import InvalidQuery
from .bson_types import NUMBER, NUMBER_TYPES, bson_type
from .keys import bracket, encode_key, is_nan, regex_options, type_bracket
from .nodes import (
    ELEMENT,
    All,
    AllOf,
    And,
    Compare,
    ElementMatch,
    Exists,
    In,
    Modulo,
    Node,
    Not,
    Nothing,
    Operator,
    Or,
    Regex,
    Size,
    Text,
    TypeIs,
    paths_of,
)
from .paths import MISSING, Whole, as_document, compile_path
from .patterns import compile_pattern, text_test

#: Decides on one value, which may be `MISSING`.
Test = Callable[[Any], bool]
#: Decides on a document; on an array's element where the path is `ELEMENT`.
Matcher = Callable[[Any], bool]

_OPERATORS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.GT: operator.gt,
    Operator.GTE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LTE: operator.le,
}
_INCLUSIVE = (Operator.GTE, Operator.LTE)


def compile_filter(node: Node) -> Callable[[Mapping[str, Any]], bool]:
    """Make the function that says whether a decoded document matches `node`.

    Parameters
    ----------
    node : Node

    Returns
    -------
    callable
        ``f(document) -> bool``. It raises `InvalidQuery` when a regular expression takes too long; it keeps the time
        that this took, so make one for each query.

    Raises
    ------
    InvalidQuery
        A regular expression is none, or an `ElementMatch` asks for an element and for its fields at once.
    """
    return _compile(node)


def _compile(node: Node) -> Matcher:
    match node:
        case All():
            return lambda document: True
        case Nothing():
            return _never
        case And(children):
            return _every([_compile(child) for child in children])
        case Or(children):
            return _any([_compile(child) for child in children])
        case Not(child):
            inner = _compile(child)
            return lambda document: not inner(document)
        case Compare(path, Operator.EQ, value):
            return _on_values(path, _equals(value))
        case Compare(path, how, value):
            return _on_values(path, _compares(how, value))
        case In(path, values):
            return _on_values(path, _is_one_of(values))
        case AllOf(path, values):
            return _every([_on_values(path, _equals(value)) for value in values]) if values else _never
        case Exists(path, present):
            exists = _on_values(path, lambda value: value is not MISSING)
            return exists if present else lambda document: not exists(document)
        case Text(path, kind, text, ignore_case):
            matches = text_test(kind, text, ignore_case)
            return _on_values(path, lambda value: type(value) is str and matches(value))
        case Regex(path, pattern, options):
            return _on_values(path, _matches_pattern(path, pattern, options))
        case TypeIs(path, types):
            return _on_values(path, _has_type(types))
        case Size(path, size):
            return _on_arrays(path, lambda array: len(array) == size)
        case Modulo(path, divisor, remainder):
            return _on_values(path, _leaves_remainder(divisor, remainder))
        case ElementMatch(path, inner_filter):
            return _on_arrays(path, _has_element(path, inner_filter))
        case _:
            raise TypeError(f"no node of a filter: {type(node).__name__}")


# -- combining ---------------------------------------------------------------------------------------------------------


def _never(document: Any) -> bool:
    return False


def _every(matchers: Sequence[Matcher]) -> Matcher:
    if len(matchers) == 2:
        first, second = matchers
        return lambda document: first(document) and second(document)

    def every(document: Any) -> bool:
        for matches in matchers:  # noqa: SIM110 - a loop takes half the time of all()
            if not matches(document):
                return False
        return True

    return every


def _any(matchers: Sequence[Matcher]) -> Matcher:
    if len(matchers) == 2:
        first, second = matchers
        return lambda document: first(document) or second(document)

    def some(document: Any) -> bool:
        for matches in matchers:  # noqa: SIM110
            if matches(document):
                return True
        return False

    return some


# -- where values are --------------------------------------------------------------------------------------------------


def _on_values(path: str, test: Test) -> Matcher:
    """Try `test` on what stands at `path`, on an array's elements and then on the array."""
    if path == ELEMENT:
        return test
    if "." not in path:

        def matches(document: Any) -> bool:
            value = document.get(path, MISSING)
            if type(value) is list:
                for item in value:
                    if test(item):
                        return True
            return test(value)

        return matches

    ends = compile_path(path)

    def matches_deep(document: Any) -> bool:
        for end in ends(document):
            if type(end) is list:
                for item in end:
                    if test(item):
                        return True
            if test(end.array if type(end) is Whole else end):
                return True
        return False

    return matches_deep


def _on_arrays(path: str, test: Callable[[list[Any]], bool]) -> Matcher:
    """Try `test` on the arrays that stand at `path`, not on arrays that are their elements."""
    if path == ELEMENT:
        return lambda element: type(element) is list and test(element)
    ends = compile_path(path)

    def matches(document: Any) -> bool:
        for end in ends(document):
            array = end.array if type(end) is Whole else end
            if type(array) is list and test(array):
                return True
        return False

    return matches


# -- tests on one value ------------------------------------------------------------------------------------------------


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


def _matches_pattern(path: str, pattern: str, options: str) -> Test:
    matches = compile_pattern(pattern, options, path=None if path == ELEMENT else path)
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
        kind = type(value)
        if kind is Decimal128:
            number = value.to_decimal()
            if not number.is_finite():
                return False
            whole = int(number)
        elif kind is float:
            if not math.isfinite(value):
                return False
            whole = int(value)
        elif kind is int or kind is Int64:
            whole = value
        else:
            return False
        left = abs(whole) % abs(divisor)
        return (-left if whole < 0 else left) == remainder

    return test


def _has_element(path: str, node: Node) -> Callable[[list[Any]], bool]:
    matches = _compile(node)
    on_element = {inner == ELEMENT for inner in paths_of(node)}
    if on_element == {True}:
        return lambda array: any(map(matches, array))
    if on_element == {True, False}:
        raise InvalidQuery("an element is asked for itself and for its fields at once", path=path)

    def has_element(array: list[Any]) -> bool:
        for item in array:
            # Inside of the element, an array's positions are names.
            fields = {str(i): v for i, v in enumerate(item)} if type(item) is list else as_document(item)
            if fields is not None and matches(fields):
                return True
        return False

    return has_element
