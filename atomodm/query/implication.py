"""Whether conditions that a document matches say that it matches others: cautiously, no is always a right answer."""

from __future__ import annotations

from collections.abc import Sequence

from .bounds import index_ranges, is_decided
from .keys import NULL_KEY
from .nodes import All, And, ElementMatch, Exists, Node, Or
from .ranges import contains, covers


def implies(conditions: Sequence[Node], other: Node) -> bool:
    """Whether every document that matches all of `conditions` matches `other`."""
    match other:
        case All():
            return True
        case And(children):
            return all(implies(conditions, child) for child in children)
        case Exists(path, True) if implies_existence(conditions, path):
            return True
        case Or(children) if any(implies(conditions, child) for child in children):
            return True
    return any(_implies(condition, other) for condition in conditions)


def implies_existence(conditions: Sequence[Node], path: str) -> bool:
    """Whether every document that matches all of `conditions` has a value at `path`."""
    return any(_implies_existence(condition, path) for condition in conditions)


def _implies_existence(condition: Node, path: str) -> bool:
    match condition:
        case And(children):
            return implies_existence(children, path)
        case Or(children):
            return all(_implies_existence(child, path) for child in children)
        case ElementMatch():
            return condition.path == path
        case Exists():
            return condition.path == path and condition.present
    if getattr(condition, "path", None) != path:
        return False
    ranges = index_ranges(condition)
    # What is missing counts as null.
    return ranges is not None and not contains(ranges, NULL_KEY)


def _implies(condition: Node, other: Node) -> bool:
    if condition is other:
        return True
    match condition:
        case And(children):
            return implies(children, other)
        case Or(children):
            return all(implies([child], other) for child in children)
    if type(condition) is type(other) and repr(condition) == repr(other):
        # Not ``==``, by which 1 is True.
        return True
    path = getattr(condition, "path", None)
    if path is None or path != getattr(other, "path", None):
        return False
    ranges, others = index_ranges(condition), index_ranges(other)
    return ranges is not None and others is not None and is_decided(other) and covers(others, ranges)
