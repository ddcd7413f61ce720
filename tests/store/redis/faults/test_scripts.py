"""Scripts that the server forgets are loaded again, and nobody notices."""

from __future__ import annotations

import asyncio

import pytest

from atomodm.contract import IndexSpec
from atomodm.store import create_store
from atomodm.testing.contract.stores import find_all, ids, insert_all
from tests.faults.load import Load
from tests.servers.redis import RedisServer


async def test_every_request_works_after_the_scripts_were_flushed(server: RedisServer) -> None:
    store = create_store(server.url)
    await store.open()
    await store.ensure_indexes("people", [IndexSpec(name="age_1", fields=[("age", 1)])])
    for number in range(5):
        server.command("SCRIPT FLUSH")
        await insert_all(store, "people", [{"_id": number, "age": number}])
        server.command("SCRIPT FLUSH")
        assert await ids(store, "people", sort=[("age", -1)]) == list(range(number, -1, -1))
        server.command("SCRIPT FLUSH")
        assert await store.count("people") == number + 1
        server.command("SCRIPT FLUSH")
        assert len((await store.changes(await store.position())).entries) == 0
        server.command("SCRIPT FLUSH")
        assert len((await store.get("people", [number])).documents) == 1
    server.command("SCRIPT FLUSH")
    assert (await store.check()).ok
    await store.close()


async def test_many_requests_at_once_find_their_scripts_again(server: RedisServer) -> None:
    store = create_store(server.url)
    await store.open()
    await insert_all(store, "people", [{"_id": "first"}])
    server.command("SCRIPT FLUSH")
    await asyncio.gather(*(insert_all(store, "people", [{"_id": number}]) for number in range(200)))
    assert len(await find_all(store, "people")) == 201
    await store.close()


@pytest.mark.slow
async def test_writers_go_on_while_scripts_are_flushed_again_and_again(server: RedisServer) -> None:
    store = create_store(server.url)
    await store.open()
    load = Load(store)
    await load.prepare()
    async with load.running():
        for _ in range(100):
            await asyncio.to_thread(server.command, "SCRIPT FLUSH")
            await asyncio.sleep(0.005)
        await load.wait_for(1)
    await load.check()
    assert (load.unknown, load.unavailable) == (0, 0)
    await store.close()
