"""The contract of stores, held at the end of a long line, where the engine asks for things ahead and at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from atomodm.store import registry
from atomodm.testing.contract import (
    ConcurrencyContract,
    DifferentialContract,
    ExpiryContract,
    FindContract,
    IndexContract,
    LifecycleContract,
    Stores,
)


class TestFar(
    ConcurrencyContract, DifferentialContract, ExpiryContract, FindContract, IndexContract, LifecycleContract
):
    """Those parts of the contract in which it matters."""

    @pytest.fixture
    async def stores(self, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stores]:
        loader = registry.StoreLoader("far", "tests.engine.far:FarStore", None)
        monkeypatch.setitem(registry._LOADERS, "far", loader)
        async with Stores(f"far://{uuid4().hex}") as stores:
            yield stores
