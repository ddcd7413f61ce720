"""Checks a store: each document by itself and against its indexes, each index entry against its document."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from ..breathing import Breather
from ..concurrency import AT_A_TIME, Ahead, Behind, together
from ..contract.checking import CheckReport, Problem
from ..contract.indexes import Progress
from ..errors import StoreCorrupt, ValueNotStorable
from ..query.keys import encode_key
from ..query.ranges import EVERYTHING
from .driver import CollectionState, Driver, IndexRef, Page, Place, Row
from .indexing.catalogue import Catalogue, Index
from .indexing.catalogues import Catalogues
from .settling import Settler, Suspect, decoded_all, entries_of

#: Documents, or entries, that are looked at together.
STEP = 256
#: The same where a request mostly waits: looking at so many takes longer than reading the next ones.
FAR_STEP = 1000
#: Documents that are decoded without giving way to the event loop.
PART = 128
#: Entries that are looked at before it is known how large their documents are.
FIRST_STEP = 16
#: Entries of one document that are gone through one by one.
FEW = 8
#: How many times as many may be looked at next.
GROWTH = 4
#: Bytes of documents that are read at once for entries.
STEP_BYTES = 4 * 1024 * 1024
#: Problems that a report lists.
LISTED = 1000


class Checker:
    """One check of one store.

    Nothing is locked. Documents and entries are read page by page, each page in one atomic step but at different
    moments, so that what others write in between looks wrong; whatever looks wrong is therefore looked at again, and
    counts only when the document stood at one revision the whole time.

    Parameters
    ----------
    driver : Driver
    catalogues : Catalogues
    asked : callable
        Called before each request to the driver.
    repair : bool
    progress : Progress or None
    """

    def __init__(
        self,
        driver: Driver,
        catalogues: Catalogues,
        asked: Callable[[], None],
        repair: bool,
        progress: Progress | None,
    ) -> None:
        self._driver = driver
        self._catalogues = catalogues
        self._asked = asked
        self._repair = repair
        self._progress = progress
        self._breather = Breather()
        self._problems: list[Problem] = []
        self._unlisted = 0
        self._repaired = 0
        self._documents = 0
        self._entries = 0
        self._done = 0
        self._total = 0

    async def run(self) -> CheckReport:
        """Check everything."""
        self._asked()
        states: Sequence[CollectionState] = ()
        try:
            for finding in await self._driver.examine(repair=self._repair):
                self._found(Problem(message=finding.message, collection=finding.collection, repaired=finding.repaired))
        except StoreCorrupt as error:
            self._found(Problem(message=error.message))
        try:
            states = sorted(await self._driver.states(), key=lambda state: state.name)
        except StoreCorrupt as error:
            self._found(Problem(message=error.message))
        catalogues = [self._catalogue(state) for state in states]
        self._total = sum(
            state.documents * (1 + len(catalogue.indexes)) for state, catalogue in zip(states, catalogues, strict=True)
        )
        for catalogue in catalogues:
            try:
                await self._check_collection(catalogue)
            except StoreCorrupt as error:
                self._found(Problem(message=error.message, collection=catalogue.collection))
        # Sparse indexes have fewer entries than there are documents.
        await self._advance(max(0, self._total - self._done))
        return CheckReport(
            collections=len(states),
            documents=self._documents,
            entries=self._entries,
            problems=tuple(self._problems),
            unlisted=self._unlisted,
            repaired=self._repaired,
        )

    def _found(self, problem: Problem) -> None:
        self._repaired += problem.repaired
        if len(self._problems) < LISTED:
            self._problems.append(problem)
        else:
            self._unlisted += 1

    async def _advance(self, steps: int) -> None:
        self._done += steps
        if self._progress is not None:
            self._progress(self._done, max(self._done, self._total))
        await self._breather.breathe()

    def _catalogue(self, state: CollectionState) -> Catalogue:
        try:
            return Catalogue.of(state)
        except StoreCorrupt as error:
            self._found(Problem(message=error.message, collection=state.name))
            return Catalogue(state.name, state.version)

    async def _check_collection(self, catalogue: Catalogue) -> None:
        settler = Settler(self._driver, self._catalogues, catalogue.collection, self._asked, self._repair)
        # Entries come first: what they wrongly claim may be what a document lacks.
        for index in catalogue:
            await self._check_entries(catalogue.collection, index, settler)
        await self._check_documents(catalogue, settler)
        await self._check_strays(catalogue, settler)

    async def _settle(self, settler: Settler, suspects: Sequence[Suspect]) -> None:
        if suspects:
            for problem in await settler.settle(suspects):
                self._found(problem)

    @property
    def _step(self) -> int:
        return FAR_STEP if self._driver.far else STEP

    # -- documents -----------------------------------------------------------------------------------------------------

    async def _check_documents(self, catalogue: Catalogue, settler: Settler) -> None:
        behind = Behind()
        try:
            async with aclosing(self._pages(catalogue.collection)) as pages:
                async for page in pages:
                    suspects, expected = await self._expected(catalogue, page)
                    # Where that takes a while, the next documents are looked at meanwhile.
                    verifying = self._verify(catalogue, settler, suspects, expected)
                    if self._driver.far:
                        await behind.begin(verifying)
                    else:
                        await verifying
                    self._documents += len(page.keys)
                    await self._advance(len(page.keys))
                await behind.finish()
        finally:
            await behind.close()

    async def _pages(self, collection: str) -> AsyncGenerator[Page, None]:
        """All documents, page by page; of a far driver the next page is on its way while one is looked at."""
        after: Place | None = None

        async def read() -> Page:
            self._asked()
            return await self._driver.scan(collection, None, [EVERYTHING], limit=self._step, after=after)

        pages = Ahead(read)
        try:
            more = True
            while more:
                page = await pages.next()
                more = page.more
                if page.keys:
                    after = (page.keys[-1], page.ids[-1])
                if more and self._driver.far:
                    await pages.begin()
                yield page
        finally:
            await pages.close()

    async def _expected(self, catalogue: Catalogue, page: Page) -> tuple[list[Suspect], dict[int, list[Place]]]:
        """What of some documents looks wrong by itself, and by the number of each index their entries."""
        # One that is being built lacks what its build has not come to yet, and nobody reads it.
        indexes = [index for index in catalogue if index.complete]
        expected: dict[int, list[Place]] = {index.number: [] for index in indexes}
        suspects: list[Suspect] = []
        for start in range(0, len(page.ids), PART):
            part = page.part(start, start + PART)
            for id, document in zip(part.ids, decoded_all(part.documents), strict=True):
                if document is None:
                    self._wrong(catalogue, id, "the document cannot be decoded")
                    continue
                if key_of(document) != id:
                    self._wrong(catalogue, id, "the document's id is not the one under which it stands")
                for index in indexes:
                    entries = entries_of(index, document)
                    if entries is None:
                        message = "the document cannot be in the index: several arrays are in its way"
                        self._wrong(catalogue, id, message, index)
                        continue
                    keys, several = entries
                    if not several <= index.multikey:
                        suspects.append(Suspect(index.number, None, id))
                    places = expected[index.number]
                    for key in keys:
                        places.append((key, id))
            await self._breather.breathe()
        return suspects, expected

    def _wrong(self, catalogue: Catalogue, id: bytes, message: str, index: Index | None = None) -> None:
        name = None if index is None else index.spec.name
        self._found(Problem(message=message, collection=catalogue.collection, index=name, id_key=id))

    async def _verify(
        self,
        catalogue: Catalogue,
        settler: Settler,
        suspects: list[Suspect],
        expected: dict[int, list[Place]],
    ) -> None:
        """Look for the entries of some documents in all indexes, and settle what looks wrong."""
        wanted = [(index, places) for index in catalogue if (places := expected.get(index.number))]
        calls: list[Callable[[], Awaitable[list[Place]]]] = []
        for index, places in wanted:
            self._asked()
            calls.append(partial(self._driver.absent, catalogue.collection, index.ref, places))
        absent = await together(calls, at_a_time=AT_A_TIME if self._driver.far else 1)
        for (index, _), missing in zip(wanted, absent, strict=True):
            suspects += [Suspect(index.number, key, id) for key, id in missing]
        await self._settle(settler, suspects)

    # -- entries -------------------------------------------------------------------------------------------------------

    async def _check_entries(self, collection: str, index: Index, settler: Settler) -> None:
        async with aclosing(self._entry_pages(collection, index)) as pages:
            async for places, rows in pages:
                await self._settle(settler, await self._suspects_of_entries(index, places, rows))
                self._entries += len(places)
                await self._advance(len(places))

    async def _entry_pages(
        self, collection: str, index: Index
    ) -> AsyncGenerator[tuple[Sequence[Place], Sequence[Row]], None]:
        """All entries of an index, page by page, with the documents that they lead to.

        Of a far driver, while one page is looked at, the documents of the next and the entries of the one after that
        are on their way.
        """
        far = self._driver.far
        size, after = FIRST_STEP, None

        async def read_entries() -> list[Place]:
            nonlocal after
            self._asked()
            places = await self._driver.entries(collection, index.ref, [EVERYTHING], limit=size, after=after)
            after = places[-1] if places else after
            return places

        async def read() -> tuple[list[Place], list[Row]]:
            nonlocal size
            places = await entries.next()
            if not places:
                return [], []
            if far:
                await entries.begin()
            self._asked()
            rows = await self._driver.get(collection, list({id for _, id in places}))
            fitting = STEP_BYTES * len(places) // max(1, sum([len(row[2]) for row in rows]))
            size = max(1, min(self._step, GROWTH * len(places), fitting))
            return places, rows

        entries, pages = Ahead(read_entries), Ahead(read)
        try:
            while (page := await pages.next())[0]:
                if far:
                    await pages.begin()
                yield page
        finally:
            await pages.close()
            await entries.close()

    async def _suspects_of_entries(self, index: Index, places: Sequence[Place], rows: Sequence[Row]) -> list[Suspect]:
        keys: dict[bytes, Collection[bytes] | None] = {}
        for start in range(0, len(rows), PART):
            part = rows[start : start + PART]
            for row, document in zip(part, decoded_all([row[2] for row in part]), strict=True):
                entries = entries_of(index, document)
                # What a damaged document would have for entries nobody knows.
                keys[row[0]] = None if entries is None else entries[0] if len(entries[0]) <= FEW else set(entries[0])
            await self._breather.breathe()
        suspects: list[Suspect] = []
        for key, id in places:
            known = keys.get(id, ())
            if known is not None and key not in known:
                suspects.append(Suspect(index.number, key, id))
        return suspects

    # -- entries of no index -------------------------------------------------------------------------------------------

    async def _check_strays(self, catalogue: Catalogue, settler: Settler) -> None:
        """Look for entries of indexes that there are not."""
        name = catalogue.collection
        there = {index.ref for index in catalogue}
        numbers = range(1, catalogue.next_number)
        refs = [ref for number in numbers for ref in (IndexRef(number, False), IndexRef(number, True))]
        refs = [ref for ref in refs if ref not in there]
        for start in range(0, len(refs), AT_A_TIME):
            part = refs[start : start + AT_A_TIME]
            calls: list[Callable[[], Awaitable[list[Place]]]] = []
            for ref in part:
                self._asked()
                calls.append(partial(self._driver.entries, name, ref, [EVERYTHING], limit=1))
            found = await together(calls, at_a_time=AT_A_TIME if self._driver.far else 1)
            for ref, places in zip(part, found, strict=True):
                problem = await settler.settle_stray(ref) if places else None
                if problem is not None:
                    self._found(problem)


def key_of(document: dict[str, Any]) -> bytes | None:
    """The key of a document's id; None where it has none that can be one."""
    try:
        return encode_key(document["_id"])
    except (LookupError, ValueNotStorable):
        return None
