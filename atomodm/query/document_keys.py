"""The keys under which indexes have a document.

As in MongoDB, paths that go through the same array are expanded element by element together: an index over ``a.b`` and
``a.c`` has a document ``{"a": [{"b": 1, "c": 2}, {"b": 3, "c": 4}]}`` under (1, 2) and (3, 4). Two arrays side by side
would have to be multiplied, and are refused.

Most indexes are over one path, for which `index_keys` gives in a fraction of the time what `compile_composite` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

from .keys import NULL_KEY, UNDEFINED_KEY, descending, encode_key
from .paths import MISSING, array_index, as_document

#: The keys of one entry, one for each path; None where the path is missing.
CompositeKey = tuple[bytes | None, ...]


def index_keys(document: Mapping[str, Any], path: str, *, sparse: bool = False) -> list[bytes]:
    """Give the keys under which an index on `path` has `document`: distinct, ascending and never none.

    There is one key for each element of an array. As in MongoDB, an empty array is `UNDEFINED_KEY`, below all keys of
    values; what is missing is `NULL_KEY`, and so is an element that the path cannot go on in. Where a part names a
    position that the array has, only what is there has a key, beside what elements have under such a name. An array has
    no key as a whole, except an array inside of another one, which is an element: `atomodm.query.bounds` looks for a
    whole array under its first element.

    Where the index is `sparse`, what is missing has no key.
    """
    keys: set[bytes | None] = set()
    _add_keys(document, path.split("."), 0, keys)
    if None in keys:
        keys.discard(None)
        if not sparse:
            keys.add(NULL_KEY)
    return sorted(key for key in keys if key is not None)


def _add_keys(place: Any, parts: Sequence[str], position: int, keys: set[bytes | None]) -> None:
    """Add the keys of what a path leads to from a document or None; None for what is missing."""
    last = len(parts)
    while place is not None:
        value = place.get(parts[position], MISSING)
        position += 1
        if type(value) is list:
            if position < last:
                _add_keys_of_array(value, parts, position, keys)
            elif value:
                keys.update(map(encode_key, value))
            else:
                keys.add(UNDEFINED_KEY)
            return
        if value is MISSING:
            break
        if position == last:
            keys.add(encode_key(value))
            return
        place = as_document(value)
    keys.add(None)


def _add_keys_of_array(array: list[Any], parts: Sequence[str], position: int, keys: set[bytes | None]) -> None:
    index, is_name = read_part(array, parts[position])
    if is_name:
        for item in array or [None]:
            _add_keys(as_document(item), parts, position, keys)
    if index is None:
        return
    item = array[index]
    if position + 1 == len(parts):
        keys.add(encode_key(item))
    elif type(item) is list:
        _add_keys_of_array(item, parts, position + 1, keys)
    else:
        _add_keys(as_document(item), parts, position + 1, keys)


class ParallelArrays(Exception):
    """Two paths of an index lead through different arrays.

    Attributes
    ----------
    paths : tuple of str
        One path for each of the arrays.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__("cannot index parallel arrays")
        self.paths = tuple(paths)


class _Cursor(NamedTuple):
    """How far one path was followed: the next part applies to a document or to an array."""

    field: int
    place: Any
    position: int


@lru_cache(maxsize=1024)
def compile_composite(paths: tuple[str, ...]) -> Callable[[Mapping[str, Any]], set[CompositeKey]]:
    """Make the function that gives the keys under which an index on `paths` has a document.

    Returns
    -------
    callable
        ``f(document) -> set`` of tuples, never empty. Values and arrays are keyed as `index_keys`
        does. It raises `ParallelArrays`.
    """
    if all("." not in path for path in paths):
        # Most indexes are like this, and without arrays there is one entry.
        def keys(document: Mapping[str, Any]) -> set[CompositeKey]:
            found: list[bytes | None] = []
            for path in paths:
                value = document.get(path, MISSING)
                if type(value) is list:
                    return _Expansion(paths).run(document)
                found.append(None if value is MISSING else encode_key(value))
            return {tuple(found)}

        return keys
    return lambda document: _Expansion(paths).run(document)


