"""Builds indexes over the documents that are there, while others go on writing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from ...breathing import Breather
from ...concurrency import Ahead
from ...contract.indexes import IndexSpec, Progress
from ...contract.operations import Delete
from ...encoding import decode_all
from ...errors import BatchTooLarge, InvalidIndexKey, StaleCatalogue
from ...query.evaluator import compile_filter
from ...query.ranges import EVERYTHING, point
from ..driver import CollectionChanges, Commit, Driver, IndexRef, Page, Place, Refused, Row
from ..writing.refusal import duplicate_key
from .catalogue import Catalogue, Index
from .catalogues import Catalogues
from .clearing import IndexClearer
from .entries import NewlyMultikey, add_new_entries
from .index_specs import existing_index, is_id_index, normal_spec

#: Documents that are read together, and whose entries are written in one commit at most.
STEP = 1000
#: Documents whose entries are computed without giving way to the event loop.
PART = 128
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
    remove : callable
        Applies removals of documents, but for those that somebody wrote or removed meanwhile.
    """

    def __init__(
        self,
        driver: Driver,
        catalogues: Catalogues,
        collection: str,
        url: str,
        remove: Callable[[Sequence[Delete]], Awaitable[int]],
    ) -> None:
        self._driver = driver
        self._catalogues = catalogues
        self._collection = collection
        self._url = url
        self._remove_expired = remove
        #: Documents whose entries are written in the next commit.
        self._together = self._most = STEP

    async def ensure(self, specs: Sequence[IndexSpec], progress: Progress | None) -> None:
        """Create and build what is missing of `specs`, as `Store.ensure_indexes`."""
        # The index on ids always exists.
        wanted = [spec for spec in (normal_spec(spec, self._url) for spec in specs) if not is_id_index(spec)]
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
        if catalogue.cleared:
            catalogue = declared = await IndexClearer(self._driver, self._catalogues, self._collection).run(catalogue)
        for spec in wanted:
            present = [index.spec for index in declared]
            if existing_index(present, spec, self._collection, self._url) is None:
                declared = declared.with_new(spec)
        return catalogue if declared is catalogue else await self._catalogues.change(declared)

    async def _build(self, indexes: Sequence[Index], progress: Progress | None) -> None:
        state = await self._driver.state(self._collection)
        breather = Breather()
        after: Place | None = None
        done = 0
        more = True

        async def read() -> Page:
            return await self._driver.scan(self._collection, None, [EVERYTHING], limit=STEP, after=after)

        pages = Ahead(read)
        try:
            while more:
                page = await pages.next()
                more = page.more
                if page.keys:
                    after = (page.keys[-1], page.ids[-1])
                    # The next documents are read while the entries of these are written.
                    if more and self._driver.far:
                        await pages.begin()
                    await self._write_entries(page, indexes)
                done += len(page.keys)
                if progress is not None:
                    progress(done, max(done, state.documents))
                await breather.breathe()
        finally:
            await pages.close()
        await self._complete(indexes)

    async def _complete(self, indexes: Sequence[Index]) -> None:
        while True:
            catalogue = await self._catalogues.reload(self._collection)
            pending = self._pending(catalogue, indexes)
            if not pending:
                return
            for index in pending:
                catalogue = catalogue.with_index(replace(index, complete=True))
            # Somebody who changed another index meanwhile does not undo this build.
            with suppress(StaleCatalogue):
                await self._catalogues.change(catalogue)
                return

    def _pending(self, catalogue: Catalogue, indexes: Sequence[Index]) -> list[Index]:
        """Those of the indexes that are still to be built.

        Raises
        ------
        StaleCatalogue
            One of them was removed meanwhile.
        """
        current = [catalogue.current(index) for index in indexes]
        if None in current:
            raise StaleCatalogue("an index was removed while it was built")
        return [index for index in current if index is not None and not index.complete]

    async def _write_entries(self, page: Page, indexes: Sequence[Index]) -> None:
        """Add the entries of documents, of those at least that nobody has written since they were read."""
        rows = list(zip(page.ids, page.revisions, page.documents, strict=True))
        catalogue = await self._catalogues.get(self._collection)
        while rows:
            part = rows[: self._together]
            try:
                changes, multikey = await self._prepare(part, catalogue, self._pending(catalogue, indexes))
            except InvalidIndexKey:
                unchanged = await self._unchanged(part)
                if len(unchanged) == len(part):
                    await self._remove(indexes)
                    raise
                rows = unchanged + rows[len(part) :]
                continue
            try:
                if multikey:
                    for index in self._pending(catalogue, indexes):
                        catalogue = catalogue.with_index(index.with_multikey(multikey.get(index.number, ())))
                    catalogue = await self._catalogues.change(catalogue)
                    continue
                await self._driver.apply(Commit({self._collection: changes}))
            except StaleCatalogue:
                catalogue = await self._catalogues.reload(self._collection)
            except BatchTooLarge:
                if len(part) == 1:
                    raise
                # Each of these documents has many entries, and so may the next ones.
                self._together = self._most = len(part) // 2
            except Refused as refused:
                if refused.taken:
                    gone = await self._make_room(catalogue, changes, refused)
                    if not gone:
                        await self._give_up(indexes, refused.taken[0][1])
                    rows = [row for row in rows if row[0] not in gone]
                    continue
                # Who wrote a document meanwhile has written all of its entries. Where many write, few documents
                # together are more likely to be all as they were read.
                changed = {id for _, id in refused.mismatched}
                rows = [row for row in rows if row[0] not in changed]
                self._together = max(1, len(part) // 2)
            else:
                rows = rows[len(part) :]
                self._together = min(2 * self._together, self._most)

    async def _unchanged(self, rows: Sequence[Row]) -> list[Row]:
        """Those of the documents that nobody has written since they were read."""
        current = await self._driver.get(self._collection, [id for id, _, _ in rows])
        revisions = {id: revision for id, revision, _ in current}
        return [row for row in rows if revisions.get(row[0]) == row[1]]

    async def _prepare(
        self, rows: Sequence[Row], catalogue: Catalogue, pending: Sequence[Index]
    ) -> tuple[CollectionChanges, NewlyMultikey]:
        """The entries of documents in indexes, and in which of these documents have several keys."""
        breather = Breather()
        changes = CollectionChanges(catalogue.version, guards=[(id, revision) for id, revision, _ in rows])
        multikey: NewlyMultikey = {}
        for start in range(0, len(rows), PART):
            part = rows[start : start + PART]
            documents = decode_all([document for _, _, document in part])
            newly = add_new_entries(changes, pending, [id for id, _, _ in part], documents)
            for number, positions in newly.items():
                multikey[number] = multikey.get(number, positions) | positions
            await breather.breathe()
        # Neighbours are written one after the other, which spares a store on a disk the way between them.
        changes.added.sort()
        changes.claimed.sort()
        return changes, multikey

    async def _make_room(self, catalogue: Catalogue, changes: CollectionChanges, refused: Refused) -> set[bytes]:
        """Remove the documents that have expired of those that want one unique value; gives the ids of these.

        They do not keep the value. Those in nobody's way are left to the rounds, so that nobody waits for that here.
        """
        if not catalogue.expires:
            return set()
        taken = {(number, id) for _, number, id in refused.taken}
        wanted = {(number, key) for number, key, id in changes.claimed if (number, id) in taken}
        ids = {id for number, key, id in changes.claimed if (number, key) in wanted}
        for number in {number for number, _ in wanted}:
            ranges = sorted(point(key) for other, key in wanted if other == number)
            ref = IndexRef(number, True)
            ids.update(id for _, id in await self._driver.entries(self._collection, ref, ranges, limit=len(ranges)))
        is_alive = compile_filter(catalogue.alive(self._driver.now()))
        rows = await self._driver.get(self._collection, list(ids))
        expired = {
            id: Delete(self._collection, document["_id"], revision, seen=(revision, data))
            for (id, revision, data), document in zip(rows, decode_all([row[2] for row in rows]), strict=True)
            if not is_alive(document)
        }
        removals = list(expired.values())
        for start in range(0, len(removals), PART):
            await self._remove_expired(removals[start : start + PART])
        return set(expired)

    async def _give_up(self, indexes: Sequence[Index], number: int) -> None:
        """Remove the indexes that are being built, because a unique one of them finds equal values."""
        violated = next((index for index in await self._remove(indexes) if index.number == number), None)
        if violated is None:
            raise StaleCatalogue("an index was completed by somebody else while it was built")
        raise duplicate_key(self._collection, violated, 0, self._url)

    async def _remove(self, indexes: Sequence[Index]) -> list[Index]:
        """Remove those of the indexes that are still being built."""
        catalogue = await self._catalogues.reload(self._collection)
        pending = self._pending(catalogue, indexes)
        for index in pending:
            catalogue = catalogue.without(index.number)
        catalogue = await self._catalogues.change(catalogue)
        await IndexClearer(self._driver, self._catalogues, self._collection).run(catalogue)
        return pending
