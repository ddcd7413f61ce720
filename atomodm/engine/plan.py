"""How a find is answered: one way to get at documents, and what is left to decide on each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..query.bounds import Range
from ..query.keys import HIGHEST, LOWEST
from ..query.nodes import Node
from .catalogue import Index

#: All keys.
EVERYTHING: Range = (LOWEST, HIGHEST)


@dataclass(frozen=True, slots=True)
class Scan:
    """Entries of an index in order, each with its document.

    Attributes
    ----------
    index : Index or None
        None for the documents themselves, in the order of their ids.
    ranges : sequence of (bytes, bytes)
        Ascending and disjoint.
    reverse : bool
        From the highest key to the lowest; documents with equal keys come in the order of their ids all the same.
    """

    index: Index | None
    ranges: Sequence[Range]
    reverse: bool = False

    @property
    def name(self) -> str | None:
        """The index's name; None for a scan of the whole collection."""
        if self.index is not None:
            return self.index.spec.name
        return None if tuple(self.ranges) in ((), (EVERYTHING,)) else "_id_"


@dataclass(frozen=True, slots=True)
class Lookup:
    """Documents by their ids.

    Attributes
    ----------
    ids : sequence of bytes
        Ascending, or descending where that is the order asked for.
    """

    ids: Sequence[bytes]

    @property
    def name(self) -> str:
        """The name of the primary key's index."""
        return "_id_"


Access = Scan | Lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a find is answered.

    Attributes
    ----------
    version : int
        The catalogue version that it was made for.
    access : Scan or Lookup
    used : sequence of Node
        The conditions that `access` comes from.
    residual : Node
        What must be evaluated on each document; `ALL` where `access` gives exactly those that match.
    sorted : bool
        `access` gives the order asked for.
    """

    version: int
    access: Access
    used: Sequence[Node]
    residual: Node
    sorted: bool


def is_point(bounds: Range) -> bool:
    """Whether a range holds one key only, as those of `atomodm.query.bounds.point` do."""
    low, high = bounds
    return low != LOWEST and high == low + HIGHEST


def may_repeat(index: Index | None, ranges: Sequence[Range]) -> bool:
    """Whether a scan can come upon one document several times: its keys are distinct, so not within one point."""
    return index is not None and index.multikey and not (len(ranges) == 1 and is_point(ranges[0]))


def contains(ranges: Sequence[Range], key: bytes) -> bool:
    """Whether `key` is in one of `ranges`."""
    return any(low <= key < high for low, high in ranges)


def intersect(one: Sequence[Range], other: Sequence[Range]) -> tuple[Range, ...]:
    """The ranges of keys that are in both; all ascending and disjoint."""
    found: list[Range] = []
    mine, theirs = 0, 0
    while mine < len(one) and theirs < len(other):
        low, high = max(one[mine][0], other[theirs][0]), min(one[mine][1], other[theirs][1])
        if low < high:
            found.append((low, high))
        if one[mine][1] < other[theirs][1]:
            mine += 1
        else:
            theirs += 1
    return tuple(found)
