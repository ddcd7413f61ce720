"""Where an index has the documents that a condition can match."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from bson import Binary, Int64, MaxKey, MinKey, ObjectId
from bson import Regex as BSONRegex

from .beginnings import literal_beginning
from .keys import NULL_KEY, UNDEFINED_KEY, bracket, encode_key, is_nan, text_prefix_range
from .nodes import (
    ELEMENT,
    AllOf,
    And,
    Compare,
    ElementMatch,
    Exists,
    In,
    Node,
    Nothing,
    Operator,
    Or,
    Regex,
    Text,
    TextKind,
    TypeIs,
)
from .ranges import EVERYTHING, Range, contains, intersect, point, successor, unite

__all__ = ["Bound", "Range", "bounds", "index_ranges", "is_decided", "point"]

#: Types whose values are in an index under one key, which no value that does not equal them has.
_EXACT_TYPES = frozenset({str, int, Int64, bool, ObjectId, bytes, Binary, UUID, datetime})

#: A value of each type that has a bracket of keys for itself.
_SAMPLES: dict[str, Any] = {
    "string": "",
    "object": {},
    "binData": b"",
    "objectId": ObjectId("0" * 24),
    "bool": False,
    "date": datetime(1970, 1, 1),
    "regex": BSONRegex(""),
}
_NUMBERS: Range = (encode_key(float("nan")), bracket(0)[1])
_NUMBER_TYPES = frozenset({"number", "double", "int", "long", "decimal"})
#: Types of which every value in their bracket is.
_WHOLE_BRACKETS = frozenset({"number", "string", "objectId", "bool", "date"})


class Bound(NamedTuple):
    """What a condition says about the keys of one path.

    Attributes
    ----------
    condition : Node
    path : str
    ranges : tuple of (bytes, bytes)
        Every document that matches has a key of the path in one of them.
    decided : bool
        Every document that has such a key matches.
    of_element : bool
        The condition is an `ElementMatch`: all its bounds are about one element.
    """

    condition: Node
    path: str
    ranges: tuple[Range, ...]
    decided: bool
    of_element: bool = False


def bounds(condition: Node) -> list[Bound]:
    """Give what a condition says about the keys of paths; nothing where an index does not help."""
    if isinstance(condition, ElementMatch):
        return _element_bounds(condition)
    ranges = index_ranges(condition)
    if ranges is None or isinstance(condition, Nothing):
        return []
    path = _path_of(condition)
    return [] if path is None else [Bound(condition, path, ranges, is_decided(condition))]


def index_ranges(node: Node) -> tuple[Range, ...] | None:
    """Give the ranges of an index on the node's path that hold a key of every document that matches.

    The keys are those of `atomodm.query.document_keys.index_keys`. A document that is found need not match: equality
    with an array is looked up under the array's first element, and with None under what is missing, so that the
    evaluator has the last word.

    Parameters
    ----------
    node : Node
        A condition on one path, or several that are joined by `Or`.

    Returns
    -------
    tuple of (bytes, bytes) or None
        Ascending ranges that do not overlap, none of them where nothing can match; None where an index does not help.
    """
    ranges = _ranges(node)
    path = _path_of(node)
    if ranges is not None and path is not None and _has_position(path) and contains(ranges, NULL_KEY):
        # Elements without a field named like the position match, and have no key where there is the position.
        return None
    return ranges


def _ranges(node: Node) -> tuple[Range, ...] | None:
    match node:
        case Nothing():
            return ()
        case Or(children) if _path_of(node) is not None:
            found = [index_ranges(child) for child in children]
            return None if None in found else unite([bounds for ranges in found if ranges for bounds in ranges])
        case Compare(path, how, value) if path != ELEMENT:
            return _comparison(how, value)
        case In(path, values) if path != ELEMENT:
            return _points(key for value in values for key in _equal_keys(value))
        case AllOf(path, values) if path != ELEMENT:
            return _points(_equal_keys(values[0])) if values else ()
        case Text(path, TextKind.STARTSWITH, text, False) if path != ELEMENT:
            return (_text_prefix(text),)
        case Regex(path, pattern, options) if path != ELEMENT:
            beginning = literal_beginning(pattern, options)
            return None if not beginning else (_text_prefix(beginning), bracket(BSONRegex("")))
        case TypeIs(path, types) if path != ELEMENT:
            return _of_types(types)
        case Exists(path, False) if path != ELEMENT:
            return (point(NULL_KEY),)
        case _:
            return None


def is_decided(node: Node) -> bool:
    """Whether every document with a key in the node's ranges matches it."""
    match node:
        case Compare(value=value):
            return _is_exact(value)
        case In(values=values):
            return all(map(_is_exact, values))
        case TypeIs(types=types):
            return _WHOLE_BRACKETS.issuperset(types)
        case Or(children):
            return all(map(is_decided, children))
        case Text():
            return True
        case _:
            return False


