"""A client of redis.asyncio that somebody made is what a store sends everything through; it stays theirs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from atom.api import Str
from redis import Redis as BlockingClient
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis, RedisCluster
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import ConstantBackoff
from redis.cluster import LoadBalancingStrategy
from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError as NoConnection

import atomodm
from atomodm import NoSQLModelManager, StoreUnavailable, UnsupportedHandle
from atomodm.store import create_store, store_of_client
from atomodm.store.redis import RedisStore
from atomodm.testing.contract.stores import find_all, insert_all
from tests.ids import readable
from tests.requirements import need_store
from tests.servers.redis import RedisServer, running
from tests.servers.redis_sentinel import SERVICE, SentinelSetup, running_sentinels
from tests.servers.shared import SHARED

MANAGER = NoSQLModelManager.instance()


class Visitor(atomodm.NoSQLModel):
    name = Str()


@pytest.fixture
def port() -> int:
    """The port of the server that all tests share."""
    need_store("redis")
    SHARED.url("redis")  # it is emptied after the test
    server = SHARED.server("redis")
    assert isinstance(server, RedisServer)
    return server.port


@pytest.fixture(autouse=True)
async def _no_database() -> AsyncIterator[None]:
    yield
    await MANAGER.close()
    del MANAGER.database


def number_of_clients(port: int) -> int:
    with BlockingClient(port=port, protocol=2) as client:
        return len(client.client_list())


async def test_a_client_is_taken_as_the_database_and_never_closed(port: int) -> None:
    async with Redis(port=port) as client:
        await client.set("theirs", "value")
        before = number_of_clients(port)
        MANAGER.database = client
        visitor = Visitor(name="Ann")
        await visitor.save()
        assert isinstance(MANAGER.database, RedisStore)
        assert MANAGER.database.is_open
        assert await Visitor.objects.get(name="Ann") is visitor
        assert await client.exists(f"atomodm:{{{Visitor.objects.cache.collection}:0}}:documents")
        await MANAGER.close()
        assert await client.get("theirs") == b"value"
        assert number_of_clients(port) == before


async def test_a_client_can_be_connected_to(port: int) -> None:
    async with Redis(port=port) as client:
        async with atomodm.connect(client) as store:
            assert store.url == f"redis://localhost:{port}/0"
            await Visitor(name="Eve").save()
        assert not store.is_open
        assert await client.ping()


async def test_one_client_is_one_store(port: int) -> None:
    async with Redis(port=port) as client:
        MANAGER.database = client
        first = MANAGER.database
        MANAGER.database = client
        assert MANAGER.database is first
        await first.open()


async def test_a_client_may_be_closed_while_its_store_goes_on(port: int) -> None:
    client = Redis(port=port)
    MANAGER.database = client
    await Visitor(name="Bob").save()
    await client.aclose()
    await Visitor(name="Eve").save()
    assert await Visitor.objects.count() == 2
    await MANAGER.close()
    await client.aclose()


class Watched(Connection):
    """A connection of a program's own kind, which knows what goes over it."""

    sent: ClassVar[Counter[bytes]] = Counter()

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        data = command if isinstance(command, bytes) else b"".join(command)
        self.sent[data.split(b"\r\n")[2]] += 1
        await super().send_packed_command(command, check_health)


async def test_all_calls_go_over_connections_of_the_clients_own_kind(port: int) -> None:
    client = Redis(connection_pool=ConnectionPool(connection_class=Watched, port=port))
    store = store_of_client(client)
    await store.open()
    with BlockingClient(port=port, protocol=2) as theirs:
        theirs.config_resetstat()
        Watched.sent.clear()
        await insert_all(store, "people", [{"_id": 1}])
        assert await find_all(store, "people") == [{"_id": 1}]
        assert (await store.check()).ok
        known = theirs.info("commandstats")
    assert isinstance(known, dict)
    calls = {name.partition("_")[2].upper().encode(): each["calls"] for name, each in known.items()}
    assert Watched.sent[b"EVALSHA"] == calls[b"EVALSHA"] > 1
    assert Watched.sent[b"SCAN"] == calls[b"SCAN"]
    await store.close()
    await client.connection_pool.aclose()


