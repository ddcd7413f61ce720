"""Checks a store: each document by itself and against its indexes, each index entry against its document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..breathing import Breather
from ..contract.checking import CheckReport, Problem
from ..contract.indexes import Progress
from ..errors import StoreCorrupt, ValueNotStorable
from ..query.keys import encode_key
from ..query.ranges import EVERYTHING
from .driver import CollectionState, Driver, IndexRef, Page, Place, Row
from .indexing.catalogue import Catalogue, Index
from .indexing.catalogues import Catalogues
from .settling import Settler, Suspect, decoded, entries_of

#: Documents, or entries, that are looked at together.
STEP = 256
#: Entries that are looked at before it is known how large their documents are.
FIRST_STEP = 16
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
        for number in range(1, catalogue.next_number):
            index_there = catalogue.numbered(number)
            for ref in (IndexRef(number, False), IndexRef(number, True)):
                if index_there is None or index_there.ref != ref:
                    await self._check_stray(catalogue.collection, ref)

    # -- documents -----------------------------------------------------------------------------------------------------

    async def _check_documents(self, catalogue: Catalogue, settler: Settler) -> None:
        after: Place | None = None
        more = True
        while more:
            self._asked()
            page = await self._driver.scan(catalogue.collection, None, [EVERYTHING], limit=STEP, after=after)
            more = page.more
            if page.keys:
                after = (page.keys[-1], page.ids[-1])
                await self._settle(settler, await self._suspects_of_documents(catalogue, page))
            self._documents += len(page.keys)
            await self._advance(len(page.keys))

    async def _suspects_of_documents(self, catalogue: Catalogue, page: Page) -> list[Suspect]:
        name = catalogue.collection
        expected: dict[int, list[Place]] = {index.number: [] for index in catalogue}
        suspects: list[Suspect] = []
        for id, data in zip(page.ids, page.documents, strict=True):
            document = decoded(data)
            if document is None:
                self._found(Problem(message="the document cannot be decoded", collection=name, id_key=id))
                continue
            if key_of(document) != id:
                message = "the document's id is not the one under which it stands"
                self._found(Problem(message=message, collection=name, id_key=id))
            for index in catalogue:
                # One that is being built lacks what its build has not come to yet, and nobody reads it.
                if not index.complete:
                    continue
                entries = entries_of(index, document)
                if entries is None:
                    message = "the document cannot be in the index: several arrays are in its way"
                    self._found(Problem(message=message, collection=name, index=index.spec.name, id_key=id))
                    continue
                keys, several = entries
                if not several <= index.multikey:
                    suspects.append(Suspect(index.number, None, id))
                expected[index.number] += [(key, id) for key in keys]
            await self._breather.breathe()
        for index in catalogue:
            if places := expected[index.number]:
                self._asked()
                absent = await self._driver.absent(name, index.ref, places)
                suspects += [Suspect(index.number, key, id) for key, id in absent]
        return suspects

    async def _settle(self, settler: Settler, suspects: Sequence[Suspect]) -> None:
        if suspects:
            for problem in await settler.settle(suspects):
                self._found(problem)

    # -- entries -------------------------------------------------------------------------------------------------------

    async def _check_entries(self, collection: str, index: Index, settler: Settler) -> None:
        after: Place | None = None
        size = FIRST_STEP
        while True:
            self._asked()
            places = await self._driver.entries(collection, index.ref, [EVERYTHING], limit=size, after=after)
            if not places:
                return
            after = places[-1]
            self._asked()
            rows = await self._driver.get(collection, list({id for _, id in places}))
            await self._settle(settler, await self._suspects_of_entries(index, places, rows))
            self._entries += len(places)
            await self._advance(len(places))
            read = sum([len(row[2]) for row in rows])
            size = max(1, min(STEP, STEP_BYTES * len(places) // max(1, read)))

    async def _suspects_of_entries(self, index: Index, places: Sequence[Place], rows: Sequence[Row]) -> list[Suspect]:
        keys: dict[bytes, set[bytes] | None] = {}
        for id, _, data in rows:
            entries = entries_of(index, decoded(data))
            # What a damaged document would have for entries nobody knows.
            keys[id] = None if entries is None else set(entries[0])
            await self._breather.breathe()
        suspects: list[Suspect] = []
        for key, id in places:
            known = keys.get(id, set())
            if known is not None and key not in known:
                suspects.append(Suspect(index.number, key, id))
        return suspects

    async def _check_stray(self, collection: str, ref: IndexRef) -> None:
        """Look for entries of an index that there is not."""
        self._asked()
        if not await self._driver.entries(collection, ref, [EVERYTHING], limit=1):
            return
        settler = Settler(self._driver, self._catalogues, collection, self._asked, self._repair)
        problem = await settler.settle_stray(ref)
        if problem is not None:
            self._found(problem)


def key_of(document: dict[str, Any]) -> bytes | None:
    """The key of a document's id; None where it has none that can be one."""
    try:
        return encode_key(document["_id"])
    except (LookupError, ValueNotStorable):
        return None
