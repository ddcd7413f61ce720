"""Chooses how a find is answered.

A condition on an indexed path bounds a scan of that index; of several the one with the fewest entries is taken. The
sort order is taken from an index where that costs less than sorting. What the chosen access does not decide exactly is
left to the evaluator, so that a choice can be slow and never wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from bson import Binary, Int64, ObjectId

from ..contract.store import Find
from ..query.bounds import Range, index_ranges
from ..query.keys import NULL_KEY
from ..query.nodes import And, Compare, In, Node, Nothing, Text, conjunction
from .catalogue import Catalogue, Index
from .driver import Driver
from .plan import EVERYTHING, Access, Lookup, Plan, Scan, contains, intersect, is_point

#: Entries counted to compare candidates; above that one is as bad as the other.
COUNTED = 10_000

#: Types whose values are in an index under one key, which no value that does not equal them has.
_EXACT_TYPES = frozenset({str, int, Int64, bool, ObjectId, bytes, Binary, UUID, datetime})


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A scan that gives at least all documents that match `used`.

    Attributes
    ----------
    decided : sequence of Node
        Those of `used` that every document it gives matches.
    """

    scan: Scan
    used: Sequence[Node] = ()
    decided: Sequence[Node] = ()


class Planner:
    """Plans finds in one collection.

    Parameters
    ----------
    driver : Driver
        Asked how many entries a range has where there is a choice.
    catalogue : Catalogue
    """

    def __init__(self, driver: Driver, catalogue: Catalogue) -> None:
        self._driver = driver
        self._catalogue = catalogue

    async def plan(self, find: Find) -> Plan:
        """Choose how `find` is answered.

        Raises
        ------
        StaleCatalogue
            The catalogue changed meanwhile.
        """
        conditions = find.filter.children if isinstance(find.filter, And) else (find.filter,)
        candidates = self._candidates(conditions)
        if isinstance(find.filter, Nothing):
            return self._make(_Candidate(Scan(None, ()), conditions, conditions), conditions, sorted=True)
        for candidate in candidates:
            if not candidate.scan.ranges:
                return self._make(candidate, conditions, sorted=True)
            if candidate.scan.index is None and all(map(is_point, candidate.scan.ranges)):
                return self._make_lookup(candidate, find, conditions)
        return await self._choose(candidates, find, conditions)

    def _candidates(self, conditions: Sequence[Node]) -> list[_Candidate]:
        """All scans that conditions bound, those of the primary order first."""
        by_path: dict[str, list[tuple[Node, tuple[Range, ...]]]] = {}
        for condition in conditions:
            ranges = index_ranges(condition)
            if ranges is not None and not isinstance(condition, Nothing):
                by_path.setdefault(condition.path, []).append((condition, ranges))  # type: ignore[attr-defined]
        found: list[_Candidate] = []
        if bounds := by_path.get("_id"):
            found.append(_bounded(None, bounds))
        for index in self._catalogue:
            bounds = by_path.get(index.path, [])
            if not index.complete or not bounds:
                continue
            if index.spec.sparse:
                # It lacks documents in which the path is missing.
                bounds = [bound for bound in bounds if not contains(bound[1], NULL_KEY)]
            if index.multikey:
                # Different elements of an array may fulfil different conditions: each bounds a scan of its own.
                found.extend(_bounded(index, [bound]) for bound in bounds)
            elif bounds:
                found.append(_bounded(index, bounds))
        return found

    async def _choose(self, candidates: list[_Candidate], find: Find, conditions: Sequence[Node]) -> Plan:
        everything = _Candidate(Scan(None, (EVERYTHING,)))
        filtering = await self._smallest(candidates) if candidates else everything
        if not find.sort:
            return self._make(filtering, conditions, sorted=True)
        if (ordered := _in_order(filtering, find)) is not None:
            return self._make(ordered, conditions, sorted=True)
        sorting = self._ordered([*candidates, everything, *self._whole_indexes()], find)
        if sorting is None:
            return self._make(filtering, conditions, sorted=False)
        if not candidates or await self._is_cheaper(sorting, filtering, find):
            return self._make(sorting, conditions, sorted=True)
        return self._make(filtering, conditions, sorted=False)

    def _whole_indexes(self) -> list[_Candidate]:
        return [
            _Candidate(Scan(index, (EVERYTHING,)))
            for index in self._catalogue
            if index.complete and not index.spec.sparse
        ]

    def _ordered(self, candidates: Sequence[_Candidate], find: Find) -> _Candidate | None:
        for candidate in candidates:
            if (ordered := _in_order(candidate, find)) is not None:
                return ordered
        return None

    async def _smallest(self, candidates: Sequence[_Candidate]) -> _Candidate:
        if len(candidates) == 1:
            return candidates[0]
        sizes = [await self._size(candidate.scan, COUNTED) for candidate in candidates]
        return candidates[sizes.index(min(sizes))]

    async def _size(self, scan: Scan, limit: int | None) -> int:
        index = scan.index
        if index is not None and index.spec.unique and all(map(is_point, scan.ranges)):
            return len(scan.ranges)
        return await self._driver.count(
            self._catalogue.collection,
            None if index is None else index.ref,
            scan.ranges,
            limit=limit,
            version=self._catalogue.version,
        )

    async def _is_cheaper(self, sorting: _Candidate, filtering: _Candidate, find: Find) -> bool:
        """Whether walking `sorting` until enough is found costs less than reading and sorting all of `filtering`."""
        matching = await self._size(filtering.scan, COUNTED)
        walked = await self._size(sorting.scan, None)
        if find.limit is not None and matching:
            walked = math.ceil(min(walked, walked * (find.skip + find.limit) / matching))
        return walked < matching

    def _make(self, candidate: _Candidate, conditions: Sequence[Node], *, sorted: bool) -> Plan:
        return self._finish(candidate.scan, candidate, conditions, sorted=sorted)

    def _make_lookup(self, candidate: _Candidate, find: Find, conditions: Sequence[Node]) -> Plan:
        ids = [low for low, _ in candidate.scan.ranges]
        by_id = bool(find.sort) and find.sort[0][0] == "_id"
        if by_id and find.sort[0][1] == -1:
            ids.reverse()
        in_order = by_id or not find.sort or len(ids) < 2
        return self._finish(Lookup(ids), candidate, conditions, sorted=in_order)

    def _finish(self, access: Access, candidate: _Candidate, conditions: Sequence[Node], *, sorted: bool) -> Plan:
        left = [condition for condition in conditions if not any(condition is done for done in candidate.decided)]
        return Plan(
            version=self._catalogue.version,
            access=access,
            used=candidate.used,
            residual=conjunction(left),
            sorted=sorted,
        )


