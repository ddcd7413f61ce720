"""The order of documents, by MongoDB's rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .keys import NULL_KEY, descending, encode_key
from .paths import index_keys


def sort_key(sort: Sequence[tuple[str, int]]) -> Callable[[Mapping[str, Any]], bytes]:
    """Make the function that gives a document's place in an order.

    An array counts as its smallest element where the order ascends and as its largest where it descends; an empty one
    comes below None, and what is missing counts as None. Documents that tie come in the order of their ids.

    Parameters
    ----------
    sort : sequence of (str, int)
        Stored paths, the most important first, and directions: 1 or -1.

    Returns
    -------
    callable
        ``f(document) -> bytes``; the smaller key comes first. Two documents have the same key only if their ``_id`` is.
    """
    parts: list[Callable[[Mapping[str, Any]], bytes]] = []
    for path, direction in sort:
        parts.append(_part(path, direction))
        if path == "_id":
            # No two documents have the same: what comes after it decides nothing.
            break
    else:
        parts.append(_part("_id", 1))
    if len(parts) == 2:
        first, second = parts
        return lambda document: first(document) + second(document)
    return lambda document: b"".join([part(document) for part in parts])


def _part(path: str, direction: int) -> Callable[[Mapping[str, Any]], bytes]:
    if direction not in (1, -1):
        raise ValueError("a sort direction is 1 or -1")
    nested = "." in path

    def ascending(document: Mapping[str, Any]) -> bytes:
        if not nested:
            value = document.get(path)
            if type(value) is not list:
                return NULL_KEY if value is None else encode_key(value)
        return index_keys(document, path)[0]

    if direction == 1:
        return ascending

    def falling(document: Mapping[str, Any]) -> bytes:
        if not nested:
            value = document.get(path)
            if type(value) is not list:
                return descending(NULL_KEY if value is None else encode_key(value))
        return descending(index_keys(document, path)[-1])

    return falling
