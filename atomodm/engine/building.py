"""Builds indexes over the documents that are there, while others go on writing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from ..breathing import Breather
from ..contract.store import IndexSpec, Progress
from ..encoding import decode_all
from ..errors import IndexConflict, StaleCatalogue, UnsupportedOperation
from .catalogue import Catalogue, Index
from .catalogues import Catalogues
from .driver import CollectionChanges, Commit, Driver, Page, Place, Refused
from .entries import add_entries, document_keys
from .plan import EVERYTHING
from .refusal import duplicate_key

#: Documents whose entries are written in one commit.
STEP = 500
#: How often a changed catalogue may make a build begin anew.
ATTEMPTS = 100


class IndexBuilder:
    """Creates and builds the indexes of one collection.

    An index is first declared in the catalogue, so that from then on every writer writes its entries; then the entries
    of the documents that were there are added, each only if the document is still at the revision that was read;
    at last the index is declared complete and may be read. Any number of processes may build the same index at once,
    and one that a process left half built is built by the next one that asks for it.

    Parameters
    ----------
    driver : Driver
    catalogues : Catalogues
    collection : str
    url : str
        The store's address for messages.
    """

    def __init__(self, driver: Driver, catalogues: Catalogues, collection: str, url: str) -> None:
        self._driver = driver
        self._catalogues = catalogues
        self._collection = collection
        self._url = url

    async def ensure(self, specs: Sequence[IndexSpec], progress: Progress | None) -> None:
        """Create and build what is missing of `specs`, as `Store.ensure_indexes`."""
        wanted = [_normal(spec, self._url) for spec in specs]
        # The index on ids always exists.
        wanted = [spec for spec in wanted if spec.fields[0][0] != "_id"]
        for attempt in range(ATTEMPTS):
            try:
                catalogue = await self._declare(wanted)
                names = {spec.name for spec in wanted}
                pending = [index for index in catalogue if not index.complete and index.spec.name in names]
                if pending:
                    await self._build(pending, progress)
            except StaleCatalogue:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                return

    async def _declare(self, wanted: Sequence[IndexSpec]) -> Catalogue:
        catalogue = declared = await self._catalogues.reload(self._collection)
        for spec in wanted:
            if not self._exists(declared, spec):
                declared = declared.with_new(spec)
        return catalogue if declared is catalogue else await self._catalogues.change(declared)

    def _exists(self, catalogue: Catalogue, spec: IndexSpec) -> bool:
        for index in catalogue:
            if index.spec == spec:
                return True
            if index.spec.name == spec.name or index.spec.fields == spec.fields:
                message = f"index {spec.name} of collection {self._collection} exists as {index.spec.name}, otherwise"
                raise IndexConflict(message, store=self._url)
        return False

    async def _build(self, pending: Sequence[Index], progress: Progress | None) -> None:
        numbers = [index.number for index in pending]
        state = await self._driver.state(self._collection)
        breather = Breather()
        after: Place | None = None
        done = 0
        more = True
        while more:
            page = await self._driver.scan(self._collection, None, [EVERYTHING], limit=STEP, after=after)
            more = page.more
            if page.keys:
                after = (page.keys[-1], page.ids[-1])
                await self._write_entries(page, numbers)
            done += len(page.keys)
            if progress is not None:
                progress(done, max(done, state.documents))
            await breather.breathe()
        await self._complete(numbers)

    async def _complete(self, numbers: Sequence[int]) -> None:
        while True:
            catalogue = await self._catalogues.reload(self._collection)
            pending = self._pending(catalogue, numbers)
            if not pending:
                return
            for index in pending:
                catalogue = catalogue.with_index(replace(index, complete=True))
            # Somebody who changed another index meanwhile does not undo this build.
            with suppress(StaleCatalogue):
                await self._catalogues.change(catalogue)
                return

    def _pending(self, catalogue: Catalogue, numbers: Sequence[int]) -> list[Index]:
        """Those of the indexes that are still to be built.

        Raises
        ------
        StaleCatalogue
            One of them was removed meanwhile.
        """
        indexes = [catalogue.numbered(number) for number in numbers]
        if None in indexes:
            raise StaleCatalogue("an index was removed while it was built")
        return [index for index in indexes if index is not None and not index.complete]

    async def _write_entries(self, page: Page, numbers: Sequence[int]) -> None:
        """Add the entries of documents, of those at least that nobody has written since they were read."""
        documents = dict(zip(page.ids, zip(page.revisions, decode_all(page.documents), strict=True), strict=True))
        catalogue = await self._catalogues.get(self._collection)
        while documents:
            pending = self._pending(catalogue, numbers)
            changes = CollectionChanges(catalogue.version)
            multikey: list[Index] = []
            for id, (revision, document) in documents.items():
                changes.guards.append((id, revision))
                multikey += add_entries(changes, pending, id, {}, document_keys(pending, document))
            try:
                if multikey:
                    for index in multikey:
                        catalogue = catalogue.with_index(replace(index, multikey=True))
                    catalogue = await self._catalogues.change(catalogue)
                    continue
                await self._driver.apply(Commit({self._collection: changes}))
            except StaleCatalogue:
                catalogue = await self._catalogues.reload(self._collection)
            except Refused as refused:
                # Who wrote a document meanwhile has written all of its entries.
                for _, id in refused.mismatched:
                    del documents[id]
                if refused.taken:
                    await self._give_up(numbers, refused.taken[0][1])
            else:
                return

    async def _give_up(self, numbers: Sequence[int], number: int) -> None:
        """Remove the indexes that are being built, because a unique one of them finds equal values."""
        catalogue = await self._catalogues.reload(self._collection)
        pending = self._pending(catalogue, numbers)
        violated = next((index for index in pending if index.number == number), None)
        if violated is None:
            raise StaleCatalogue("an index was completed by somebody else while it was built")
        for index in pending:
            catalogue = catalogue.without(index.number)
        await self._catalogues.change(catalogue, cleared=[index.ref for index in pending])
        raise duplicate_key(self._collection, violated, 0, self._url)


def _normal(spec: IndexSpec, url: str) -> IndexSpec:
    fields = tuple((path, direction) for path, direction in spec.fields)
    if len(fields) != 1:
        raise UnsupportedOperation(f"index {spec.name}: only indexes over one path are supported", store=url)
    if fields[0][1] not in (1, -1):
        raise ValueError(f"index {spec.name}: a direction is 1 or -1")
    return replace(spec, fields=fields)
