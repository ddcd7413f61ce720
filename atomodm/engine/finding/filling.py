"""Gives sorted documents in chunks; those that were not kept while sorting are read again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from itertools import islice

from ...breathing import Breather
from ...concurrency import Ahead
from ...contract.finding import Chunk, Find
from ...encoding import decode
from ...query.evaluator import compile_filter
from ...query.nodes import Node
from ..driver import Driver, Row
from .pages import ChunkSize, PageSize
from .reading import Figures
from .sorting import Sortable


class Filling:
    """Fills sorted places with their documents.

    Parameters
    ----------
    driver : Driver
    collection : str
    filter : Node
        A document that was written since it was sorted is left out where it does not match any more.
    find : Find
        Says how large chunks are.
    figures : Figures
        Counts what is read.
    asked : callable
        Called before each request to the driver.
    """

    def __init__(
        self,
        driver: Driver,
        collection: str,
        filter: Node,
        find: Find,
        figures: Figures,
        asked: Callable[[], None],
    ) -> None:
        self._driver = driver
        self._collection = collection
        self._filter = filter
        self._find = find
        self._figures = figures
        self._asked = asked
        self._breather = Breather()

    async def chunks(self, places: Iterator[Sortable]) -> AsyncGenerator[Chunk, None]:
        """Give the documents of sorted places, but for those that are gone by now."""
        size = ChunkSize(self._find)
        pages = PageSize(size.next)
        are_kept = True

        async def read() -> Chunk | None:
            part = list(islice(places, pages.next))
            nonlocal are_kept
            are_kept = all(document is not None for _, _, _, document in part)
            return await self._fill(part, pages) if part else None

        ahead = Ahead(read)
        came_back = False
        try:
            while (chunk := await ahead.next()) is not None:
                start = 0
                while start < len(chunk.documents):
                    if came_back and not are_kept and self._driver.far:
                        await ahead.begin()
                    end = start + size.next
                    yield Chunk(chunk.revisions[start:end], chunk.documents[start:end])
                    came_back = True
                    start = end
                    size.grow()
                await self._breather.breathe()
        finally:
            await ahead.close()

    async def _fill(self, part: list[Sortable], pages: PageSize) -> Chunk:
        missing = [id for _, id, _, document in part if document is None]
        if not missing:
            kept = [document or b"" for _, _, _, document in part]
            pages.grow()
            pages.weigh(kept)
            return Chunk([revision for _, _, revision, _ in part], kept)
        self._asked()
        rows: dict[bytes, Row] = {row[0]: row for row in await self._driver.get(self._collection, missing)}
        self._figures.fetched += len(rows)
        pages.grow()
        pages.weigh([row[2] for row in rows.values()])
        matches = compile_filter(self._filter)
        revisions: list[int] = []
        documents: list[bytes] = []
        for _, id, revision, document in part:
            if document is None:
                row = rows.get(id)
                if row is None or (row[1] != revision and not matches(decode(row[2]))):
                    continue
                _, revision, document = row
            revisions.append(revision)
            documents.append(document)
            if self._breather.is_due():
                await self._breather.breathe()
        return Chunk(revisions, documents)
