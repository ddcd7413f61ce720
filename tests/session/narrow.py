"""Memory stores that promise less than memory can do, and break the test that relies on more."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from atomodm import Capabilities, NoSQLModelManager, UnsavedChangesWarning
from atomodm.contract import Atomicity
from atomodm.engine import EngineStore
from atomodm.engine.driver import Applied, Commit
from atomodm.engine.store import LOG_SIZE
from atomodm.store.memory.data import MemoryData
from atomodm.store.memory.store import PAGE_BYTES, MemoryDriver


class NarrowDriver(MemoryDriver):
    """Applies no commit that is wider than what a store is atomic over.

    Attributes
    ----------
    commits : list of Commit
        Those that it was given.
    """

    def __init__(self, data: MemoryData, atomic: Atomicity) -> None:
        super().__init__(data)
        self._atomic = atomic
        self.commits: list[Commit] = []

    async def apply(self, commit: Commit) -> Applied:
        """As `Driver.apply`."""
        parts = commit.collections.values()
        documents = sum(len(part.inserts) + len(part.updates) + len(part.deletes) for part in parts)
        assert self._atomic is Atomicity.STORE or len(parts) <= 1, "a commit over several collections"
        assert self._atomic is not Atomicity.DOCUMENT or documents <= 1, "a commit over several documents"
        self.commits.append(commit)
        return await super().apply(commit)


class NarrowStore(EngineStore):
    """A store in memory that is atomic over a collection, or over a document."""

    def __init__(
        self,
        atomic: Atomicity,
        *,
        max_batch: int | None = None,
        data: MemoryData | None = None,
        log_size: int = LOG_SIZE,
    ) -> None:
        self.driver = NarrowDriver(MemoryData(PAGE_BYTES) if data is None else data, atomic)
        capabilities = Capabilities(
            atomic=atomic,
            durable=False,
            shared=False,
            change_log=True,
            check=True,
            max_batch=max_batch,
            rename=atomic is Atomicity.STORE,
        )
        super().__init__(f"memory://{atomic.value}", self.driver, capabilities, log_size=log_size)


@asynccontextmanager
async def connected_narrow(atomic: Atomicity, *, max_batch: int | None = None) -> AsyncIterator[NarrowStore]:
    """An open narrow store that is the default database; objects with unsaved edits may be left at the end."""
    store = NarrowStore(atomic, max_batch=max_batch)
    await store.open()
    NoSQLModelManager.instance().connect(store)
    try:
        yield store
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnsavedChangesWarning)
            await store.close()
