"""Chooses how a find is answered.

Of the scans that conditions bound, the one with the fewest entries is taken; where a condition is an alternative, a
union of scans, one for each branch. The order is taken from an index where that costs less than sorting. What the
chosen access does not decide exactly is left to the evaluator, so that a choice can be slow and never wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from ...contract.finding import Find
from ...errors import InvalidQuery
from ...query.bounds import bounds
from ...query.nodes import ALL, And, Node, Nothing, Or, conjunction
from ..driver import Driver
from ..indexing.catalogue import Catalogue
from ..indexing.index_specs import ID_INDEX
from .candidates import Candidate, bounds_by_path, holds_all, of_index, primary, whole
from .counting import COUNTED, Counting, KeptCounts
from .large import listed
from .ordering import Order, in_groups, in_order
from .plan import Part, Plan, Scan
from .ways import ALL_DOCUMENTS, Way, intersection_of, joined, parts_in_order, parts_of

#: Entries that are as good as none: nothing better is looked for.
FEW = 64
#: Scans of one union at most.
MOST_PARTS = 32
#: Scans that are merged at most; each has a page in memory and takes a request.
MOST_MERGED = 16
#: Documents that are sorted rather than merged when all are wanted.
SORTED_AT_ONCE = 1024
#: Entries from which on it pays to compare entries of two indexes before documents are read...
INTERSECTED = 1000
#: ...if the larger one has at most so many times as many.
INTERSECTED_RATIO = 2


class Planner:
    """Plans one find in one collection.

    Parameters
    ----------
    driver : Driver
        Asked how many entries a range has where there is a choice.
    catalogue : Catalogue
    kept : KeptCounts
        What was counted for other finds.
    """

    def __init__(self, driver: Driver, catalogue: Catalogue, kept: KeptCounts) -> None:
        self._counting = Counting(driver, catalogue, kept)
        self._catalogue = catalogue
        self._alive: Node = catalogue.alive(driver.now()) if catalogue.expires else ALL

    async def plan(self, find: Find) -> Plan:
        """Choose how `find` is answered.

        Raises
        ------
        InvalidQuery
            The hint names no index.
        StaleCatalogue
            The catalogue changed meanwhile.
        """
        conditions = _conjuncts(find.filter)
        if find.hint is not None:
            return await self._hinted(find, conditions, find.hint)
        if any(isinstance(condition, Nothing) for condition in conditions):
            return self._of(find, [_nothing(conditions)])
        candidates: list[Candidate] = []
        for candidate in await listed(partial(self._candidates, conditions), conditions):
            if _is_unbeatable(candidate.scan):
                return self._of(find, [Way(candidate, conditions, ALL)])
            candidates.append(candidate)
        ways, least = await self._filtering(conditions, candidates, join=not find.sort)
        if find.sort:
            return await self._sorted(find, conditions, candidates, ways)
        if len(candidates) > 1 and find.limit is None and least >= INTERSECTED:
            intersected = await self._intersected(find, conditions, candidates)
            if intersected is not None:
                return intersected
        return self._unordered(find, ways or [Way(ALL_DOCUMENTS, conditions, ALL)])

    # -- what filters --------------------------------------------------------------------------------------------------

    def _candidates(self, conditions: Sequence[Node]) -> Iterator[Candidate]:
        """All scans that conditions bound, that of the primary order first."""
        by_path = bounds_by_path(conditions)
        if not by_path:
            return
        by_id = primary(by_path)
        if by_id is not None:
            yield by_id
        for index in self._catalogue:
            if index.complete and index.path in by_path and holds_all(index, conditions):
                yield from of_index(index, by_path, conditions)

    async def _filtering(
        self, conditions: Sequence[Node], candidates: Sequence[Candidate], *, join: bool
    ) -> tuple[Sequence[Way], int]:
        """The best way to get at the documents that match, several for a union, none where no index helps.

        Returns
        -------
        sequence of Way, int
            And how many entries they have, as far as they were counted.
        """
        unions: list[Sequence[Way]] = []
        for condition in conditions:
            if isinstance(condition, Or) and not bounds(condition):
                union = await self._union(conditions, condition, ())
                if union == []:
                    return [_nothing(conditions)], 0
                if union is not None:
                    unions.append(joined(union) if join else union)
        ways: Sequence[Way] = []
        least = COUNTED * MOST_PARTS
        if candidates:
            best, least = await self._smallest(candidates, counted=bool(unions))
            ways = [Way(best, conditions, ALL)]
        for other in unions:
            if not ways and len(unions) == 1:
                return other, least
            if least > FEW and (size := await self._size(other)) < least:
                ways, least = other, size
        return ways, least

    async def _union(self, conditions: Sequence[Node], alternative: Or, outer: Sequence[Node]) -> list[Way] | None:
        """A way for each branch of an alternative; None where there is none for one of them.

        Parameters
        ----------
        conditions : sequence of Node
            All that must match, `alternative` among them.
        alternative : Or
        outer : sequence of Node
            Those of `conditions` that set the union apart from other branches of an alternative around it.
        """
        others = [condition for condition in conditions if condition is not alternative]
        ways: list[Way] = []
        for child in alternative.children:
            found = await self._branch(_conjuncts(child), others, outer)
            if found is None or len(ways) + len(found) > MOST_PARTS:
                return None
            ways += found
        return ways

    async def _branch(self, own: Sequence[Node], others: Sequence[Node], outer: Sequence[Node]) -> list[Way] | None:
        conditions = [*own, *others]
        bounded = await listed(partial(self._candidates, conditions), conditions)
        candidates = [candidate for candidate in bounded if candidate.uses(own)]
        if candidates:
            if not all(candidate.scan.ranges for candidate in candidates):
                return []
            best, _ = await self._smallest(candidates)
            return [Way(best, conditions, conjunction([*outer, *own]))]
        for condition in own:
            if isinstance(condition, Or):
                rest = [other for other in own if other is not condition]
                found = await self._union(conditions, condition, [*outer, *rest])
                if found is not None:
                    return found
        return None

    async def _smallest(self, candidates: Sequence[Candidate], *, counted: bool = False) -> tuple[Candidate, int]:
        """The candidate with the fewest entries, and how many; where there is no choice they may be uncounted."""
        candidates = _undominated(candidates)
        if len(candidates) == 1 and not counted:
            return candidates[0], COUNTED
        place, least = await self._counting.smallest([candidate.scan for candidate in candidates])
        return candidates[place], least

    async def _size(self, ways: Sequence[Way]) -> int:
        return sum(await self._counting.sizes([(way.scan, COUNTED) for way in ways]))

    async def _intersected(
        self, find: Find, conditions: Sequence[Node], candidates: Sequence[Candidate]
    ) -> Plan | None:
        """A plan that compares entries of two indexes before it reads documents, where that pays."""
        points = [candidate for candidate in _undominated(candidates) if candidate.scan.is_point]
        if len(points) < 2:
            return None
        sizes = await self._counting.sizes([(candidate.scan, COUNTED) for candidate in points])
        (least, first), (_, second), *_ = sorted((size, place) for place, size in enumerate(sizes))
        if least < INTERSECTED:
            return None
        # What is counted exactly costs less than reading as many entries.
        sizes = await self._counting.sizes([(points[place].scan, None) for place in (first, second)])
        (least, first), (most, second) = sorted(zip(sizes, (first, second), strict=True))
        if most > INTERSECTED_RATIO * least:
            return None
        part = intersection_of([Way(points[place], conditions, ALL) for place in (first, second)], self._alive)
        return self._finished(find, [part], sorted=True)

    # -- what sorts ----------------------------------------------------------------------------------------------------

    async def _sorted(
        self, find: Find, conditions: Sequence[Node], candidates: Sequence[Candidate], ways: Sequence[Way]
    ) -> Plan:
        parts = parts_in_order(ways, find.sort, self._alive, MOST_MERGED) if ways else None
        if parts is not None and (len(parts) < 2 or find.limit is not None or await self._size(ways) > SORTED_AT_ONCE):
            return self._finished(find, parts, sorted=True)
        if len(ways) == 1 and in_groups(ways[0].scan, find.sort) is not None:
            return self._of(find, ways)
        sorting = self._ordered(find, conditions, candidates, in_order)
        sorting = sorting or self._ordered(find, conditions, candidates, in_groups)
        if sorting is not None and (not ways or await self._is_cheaper(sorting.scan, ways, find)):
            return self._of(find, [Way(sorting, conditions, ALL)])
        return self._unordered(find, joined(ways) or [Way(ALL_DOCUMENTS, conditions, ALL)])

    def _ordered(
        self,
        find: Find,
        conditions: Sequence[Node],
        candidates: Sequence[Candidate],
        direct: Callable[[Scan, Order], Scan | None],
    ) -> Candidate | None:
        """A candidate, or all of the collection or of an index, that gives the order asked for, as `direct` says."""
        for candidate in (*candidates, ALL_DOCUMENTS):
            if (ordered := direct(candidate.scan, find.sort)) is not None:
                return Candidate(ordered, candidate.used, candidate.decided)
        for index in self._catalogue:
            if index.complete:
                ordered = direct(whole(index).scan, find.sort)
                if ordered is not None and holds_all(index, conditions):
                    return Candidate(ordered)
        return None

    async def _is_cheaper(self, sorting: Scan, ways: Sequence[Way], find: Find) -> bool:
        """Whether walking `sorting` until enough is found costs less than reading and sorting what `ways` give."""
        *found, walked = await self._counting.sizes([*((way.scan, COUNTED) for way in ways), (sorting, None)])
        matching = sum(found)
        if find.limit is not None and matching:
            walked = math.ceil(min(walked, walked * (find.skip + find.limit) / matching))
        return walked < matching

    # -- plans ---------------------------------------------------------------------------------------------------------

    async def _hinted(self, find: Find, conditions: Sequence[Node], hint: str) -> Plan:
        """Scan the index that was asked for, even if it has not all documents that match."""
        if hint == ID_INDEX:
            by_id = await listed(lambda: filter(None, [primary(bounds_by_path(conditions))]), conditions)
            return self._of(find, [Way(next(iter(by_id), ALL_DOCUMENTS), conditions, ALL)])
        index = self._catalogue.named(hint)
        if index is None or not index.complete:
            raise InvalidQuery("the hint does not correspond to an existing index")
        bounded = await listed(lambda: of_index(index, bounds_by_path(conditions), conditions), conditions)
        candidates = list(bounded)
        for candidate in (*candidates, whole(index)):
            if find.sort and in_order(candidate.scan, find.sort) is not None:
                return self._of(find, [Way(candidate, conditions, ALL)])
        best = (await self._smallest(candidates))[0] if candidates else whole(index)
        return self._of(find, [Way(best, conditions, ALL)])

    def _of(self, find: Find, ways: Sequence[Way]) -> Plan:
        """A plan of these ways, in the order asked for if they give it."""
        parts = parts_in_order(ways, find.sort, self._alive, MOST_MERGED) if find.sort else None
        if parts is not None:
            return self._finished(find, parts, sorted=True)
        if find.sort and len(ways) == 1 and (scan := in_groups(ways[0].scan, find.sort)) is not None:
            grouped = ways[0]._replace(candidate=ways[0].candidate._replace(scan=scan))
            return self._finished(find, parts_of([grouped], self._alive), sorted=True, grouped=True)
        return self._unordered(find, ways)

    def _unordered(self, find: Find, ways: Sequence[Way]) -> Plan:
        return self._finished(find, parts_of(ways, self._alive), sorted=not find.sort)

    def _finished(self, find: Find, parts: Sequence[Part], *, sorted: bool, grouped: bool = False) -> Plan:
        filter = find.filter if self._alive is ALL else conjunction([find.filter, self._alive])
        return Plan(
            version=self._catalogue.version,
            filter=filter,
            parts=parts,
            sorted=sorted,
            merged=bool(find.sort) and sorted and len(parts) > 1,
            grouped=grouped,
        )


def _nothing(conditions: Sequence[Node]) -> Way:
    """The way to no document, which is all that match."""
    return Way(Candidate(Scan(None, ()), decided=conditions), conditions, ALL)


def _conjuncts(node: Node) -> Sequence[Node]:
    return node.children if isinstance(node, And) else (node,)


def _is_unbeatable(scan: Scan) -> bool:
    """Whether a scan reads next to nothing, or documents by their ids."""
    if scan.points != len(scan.fields):
        return not scan.ranges
    return scan.index is None or not scan.ranges or (scan.index.spec.unique and len(scan.ranges) == 1)


def _undominated(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Candidates without those that fewer of the same conditions bound."""
    if len(candidates) < 2:
        return candidates
    bounding = [candidate.bounding() for candidate in candidates]
    return [
        candidate
        for place, candidate in enumerate(candidates)
        if not any(
            bounding[place] < other or (bounding[place] == other and earlier < place)
            for earlier, other in enumerate(bounding)
        )
    ]