def directed(key: CompositeKey, directions: Sequence[int]) -> list[bytes]:
    """Give the keys of one entry as they are in an index with these directions, 1 or -1 for each path."""
    return [
        descending(part or NULL_KEY) if direction == -1 else part or NULL_KEY
        for part, direction in zip(key, directions, strict=True)
    ]


class _Expansion:
    """One document's entries, collected."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = paths
        self._parts = [path.split(".") for path in paths]
        self._found: set[CompositeKey] = set()

    def run(self, document: Mapping[str, Any]) -> set[CompositeKey]:
        """Give the entries of a document."""
        cursors = [_Cursor(field, document, 0) for field in range(len(self._paths))]
        self._expand(cursors, [None] * len(self._paths))
        return self._found

    def _expand(self, cursors: Sequence[_Cursor], fixed: list[bytes | None]) -> None:
        """Follow `cursors` to their ends, or to the array that stands in their way.

        `fixed` has the keys of the paths that have ended, and is changed.
        """
        arrays: dict[int, list[_Cursor]] = {}
        for cursor in cursors:
            end = self._follow(cursor, fixed)
            if end is not None:
                arrays.setdefault(id(end.place), []).append(end)
        if len(arrays) > 1:
            raise ParallelArrays([self._paths[members[0].field] for members in arrays.values()])
        if not arrays:
            self._found.add(tuple(fixed))
        for members in arrays.values():
            self._expand_array(members[0].place, members, fixed)

    def _follow(self, cursor: _Cursor, fixed: list[bytes | None]) -> _Cursor | None:
        """The cursor at the next array; None where the path ends before one."""
        field, place, position = cursor
        parts = self._parts[field]
        while type(place) is not list:
            value = MISSING if place is None else place.get(parts[position], MISSING)
            position += 1
            if type(value) is list:
                place = value
            elif value is MISSING or position == len(parts):
                fixed[field] = None if value is MISSING else encode_key(value)
                return None
            else:
                place = as_document(value)
        return _Cursor(field, place, position)

    def _expand_array(self, array: list[Any], members: Sequence[_Cursor], fixed: list[bytes | None]) -> None:
        ending = [member.field for member in members if member.position == len(self._parts[member.field])]
        further = [member for member in members if member.position < len(self._parts[member.field])]
        expanded = False
        for named, positional in self._readings(array, further):
            elements: list[Any] = array if named or ending else [MISSING]
            for element in elements:
                document = as_document(element)
                row = fixed.copy()
                for field in ending:
                    row[field] = encode_key(element)
                cursors = [_Cursor(member.field, document, member.position) for member in named]
                for cursor in positional:
                    if cursor.position == len(self._parts[cursor.field]):
                        row[cursor.field] = encode_key(cursor.place)
                    else:
                        cursors.append(cursor)
                self._expand(cursors, row)
                expanded = True
        if not expanded:
            row = fixed.copy()
            for member in further:
                row[member.field] = None
            for field in ending:
                row[field] = UNDEFINED_KEY
            self._found.add(tuple(row))

    def _readings(self, array: list[Any], members: Sequence[_Cursor]) -> Iterator[tuple[list[_Cursor], list[_Cursor]]]:
        """The ways to read the next parts: as names in each element, as positions, and some as both."""
        choices: list[list[_Cursor | None]] = []
        for field, _, position in members:
            index, is_name = read_part(array, self._parts[field][position])
            choices.append([None] if is_name else [])
            if index is not None:
                item = array[index]
                if position + 1 < len(self._parts[field]) and type(item) is not list:
                    item = as_document(item)
                choices[-1].append(_Cursor(field, item, position + 1))
        for chosen in product(*choices):
            named = [member for member, item in zip(members, chosen, strict=True) if item is None]
            yield named, [item for item in chosen if item is not None]


def read_part(array: Sequence[Any], part: str) -> tuple[int | None, bool]:
    """Say how an index reads a part of a path that meets an array.

    Returns
    -------
    position : int or None
        Where in the array the path goes on, if the part names a position that the array has.
    is_name : bool
        Whether the path goes on in each element, with the part as a name. Where it is a position it is a name too only
        if an element has such a field; MongoDB refuses these documents.
    """
    index = array_index(part)
    if index is None or index >= len(array):
        return None, True
    return index, any(part in (as_document(item) or ()) for item in array)
