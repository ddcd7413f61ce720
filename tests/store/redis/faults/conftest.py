"""Servers of the tests' own, which they may kill, freeze and fill."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from atomodm.contract import Store
from atomodm.store import create_store
from atomodm.testing.proxy import FaultProxy
from tests.requirements import need_store
from tests.servers.redis import RedisServer, running


# Not asynchronous: starting a server waits, and no event loop runs yet.
@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server with nothing in it, for one test."""
    need_store("redis")
    with running(tmp_path / "server") as server:
        yield server


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[FaultProxy]:
    """A way to the server on which there may be faults."""
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        yield proxy


@pytest.fixture
async def store(proxy: FaultProxy) -> AsyncIterator[Store]:
    """An open store that reaches its server through the proxy, with a timeout of one second."""
    store = create_store(f"redis://{proxy.address}/0?timeout=1")
    await store.open()
    yield store
    await proxy.heal()
    await store.close()
