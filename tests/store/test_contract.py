"""The contract of stores, held by those of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from atomodm.testing.contract import StoreContract, Stores
from tests.requirements import need_store


class TestMemory(StoreContract):
    """``memory://name``; without a name no second handle sees the data."""

    @pytest.fixture
    async def stores(self) -> AsyncIterator[Stores]:
        need_store("memory")
        async with Stores(f"memory://{uuid4().hex}") as stores:
            yield stores


class TestSQLite(StoreContract):
    """``sqlite:///file``."""

    @pytest.fixture
    async def stores(self, tmp_path: Path) -> AsyncIterator[Stores]:
        need_store("sqlite")
        async with Stores(f"sqlite:///{tmp_path}/store.db") as stores:
            yield stores
