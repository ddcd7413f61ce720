"""Dotted paths in decoded documents, by MongoDB's rules.

A part of a path names a field of a document. Where an array stands in the way, the path goes on in each of its elements
that is a document, and a part that is all digits is also the position of an element. Numbers are plain names in
documents. A path that ends nowhere gives `MISSING` for each document in which it ends.

An array at the end of a path stands for its elements and for itself, unless it was reached by its position in another
array: then it is only itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, Final, NamedTuple

from bson import DBRef

from ..errors import InvalidQuery
from .nodes import REFERENCE_FIELDS


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


#: What a path gives in a document that lacks it.
MISSING: Final = Missing.MISSING


class Whole(NamedTuple):
    """An array that a path reached by position, which does not stand for its elements."""

    array: list[Any]


@lru_cache(maxsize=1024)
def compile_path(path: str) -> Callable[[Mapping[str, Any]], list[Any]]:
    """Make a function that gives what stands at the end of `path`.

    Returns
    -------
    callable
        ``f(document) -> list`` of values, arrays as they are, `Whole` arrays and `MISSING`. The list is empty where
        the path leads into an array that has no documents.
    """
    parts = tuple(path.split("."))
    if len(parts) == 1:

        def ends(document: Mapping[str, Any]) -> list[Any]:
            return [document.get(path, MISSING)]

    else:

        def ends(document: Mapping[str, Any]) -> list[Any]:
            found: list[Any] = []
            _walk_document(document, parts, 0, found)
            return found

    return ends


def as_document(value: Any) -> Mapping[str, Any] | None:
    """Give `value` as a mapping if it is a document, a reference of BSON's own kind included, else None."""
    if type(value) is dict or isinstance(value, Mapping):
        return value
    return value.as_doc() if isinstance(value, DBRef) else None


def _walk_document(document: Mapping[str, Any], parts: tuple[str, ...], position: int, found: list[Any]) -> None:
    last = len(parts)
    place: Any = document
    while position < last:
        value = place.get(parts[position], MISSING)
        position += 1
        if position == last:
            found.append(value)
        elif type(value) is list:
            _walk_array(value, parts, position, found)
            return
        else:
            place = as_document(value)
            if place is None:
                found.append(MISSING)
                return


def _walk_array(array: list[Any], parts: tuple[str, ...], position: int, found: list[Any]) -> None:
    for item in array:
        document = as_document(item)
        if document is not None:
            _walk_document(document, parts, position, found)
    index = array_index(parts[position])
    if index is None or index >= len(array):
        return
    item = array[index]
    position += 1
    if position == len(parts):
        found.append(Whole(item) if type(item) is list else item)
    elif type(item) is list:
        _walk_array(item, parts, position, found)
    else:
        document = as_document(item)
        if document is not None:
            _walk_document(document, parts, position, found)


def field_parts(name: str, what: str, *, path: str | None = None) -> tuple[str, ...]:
    """Split a dotted name that stands for a field: in projections and orders there are fewer names than in filters.

    Parameters
    ----------
    name : str
    what : str
        What has the name, for messages.
    path : str, optional
        The whole path, if the name is a part of it, for messages.

    Raises
    ------
    InvalidQuery
        No field is named like this.
    """
    path = path or name
    if not name:
        raise InvalidQuery(f"{what} has an empty name", path=path, server_code=40352)
    if name.endswith("."):
        raise InvalidQuery(f"{what} has a path that ends with a dot", path=path, server_code=40353)
    parts = tuple(name.split("."))
    for position, part in enumerate(parts):
        if not part:
            raise InvalidQuery(f"{what} has a path with an empty part", path=path, server_code=15998)
        if part.startswith("$") and (position == 0 or part not in REFERENCE_FIELDS):
            raise InvalidQuery(f"{what} has a path with a part that starts with $", path=path, server_code=16410)
        if "\0" in part:
            raise InvalidQuery(f"{what} has a path with a NUL character", server_code=16411)
    return parts


def array_index(part: str) -> int | None:
    """Give the position that a part of a path names, or None; ``"01"`` names none, nor what no array reaches."""
    if part.isascii() and part.isdigit() and len(part) <= 9 and (part == "0" or part[0] != "0"):
        return int(part)
    return None
