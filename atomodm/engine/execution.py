"""Runs a plan: reads, evaluates what is left, sorts, and gives the answer in chunks."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from ..breathing import Breather
from ..contract.store import Chunk, Find
from ..encoding import decode, decode_all
from ..query.evaluator import compile_filter
from ..query.nodes import All
from ..query.sorting import sort_key
from .catalogues import Catalogues
from .driver import Driver, Page
from .plan import Access, Plan, Scan
from .reading import Reader
from .sorting import Sortable, Sorter

#: Documents decoded together: they fit in a processor's cache.
DECODED_TOGETHER = 128


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
        self._pending: deque[Page] = deque()
        self._first_key = _first_key(plan.access)
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
            async for chunk in self._sorted_chunks():
                yield chunk
            return
        size = self._find.batch_size
        skip, left = self._find.skip, self._find.limit
        revisions: list[int] = []
        documents: list[bytes] = []
        while left != 0 and (page := await self._read()) is not None:
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
        if documents:
            yield Chunk(revisions, documents)

    async def count(self) -> int:
        """Count the documents that match, whatever part of them is asked for."""
        number = 0
        while (page := await self._read()) is not None:
            number += len(self._select(page)[1])
        return number

    async def _read(self) -> Page | None:
        """The next part of the access: a page, or as much of it as is decoded without giving way to the event loop."""
        await self._breather.breathe()
        if self._pending:
            return self._pending.popleft()
        page = await self._reader.read()
        if page is None or len(page.keys) <= DECODED_TOGETHER or (self.is_covered and self.plan.sorted):
            return page
        self._pending.extend(
            page.part(start, start + DECODED_TOGETHER) for start in range(0, len(page.keys), DECODED_TOGETHER)
        )
        return self._pending.popleft()

    def _select(self, page: Page) -> tuple[Sequence[int], Sequence[bytes]]:
        """Revisions and documents of a page that belong to the answer."""
        if self.is_covered:
            return page.revisions, page.documents
        places = self._passing(page, decode_all(page.documents))
        return [page.revisions[place] for place in places], [page.documents[place] for place in places]

    def _passing(self, page: Page, decoded: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Places in a page of the documents that belong to the answer."""
        places: Sequence[int] = range(len(decoded))
        if not self._decided:
            matches = self._matches
            places = [place for place, document in enumerate(decoded) if matches(document)]
        if self._reader.repeats:
            first_key = self._first_key
            places = [place for place in places if first_key(decoded[place]) == page.keys[place]]
        return places

    async def _sorted_chunks(self) -> AsyncGenerator[Chunk, None]:
        find = self._find
        sorter = Sorter(None if find.limit is None else find.skip + find.limit)
        order = sort_key(find.sort)
        while (page := await self._read()) is not None:
            decoded = decode_all(page.documents)
            for place in self._passing(page, decoded):
                sorter.add(order(decoded[place]), page.ids[place], page.revisions[place], page.documents[place])
        found = sorter.sorted()
        skip = find.skip
        while skip > 0 and (skipped := len(list(islice(found, min(skip, find.batch_size))))):
            skip -= skipped
            await self._breather.breathe()
        while part := list(islice(found, find.batch_size)):
            chunk = await self._fill(part)
            if chunk.documents:
                yield chunk
            await self._breather.breathe()

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


def _first_key(access: Access) -> Callable[[Mapping[str, Any]], bytes | None]:
    """Make the function that gives the key under which an access comes upon a document first."""
    if not isinstance(access, Scan) or access.index is None:
        return lambda document: None
    keys_of, ranges, reverse = access.index.keys, access.ranges, access.reverse
    lows = [low for low, _ in ranges]

    def within(key: bytes) -> bool:
        place = bisect_right(lows, key) - 1
        return place >= 0 and key < ranges[place][1]

    def first_key(document: Mapping[str, Any]) -> bytes | None:
        keys = keys_of(document)
        return next(filter(within, reversed(keys) if reverse else keys), None)

    return first_key
