"""Runs a plan: reads, evaluates what is left, sorts, and gives the answer in chunks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from ..contract.store import Chunk, Find
from ..encoding import decode, decode_all
from ..query.bounds import Range
from ..query.evaluator import compile_filter
from ..query.nodes import All
from ..query.sorting import sort_key
from .breathing import Breather
from .catalogue import Index
from .catalogues import Catalogues
from .driver import Driver, Page
from .plan import Plan, Scan
from .reading import Reader
from .sorting import Sortable, Sorter

#: Documents decoded together: they fit in a processor's cache.
_DECODED_TOGETHER = 128


class Execution:
    """One run of one plan.

    Parameters
    ----------
    driver : Driver
    catalogues : Catalogues
    collection : str
    find : Find
    plan : Plan
    asked : callable
        Called before each request to the driver.
    """

    def __init__(
        self,
        driver: Driver,
        catalogues: Catalogues,
        collection: str,
        find: Find,
        plan: Plan,
        asked: Callable[[], None],
    ) -> None:
        self._driver = driver
        self._collection = collection
        self._find = find
        self.plan = plan
        self._asked = asked
        self._breather = Breather()
        self._decided = isinstance(plan.residual, All)
        self._matches = compile_filter(plan.residual)
        self._reader = Reader(driver, catalogues, collection, plan, self._first_size(), asked)
        self.figures = self._reader.figures

    @property
    def is_covered(self) -> bool:
        """Whether the access gives every document of the answer once and no other."""
        return self._decided and not self._reader.repeats

    def _first_size(self) -> int:
        find = self._find
        if find.limit is None or not (self.plan.sorted and self._decided):
            return find.batch_size
        return min(find.skip + find.limit, find.batch_size)

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Give the answer.

        Raises
        ------
        StaleCatalogue
            Before the first chunk: plan again. Later: the index was removed while it was read.
        """
        if self._find.limit == 0:
            return
        if not self.plan.sorted:
            found = (await self._sort()).sorted(self._find.skip)
            while part := list(islice(found, self._find.batch_size)):
                chunk = await self._fill(part)
                if chunk.documents:
                    yield chunk
            return
        size = self._find.batch_size
        skip, left = self._find.skip, self._find.limit
        revisions: list[int] = []
        documents: list[bytes] = []
        while left != 0 and (page := await self._reader.read()) is not None:
            found_revisions, found_documents = self._select(page)
            end = None if left is None else skip + left
            revisions.extend(found_revisions[skip:end])
            documents.extend(found_documents[skip:end])
            if left is not None:
                left -= len(found_documents[skip:end])
            skip = max(0, skip - len(found_documents))
            start = 0
            while len(documents) - start >= size:
                yield Chunk(revisions[start : start + size], documents[start : start + size])
                start += size
            del revisions[:start], documents[:start]
            await self._breather.breathe()
        if documents:
            yield Chunk(revisions, documents)

    async def count(self) -> int:
        """Count the documents that match, whatever part of them is asked for."""
        number = 0
        while (page := await self._reader.read()) is not None:
            number += len(self._select(page)[1])
            await self._breather.breathe()
        return number

    def _select(self, page: Page) -> tuple[Sequence[int], Sequence[bytes]]:
        """Revisions and documents of a page that belong to the answer."""
        if self.is_covered:
            return page.revisions, page.documents
        places = self._passing(page, _decode(page.documents))
        return [page.revisions[place] for place in places], [page.documents[place] for place in places]

    def _passing(self, page: Page, decoded: Sequence[Mapping[str, Any]]) -> list[int]:
        """Places in a page of the documents that belong to the answer."""
        matches = self._matches
        places = (
            list(range(len(decoded)))
            if self._decided
            else [place for place, document in enumerate(decoded) if matches(document)]
        )
        access = self.plan.access
        if not self._reader.repeats or not isinstance(access, Scan) or access.index is None:
            return places
        first_key = _first_key(access.index, access.ranges, access.reverse)
        return [place for place in places if first_key(decoded[place]) == page.keys[place]]

    async def _sort(self) -> Sorter:
        find = self._find
        sorter = Sorter(None if find.limit is None else find.skip + find.limit)
        order = sort_key(find.sort)
        while (page := await self._reader.read()) is not None:
            decoded = _decode(page.documents)
            for place in self._passing(page, decoded):
                sorter.add(order(decoded[place]), page.ids[place], page.revisions[place], page.documents[place])
            await self._breather.breathe()
        return sorter

    async def _fill(self, part: Sequence[Sortable]) -> Chunk:
        """A chunk of sorted documents; those that were not kept are read again, and must match then too."""
        missing = [id for _, id, _, document in part if document is None]
        if not missing:
            return Chunk([revision for _, _, revision, _ in part], [document or b"" for _, _, _, document in part])
        self._asked()
        rows = {row[0]: row for row in await self._driver.get(self._collection, missing)}
        self.figures.fetched += len(rows)
        matches = compile_filter(self._find.filter)
        chunk = Chunk(revisions := [], documents := [])
        for _, id, revision, document in part:
            if document is None:
                row = rows.get(id)
                if row is None or (row[1] != revision and not matches(decode(row[2]))):
                    continue
                _, revision, document = row
            revisions.append(revision)
            documents.append(document)
        return chunk


def _decode(documents: Sequence[bytes]) -> list[dict[str, Any]]:
    decoded: list[dict[str, Any]] = []
    for start in range(0, len(documents), _DECODED_TOGETHER):
        decoded.extend(decode_all(documents[start : start + _DECODED_TOGETHER]))
    return decoded


def _first_key(index: Index, ranges: Sequence[Range], reverse: bool) -> Callable[[Mapping[str, Any]], bytes | None]:
    """Make the function that gives the key under which a scan comes upon a document first."""
    lows = [low for low, _ in ranges]

    def within(key: bytes) -> bool:
        place = bisect_right(lows, key) - 1
        return place >= 0 and key < ranges[place][1]

    def first_key(document: Mapping[str, Any]) -> bytes | None:
        keys = index.keys(document)
        return next(filter(within, reversed(keys) if reverse else keys), None)

    return first_key
