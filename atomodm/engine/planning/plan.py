"""How a find is answered: ways to get at documents, and what is left to decide on each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...query.nodes import ALL, All, Node
from ...query.ranges import EVERYTHING, Range
from ..indexing.catalogue import Index

_NONE: frozenset[int] = frozenset()
_PRIMARY: Sequence[tuple[str, int]] = (("_id", 1),)


@dataclass(frozen=True, slots=True)
class Scan:
    """Entries of an index in order, each with its document.

    Attributes
    ----------
    index : Index or None
        None for the documents themselves, in the order of their ids.
    ranges : sequence of (bytes, bytes)
        Ascending and disjoint.
    points : int
        So many of the first fields are held to single values by each of the ranges.
    prefixes : int
        How many combinations of such values there are; each has as many of the ranges, one after the other.
    constant : frozenset of int
        Positions of those of these fields that have one value in all of the ranges.
    bounded : int
        So many of the first fields are bounded at all.
    reverse : bool
        From the highest key to the lowest.
    ids_ascend : bool
        Documents with equal keys come in the order of their ids even when it is read in reverse.
    """

    index: Index | None
    ranges: Sequence[Range]
    points: int = 0
    prefixes: int = 1
    constant: frozenset[int] = _NONE
    bounded: int = 0
    reverse: bool = False
    ids_ascend: bool = True

    @property
    def fields(self) -> Sequence[tuple[str, int]]:
        """Stored paths and directions of the index."""
        return _PRIMARY if self.index is None else self.index.fields

    @property
    def multikey(self) -> frozenset[int]:
        """Positions of the fields of which a document may have several keys."""
        return _NONE if self.index is None else self.index.multikey

    @property
    def is_point(self) -> bool:
        """Whether all its entries have one key, and so come in the order of their ids."""
        return len(self.ranges) == 1 and self.points == len(self.fields)

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


@dataclass(frozen=True, slots=True)
class Intersection:
    """Documents that have an entry in each of some scans of one key, in the order of their ids.

    Attributes
    ----------
    scans : sequence of Scan
        That with the fewest entries first.
    """

    scans: Sequence[Scan]

    @property
    def name(self) -> str:
        """The names of the indexes."""
        return ", ".join(scan.name or "" for scan in self.scans)


Access = Scan | Lookup | Intersection


class Part(NamedTuple):
    """One access of a plan.

    Attributes
    ----------
    access : Scan, Lookup or Intersection
    used : sequence of (str, sequence of Node)
        The paths that are bounded, and the conditions that bound them.
    residual : Node
        What must be evaluated on each document; `ALL` where `access` gives exactly those that are wanted.
    earlier : sequence of Node
        Filters of the parts before it, which give the documents that match them.
    whole : Scan or None
        The scan that `access` is one piece of: a document belongs to the piece that has the lowest of its keys.
    """

    access: Access
    used: Sequence[tuple[str, Sequence[Node]]] = ()
    residual: Node = ALL
    earlier: Sequence[Node] = ()
    whole: Scan | None = None

    @property
    def is_decided(self) -> bool:
        """Whether nothing is left to evaluate."""
        return not self.earlier and isinstance(self.residual, All)


class Plan(NamedTuple):
    """How a find is answered.

    Attributes
    ----------
    version : int
        The catalogue version that it was made for.
    filter : Node
        What every document of the answer matches.
    parts : sequence of Part
        Together they give the answer, and no document twice.
    sorted : bool
        The parts give the order asked for: one after the other, or `merged`.
    merged : bool
        Each part gives its documents in order, and they are merged.
    grouped : bool
        The only part gives documents that tie together, but not in the order of their ids.
    """

    version: int
    filter: Node
    parts: Sequence[Part]
    sorted: bool
    merged: bool = False
    grouped: bool = False


def may_repeat(index: Index | None, scan: Scan) -> bool:
    """Whether `scan`, of an index as it is now, can come upon one document several times."""
    return index is not None and not index.multikey <= scan.constant
