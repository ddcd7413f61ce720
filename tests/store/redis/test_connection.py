"""A call has one deadline, is repeated while that helps, gets its own reply, and fails with a typed error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from hashlib import sha1

import pytest
from redis import Redis
from redis.asyncio import RedisCluster

from atomodm.errors import (
    AccessDenied,
    AtomodmError,
    OutcomeUnknown,
    StoreBusy,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from atomodm.store.redis.clients import from_client
from atomodm.store.redis.connection import Connection
from atomodm.store.redis.scripts import Script
from atomodm.store.redis.translation import failure_of
from tests.store.redis.scripted import HANG_UP, Answer, ScriptedServer, array, bulk, connection_to, info


def script(source: bytes) -> Script:
    return Script("test", source, sha1(source, usedforsecurity=False).hexdigest())


ECHO = script(b"return {KEYS[1], ARGV[1], #ARGV}")
WRITE = script(b"redis.call('SET', KEYS[1], ARGV[1]) return 'written'")


@pytest.fixture
async def connection(redis_url: str) -> AsyncIterator[Connection]:
    """An open connection to a real server."""
    made = connection_to(redis_url.partition("?")[0])
    await made.open()
    yield made
    await made.close()


async def opened(server: ScriptedServer, timeout: float = 1.0, max_connections: int = 50) -> Connection:
    connection = connection_to(server.url, timeout, max_connections)
    await connection.open()
    return connection


def in_turn(*replies: bytes | None, to: bytes = b"GET") -> Answer:
    """Answers a command with one reply after the other, and ever after with the last one."""
    left = list(replies)

    def answer(command: list[bytes]) -> bytes | None:
        if command[0].upper() != to:
            raise LookupError
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


# -- replies -----------------------------------------------------------------------------------------------------------


async def test_replies_are_bytes_integers_and_lists(connection: Connection) -> None:
    assert await connection.run(ECHO, [b"\x00key"], [b"\xff\r\n", 7]) == [b"\x00key", b"\xff\r\n", 2]
    assert await connection.command("SET", b"\xff", 5) == b"OK"
    assert await connection.command("GET", b"\xff") == b"5"
    assert await connection.command("GET", "absent") is None
    assert await connection.command("STRLEN", b"\xff") == 1


async def test_a_script_is_sent_as_a_whole_only_when_the_server_does_not_know_it(
    connection: Connection, client: Redis
) -> None:
    client.script_flush()
    for _ in range(2):
        assert await connection.run(ECHO, [b"k"], [b"v"]) == [b"k", b"v", 1]
        assert client.script_exists(ECHO.sha) == [True]
        client.script_flush()
    calls = await asyncio.gather(*(connection.run(ECHO, [b"k"], [number]) for number in range(200)))
    assert calls == [[b"k", b"%d" % number, 1] for number in range(200)]


async def test_many_calls_at_once_get_their_own_replies(connection: Connection) -> None:
    replies = await asyncio.gather(*(connection.command("ECHO", f"{number}" * 500) for number in range(1000)))
    assert replies == [f"{number}".encode() * 500 for number in range(1000)]


async def test_many_calls_at_once_share_a_few_connections() -> None:
    def echo(command: list[bytes]) -> bytes:
        if command[0] != b"ECHO":
            raise LookupError
        return bulk(command[1])

    async with ScriptedServer(echo) as server:
        connection = await opened(server, 5, max_connections=7)
        replies = await asyncio.gather(*(connection.command("ECHO", number) for number in range(1000)))
        assert replies == [b"%d" % number for number in range(1000)]
        assert 1 < server.connections <= 7
        # Those that are there are used again.
        assert await connection.command("ECHO", "again") == b"again"
        assert server.connections == server.open_connections
        await connection.close()
        await asyncio.sleep(0.01)
        assert server.open_connections == 0


async def test_a_call_waits_for_a_free_connection_until_its_deadline() -> None:
    async with ScriptedServer(in_turn(b"")) as server:
        connection = await opened(server, 0.4, max_connections=1)
        slow = asyncio.create_task(connection.command("GET", "k"))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(connection.command("GET", "k"))
        given_up = asyncio.create_task(connection.command("GET", "k"))
        await asyncio.sleep(0.05)
        given_up.cancel()
        assert server.asked[b"GET"] == 1
        server.send(bulk(b"first"))
        assert await slow == b"first"
        await asyncio.sleep(0.05)
        server.send(bulk(b"second"))
        assert await waiting == b"second"
        assert (server.connections, server.asked[b"GET"]) == (1, 2)
        outcomes = await asyncio.gather(
            *(connection.command("GET", "k", writes=True) for _ in range(3)), return_exceptions=True
        )
        # Only one was sent.
        assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown, StoreUnavailable, StoreUnavailable]
        await connection.close()


async def test_large_requests_and_replies_pass(connection: Connection) -> None:
    value = bytes(range(256)) * 80_000
    assert await connection.run(ECHO, [b"k"], [value]) == [b"k", value, 1]


async def test_a_call_that_is_cancelled_leaves_its_reply_to_nobody(connection: Connection) -> None:
    for pause in [*range(20), None]:
        task = asyncio.create_task(connection.command("ECHO", "cancelled"))
        for _ in range(pause if pause is not None else 0):
            await asyncio.sleep(0)
        task.cancel()
        replies = await asyncio.gather(*(connection.command("ECHO", f"{number}") for number in range(5)))
        assert replies == [b"0", b"1", b"2", b"3", b"4"]
        # Unless it had ended before.
        await asyncio.wait([task])
        assert task.cancelled() or task.result() == b"cancelled"


# -- what is repeated --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-BUSY Redis is busy running a script.\r\n",
        b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
        b"-CLUSTERDOWN The cluster is down\r\n",
        b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        b"-NOREPLICAS Not enough good replicas to write.\r\n",
        b"-READONLY You can't write against a read only replica.\r\n",
        HANG_UP,
    ],
)
async def test_what_may_succeed_in_a_moment_is_repeated(refusal: bytes) -> None:
    async with ScriptedServer(in_turn(refusal, refusal, bulk(b"v"))) as server:
        connection = await opened(server)
        assert await connection.command("GET", "k", writes=True) == b"v"
        assert server.asked[b"GET"] == 3
        await connection.close()


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", StoreUnavailable),
        (b"-BUSY Redis is busy running a script.\r\n", StoreBusy),
        (b"-CLUSTERDOWN The cluster is down\r\n", StoreUnavailable),
        (b"-READONLY You can't write against a read only replica.\r\n", StoreReadOnly),
        (b"-ASK 5 127.0.0.1:1\r\n", StoreUnavailable),
    ],
)
async def test_what_is_repeated_in_vain_is_given_up_at_the_deadline(refusal: bytes, error: type[AtomodmError]) -> None:
    async with ScriptedServer(in_turn(refusal)) as server:
        connection = await opened(server, 0.3)
        began = time.monotonic()
        with pytest.raises(error) as caught:
            await connection.command("GET", "k", writes=True)
        assert 0.2 < time.monotonic() - began < 0.36
        assert type(caught.value) is error
        assert caught.value.store == server.url
        assert 3 <= server.asked[b"GET"] < 30  # with pauses in between
        await connection.close()


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (b"-OOM command not allowed when used memory > 'maxmemory'.\r\n", StoreFull),
        (
            b"-ERR Error running script (call to f_12): @user_script:3: @user_script: 3: -OOM command not allowed\r\n",
            StoreFull,
        ),
        (b"-MISCONF Redis is configured to save RDB snapshots\r\n", StoreUnavailable),
        (b"-NOAUTH Authentication required.\r\n", AccessDenied),
        (b"-ERR Protocol error: unauthenticated multibulk length\r\n", AccessDenied),
        (b"-NOPERM User hunter2 has no permissions to run the 'get' command\r\n", AccessDenied),
        (b"-ERR The user executing the script can't run this command or subcommand script: ab\r\n", AccessDenied),
        (b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", StoreCorrupt),
        (b"-ERR unknown command 'GET', with args beginning with: 'hunter2'\r\n", StoreError),
    ],
)
async def test_what_nothing_helps_against_is_told_at_once_and_without_values(
    refusal: bytes, error: type[AtomodmError]
) -> None:
    async with ScriptedServer(in_turn(refusal)) as server:
        connection = await opened(server)
        with pytest.raises(AtomodmError) as caught:
            await connection.command("GET", "k", writes=True)
        assert type(caught.value) is error
        assert "hunter2" not in f"{caught.value!r} {caught.value}"
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        assert server.asked[b"GET"] == 1
        await connection.close()


async def test_an_error_in_a_script_is_shown_with_its_place(connection: Connection) -> None:
    with pytest.raises(StoreError, match="user_script:1") as caught:
        await connection.run(script(b"return nothing.at_all"), [b"k"], [])
    assert type(caught.value) is StoreError


# -- lost connections --------------------------------------------------------------------------------------------------


async def test_a_write_that_was_sent_and_not_answered_has_an_unknown_outcome() -> None:
    async with ScriptedServer(in_turn(HANG_UP, to=b"SET")) as server:
        connection = await opened(server, 0.3)
        with pytest.raises(OutcomeUnknown):
            await connection.command("SET", "k", "v", writes=True)
        assert server.asked[b"SET"] > 1
        with pytest.raises(StoreUnavailable):
            await connection.command("SET", "k", "v")
        await connection.close()


async def test_a_write_that_may_have_been_done_is_not_called_refused() -> None:
    answer = in_turn(HANG_UP, b"-OOM command not allowed\r\n", to=b"SET")
    async with ScriptedServer(answer) as server:
        connection = await opened(server)
        with pytest.raises(OutcomeUnknown):
            await connection.command("SET", "k", "v", writes=True)
        await connection.close()


async def test_a_write_that_could_not_be_sent_was_not_done() -> None:
    async with ScriptedServer(in_turn(b"+OK\r\n")) as server:
        connection = await opened(server, 0.3)
    await asyncio.sleep(0.01)  # the server is gone, which shows
    with pytest.raises(StoreUnavailable, match=r"refused|closed"):
        await connection.command("SET", "k", "v", writes=True)
    await connection.close()


async def test_a_silent_server_costs_a_call_its_time_and_no_more() -> None:
    async with ScriptedServer(in_turn(None)) as server:
        connection = await opened(server, 0.4)
        began = time.monotonic()
        outcomes = await asyncio.gather(
            *(connection.command("GET", "k", writes=number % 2 == 0) for number in range(50)), return_exceptions=True
        )
        assert time.monotonic() - began < 0.44
        assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown, StoreUnavailable] * 25
        await connection.close()


async def test_a_connection_that_fell_silent_is_replaced_within_the_time_of_a_call() -> None:
    # As where a firewall has forgotten it.
    async with ScriptedServer(in_turn(None, bulk(b"v"))) as server:
        connection = await opened(server, 0.4)
        assert await connection.command("GET", "k", writes=True) == b"v"
        assert server.connections == 2
        await connection.close()


async def test_a_slow_answer_is_waited_for_while_others_come() -> None:
    async with ScriptedServer(in_turn(b"", bulk(b"v"))) as server:
        connection = await opened(server)
        slow = asyncio.create_task(connection.command("GET", "k"))
        await asyncio.sleep(0.4)
        assert await connection.command("GET", "k") == b"v"
        server.send(bulk(b"late"))
        assert await slow == b"late"
        assert server.asked[b"GET"] == 2
        await connection.close()


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n", b"+OK\r\n+OK\r\n", b"*5\r\n?"])
async def test_a_connection_with_what_is_no_reply_is_given_up(garbage: bytes) -> None:
    async with ScriptedServer(in_turn(garbage, bulk(b"v"))) as server:
        connection = await opened(server)
        replies = [await connection.command("GET", "k") for _ in range(3)]
        assert replies[1:] == [b"v", b"v"]
        assert server.connections == 2
        assert server.open_connections == 1
        await connection.close()


async def test_waiting_for_a_connection_can_be_cancelled_without_harm_to_others() -> None:
    async with ScriptedServer(in_turn(bulk(b"v"))) as server:
        connection = await opened(server, max_connections=1)
        for pause in range(20):
            server.hang_up()
            await asyncio.sleep(0.01)
            calls = [asyncio.create_task(connection.command("GET", "k")) for _ in range(5)]
            for _ in range(pause):
                await asyncio.sleep(0)
            calls[0].cancel()
            assert await asyncio.gather(*calls[1:]) == [b"v"] * 4
            assert server.open_connections == 1
        await connection.close()


async def test_a_call_on_a_connection_that_ended_while_nobody_used_it_is_sent_once() -> None:
    async with ScriptedServer(in_turn(b"+OK\r\n", to=b"SET")) as server:
        connection = await opened(server)
        await asyncio.gather(*(connection.command("SET", "k", "v", writes=True) for _ in range(10)))
        server.hang_up()
        await asyncio.sleep(0.01)
        server.asked.clear()
        assert await connection.command("SET", "k", "v", writes=True) == b"OK"
        assert server.asked[b"SET"] == 1
        await connection.close()


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_closing_lets_running_calls_end_and_refuses_new_ones() -> None:
    async with ScriptedServer(in_turn(b"")) as server:
        connection = await opened(server)
        running = asyncio.create_task(connection.command("GET", "k"))
        await asyncio.sleep(0.01)
        closing = asyncio.create_task(connection.close())
        await asyncio.sleep(0.01)
        assert not closing.done()
        with pytest.raises(StoreClosed):
            await connection.command("GET", "k")
        server.send(bulk(b"v"))
        assert await running == b"v"
        await closing
        with pytest.raises(StoreClosed):
            await connection.command("GET", "k")
        await connection.open()
        await connection.close()
        await connection.close()


async def test_closing_waits_no_longer_than_a_call_may_take() -> None:
    async with ScriptedServer(in_turn(None)) as server:
        connection = await opened(server, 0.3)
        running = asyncio.create_task(connection.command("GET", "k"))
        await asyncio.sleep(0.01)
        async with asyncio.timeout(0.4):
            await connection.close()
        with pytest.raises(StoreUnavailable):
            await running


async def test_a_close_that_is_cancelled_closes_all_the_same() -> None:
    async with ScriptedServer(in_turn(b"")) as server:
        connection = await opened(server)
        running = [asyncio.create_task(connection.command("GET", "k")) for _ in range(3)]
        await asyncio.sleep(0.01)
        closing = asyncio.create_task(connection.close())
        await asyncio.sleep(0.01)
        closing.cancel()
        await asyncio.wait([closing])
        assert closing.cancelled()
        for outcome in await asyncio.gather(*running, return_exceptions=True):
            assert isinstance(outcome, StoreClosed)
        await asyncio.sleep(0.02)
        assert (server.connections, server.open_connections) == (3, 0)


async def test_a_script_is_run_where_its_keys_are(redis_cluster: Connection) -> None:
    keys = [f"ns:{{collection-{number}:0}}:documents".encode() for number in range(30)]
    for key in keys:
        assert await redis_cluster.run(WRITE, [key], [key], writes=True) == b"written"
    assert [await redis_cluster.command("GET", key, key=key) for key in keys] == keys
    assert await redis_cluster.command("PING") == b"PONG"


async def test_all_keys_of_a_cluster_are_walked_through(redis_cluster: Connection) -> None:
    keys = {f"ns:{{collection-{number}:0}}:documents".encode() for number in range(30)}
    for key in keys:
        await redis_cluster.command("SET", key, "v", key=key, writes=True)
    assert {key async for step in redis_cluster.keys(b"ns:{*") for key in step} == keys


async def test_a_walk_whose_connection_is_lost_begins_anew() -> None:
    steps = [array(bulk(b"7"), array(bulk(b"a"))), HANG_UP, array(bulk(b"7"), array(bulk(b"a"), bulk(b"b")))]
    async with ScriptedServer(in_turn(*steps, array(bulk(b"0"), array(bulk(b"c"))), to=b"SCAN")) as server:
        connection = await opened(server)
        assert [step async for step in connection.keys(b"*")] == [[b"a"], [b"a", b"b"], [b"c"]]
        server.answer = in_turn(HANG_UP, to=b"SCAN")
        with pytest.raises(StoreUnavailable):
            assert [step async for step in connection.keys(b"*")] == []
        await connection.close()
        with pytest.raises(StoreClosed):
            assert [step async for step in connection.keys(b"*")] == []


@pytest.fixture
async def cluster_client(cluster_url: str) -> AsyncIterator[RedisCluster]:
    """A client of the cluster, which knows its map."""
    host, port = cluster_url.removeprefix("redis+cluster://").partition(",")[0].split(":")
    async with RedisCluster(host=host, port=int(port)) as client:
        yield client


async def test_a_map_that_is_out_of_date_is_mended_by_what_servers_tell(cluster_client: RedisCluster) -> None:
    target = from_client(cluster_client, 2)
    connection = Connection(target.servers, timeout=2, url=target.url, clustered=True)
    await connection.open()
    keys = [f"ns:{{collection-{number}:0}}:documents".encode() for number in range(30)]
    manager = cluster_client.nodes_manager
    manager.slots_cache = dict.fromkeys(manager.slots_cache, manager.slots_cache[0])
    replies = await asyncio.gather(*(connection.run(ECHO, [key], [b"v"]) for key in keys))
    assert replies == [[key, b"v", 1] for key in keys]
    assert len({nodes[0].name for nodes in manager.slots_cache.values()}) == 3
    await connection.close()


async def test_replies_of_a_cluster_reach_those_who_asked_while_others_are_cancelled(
    cluster_client: RedisCluster,
) -> None:
    target = from_client(cluster_client, 2)
    connection = Connection(target.servers, timeout=2, url=target.url, clustered=True)
    await connection.open()
    keys = [f"{{collection-{number}:0}}".encode() for number in range(9)]
    for pause in range(60):
        asking = [asyncio.create_task(connection.run(ECHO, [key], [number])) for number, key in enumerate(keys)]
        for _ in range(pause):
            await asyncio.sleep(0)
        for task in asking[::3]:
            task.cancel()
        for number, reply in enumerate(await asyncio.gather(*asking, return_exceptions=True)):
            assert reply == [keys[number], b"%d" % number, 1] or (number % 3 == 0 and isinstance(reply, BaseException))
    await connection.close()


async def test_a_cluster_moves_a_slot_and_calls_follow() -> None:
    key = b"ns:{c:0}:documents"
    async with ScriptedServer(in_turn(bulk(b"moved here"))) as second, ScriptedServer(in_turn(b"")) as first:

        def slots(port: int) -> bytes:
            node = array(bulk(b"127.0.0.1"), b":%d\r\n" % port, bulk(b"id"))
            return array(array(b":0\r\n", b":16383\r\n", node))

        def cluster(answer: Answer, port: int) -> Answer:
            def both(command: list[bytes]) -> bytes | None:
                if command[0] == b"CLUSTER":
                    return slots(port)
                if command[0] == b"INFO":
                    return info(redis_mode="cluster", cluster_enabled="1")
                if command[0] == b"COMMAND":
                    return array()
                return answer(command)

            return both

        def asking(command: list[bytes]) -> bytes:
            return b"-ASK 7 127.0.0.1:%d\r\n" % second.port

        first.answer = cluster(asking, first.port)
        second.answer = cluster(second.answer, second.port)
        connection = connection_to(f"redis+cluster://127.0.0.1:{first.port}")
        await connection.open()
        assert await connection.command("GET", key, key=key) == b"moved here"
        assert second.asked[b"ASKING"] == 1
        # An ASK is for one call; a MOVED is for all that follow.
        assert await connection.command("GET", key, key=key) == b"moved here"
        assert second.asked[b"ASKING"] == 2
        first.answer = cluster(in_turn(b"-MOVED 7 127.0.0.1:%d\r\n" % second.port), second.port)
        before = first.asked[b"GET"]
        for _ in range(3):
            assert await connection.command("GET", key, key=key) == b"moved here"
            await asyncio.sleep(0.01)
        assert first.asked[b"GET"] == before + 1
        await connection.close()


@pytest.mark.parametrize("error", [RecursionError(), MemoryError()])
def test_where_the_program_has_no_room_left_no_server_is_blamed(error: Exception) -> None:
    with pytest.raises(type(error)):
        failure_of(error, "redis://here", sent=True)