async def test_a_client_with_one_connection_is_shared_with_its_owner(port: int) -> None:
    client = Redis(port=port, max_connections=1)
    store = RedisStore.from_client(client, timeout=2)
    await store.open()
    before = number_of_clients(port)
    for number in range(5):
        await insert_all(store, "people", [{"_id": number}])
        assert await client.ping()
    found = await asyncio.gather(*(store.get("people", [number]) for number in range(5)))
    assert [len(each.documents) for each in found] == [1] * 5
    assert number_of_clients(port) == before
    await store.close()
    assert number_of_clients(port) == before
    await client.aclose()


async def test_a_pool_that_is_shared_loses_no_connection_to_calls_that_are_cancelled(port: int) -> None:
    # Its decorators have no types.
    pool: Any = BlockingConnectionPool(port=port, max_connections=2, timeout=5)
    client = Redis(connection_pool=pool)
    store = RedisStore.from_client(client, timeout=2)
    await store.open()
    await insert_all(store, "people", [{"_id": number} for number in range(9)])
    for pause in range(100):
        asking = [asyncio.create_task(store.get("people", [number])) for number in range(9)]
        for _ in range(pause % 40):
            await asyncio.sleep(0)
        for task in asking[::2]:
            task.cancel()
            task.cancel()
        for number, answer in enumerate(await asyncio.gather(*asking, return_exceptions=True)):
            if isinstance(answer, BaseException):
                assert number % 2 == 0
            else:
                assert len(answer.documents) == 1
    # Both are still to be had.
    connections = [await pool.get_connection() for _ in range(2)]
    for connection in connections:
        await pool.release(connection)
    await store.close()
    await pool.aclose()


@pytest.mark.parametrize(
    "options",
    [
        {"decode_responses": True},
        {"protocol": 3},
        {"protocol": 2, "decode_responses": True},
        {"retry": Retry(ConstantBackoff(5), 10)},
        {"retry_on_error": [NoConnection]},
        {"socket_timeout": 1, "socket_connect_timeout": 5},
        {"single_connection_client": True},
        {"health_check_interval": 1, "client_name": "theirs"},
        {"db": 2},
    ],
    ids=readable,
)
async def test_how_a_client_reads_and_repeats_does_not_matter(port: int, options: dict[str, Any]) -> None:
    client = Redis(port=port, **options)
    store = RedisStore.from_client(client, namespace="apart", timeout=2)
    await store.open()
    await insert_all(store, "people", [{"_id": 1, "blob": b"\xff\x00"}])
    assert await find_all(store, "people") == [{"_id": 1, "blob": b"\xff\x00"}]
    await store.close()
    await client.aclose()
    with BlockingClient(port=port, db=options.get("db", 0), protocol=2) as theirs:
        keys = theirs.keys("apart:*")
        assert isinstance(keys, list)
        assert keys
        theirs.flushdb()


async def test_a_provider_of_credentials_that_fails_is_told_without_what_it_said(port: int) -> None:
    class Provider(CredentialProvider):
        async def get_credentials_async(self) -> tuple[str, str]:
            raise LookupError("hunter2")

    client = Redis(port=port, db=3, credential_provider=Provider())
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="LookupError") as caught:
            await RedisStore.from_client(client, timeout=0.2).open()
        assert "hunter2" not in f"{caught.value!r} {caught.value}"
    await client.aclose()


