"""A server is asked when a store is opened whether it can serve as one, and waited for while it will."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from atomodm.errors import AccessDenied, AtomodmError, StoreUnavailable, StoreUnsuitable
from atomodm.store import create_store
from atomodm.store.redis.opening import check_server, read_info
from tests.requirements import need_store
from tests.servers.redis import RedisServer
from tests.servers.shared import SHARED
from tests.store.redis.scripted import INFO, Answer, ScriptedServer, connection_to, info


def refusal(**changes: str) -> str | None:
    """Why a server that tells this of itself is refused; None when it is taken."""
    try:
        check_server({**INFO, **changes}, clustered=False, url="redis://host")
    except StoreUnsuitable as error:
        return str(error)
    return None


@pytest.mark.parametrize("version", ["6.2.0", "6.2.17", "7.0.15", "7.4.1", "8.0.0", "10.0.0", "6.2.6-v12"])
def test_redis_is_taken_from_6_2_on(version: str) -> None:
    assert refusal(redis_version=version) is None


@pytest.mark.parametrize("version", ["", "2.8.24", "5.0.14", "6.0.20", "6.1.9", "unstable"])
def test_older_redis_is_refused_and_the_version_named(version: str) -> None:
    told = refusal(redis_version=version)
    assert told is not None
    assert "6.2" in told
    assert version in told


def test_valkey_is_taken() -> None:
    # It says which Redis it is like, and which Valkey it is.
    assert refusal(redis_version="7.2.4", server_name="valkey", valkey_version="8.1.3") is None


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random", "allkeys-lrm"])
def test_a_server_that_would_remove_documents_is_refused_with_the_setting(policy: str) -> None:
    told = refusal(maxmemory_policy=policy)
    assert told is not None
    assert policy in told
    assert "maxmemory-policy noeviction" in told


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru", "volatile-ttl", "volatile-random"])
def test_a_server_that_removes_nothing_of_ours_is_taken(policy: str) -> None:
    assert refusal(maxmemory_policy=policy) is None


def test_what_info_answers_is_read() -> None:
    text = b"# Server\r\nredis_version:7.0.15\r\nos:Linux 5.10 \xff\r\n\r\n# Keyspace\r\ndb0:keys=1,expires=0\r\n"
    assert read_info(text)["redis_version"] == "7.0.15"
    assert read_info(text)["db0"] == "keys=1,expires=0"


async def test_a_node_of_a_cluster_is_refused_with_what_to_write(tmp_path: Path) -> None:
    need_store("redis-cluster")
    host = SHARED.server("redis-cluster").url.removeprefix("redis+cluster://").partition(",")[0]
    with pytest.raises(StoreUnsuitable, match=r"redis\+cluster://"):
        await create_store(f"redis://{host}").open()


async def test_a_single_server_is_no_cluster(redis_url: str) -> None:
    address = redis_url.removeprefix("redis://").partition("/")[0]
    with pytest.raises(StoreUnsuitable, match="redis://"):
        await create_store(f"redis+cluster://{address}").open()


async def test_a_sentinel_is_no_store() -> None:
    async with ScriptedServer(telling(info(redis_mode="sentinel"))) as server:
        with pytest.raises(StoreUnsuitable, match=r"redis\+sentinel://"):
            await connection_to(server.url).open()


def telling(*told: bytes) -> Answer:
    """Answers INFO with one after the other, and ever after with the last one."""
    left = list(told)

    def answer(command: list[bytes]) -> bytes:
        if command[0] != b"INFO":
            raise LookupError
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


async def test_a_server_that_loads_its_data_is_waited_for() -> None:
    told = [info(loading="1"), b"-LOADING Redis is loading the dataset in memory\r\n", info(async_loading="1"), info()]
    async with ScriptedServer(telling(*told)) as server:
        connection = connection_to(server.url)
        await connection.open()
        assert server.asked[b"INFO"] == 4
        # After a refusal for that reason redis-py makes its connection anew.
        assert server.connections == 2
        await connection.close()
        await asyncio.sleep(0.01)
        assert server.open_connections == 0


async def test_a_server_is_waited_for_until_the_deadline() -> None:
    async with ScriptedServer(telling(info(loading="1"))) as server:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="loading"):
            await connection_to(server.url, 0.3).open()
        assert 0.2 < time.monotonic() - began < 0.36
        # Nothing is left open.
        await asyncio.sleep(0.02)
        assert server.open_connections == 0


async def test_a_server_that_starts_while_a_store_opens_is_found(tmp_path: Path) -> None:
    need_store("redis")
    server = RedisServer(tmp_path / "server")
    store = create_store(f"{server.url}?timeout=20")
    opening = asyncio.create_task(store.open())
    try:
        await asyncio.sleep(0.1)
        await asyncio.to_thread(server.start)
        await opening
        await store.close()
    finally:
        opening.cancel()
        await asyncio.to_thread(server.stop)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "nowhere.invalid:6379"])
async def test_a_server_that_is_not_there_is_reported_with_the_reason(host: str) -> None:
    store = create_store(f"redis://:hunter2@{host}/0?timeout=0.3")
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        await store.open()
    assert time.monotonic() - began < 2  # the system's resolver may take longer than we ask for
    assert "cannot be reached" in str(caught.value) or "in time" in str(caught.value) or "within" in str(caught.value)
    assert "hunter2" not in f"{caught.value!r} {caught.value}"
    assert not store.is_open


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", AccessDenied),
        (b"-ERR invalid password\r\n", AccessDenied),
        (b"-NOPERM this user has no permissions to run the 'auth' command\r\n", AccessDenied),
        (b"-DENIED Redis is running in protected mode because ...\r\n", AccessDenied),
    ],
)
async def test_wrong_credentials_are_told_at_once(refused: bytes, error: type[AtomodmError]) -> None:
    def answer(command: list[bytes]) -> bytes:
        if command[0] == b"AUTH":
            return refused
        raise LookupError

    async with ScriptedServer(answer) as server:
        url = server.url.replace("redis://", "redis://ann:hunter2@")
        with pytest.raises(error) as caught:
            await connection_to(url).open()
        assert "hunter2" not in f"{caught.value!r} {caught.value}"
        assert "ann" not in str(caught.value)
        assert server.asked[b"AUTH"] == 1


async def test_a_database_that_the_server_lacks_is_named(redis_url: str) -> None:
    with pytest.raises(StoreUnsuitable, match="database"):
        await create_store(redis_url.partition("/0")[0] + "/4096").open()


async def test_opening_can_be_cancelled_and_leaves_nothing_open() -> None:
    async with ScriptedServer(lambda command: None) as server:
        opening = asyncio.create_task(connection_to(server.url).open())
        await asyncio.sleep(0.05)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await asyncio.sleep(0.02)
        assert server.connections == 1
        assert server.open_connections == 0
