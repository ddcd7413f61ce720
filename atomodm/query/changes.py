"""The changes that one save makes to one document: the smallest set that turns the stored form into the new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Changes:
    """What a partial save sends, as MongoDB's update operators name it.

    Attributes
    ----------
    set : mapping of str to object
        Dotted stored paths and their new values (``$set``). Parts of a path that are all digits are positions when
        the value they apply to is an array.
    unset : sequence of str
        Dotted stored paths to remove (``$unset``).
    push : mapping of str to sequence
        Dotted stored paths of arrays and what is appended to them (``$push`` with ``$each``).
    """

    set: Mapping[str, Any] = field(default_factory=dict)
    unset: Sequence[str] = ()
    push: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.set or self.unset or self.push)

    def paths(self) -> Iterator[str]:
        """All paths that change."""
        yield from self.set
        yield from self.unset
        yield from self.push

    def as_update(self) -> dict[str, Any]:
        """The update document in MongoDB's language."""
        update: dict[str, Any] = {}
        if self.set:
            update["$set"] = dict(self.set)
        if self.unset:
            update["$unset"] = dict.fromkeys(self.unset, "")
        if self.push:
            update["$push"] = {path: {"$each": list(items)} for path, items in self.push.items()}
        return update

    def apply(self, document: dict[str, Any]) -> dict[str, Any]:
        """Apply the changes to `document` in place and return it.

        Raises
        ------
        TypeError
            A path runs through a value that is neither a document nor an array, or pushes to no array.
        """
        for path, value in self.set.items():
            parent, last = _descend(document, path)
            if isinstance(parent, list):
                position = int(last)
                parent.extend([None] * (position + 1 - len(parent)))
                parent[position] = value
            else:
                parent[last] = value
        for path in self.unset:
            parent, last = _descend(document, path)
            if isinstance(parent, dict):
                parent.pop(last, None)
        for path, items in self.push.items():
            parent, last = _descend(document, path)
            array = parent[int(last)] if isinstance(parent, list) else parent.setdefault(last, [])
            if not isinstance(array, list):
                raise TypeError(f"cannot append to {type(array).__name__} at {path}")
            array.extend(items)
        return document


def _descend(document: dict[str, Any], path: str) -> tuple[Any, str]:
    *parents, last = path.split(".")
    place: Any = document
    for part in parents:
        if isinstance(place, list):
            place = place[int(part)]
        elif isinstance(place, dict):
            place = place.setdefault(part, {})
        else:
            raise TypeError(f"cannot set {path}: {part} is inside {type(place).__name__}")
    if not isinstance(place, dict | list):
        raise TypeError(f"cannot set {path}: it is inside {type(place).__name__}")
    return place, last


def overlap(one: str, other: str) -> bool:
    """Whether one of two dotted paths is the other, or a prefix of it."""
    return one == other or one.startswith(other + ".") or other.startswith(one + ".")