async def test_pools_and_urls_of_clients_are_taken(port: int) -> None:
    pool = BlockingConnectionPool(port=port, max_connections=1, timeout=0.1)
    for client in (
        Redis(connection_pool=pool),
        Redis.from_url(f"redis://:@127.0.0.1:{port}/0?health_check_interval=2"),
    ):
        store = store_of_client(client)
        await store.open()
        assert await store.list_collection_names() == []
        await store.close()
        await client.aclose()
    await pool.aclose()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that lets one user in, through its port and through a socket file."""
    need_store("redis")
    with running(tmp_path, "--unixsocket", str(tmp_path / "redis.sock")) as server:
        server.command("ACL", "SETUSER", "ann", "on", ">hunter2", "~*", "+@all")
        server.command("ACL", "SETUSER", "default", "off")
        yield server


@pytest.mark.parametrize("over_socket", [False, True])
async def test_credentials_of_a_client_are_taken_and_not_shown(guarded: RedisServer, over_socket: bool) -> None:
    socket = str(guarded.folder / "redis.sock")
    place: dict[str, Any] = {"unix_socket_path": socket} if over_socket else {"port": guarded.port}
    client = Redis(username="ann", password="hunter2", **place)
    store = store_of_client(client)
    assert store.url == (f"unix://{socket}" if over_socket else f"redis://localhost:{guarded.port}/0")
    await store.open()
    assert "hunter2" not in repr(store)
    await store.close()
    await client.aclose()


async def test_a_client_of_a_cluster_is_taken(cluster_url: str) -> None:
    host, port = cluster_url.removeprefix("redis+cluster://").partition(",")[0].split(":")
    async with RedisCluster(
        host=host, port=int(port), decode_responses=True, load_balancing_strategy=LoadBalancingStrategy.ROUND_ROBIN
    ) as client:
        async with atomodm.connect(client) as store:
            for number in range(20):
                await insert_all(store, f"collection-{number}", [{"_id": number}])
            assert len(await store.list_collection_names()) == 20
        assert await client.ping(target_nodes="primaries")


async def test_addresses_of_a_cluster_are_read_as_its_client_reads_them(cluster_url: str) -> None:
    # As where the servers know each other by addresses that mean nothing outside.
    host, port = cluster_url.removeprefix("redis+cluster://").partition(",")[0].split(":")
    asked = set()

    def remap(address: tuple[str, int]) -> tuple[str, int]:
        asked.add(address)
        return "localhost", address[1]

    client = RedisCluster(host=host, port=int(port), address_remap=remap)
    store = store_of_client(client)
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    assert len(asked) == 3
    await store.close()
    await client.aclose()


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[SentinelSetup]:
    need_store("redis")
    with running_sentinels(tmp_path) as setup:
        yield setup


@pytest.mark.slow
async def test_a_client_that_sentinels_lead_is_taken(sentinels: SentinelSetup) -> None:
    sentinel: Any = cast(Any, Sentinel)([("127.0.0.1", each.port) for each in sentinels.sentinels])
    client = sentinel.master_for(SERVICE, decode_responses=True)
    store = store_of_client(client)
    assert store.url == f"{sentinels.url.removesuffix('/0')}"
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    assert await find_all(store, "people") == [{"_id": 1}]
    await store.close()
    assert await client.ping()
    replica = sentinel.slave_for(SERVICE)
    with pytest.raises(UnsupportedHandle, match="replicas"):
        store_of_client(replica)
    for each in (client, replica, *sentinel.sentinels):
        await each.aclose()


@pytest.mark.slow
async def test_a_service_that_the_sentinels_do_not_know_is_named_as_such(sentinels: SentinelSetup) -> None:
    store = create_store(sentinels.url.replace(SERVICE, "other") + "?timeout=0.5")
    with pytest.raises(StoreUnavailable, match="no service of this name"):
        await store.open()
    # One Sentinel that answers is enough.
    store = create_store(sentinels.url.replace("://", "://127.0.0.1:1,"))
    await store.open()
    await store.close()


@pytest.fixture
def blocking() -> Iterator[BlockingClient]:
    with BlockingClient(port=1) as client:
        yield client


def test_what_is_no_client_of_redis_asyncio_is_refused_with_what_is(blocking: BlockingClient) -> None:
    for handle in (blocking, blocking.connection_pool, 5, object()):
        with pytest.raises(UnsupportedHandle, match=r"redis\.asyncio"):
            MANAGER.database = handle
        with pytest.raises(UnsupportedHandle, match=r"redis\.asyncio"):
            atomodm.connect(handle)
