"""What a projection gives of a document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from bson import DBRef

from ...errors import InvalidQuery
from ..nodes import Node
from ..paths import MISSING, as_document
from ..positions import compile_position
from .parser import FirstMatch, Positional, Slice, Tree, parse_projection

#: Gives a new document; it is not asked to copy what it leaves as it is.
Projector = Callable[[Mapping[str, Any]], dict[str, Any]]
#: Changes what is given of a document: ``f(document, given) -> given``.
_Step = Callable[[Mapping[str, Any], dict[str, Any]], dict[str, Any]]


def compile_projection(
    projection: Mapping[str, Any] | Sequence[str] | AbstractSet[str] | None, node: Node
) -> Projector | None:
    """Make the function that gives of a document what a projection names.

    Fields keep the document's order. Where a projection names fields to be given, what ``$elemMatch`` finds comes after
    them, as from a server.

    Parameters
    ----------
    projection : mapping, or sequence or set of str, or None
        As PyMongo takes it: names of fields to be given; or paths to flags, to documents of further paths, to
        ``{"$slice": …}`` or ``{"$elemMatch": …}``; a path may end with ``.$``. ``_id`` is given unless it is left out.
    node : Node
        The filter that the documents match; the positional ``.$`` is the element through which they do.

    Returns
    -------
    callable or None
        ``f(document) -> dict``, which shares with `document` what is the same in both; None for whole documents.
        It raises `InvalidQuery` when the filter did not match through the array that ``.$`` is for.

    Raises
    ------
    InvalidQuery
        The projection has something that is not in this set, or contradicts itself.
    """
    if not projection and (projection is None or isinstance(projection, Mapping)):
        return None
    if not projection and isinstance(projection, Sequence | AbstractSet) and not isinstance(projection, str | bytes):
        return None
    read = parse_projection(projection)
    fields = _fields(read.tree, read.inclusion)
    select = _included if read.inclusion else _excluded
    # Elements that are looked for replace the array in what is given; parts of arrays are taken of what is given.
    steps = [_step(path, leaf, node) for path, leaf in sorted(read.operators, key=lambda item: _late(item[1]))]
    if not steps:
        return lambda document: select(document, fields)

    def project(document: Mapping[str, Any]) -> dict[str, Any]:
        given = select(document, fields)
        for step in steps:
            given = step(document, given)
        return given

    return project


def _late(leaf: Slice | FirstMatch | Positional) -> bool:
    return not isinstance(leaf, FirstMatch)


def _fields(tree: Tree, inclusion: bool) -> Tree:
    """Leave in `tree` the flags of fields: those to be given, or those to be left out."""
    fields: Tree = {}
    for name, leaf in tree.items():
        if isinstance(leaf, dict):
            inner = _fields(leaf, inclusion)
            if inner or inclusion:
                fields[name] = inner
        elif isinstance(leaf, bool):
            if leaf is inclusion:
                fields[name] = leaf
        elif inclusion and not isinstance(leaf, FirstMatch):
            fields[name] = True
    return fields


def _included(document: Mapping[str, Any], fields: Tree) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in document.items():
        inner = fields.get(name)
        if inner is True:
            given[name] = value
        elif isinstance(inner, dict):
            value = _included_value(value, inner)
            if value is not MISSING:
                given[name] = value
    return given


def _included_value(value: Any, fields: Tree) -> Any:
    if type(value) is list:
        kept = (_included_value(item, fields) for item in value)
        return [item for item in kept if item is not MISSING]
    document = as_document(value)
    return MISSING if document is None else _as_value(_included(document, fields))


def _excluded(document: Mapping[str, Any], fields: Tree) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in document.items():
        inner = fields.get(name)
        if inner is None:
            given[name] = value
        elif isinstance(inner, dict):
            given[name] = _excluded_value(value, inner)
    return given


def _excluded_value(value: Any, fields: Tree) -> Any:
    if type(value) is list:
        return [_excluded_value(item, fields) for item in value]
    document = as_document(value)
    return value if document is None else _as_value(_excluded(document, fields))


def _as_value(document: dict[str, Any]) -> Any:
    """Give a document as PyMongo decodes it, which makes references of some."""
    if "$ref" not in document or "$id" not in document:
        return document
    rest = {name: value for name, value in document.items() if name not in ("$ref", "$id", "$db")}
    return DBRef(document["$ref"], document["$id"], document.get("$db"), rest)


# -- operators ---------------------------------------------------------------------------------------------------------


def _step(path: tuple[str, ...], leaf: Slice | FirstMatch | Positional, node: Node) -> _Step:
    match leaf:
        case FirstMatch(matches):
            return _first_match(path[0], matches)
        case Slice():
            return lambda document, given: _slice_in(given, path, leaf)
        case Positional():
            return _positional(path, compile_position(node))


def _first_match(name: str, matches: Callable[[Any], bool]) -> _Step:
    def step(document: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        array = document.get(name)
        for item in array if type(array) is list else ():
            if matches(item):
                given[name] = [item]
                return given
        given.pop(name, None)
        return given

    return step


def _slice_in(given: Mapping[str, Any], path: tuple[str, ...], part: Slice) -> dict[str, Any]:
    """Give a document with a part of the array at `path`, in each document of an array on the way too."""
    name, rest = path[0], path[1:]
    changed = dict(given)
    if name not in given:
        return changed
    value = given[name]
    if type(value) is list:
        changed[name] = [_slice_inside(item, rest, part) for item in value] if rest else _sliced(value, part)
    elif rest:
        changed[name] = _slice_inside(value, rest, part)
    return changed


def _slice_inside(value: Any, path: tuple[str, ...], part: Slice) -> Any:
    document = as_document(value)
    return value if document is None else _as_value(_slice_in(document, path, part))


def _sliced(array: list[Any], part: Slice) -> list[Any]:
    if part.skip is None:
        return array[: part.limit] if part.limit >= 0 else array[part.limit :]
    start = part.skip if part.skip >= 0 else max(0, len(array) + part.skip)
    return array[start : start + part.limit]


def _positional(path: tuple[str, ...], locate: Callable[[Mapping[str, Any]], int | None]) -> _Step:
    def step(document: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        return _one_of_first_array(given, path, 0, locate(document))

    return step


def _one_of_first_array(
    given: Mapping[str, Any], path: tuple[str, ...], depth: int, position: int | None
) -> dict[str, Any]:
    """Give a document whose first array on the way along `path` has one element left."""
    changed = dict(given)
    name = path[depth]
    value = given.get(name)
    if type(value) is list:
        if position is None:
            raise InvalidQuery(
                "the filter matched through no element of the array of a positional projection",
                path=".".join(path),
                server_code=51246,
            )
        if position >= len(value):
            raise InvalidQuery(
                "the filter matched through another array than that of a positional projection",
                path=".".join(path),
                server_code=51247,
            )
        changed[name] = [value[position]]
    elif depth + 1 < len(path) and (inner := as_document(value)) is not None:
        changed[name] = _as_value(_one_of_first_array(inner, path, depth + 1, position))
    return changed
