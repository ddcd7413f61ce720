"""The changes that one save makes to one document: the smallest set that turns the stored form into the new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .updates.places import push_at, set_at, unset_at


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

    def paths(self) -> list[str]:
        """All paths that change."""
        return [*self.set, *self.unset, *self.push]

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
        InvalidUpdate
            A path runs through a value that is neither a document nor an array, or pushes to no array.
        """
        for path, value in self.set.items():
            set_at(document, path, value)
        for path in self.unset:
            unset_at(document, path)
        for path, items in self.push.items():
            push_at(document, path, items)
        return document


def overlap(one: str, other: str) -> bool:
    """Whether one of two dotted paths is the other, or a prefix of it."""
    return one == other or one.startswith(other + ".") or other.startswith(one + ".")
