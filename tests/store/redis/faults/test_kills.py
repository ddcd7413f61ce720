"""A server that is killed under load and started again has lost nothing acknowledged, with appendfsync=always."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from atomodm.errors import StoreUnavailable
from atomodm.store import create_store
from atomodm.testing.contract.stores import find_all, insert_all
from tests.faults.redis_kills import kill_servers
from tests.requirements import need_store
from tests.servers.redis import RedisServer


@pytest.mark.slow
@pytest.mark.parametrize("timeout", [5, 0.05])
async def test_nothing_is_lost_or_torn_when_the_server_is_killed(tmp_path: Path, timeout: float) -> None:
    need_store("redis")
    tally = await kill_servers(tmp_path / "server", 10, seed=1, timeout=timeout)
    assert tally.kills == 10
    assert tally.acknowledged > 40
    if timeout == 5:
        # It was back in time each time: nobody noticed.
        assert (tally.unknown, tally.unavailable) == (0, 0)
    else:
        assert tally.unavailable > 0


async def test_a_store_goes_on_when_its_server_is_back_without_its_scripts(server: RedisServer) -> None:
    store = create_store(server.url)
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    # This one kept nothing on its disk.
    assert await find_all(store, "people") == []
    await insert_all(store, "people", [{"_id": 2}])
    assert await find_all(store, "people") == [{"_id": 2}]
    await store.close()


async def test_while_the_server_is_gone_requests_are_refused_in_time_and_it_is_closed_at_once(
    server: RedisServer,
) -> None:
    store = create_store(f"{server.url}?timeout=0.3")
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    await asyncio.to_thread(server.kill)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(StoreUnavailable) as caught:
        await store.get("people", [1])
    assert loop.time() - began < 0.33 + 0.02
    assert caught.value.retryable
    with pytest.raises(StoreUnavailable):
        await insert_all(store, "people", [{"_id": 2}])
    began = loop.time()
    await store.close()
    assert loop.time() - began < 0.2
    with pytest.raises(StoreUnavailable):
        await create_store(f"{server.url}?timeout=0.2").open()
