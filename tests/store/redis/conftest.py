"""Drivers on the servers that all tests share, and a client beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import Redis

from atomodm.store.redis.connection import Connection
from atomodm.store.redis.driver import RedisDriver
from atomodm.store.redis.layout import Layout
from tests.requirements import need_store
from tests.servers.redis import RedisServer
from tests.servers.shared import SHARED
from tests.store.redis.drivers import redis_driver, redis_layout
from tests.store.redis.scripted import connection_to
from tests.stores import url_of


# Not asynchronous: the first test of a run waits here until the server has started.
@pytest.fixture
def redis_url(tmp_path: Path) -> str:
    """The URL of an empty namespace of a single server."""
    need_store("redis")
    return url_of("redis", tmp_path)


@pytest.fixture
async def driver(redis_url: str) -> AsyncIterator[RedisDriver]:
    """A driver on a single server."""
    made = redis_driver(redis_url)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def layout(redis_url: str) -> Layout:
    """The layout of the driver's namespace."""
    return redis_layout(redis_url)


@pytest.fixture
def client(redis_url: str) -> Redis:
    """A client of the server, which blocks, for what tests do around the driver."""
    server = SHARED.server("redis")
    assert isinstance(server, RedisServer)
    return server.client


@pytest.fixture
def cluster_url(tmp_path: Path) -> str:
    """The URL of an empty namespace of a cluster."""
    need_store("redis-cluster")
    return url_of("redis-cluster", tmp_path)


@pytest.fixture
async def redis_cluster(cluster_url: str) -> AsyncIterator[Connection]:
    """An open connection to the cluster."""
    made = connection_to(cluster_url.partition("?")[0])
    await made.open()
    yield made
    await made.close()
