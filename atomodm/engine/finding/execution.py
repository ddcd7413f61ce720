"""Runs a plan: reads its parts, sorts or merges them, and gives the answer in chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from itertools import islice

from ...breathing import Breather
from ...concurrency import AT_A_TIME
from ...contract.finding import Chunk, Find
from ...encoding import decode_all
from ...errors import StaleCatalogue
from ...query.sorting import sort_key
from ..driver import Driver, Page
from ..indexing.catalogues import Catalogues
from ..planning.plan import Plan
from .branch import Branch
from .filling import Filling
from .merging import merged
from .pages import FEW, FIRST_CHUNK, ChunkSize, PageSize
from .reading import Figures, Reader
from .sorting import Sortable, Sorter

#: Revisions and documents.
_Found = tuple[Sequence[int], Sequence[bytes]]


class Execution:
    """One run of one plan.

    On a far driver the next page is asked for while the present one is worked on, as soon as it is likely to be wanted:
    who takes the first documents and leaves has asked for one page. There is never more than one page ahead of each
    part that is being read, and the first pages of several parts are asked for together.

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
        decodes = plan.merged or plan.grouped or not plan.sorted
        self.branches: list[Branch] = []
        for part in plan.parts:
            size = PageSize.of(find, plan, part, far=driver.far)
            reader = Reader(driver, catalogues, collection, part.access, plan.version, size, asked)
            self.branches.append(Branch(part, reader, self._breather, decodes=decodes))
        self._filling: Filling | None = None
        #: The whole answer is read, or was asked for.
        self._reads_all = find.limit is None or not plan.sorted
        #: More than the first documents are wanted.
        self._goes_on = not plan.sorted
        #: So many branches were asked for their first pages, and the place of the one that is being read.
        self._started = 0
        self._place = 0

    @property
    def figures(self) -> Figures:
        """What it took so far."""
        total = Figures()
        for branch in self.branches:
            total.scanned += branch.figures.scanned
            total.fetched += branch.figures.fetched
        return total

    @property
    def begun(self) -> bool:
        """Whether anything was read."""
        return any(branch.reader.begun for branch in self.branches)

    def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Give the answer; to be closed afterwards, whether or not all of it was taken.

        Raises
        ------
        StaleCatalogue
            Before the first chunk: plan again. Later: the index was removed while it was read.
        """
        return self._in_order() if self.plan.sorted else self._sorted()

    async def close(self) -> None:
        """Give up what was asked for ahead and is not wanted any more."""
        if self._driver.far:
            for branch in self.branches:
                await branch.close()

    async def _in_order(self) -> AsyncGenerator[Chunk, None]:
        """The answer as the parts give it."""
        if self._find.limit == 0:
            return
        size = ChunkSize(self._find)
        skip, left = self._find.skip, self._find.limit
        revisions: list[int] = []
        documents: list[bytes] = []
        async with aclosing(self._found()) as pages:
            async for found_revisions, found_documents in pages:
                end = None if left is None else skip + left
                revisions.extend(found_revisions[skip:end])
                documents.extend(found_documents[skip:end])
                if left is not None:
                    left -= len(found_documents[skip:end])
                skip = max(0, skip - len(found_documents))
                start = 0
                if self._goes_on and left != 0:
                    await self._read_ahead()
                while len(documents) - start >= size.next:
                    stop = start + size.next
                    yield Chunk(revisions[start:stop], documents[start:stop])
                    start = stop
                    size.grow()
                    self._goes_on = True
                    if left != 0:
                        await self._read_ahead()
                del revisions[:start], documents[:start]
                if left == 0:
                    break
                self._goes_on = True
        if documents:
            yield Chunk(revisions, documents)

    async def count(self, limit: int | None = None) -> int:
        """Count the documents that match, whatever part of them is asked for; counting stops at `limit`."""
        number = 0
        self._goes_on = self._reads_all = limit is None
        for place, branch in enumerate(self.branches):
            await self._begin(place)
            while (limit is None or number < limit) and (page := await self._read(branch)) is not None:
                number += len(branch.select(page)[1])
        return number if limit is None else min(number, limit)

    async def _read(self, branch: Branch) -> Page | None:
        reader = branch.reader
        if not reader.begun:
            reader.begun = self.begun
        try:
            page = await branch.read()
        except StaleCatalogue:
            # It was asked for beside another one, which was answered in time.
            if reader.begun or not self.begun:
                raise
            reader.begun = True
            page = await branch.read()
        if self._goes_on and self._reads_all:
            await self._read_ahead(branch)
        return page

    async def _begin(self, place: int) -> None:
        """Go on to a branch. Where likely all are wanted, several are asked for their first pages together."""
        self._place = place
        if not self._driver.far or len(self.branches) < 2:
            return
        limit = self._find.limit
        if self.plan.merged or self._reads_all or (limit is not None and self._find.skip + limit <= FEW):
            end = len(self.branches) if self.plan.merged else place + AT_A_TIME
            for branch in self.branches[self._started : end]:
                await branch.read_ahead()
            self._started = max(self._started, end)

    async def _read_ahead(self, branch: Branch | None = None) -> None:
        """Ask for the next page of a branch; without one, of that which is being read."""
        if self._driver.far and not (branch is None and self.plan.merged):
            await (branch or self.branches[self._place]).read_ahead()

    async def _found(self) -> AsyncGenerator[_Found, None]:
        """What the parts give, one after the other or merged."""
        if self.plan.merged:
            await self._begin(0)
            async with aclosing(merged(self.branches, self._read, sort_key(self._find.sort))) as found:
                async for part in found:
                    await self._breather.breathe()
                    yield part
            return
        if self.plan.grouped:
            async with aclosing(self._groups()) as groups:
                async for part in groups:
                    yield part
            return
        for place, branch in enumerate(self.branches):
            await self._begin(place)
            while (page := await self._read(branch)) is not None:
                yield branch.select(page)

    async def _groups(self) -> AsyncGenerator[_Found, None]:
        """What the only part gives, with what ties in the order of the ids."""
        order = sort_key(self._find.sort)
        branch = self.branches[0]
        tied: bytes | None = None
        group = self._sorter()
        while (page := await self._read(branch)) is not None:
            decoded = decode_all(page.documents)
            for place in branch.passing(page, decoded):
                key, id = order(decoded[place]), page.ids[place]
                # The key ends with that of the id.
                if key[: -len(id)] != tied and tied is not None:
                    async for part in self._given(group):
                        yield part
                    group = self._sorter()
                tied = key[: -len(id)]
                group.add(key, id, page.revisions[place], page.documents[place])
        async for part in self._given(group):
            yield part

    def _sorter(self) -> Sorter:
        find = self._find
        return Sorter(None if find.limit is None else find.skip + find.limit)

    async def _given(self, sorter: Sorter) -> AsyncGenerator[_Found, None]:
        async with aclosing(self._filled(sorter.sorted())) as chunks:
            async for chunk in chunks:
                yield chunk.revisions, chunk.documents

    def _filled(self, places: Iterator[Sortable]) -> AsyncGenerator[Chunk, None]:
        if self._filling is None:
            figures = self.branches[0].figures
            self._filling = Filling(self._driver, self._collection, self.plan.filter, self._find, figures, self._asked)
        return self._filling.chunks(places)

    async def _sorted(self) -> AsyncGenerator[Chunk, None]:
        """The answer sorted, after everything was read."""
        find = self._find
        if find.limit == 0:
            return
        sorter = self._sorter()
        order = sort_key(find.sort)
        for number, branch in enumerate(self.branches):
            await self._begin(number)
            while (page := await self._read(branch)) is not None:
                decoded = decode_all(page.documents)
                for place in branch.passing(page, decoded):
                    sorter.add(order(decoded[place]), page.ids[place], page.revisions[place], page.documents[place])
        found = sorter.sorted()
        skip = find.skip
        while skip > 0 and (skipped := len(list(islice(found, min(skip, FIRST_CHUNK))))):
            skip -= skipped
            await self._breather.breathe()
        async with aclosing(self._filled(found)) as chunks:
            async for chunk in chunks:
                yield chunk
