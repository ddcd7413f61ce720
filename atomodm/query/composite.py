"""The keys of documents in indexes over several paths.

As in MongoDB, paths that go through the same array are expanded element by element together: an index over ``a.b`` and
``a.c`` has a document ``{"a": [{"b": 1, "c": 2}, {"b": 3, "c": 4}]}`` under (1, 2) and (3, 4). Two arrays side by side
would have to be multiplied, and are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

from .keys import UNDEFINED_KEY, encode_key
from .paths import MISSING, array_index, as_document

#: The keys of one entry, one for each path; None where the path is missing.
CompositeKey = tuple[bytes | None, ...]


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
        ``f(document) -> set`` of tuples, never empty. Values and arrays are keyed as `atomodm.query.paths.index_keys`
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
            if named and not ending:
                # A condition on a path passes over elements that are no documents.
                elements = [element for element in array if as_document(element) is not None]
                elements = elements or [MISSING] * bool(positional)
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
        """The ways to read the next parts: as names in each element, and those that are digits as positions too."""
        choices: list[list[_Cursor | None]] = []
        for field, _, position in members:
            choices.append([None])
            index = array_index(self._parts[field][position])
            if index is not None and index < len(array):
                item = array[index]
                if position + 1 < len(self._parts[field]) and type(item) is not list:
                    item = as_document(item)
                    if item is None:
                        continue
                choices[-1].append(_Cursor(field, item, position + 1))
        for chosen in product(*choices):
            named = [member for member, item in zip(members, chosen, strict=True) if item is None]
            yield named, [item for item in chosen if item is not None]
