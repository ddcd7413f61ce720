"""The order of documents, by MongoDB's rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..errors import InvalidQuery
from .document_keys import ParallelArrays, compile_composite, directed, index_keys
from .keys import NULL_KEY, descending, encode_key
from .paths import as_document

#: The server's code for a sort that cannot be done.
_BAD_VALUE = 2
#: Instead of a key: there are several. No key is empty, also not in a descending order.
_ARRAY: Final = b""
_FALLING_NULL: Final = descending(NULL_KEY)


def sort_key(sort: Sequence[tuple[str, int]]) -> Callable[[Mapping[str, Any]], bytes]:
    """Make the function that gives a document's place in an order.

    It is the first of the document's places in an index on the same paths: an array counts as its smallest element
    where the order ascends and as its largest where it descends; an empty one comes below None, and what is missing
    counts as None. Paths through one array count by the same element of it. Documents that tie come in the order of
    their ids.

    Parameters
    ----------
    sort : sequence of (str, int)
        Stored paths, the most important first, and directions: 1 or -1.

    Returns
    -------
    callable
        ``f(document) -> bytes``; the smaller key comes first. Two documents have the same key only if their ``_id`` is.
        It raises `InvalidQuery` for a document that has different arrays at two of the paths.
    """
    fields: list[tuple[str, int]] = []
    for path, direction in (*sort, ("_id", 1)):
        if direction not in (1, -1):
            raise ValueError("a sort direction is 1 or -1")
        fields.append((path, direction))
        if path == "_id":
            # No two documents have the same: what comes after it decides nothing.
            break
    parts = [_part(path, direction) for path, direction in fields]
    if len(parts) == 2:
        # Most orders are like this.
        first, last = parts

        def place_by_two(document: Mapping[str, Any]) -> bytes:
            key = first(document)
            return (key or _through_arrays(document, fields[:1])[0]) + last(document)

        return place_by_two

    def place(document: Mapping[str, Any]) -> bytes:
        keys = [part(document) for part in parts]
        if not all(keys):
            found = iter(_through_arrays(document, [fields[i] for i, key in enumerate(keys) if key == _ARRAY]))
            keys = [key or next(found) for key in keys]
        return b"".join(keys)

    return place


def _part(path: str, direction: int) -> Callable[[Mapping[str, Any]], bytes]:
    """Make the function that gives the key of a document at one path; `_ARRAY` where the path meets an array."""
    *way, name = path.split(".")
    falls = direction == -1

    def key(document: Mapping[str, Any]) -> bytes:
        place: Any = document
        if way:
            for part in way:
                value = place.get(part)
                if type(value) is list:
                    return _ARRAY
                place = as_document(value)
                if place is None:
                    return _FALLING_NULL if falls else NULL_KEY
        value = place.get(name)
        if type(value) is list:
            return _ARRAY
        key = NULL_KEY if value is None else encode_key(value)
        return descending(key) if falls else key

    return key


def _through_arrays(document: Mapping[str, Any], fields: Sequence[tuple[str, int]]) -> Sequence[bytes]:
    """Give the keys of a document at paths that all meet an array: the first of their combinations."""
    if len(fields) == 1:
        ((path, direction),) = fields
        keys = index_keys(document, path)
        return [keys[0] if direction == 1 else descending(keys[-1])]
    try:
        rows = compile_composite(tuple(path for path, _ in fields))(document)
    except ParallelArrays as error:
        raise InvalidQuery(
            f"cannot sort with keys that are parallel arrays: {' and '.join(error.paths)} lead through different ones",
            server_code=_BAD_VALUE,
        ) from None
    directions = [direction for _, direction in fields]
    return min(directed(row, directions) for row in rows)