def _bounded(index: Index | None, bounds: Sequence[tuple[Node, tuple[Range, ...]]]) -> _Candidate:
    ranges: tuple[Range, ...] = (EVERYTHING,)
    for _, bound in bounds:
        ranges = intersect(ranges, bound)
    used = [condition for condition, _ in bounds]
    return _Candidate(Scan(index, ranges), used, [condition for condition in used if _is_decided(condition)])


def _is_decided(condition: Node) -> bool:
    """Whether every document with a key in the condition's ranges matches it."""
    match condition:
        case Compare(value=value):
            return _is_exact(value)
        case In(values=values):
            return all(map(_is_exact, values))
        case Text():
            return True
        case _:
            return False


def _is_exact(value: Any) -> bool:
    return type(value) in _EXACT_TYPES or (type(value) is float and value == value)


def _in_order(candidate: _Candidate, find: Find) -> _Candidate | None:
    """`candidate` in the direction in which it gives the order asked for, if there is one."""
    (path, direction), *further = find.sort
    scan = candidate.scan
    if path == "_id":
        # Nothing that comes after it decides anything. Entries with one key come in the order of their ids too.
        if scan.index is None:
            return replace(candidate, scan=_turned(scan, direction))
        single = len(scan.ranges) == 1 and is_point(scan.ranges[0])
        return candidate if single and direction == 1 else None
    if scan.index is None or scan.index.path != path or further not in ([], [("_id", 1)]):
        return None
    if scan.index.multikey and tuple(scan.ranges) != (EVERYTHING,):
        # A document's place is that of its lowest or highest element, which may be outside of the ranges.
        return None
    return replace(candidate, scan=_turned(scan, direction))


def _turned(scan: Scan, direction: int) -> Scan:
    return replace(scan, reverse=direction == -1)
