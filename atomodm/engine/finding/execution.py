"""Runs a plan: reads its parts, sorts or merges them, and gives the answer in chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from itertools import islice

from ...breathing import Breather
from ...contract.store import Chunk, Find
from ...encoding import decode, decode_all
from ...query.evaluator import compile_filter
from ...query.sorting import sort_key
from ..driver import Driver, Page
from ..indexing.catalogues import Catalogues
from ..planning.plan import Plan
from .branch import Branch
from .merging import merged
from .reading import Figures, Reader
from .sorting import Sortable, Sorter

#: A page of documents of which some may be left out is so many times as large as what is wanted.
SPARE = 4

#: Revisions and documents.
_Found = tuple[Sequence[int], Sequence[bytes]]


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
        decodes = plan.merged or plan.grouped or not plan.sorted
        self.branches: list[Branch] = []
        for part in plan.parts:
            size = self._first_size(part.is_decided)
            reader = Reader(driver, catalogues, collection, part.access, plan.version, size, asked)
            self.branches.append(Branch(part, reader, self._breather, decodes=decodes))

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

    def _first_size(self, decided: bool) -> int:
        find, plan = self._find, self.plan
        if find.limit is None or not plan.sorted:
            return find.batch_size
        wanted = find.skip + find.limit
        if plan.merged:
            wanted = wanted // len(plan.parts) + 1
        return max(1, min(wanted if decided else SPARE * wanted, find.batch_size))

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
            async with aclosing(self._sorted_chunks()) as sorted_chunks:
                async for chunk in sorted_chunks:
                    yield chunk
            return
        size = self._find.batch_size
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
                while len(documents) - start >= size:
                    yield Chunk(revisions[start : start + size], documents[start : start + size])
                    start += size
                del revisions[:start], documents[:start]
                if left == 0:
                    break
        if documents:
            yield Chunk(revisions, documents)

    async def count(self, limit: int | None = None) -> int:
        """Count the documents that match, whatever part of them is asked for; counting stops at `limit`."""
        number = 0
        for branch in self.branches:
            while (limit is None or number < limit) and (page := await self._read(branch)) is not None:
                number += len(branch.select(page)[1])
        return number if limit is None else min(number, limit)

    async def _read(self, branch: Branch) -> Page | None:
        if not branch.reader.begun:
            branch.reader.begun = self.begun
        return await branch.read()

    async def _found(self) -> AsyncGenerator[_Found, None]:
        """What the parts give, one after the other or merged."""
        if self.plan.merged:
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
        for branch in self.branches:
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
        found = sorter.sorted()
        while part := list(islice(found, self._find.batch_size)):
            chunk = await self._fill(part)
            yield chunk.revisions, chunk.documents
            await self._breather.breathe()

    async def _sorted_chunks(self) -> AsyncGenerator[Chunk, None]:
        find = self._find
        sorter = self._sorter()
        order = sort_key(find.sort)
        for branch in self.branches:
            while (page := await self._read(branch)) is not None:
                decoded = decode_all(page.documents)
                for place in branch.passing(page, decoded):
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
        self.branches[0].figures.fetched += len(rows)
        matches = compile_filter(self.plan.filter)
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
