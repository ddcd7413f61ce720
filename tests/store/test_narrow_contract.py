"""The contract of stores, held by one that is atomic over a collection only and renames none."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from atomodm.contract import Atomicity
from atomodm.engine.store import LOG_SIZE
from atomodm.store.memory.data import MemoryData
from atomodm.store.memory.store import PAGE_BYTES
from atomodm.testing.contract import BatchContract, CollectionContract, LogContract, NamespaceContract, Stores
from tests.session.narrow import NarrowStore


class NarrowStores(Stores):
    """Handles on one memory."""

    def __init__(self) -> None:
        super().__init__("memory://")
        self._data = MemoryData(PAGE_BYTES)

    def create(self, *, log_size: int | None = None) -> NarrowStore:
        """As `Stores.create`."""
        return NarrowStore(Atomicity.COLLECTION, data=self._data, log_size=LOG_SIZE if log_size is None else log_size)


class TestNarrow(BatchContract, CollectionContract, LogContract, NamespaceContract):
    """Those parts of the contract in which it matters."""

    @pytest.fixture
    async def stores(self) -> AsyncIterator[Stores]:
        async with NarrowStores() as stores:
            yield stores
