"""The contract of stores, held on a Redis server and on a Redis Cluster of three nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from atomodm.testing.contract import StoreContract, Stores
from tests.requirements import need_store
from tests.stores import url_of


class TestRedis(StoreContract):
    """``redis://host:port/database``."""

    # Not asynchronous: the first test of a run waits here until the server has started.
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        need_store("redis")
        return url_of("redis", tmp_path)

    @pytest.fixture
    async def stores(self, url: str) -> AsyncIterator[Stores]:
        async with Stores(url) as stores:
            yield stores


class TestRedisCluster(StoreContract):
    """``redis+cluster://host:port,host:port,host:port/``."""

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        need_store("redis-cluster")
        return url_of("redis-cluster", tmp_path)

    @pytest.fixture
    async def stores(self, url: str) -> AsyncIterator[Stores]:
        async with Stores(url) as stores:
            yield stores
