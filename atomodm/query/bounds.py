"""Where an index has the documents that a condition can match."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bson import MaxKey, MinKey

from .keys import HIGHEST, NULL_KEY, UNDEFINED_KEY, bracket, encode_key, is_nan, text_prefix_range
from .nodes import ELEMENT, AllOf, Compare, Exists, In, Node, Nothing, Operator, Text, TextKind

#: All keys with ``low <= key < high``; the same bounds hold for keys that an id's key was appended to.
Range = tuple[bytes, bytes]


def point(key: bytes) -> Range:
    """Give the range of one key."""
    return key, key + HIGHEST


def index_ranges(node: Node) -> tuple[Range, ...] | None:
    """Give the ranges of an index on the node's path that hold a key of every document that matches.

    The keys are those of `atomodm.query.paths.index_keys`. A document that is found need not match: equality with an
    array is looked up under the array's first element, and with None under what is missing, so that the evaluator has
    the last word.

    Parameters
    ----------
    node : Node
        A condition on one path.

    Returns
    -------
    tuple of (bytes, bytes) or None
        Ascending ranges that do not overlap, none of them where nothing can match; None where an index does not help.
    """
    match node:
        case Nothing():
            return ()
        case Compare(path, how, value) if path != ELEMENT:
            return _comparison(how, value)
        case In(path, values) if path != ELEMENT:
            return _points(key for value in values for key in _equal_keys(value))
        case AllOf(path, values) if path != ELEMENT:
            return _points(_equal_keys(values[0])) if values else ()
        case Text(path, TextKind.STARTSWITH, text, False) if path != ELEMENT:
            return (text_prefix_range(text),)
        case Exists(path, False) if path != ELEMENT:
            return (point(NULL_KEY),)
        case _:
            return None


def _equal_keys(value: Any) -> list[bytes]:
    key = encode_key(value)
    if not isinstance(value, list | tuple):
        return [key]
    # An array is under its first element, or under its own key where it is an element of another array.
    return [encode_key(value[0]) if value else UNDEFINED_KEY, key]


def _points(keys: Iterable[bytes]) -> tuple[Range, ...]:
    return tuple(point(key) for key in sorted(set(keys)))


def _comparison(how: Operator, value: Any) -> tuple[Range, ...] | None:
    inclusive = how in (Operator.EQ, Operator.GTE, Operator.LTE)
    if how is Operator.EQ or value is None or is_nan(value):
        return _points(_equal_keys(value)) if inclusive else ()
    if isinstance(value, list | tuple | MinKey | MaxKey):
        return None
    low, high = bracket(value)
    first, last = point(encode_key(value))
    match how:
        case Operator.GT:
            return ((last, high),)
        case Operator.GTE:
            return ((first, high),)
        case Operator.LT:
            return ((low, first),)
        case _:
            return ((low, last),)
