"""A store on the document engine: everything that `Store` promises, over any driver."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from ..contract.log import ChangeEntry
from ..contract.operations import Batch, Outcome
from ..contract.store import Capabilities, Chunk, Explanation, Find, IndexSpec, Progress, Store
from ..errors import BatchTooLarge, InvalidQuery, StaleCatalogue
from ..query.keys import encode_key
from ..query.nodes import ALL, All, Node, describe
from .building import IndexBuilder
from .catalogue import Catalogue
from .catalogues import Catalogues
from .collection import EngineCollection
from .driver import CollectionChanges, Commit, Driver, LogEntry
from .execution import Execution
from .names import check_name
from .plan import Plan, Scan
from .planner import Planner
from .record import Effect, change_entries, encode_record
from .writing import Writer

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
    """

    def __init__(self, url: str, driver: Driver, capabilities: Capabilities, *, log_size: int = LOG_SIZE) -> None:
        super().__init__(url)
        self.capabilities = capabilities
        self._opening = asyncio.Lock()
        self._driver = driver
        self._log_size = log_size
        self._catalogues = Catalogues(driver, log_size)
        self._writer = Writer(driver, self._catalogues, log_size, url)

    async def _open(self) -> None:
        async with self._opening:
            if not self.is_open:
                await self._driver.open()

    async def _close(self) -> None:
        # The next loop that opens the store needs a lock of its own.
        self._opening = asyncio.Lock()
        await self._driver.close()

    def _asked(self) -> None:
        self.check_usable()
        self.requests += 1

    async def _ready(self, collection: str) -> None:
        await self.ready()
        check_name(collection)

    def collection(self, name: str) -> EngineCollection:
        """A collection with PyMongo's API, as `Store.collection`."""
        return EngineCollection(self, name)

    # -- reading -------------------------------------------------------------------------------------------------------

    async def get(self, collection: str, ids: Sequence[Any]) -> Chunk:
        """Read documents by id, as `Store.get`."""
        await self._ready(collection)
        self._asked()
        rows = await self._driver.get(collection, [encode_key(id) for id in ids])
        return Chunk([row[1] for row in rows], [row[2] for row in rows])

    async def find(self, collection: str, find: Find) -> AsyncGenerator[Chunk, None]:
        """Answer `find` chunk by chunk, as `Store.find`."""
        await self._ready(collection)
        while True:
            execution: Execution | None = None
            try:
                execution = await self._execution(collection, find)
                async with aclosing(execution.chunks()) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except StaleCatalogue:
                self._catalogues.forget([collection])
                if execution is not None and execution.figures.scanned:
                    raise
            else:
                return

    async def _execution(self, collection: str, find: Find) -> Execution:
        return Execution(
            self._driver, self._catalogues, collection, find, await self._plan(collection, find), self._asked
        )

    async def _plan(self, collection: str, find: Find) -> Plan:
        _check_find(find)
        return await Planner(self._driver, await self._catalogues.get(collection)).plan(find)

    async def count(self, collection: str, filter: Node = ALL) -> int:
        """Count the documents that match, as `Store.count`."""
        await self._ready(collection)
        find = Find(filter=filter)
        while True:
            try:
                execution = await self._execution(collection, find)
                access = execution.plan.access
                if not execution.is_covered or not isinstance(access, Scan):
                    return await execution.count()
                self._asked()
                return await self._driver.count(
                    collection,
                    None if access.index is None else access.index.ref,
                    access.ranges,
                    version=execution.plan.version,
                )
            except StaleCatalogue:
                self._catalogues.forget([collection])

    async def explain(self, collection: str, find: Find) -> Explanation:
        """Run `find` and say how it was answered, as `Store.explain`."""
        await self._ready(collection)
        while True:
            try:
                execution = await self._execution(collection, find)
                returned = sum([len(chunk.documents) async for chunk in execution.chunks()])
            except StaleCatalogue:
                self._catalogues.forget([collection])
            else:
                break
        plan = execution.plan
        return Explanation(
            collection=collection,
            index=plan.access.name,
            bounds=" and ".join(map(describe, plan.used)) or "everything",
            sorted_by_index=bool(find.sort) and plan.sorted,
            scanned=execution.figures.scanned,
            fetched=execution.figures.fetched,
            returned=returned,
            residual=None if isinstance(plan.residual, All) else describe(plan.residual),
        )

    # -- writing -------------------------------------------------------------------------------------------------------

    async def write(self, batch: Batch) -> Outcome:
        """Apply a batch, as `Store.write`."""
        await self.ready()
        for name in {operation.collection for operation in batch.operations}:
            check_name(name)
        self._check_size(batch)
        self._asked()
        return await self._writer.write(batch)

    def _check_size(self, batch: Batch) -> None:
        limit = self.capabilities.max_batch
        if limit is not None and len(batch.operations) > limit:
            raise BatchTooLarge(f"{len(batch.operations)} operations; at most {limit} go together", store=self.url)
        limit = self.capabilities.max_batch_bytes
        if limit is not None:
            size = sum(len(getattr(operation, "document", b"")) for operation in batch.operations)
            if size > limit:
                raise BatchTooLarge(f"{size:,} bytes of documents; at most {limit:,} go together", store=self.url)

    async def ensure_indexes(
        self, collection: str, indexes: Sequence[IndexSpec], progress: Progress | None = None
    ) -> None:
        """Create and build the indexes that are missing, as `Store.ensure_indexes`."""
        await self._ready(collection)
        self._asked()
        await IndexBuilder(self._driver, self._catalogues, collection, self.url).ensure(indexes, progress)

    async def drop(self, collection: str) -> int:
        """Remove a collection with its indexes, as `Store.drop`."""
        await self._ready(collection)
        self._asked()
        record = encode_record([Effect.DROPPED], [collection], [None])
        while True:
            state = await self._driver.state(collection)
            if not state.documents and not state.catalogue:
                return 0
            changes = CollectionChanges(state.version, dropped=True)
            entry = LogEntry(os.urandom(16), b"", 1, record, self._log_size)
            try:
                return (await self._driver.apply(Commit({collection: changes}, entry))).dropped
            except StaleCatalogue:
                continue
            finally:
                self._catalogues.forget([collection])

    # -- the store as a whole ------------------------------------------------------------------------------------------

    async def list_indexes(self, collection: str) -> list[IndexSpec]:
        """The complete indexes of a collection, as `Store.list_indexes`."""
        await self._ready(collection)
        self._asked()
        return [index.spec for index in await self._catalogues.reload(collection) if index.complete]

    async def list_collections(self) -> list[str]:
        """Names of the collections that have documents or indexes, sorted."""
        await self.ready()
        self._asked()
        states = await self._driver.states()
        return sorted(state.name for state in states if state.documents or Catalogue.of(state).indexes)

    async def position(self) -> int:
        """The change log's current position."""
        await self.ready()
        self._asked()
        return await self._driver.position()

    async def changes(self, since: int, limit: int = 1000) -> list[ChangeEntry]:
        """Entries of the change log after position `since`, as `Store.changes`."""
        await self.ready()
        self._asked()
        commits = await self._driver.log(since, limit)
        return [entry for commit in commits for entry in change_entries(commit, since)]


def _check_find(find: Find) -> None:
    if find.skip < 0 or (find.limit is not None and find.limit < 0):
        raise InvalidQuery("skip and limit are 0 or more")
    if find.batch_size < 1:
        raise InvalidQuery("a batch has one document or more")
    if any(direction not in (1, -1) for _, direction in find.sort):
        raise InvalidQuery("a sort direction is 1 or -1")
