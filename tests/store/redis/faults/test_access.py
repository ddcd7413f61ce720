"""Servers that let a store do nothing or too little, or would lose its documents: typed errors, and no secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from atomodm.contract import Store
from atomodm.errors import AccessDenied, AtomodmError, StoreReadOnly, StoreUnsuitable
from atomodm.store import create_store
from atomodm.testing.contract.stores import find_all, insert_all
from tests.requirements import need_store
from tests.servers.processes import wait_until
from tests.servers.redis import RedisServer, running

SECRET = "a-secret-password"
WRONG = "a-wrong-password"


def url_with(server: RedisServer, credentials: str, **options: object) -> str:
    query = "&".join(f"{name}={value}" for name, value in {"timeout": 1, **options}.items())
    return f"redis://{credentials}@127.0.0.1:{server.port}/0?{query}"


async def refusal(url: str, error: type[AtomodmError]) -> AtomodmError:
    """The error with which opening a store is refused, without having waited for a better answer."""
    store = create_store(url)
    began = asyncio.get_running_loop().time()
    with pytest.raises(error) as caught:
        await store.open()
    assert asyncio.get_running_loop().time() - began < 0.9
    shown = f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {store!r} {store.url}"
    assert SECRET not in shown
    assert WRONG not in shown
    assert not caught.value.retryable
    return caught.value


@pytest.mark.parametrize("credentials", [f":{WRONG}", f"somebody:{SECRET}", ""])
async def test_wrong_credentials_are_refused_at_once(server: RedisServer, credentials: str) -> None:
    server.client.config_set("requirepass", SECRET)
    url = url_with(server, credentials) if credentials else server.url
    await refusal(url, AccessDenied)
    store = create_store(url_with(server, f":{SECRET}"))
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    await store.close()
    assert SECRET not in store.url


async def test_a_password_that_changes_is_asked_for_when_the_connection_is_made_again(server: RedisServer) -> None:
    store = create_store(f"{server.url}?timeout=1")
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    server.client.config_set("requirepass", SECRET)
    server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    with pytest.raises(AccessDenied):
        await store.count("people")
    with pytest.raises(AccessDenied):
        await insert_all(store, "people", [{"_id": 2}])
    server.client.config_set("requirepass", "")
    assert await find_all(store, "people") == [{"_id": 1}]
    await store.close()


async def test_a_user_who_may_not_write_is_told_so(server: RedisServer) -> None:
    server.command("ACL", "SETUSER", "reader", "on", f">{SECRET}", "~*", "+@all", "-@write")
    owner, store = create_store(server.url), create_store(url_with(server, f"reader:{SECRET}"))
    await owner.open()
    await insert_all(owner, "people", [{"_id": 1}])
    await store.open()
    assert await find_all(store, "people") == [{"_id": 1}]
    with pytest.raises(AccessDenied) as caught:
        await insert_all(store, "people", [{"_id": 2}])
    assert SECRET not in f"{caught.value!r} {caught.value}"
    assert await find_all(store, "people") == [{"_id": 1}]
    assert (await owner.check()).ok
    await store.close()
    await owner.close()


async def test_a_user_who_may_not_see_the_keys_is_told_so_when_opening(server: RedisServer) -> None:
    server.command("ACL", "SETUSER", "elsewhere", "on", f">{SECRET}", "~other:*", "+@all")
    await refusal(url_with(server, f"elsewhere:{SECRET}"), AccessDenied)
    # With a namespace of its own it is at home.
    store = create_store(url_with(server, f"elsewhere:{SECRET}", namespace="other"))
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    await store.close()


# -- replicas ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def replica(server: RedisServer, tmp_path: Path) -> Iterator[RedisServer]:
    """A replica of the server, up to date."""
    need_store("redis")
    with running(tmp_path / "replica") as replica:
        replica.command("REPLICAOF", "127.0.0.1", server.port)
        wait_until(lambda: replica.info("replication")["master_link_status"] == "up", "a replica that follows")
        yield replica


async def eventually_finds(store: Store, documents: list[dict[str, int]]) -> None:
    async with asyncio.timeout(5):
        while await find_all(store, "people") != documents:
            await asyncio.sleep(0.01)


async def test_a_replica_can_be_read_and_takes_no_writes(server: RedisServer, replica: RedisServer) -> None:
    master = create_store(server.url)
    await master.open()
    await insert_all(master, "people", [{"_id": 1}])
    store = create_store(f"{replica.url}?timeout=1")
    await store.open()
    await eventually_finds(store, [{"_id": 1}])
    with pytest.raises(StoreReadOnly) as caught:
        await insert_all(store, "people", [{"_id": 2}])
    assert not caught.value.retryable
    await insert_all(master, "people", [{"_id": 3}])
    await eventually_finds(store, [{"_id": 1}, {"_id": 3}])
    await store.close()
    await master.close()


async def test_a_server_that_becomes_a_replica_refuses_until_it_is_a_master_again(
    server: RedisServer, replica: RedisServer
) -> None:
    replica.command("REPLICAOF", "NO", "ONE")
    store = create_store(f"{replica.url}?timeout=0.5")
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    replica.client.config_set("replica-read-only", "yes")
    replica.command("REPLICAOF", "127.0.0.1", server.port)
    with pytest.raises(StoreReadOnly):
        await insert_all(store, "people", [{"_id": 2}])
    replica.command("REPLICAOF", "NO", "ONE")
    await insert_all(store, "people", [{"_id": 3}])
    await store.close()


# -- eviction ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
async def test_a_server_that_would_evict_documents_is_refused(server: RedisServer, policy: str) -> None:
    server.client.config_set("maxmemory-policy", policy)
    error = await refusal(f"{server.url}?timeout=1", StoreUnsuitable)
    assert "maxmemory-policy" in str(error)
    assert "noeviction" in str(error)


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru", "volatile-ttl"])
async def test_a_server_that_evicts_only_what_has_a_time_to_live_is_fine(server: RedisServer, policy: str) -> None:
    server.client.config_set("maxmemory-policy", policy)
    store = create_store(server.url)
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    # Which is nothing of ours.
    assert all(server.command("TTL", key) == -1 for key in server.command("KEYS", "*"))
    await store.close()