def _is_exact(value: Any) -> bool:
    return type(value) in _EXACT_TYPES or (type(value) is float and value == value)


def _path_of(node: Node) -> str | None:
    """The path that a condition is on, all of it; None where there is none or are several."""
    if isinstance(node, Or):
        paths = {_path_of(child) for child in node.children}
        return paths.pop() if len(paths) == 1 else None
    path = getattr(node, "path", None)
    return None if path == ELEMENT else path


# -- values ------------------------------------------------------------------------------------------------------------


def _equal_keys(value: Any) -> list[bytes]:
    key = encode_key(value)
    if not isinstance(value, list | tuple):
        return [key]
    # An array is under its first element, or under its own key where it is an element of another array.
    return [encode_key(value[0]) if value else UNDEFINED_KEY, key]


def _points(keys: Iterable[bytes]) -> tuple[Range, ...]:
    return tuple([point(key) for key in sorted(set(keys))])


def _comparison(how: Operator, value: Any) -> tuple[Range, ...] | None:
    if how is Operator.EQ and not isinstance(value, list | tuple):
        return (point(encode_key(value)),)
    inclusive = how in (Operator.EQ, Operator.GTE, Operator.LTE)
    if how is Operator.EQ or value is None or is_nan(value):
        return _points(_equal_keys(value)) if inclusive else ()
    if isinstance(value, list | tuple | MinKey | MaxKey):
        return None
    low, high = bracket(value)
    key = encode_key(value)
    match how:
        case Operator.GT:
            return ((successor(key), high),)
        case Operator.GTE:
            return ((key, high),)
        case Operator.LT:
            return ((low, key),)
        case _:
            return ((low, successor(key)),)


def _text_prefix(text: str) -> Range:
    low, _ = text_prefix_range(text)
    return low, successor(low)


def _of_types(types: Sequence[str]) -> tuple[Range, ...] | None:
    found: list[Range] = []
    for name in types:
        if name in _NUMBER_TYPES:
            found.append(_NUMBERS)
        elif name == "null":
            found.append(point(NULL_KEY))
        elif name in _SAMPLES:
            found.append(bracket(_SAMPLES[name]))
        else:
            return None
    return unite(set(found))


# -- elements ----------------------------------------------------------------------------------------------------------


def _element_bounds(condition: ElementMatch) -> list[Bound]:
    if condition.path == ELEMENT or _has_position(condition.path):
        # An array that is reached by its position in another one has no keys for its elements.
        return []
    inner = condition.filter.children if isinstance(condition.filter, And) else (condition.filter,)
    if any(_is_on_element(node) for node in inner):
        ranges: tuple[Range, ...] = (EVERYTHING,)
        for node in inner:
            found = _ranges_of_element(node)
            if found is not None:
                ranges = intersect(ranges, found)
        return [] if ranges == (EVERYTHING,) else [Bound(condition, condition.path, ranges, False, True)]
    bounds: list[Bound] = []
    for node in inner:
        path, found = _path_of(node), index_ranges(node)
        # An element that is an array has its elements for fields, and the key of what is missing.
        if path is not None and found is not None and not _has_position(path) and not contains(found, NULL_KEY):
            bounds.append(Bound(condition, f"{condition.path}.{path}", found, False, True))
    return bounds


def _is_on_element(node: Node) -> bool:
    return getattr(node, "path", None) == ELEMENT


def _ranges_of_element(node: Node) -> tuple[Range, ...] | None:
    """The ranges of a condition on an element itself, which is under its own key."""
    match node:
        case Compare(operator=Operator.EQ, value=value):
            return _points([encode_key(value)])
        case Compare(operator=how, value=value):
            return _comparison(how, value)
        case In(values=values):
            return _points(map(encode_key, values))
        case Text(kind=TextKind.STARTSWITH, text=text, ignore_case=False):
            return (_text_prefix(text),)
        case TypeIs(types=types):
            return _of_types(types)
        case _:
            return None


def _has_position(path: str) -> bool:
    return any(part.isdigit() for part in path.split("."))
