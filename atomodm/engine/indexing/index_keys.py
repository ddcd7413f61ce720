"""The entries of one document in one index, by whatever the index is declared as."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...contract.indexes import IndexSpec
from ...errors import InvalidIndexKey
from ...query.document_keys import ParallelArrays, compile_composite, directed, index_keys
from ...query.evaluator import compile_filter
from ...query.keys import NULL_KEY, descending, encode_key
from ...query.nodes import Node
from ...query.paths import MISSING

#: Keys of a document's entries, distinct and ascending; positions of the fields of which there are several keys.
Entries = tuple[list[bytes], frozenset[int]]

_SINGLE: frozenset[int] = frozenset()
_MULTIPLE = frozenset((0,))
_NO_ENTRIES: Entries = ([], _SINGLE)


def compile_entries(spec: IndexSpec, partial: Node | None) -> Callable[[Mapping[str, Any]], Entries]:
    """Make the function that gives a document's entries.

    Parameters
    ----------
    spec : IndexSpec
    partial : Node or None
        Its filter.

    Returns
    -------
    callable
        ``f(document) -> Entries``. It raises `InvalidIndexKey`.
    """
    entries = _of_one_path(spec) if len(spec.fields) == 1 else _of_several_paths(spec)
    if partial is None:
        return entries
    matches = compile_filter(partial)
    return lambda document: entries(document) if matches(document) else _NO_ENTRIES


def _of_one_path(spec: IndexSpec) -> Callable[[Mapping[str, Any]], Entries]:
    ((path, direction),) = spec.fields
    sparse = spec.sparse
    nested = "." in path

    def ascending(document: Mapping[str, Any]) -> Entries:
        if not nested:
            # Most indexes are like this, and every write of a document asks.
            value = document.get(path, MISSING)
            if value is MISSING:
                return _NO_ENTRIES if sparse else ([NULL_KEY], _SINGLE)
            if type(value) is not list:
                return [encode_key(value)], _SINGLE
        keys = index_keys(document, path, sparse=sparse)
        return keys, _MULTIPLE if len(keys) > 1 else _SINGLE

    if direction == 1:
        return ascending

    def falling(document: Mapping[str, Any]) -> Entries:
        keys, several = ascending(document)
        return [descending(key) for key in reversed(keys)], several

    return falling


def _of_several_paths(spec: IndexSpec) -> Callable[[Mapping[str, Any]], Entries]:
    composite = compile_composite(tuple(path for path, _ in spec.fields))
    directions = [direction for _, direction in spec.fields]
    sparse = spec.sparse

    def entries(document: Mapping[str, Any]) -> Entries:
        try:
            found = composite(document)
        except ParallelArrays as error:
            raise InvalidIndexKey(
                f"cannot index parallel arrays: index {spec.name} leads through several of them",
                index=spec.name,
                paths=error.paths,
            ) from None
        if len(found) == 1:
            (key,) = found
            if sparse and not any(key):
                return _NO_ENTRIES
            return [b"".join(directed(key, directions))], _SINGLE
        if sparse:
            found = {key for key in found if any(key)}
        several = frozenset(place for place, parts in enumerate(zip(*found, strict=True)) if len(set(parts)) > 1)
        # What is missing and null are one key.
        return sorted({b"".join(directed(key, directions)) for key in found}), several

    return entries
