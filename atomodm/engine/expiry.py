"""Removes documents whose time is over.

That a document has expired is judged for each read, by `Catalogue.alive`, so that it is gone at its time. Removing it
is a matter of space, and of the values that it holds in unique indexes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from contextvars import Context
from datetime import datetime
from typing import Any

from ..breathing import Breather
from ..concurrency import Ahead
from ..contract.operations import Batch, Delete, Operation, Outcome
from ..encoding import decode_all
from ..errors import BatchTooLarge, StaleCatalogue, UnsupportedOperation
from ..query.evaluator import compile_filter
from ..query.keys import bracket, encode_key
from ..query.ranges import Range, successor, turned
from .driver import Driver, Page, Place
from .indexing.catalogue import Catalogue, Index, cutoff, expired
from .indexing.catalogues import Catalogues
from .writing.unmoved import write_unmoved

#: Seconds between two rounds unless the store's URL says otherwise, as on MongoDB's servers.
INTERVAL = 60.0
#: Documents that are removed in one batch.
BATCH = 500

_logger = logging.getLogger("atomodm.expiry")


class Expiry:
    """Removes expired documents of one store handle, now and then or when asked to.

    Any number of processes may do the same: each removal is guarded by the revision that was seen to have expired.

    Parameters
    ----------
    driver : Driver
    catalogues : Catalogues
    write : callable
        Applies a batch.
    interval : float
        Seconds between two rounds; 0 for none.
    url : str
        The store's address for messages.
    """

    def __init__(
        self,
        driver: Driver,
        catalogues: Catalogues,
        write: Callable[[Batch], Awaitable[Outcome]],
        interval: float,
        url: str,
    ) -> None:
        self._driver = driver
        self._catalogues = catalogues
        self._write = write
        self._interval = interval
        self._url = url
        self._watched: set[str] = set()
        self._running = False
        self._timer: asyncio.TimerHandle | None = None
        self._round: asyncio.Task[None] | None = None

    # -- rounds --------------------------------------------------------------------------------------------------------

    def watch(self, collection: str) -> None:
        """Have the documents of a collection removed from now on."""
        self._watched.add(collection)
        self._schedule()

    def start(self) -> None:
        """Begin the rounds, in the running loop."""
        self._running = True
        self._schedule()

    async def stop(self) -> None:
        """End the rounds; one that is under way is cancelled."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._round is not None:
            self._round.cancel()
            await asyncio.wait([self._round])

    def _schedule(self) -> None:
        if self._running and self._watched and self._interval and self._timer is None and self._round is None:
            # A timer, and not a task that sleeps: a loop may end while it waits. It keeps no session of who asked.
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._begin, context=Context())

    def _begin(self) -> None:
        self._timer = None
        self._round = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            for collection in sorted(self._watched):
                await self._reap_in_round(collection)
        finally:
            self._round = None
        self._schedule()

    async def _reap_in_round(self, collection: str) -> None:
        try:
            await self.reap([collection])
        except UnsupportedOperation:
            # Open for reading only: others do it.
            self._watched.discard(collection)
        except Exception as error:
            # Nobody waits for it, and the next round tries again.
            _logger.warning(
                "expired documents of collection %s in %s could not be removed: %s",
                collection,
                self._url,
                type(error).__name__,
            )

    # -- removing ------------------------------------------------------------------------------------------------------

    async def reap(self, collections: Iterable[str]) -> int:
        """Remove the expired documents of some collections; gives their number."""
        removed = 0
        for collection in collections:
            catalogue = await self._catalogues.reload(collection)
            if not catalogue.expires:
                self._watched.discard(collection)
            for index in catalogue.expiring:
                async with aclosing(self._expired(index, catalogue)) as batches:
                    async for operations in batches:
                        removed += await self.remove(operations)
        return removed

    async def remove(self, operations: Sequence[Operation]) -> int:
        """Apply removals but for those of documents that somebody wrote or removed meanwhile; gives their number."""
        try:
            revisions, _ = await write_unmoved(self._write, operations)
        except BatchTooLarge:
            # Documents may have so many index entries that only few go together.
            if len(operations) == 1:
                raise
            middle = len(operations) // 2
            return await self.remove(operations[:middle]) + await self.remove(operations[middle:])
        return len(revisions)

    async def _expired(self, index: Index, catalogue: Catalogue) -> AsyncGenerator[list[Operation], None]:
        """Removals of the documents that have expired by an index, a batch at a time, as long as it is there."""
        collection = catalogue.collection
        now = self._driver.now()
        has_expired = compile_filter(expired(index, now))
        ranges = _ranges(index, cutoff(index, now))
        breather = Breather()
        after: Place | None = None

        async def read() -> Page | None:
            nonlocal catalogue
            while True:
                try:
                    return await self._driver.scan(
                        collection, index.ref, ranges, limit=BATCH, after=after, version=catalogue.version
                    )
                except StaleCatalogue:
                    catalogue = await self._catalogues.reload(collection)
                    if catalogue.current(index) is None:
                        return None

        pages = Ahead(read)
        try:
            while (page := await pages.next()) is not None:
                if page.keys:
                    after = (page.keys[-1], page.ids[-1])
                # The next ones are read while these are removed.
                if page.more and self._driver.far:
                    await pages.begin()
                if operations := _removals(collection, page, has_expired):
                    yield operations
                if not page.more:
                    return
                await breather.breathe()
        finally:
            await pages.close()


def _removals(collection: str, page: Page, has_expired: Callable[[Mapping[str, Any]], bool]) -> list[Operation]:
    # Of an array a document has several entries, and one of its dates decides.
    found = {
        id: Delete(collection, document["_id"], revision, seen=(revision, data))
        for id, revision, data, document in zip(
            page.ids, page.revisions, page.documents, decode_all(page.documents), strict=True
        )
        if has_expired(document)
    }
    return list(found.values())


def _ranges(index: Index, last: datetime) -> tuple[Range, ...]:
    """Where an index has the dates up to `last`."""
    earliest, _ = bracket(last)
    ranges = ((earliest, successor(encode_key(last))),)
    return ranges if index.fields[0][1] == 1 else turned(ranges)
