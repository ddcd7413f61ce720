"""A store on the document engine: everything that `Store` promises, over any driver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from ..contract.capabilities import Capabilities
from ..contract.checking import CheckReport
from ..contract.finding import Chunk, Explanation, Find
from ..contract.indexes import IndexSpec, Progress
from ..contract.log import ChangePage, Position
from ..contract.operations import Batch, Outcome
from ..contract.store import Store
from ..contract.updates import Besides, Held, UpdateOutcome
from ..encoding import decode_all
from ..errors import BatchTooLarge, InvalidQuery, StaleCatalogue
from ..query.evaluator import compile_filter
from ..query.keys import encode_key
from ..query.nodes import ALL, Node
from ..query.updates import UpdateOperators
from ..query.updates.places import EPOCH
from .checking import Checker
from .collection import EngineCollection
from .collection.changes import UpdateByOperators
from .collection.held import HeldDocuments
from .collection.many import change_many
from .collection.selection import Selection
from .collection.writer import DocumentWriter
from .driver import Driver
from .expiry import INTERVAL, Expiry
from .finding.finder import Finder
from .indexing.building import IndexBuilder
from .indexing.catalogues import Catalogues
from .indexing.clearing import IndexClearer
from .names import check_name
from .namespaces import Namespaces
from .record import change_entries
from .writing.writer import Writer

#: Log positions that are kept unless the store's URL says otherwise.
LOG_SIZE = 100_000


class EngineStore(Store):
    """A store on the document engine.

    Parameters
    ----------
    url : str
        The store's address without credentials.
    driver : Driver
    capabilities : Capabilities
    log_size : int
        Positions of the change log that are kept at least; older commits are trimmed.
    expire_interval : float
        Seconds between two times that expired documents are removed, as far as this handle knows of collections in
        which documents expire; 0 for never. They are not given out in any case.
    """

    def __init__(
        self,
        url: str,
        driver: Driver,
        capabilities: Capabilities,
        *,
        log_size: int = LOG_SIZE,
        expire_interval: float = INTERVAL,
    ) -> None:
        if not log_size >= 1:
            raise ValueError("log_size is 1 or more")
        if not expire_interval >= 0:
            raise ValueError("expire_interval is 0 or more")
        super().__init__(url)
        self.capabilities = capabilities
        self._opening = asyncio.Lock()
        self._driver = driver
        self._catalogues = Catalogues(driver, log_size)
        self._finder = Finder(driver, self._catalogues, self._asked)
        self._namespaces = Namespaces(driver, self._catalogues, log_size, url, capabilities.atomic)
        self._writer = Writer(driver, self._catalogues, log_size, url)
        self._expiry = Expiry(driver, self._catalogues, self._writer.write, expire_interval, url)
        self._catalogues.when_expiring = self._expires
        self._catalogues.when_dropped = self._no_longer_prepared

    async def _open(self) -> None:
        async with self._opening:
            if not self.is_open:
                await self._driver.open()
                self._expiry.start()

    async def _close(self) -> None:
        # The next loop that opens the store needs a lock of its own.
        self._opening = asyncio.Lock()
        try:
            await self._expiry.stop()
        finally:
            await self._driver.close()

    def _asked(self) -> None:
        self.check_usable()
        self.requests += 1

    async def _ready(self, collection: str) -> None:
        await self.ready()
        check_name(collection)

    def collection(self, name: str) -> EngineCollection:
        """A collection with PyMongo's API, as `Store.collection`."""
        return EngineCollection(self, name, self._writer.queue)

    def now(self) -> int:
        """The driver's time in milliseconds, as `Store.now`."""
        return self._driver.now()

    # -- reading -------------------------------------------------------------------------------------------------------

    async def get(self, collection: str, ids: Sequence[Any]) -> Chunk:
        """Read documents by id, as `Store.get`."""
        await self._ready(collection)
        self._asked()
        keys = [encode_key(id) for id in ids]
        while True:
            catalogue = await self._catalogues.get(collection)
            try:
                rows = await self._driver.get(collection, keys, version=catalogue.version)
            except StaleCatalogue:
                self._catalogues.forget([collection])
            else:
                break
        if catalogue.expires and rows:
            is_alive = compile_filter(catalogue.alive(self._driver.now()))
            documents = decode_all([row[2] for row in rows])
            rows = [row for row, document in zip(rows, documents, strict=True) if is_alive(document)]
        return Chunk([row[1] for row in rows], [row[2] for row in rows])

    async def find(self, collection: str, find: Find) -> AsyncGenerator[Chunk, None]:
        """Answer `find` chunk by chunk, as `Store.find`."""
        await self._ready(collection)
        async with aclosing(self._finder.find(collection, find)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def count(
        self, collection: str, filter: Node = ALL, *, limit: int | None = None, hint: str | None = None
    ) -> int:
        """Count the documents that match, as `Store.count`."""
        await self._ready(collection)
        return await self._finder.count(collection, filter, limit, hint)

    async def explain(self, collection: str, find: Find) -> Explanation:
        """Run `find` and say how it was answered, as `Store.explain`."""
        await self._ready(collection)
        return await self._finder.explain(collection, find)

    # -- writing -------------------------------------------------------------------------------------------------------

    async def write(self, batch: Batch) -> Outcome:
        """Apply a batch, as `Store.write`."""
        await self.ready()
        for name in {operation.collection for operation in batch.operations}:
            check_name(name)
        self.check_atomic(batch)
        self._check_size(batch)
        self.requests += 1
        return await self._writer.write(batch)

    def _check_size(self, batch: Batch) -> None:
        limit = self.capabilities.max_batch
        if limit is not None and len(batch.operations) > limit:
            raise BatchTooLarge(f"{len(batch.operations)} operations; at most {limit} go together", store=self.url)
        limit = self.capabilities.max_batch_bytes
        if limit is not None:
            size = sum([len(getattr(operation, "document", b"")) for operation in batch.operations])
            if size > limit:
                raise BatchTooLarge(f"{size:,} bytes of documents; at most {limit:,} go together", store=self.url)

    async def update(
        self,
        collection: str,
        filter: Node,
        update: UpdateOperators,
        *,
        held: Held | None = None,
        besides: Besides | None = None,
    ) -> UpdateOutcome:
        """Apply update operators to all documents that match, as `Store.update`."""
        await self._ready(collection)
        known: HeldDocuments | None = None
        if held is not None:
            catalogue = await self._catalogues.get(collection)
            known = HeldDocuments(held, compile_filter(catalogue.alive(self.now())))
        change = UpdateByOperators(filter, update, now=EPOCH + timedelta(milliseconds=self.now()), besides=besides)
        writer = DocumentWriter(self, collection, self._writer.queue)
        totals = await change_many(writer, Selection.of(filter), change.changed, known)
        return UpdateOutcome(totals.matched, totals.modified, () if known is None else known.updated)

    async def ensure_indexes(
        self, collection: str, indexes: Sequence[IndexSpec], progress: Progress | None = None
    ) -> None:
        """Create and build the indexes that are missing, as `Store.ensure_indexes`."""
        await self._ready(collection)
        self._asked()
        builder = IndexBuilder(self._driver, self._catalogues, collection, self.url, self._expiry.remove)
        await builder.ensure(indexes, progress)

    async def list_indexes(self, collection: str) -> list[IndexSpec]:
        """The complete indexes of a collection, as `Store.list_indexes`."""
        await self._ready(collection)
        self._asked()
        return [index.spec for index in await self._catalogues.reload(collection) if index.complete]

    async def drop_indexes(self, collection: str, names: Sequence[str] | None = None) -> None:
        """Remove indexes, as `Store.drop_indexes`."""
        await self._ready(collection)
        self._asked()
        await IndexClearer(self._driver, self._catalogues, collection).drop(names, self.url)

    # -- the store as a whole ------------------------------------------------------------------------------------------

    async def drop(self, collection: str) -> int:
        """Remove a collection with its indexes, as `Store.drop`."""
        await self._ready(collection)
        self._asked()
        removed = await self._namespaces.drop([collection])
        self._no_longer_prepared(collection)
        return removed

    async def rename(self, collection: str, new_name: str, *, drop_target: bool = False) -> None:
        """Give a collection another name, as `Store.rename`."""
        await self._ready(collection)
        check_name(new_name)
        if not self.capabilities.rename:
            raise self._has_no("rename")
        self._asked()
        await self._namespaces.rename(collection, new_name, drop_target=drop_target)
        self._no_longer_prepared(collection)
        self._no_longer_prepared(new_name)

    def _expires(self, collection: str) -> None:
        self._expiry.watch(collection)
        # They were kept before anybody knew, and may have expired.
        self._writer.queue.latest.forget_collection(collection)

    def _no_longer_prepared(self, collection: str) -> None:
        self.prepared.pop(collection, None)

    async def drop_database(self) -> None:
        """Remove all collections, as `Store.drop_database`."""
        await self.ready()
        self._asked()
        await self._namespaces.drop(None)
        self.prepared.clear()

    async def list_collection_names(self) -> list[str]:
        """Names of the collections that have documents or indexes, sorted."""
        await self.ready()
        self._asked()
        return await self._namespaces.names()

    async def check(self, *, repair: bool = False, progress: Progress | None = None) -> CheckReport:
        """Compare all documents with the indexes, as `Store.check`."""
        await self.ready()
        return await Checker(self._driver, self._catalogues, self._asked, repair, progress).run()

    async def position(self) -> Position:
        """The change log's current position."""
        await self.ready()
        self._asked()
        return await self._driver.position()

    async def changes(self, since: Position, limit: int = 1000) -> ChangePage:
        """What the change log has after a position, as `Store.changes`."""
        await self.ready()
        if limit < 1:
            raise InvalidQuery("a page of the change log has one entry or more", store=self.url)
        self._asked()
        page = await self._driver.log(since, limit)
        return ChangePage([entry for commit in page.commits for entry in change_entries(commit)], page.position)
