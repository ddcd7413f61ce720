"""The fault proxy does to connections what it is told, and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest

from atomodm.testing.proxy import FaultProxy, Moment
from tests.servers.processes import free_port


class Echo:
    """A server that answers each line with ``re:`` and the line."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with suppress(OSError):
                while line := await reader.readline():
                    self.received.append(line)
                    writer.write(b"re:" + line)
                    await writer.drain()
        finally:
            self.open -= 1
            writer.close()


class Client:
    """A connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, line: bytes) -> None:
        self.writer.write(line)

    async def hear(self) -> bytes:
        """The next line, or what there was of it at the end of the connection."""
        return await asyncio.wait_for(self.reader.readline(), 5)

    async def ask(self, line: bytes) -> bytes:
        self.say(line)
        return await self.hear()


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[FaultProxy]:
    server = await asyncio.start_server(echo.serve, "127.0.0.1")
    async with FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    server.close()


async def connected(proxy: FaultProxy) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", proxy.port))


async def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def test_everything_goes_through_in_order(proxy: FaultProxy, echo: Echo) -> None:
    client, other = await connected(proxy), await connected(proxy)
    lines = [b"%d %s\n" % (number, b"x" * number) for number in range(500)]
    for line in lines:
        client.say(line)
    assert await other.ask(b"hello\n") == b"re:hello\n"
    assert [await client.hear() for _ in lines] == [b"re:" + line for line in lines]
    assert (proxy.accepted, proxy.connections) == (2, 2)
    client.writer.close()
    await eventually(lambda: proxy.connections == 1 and echo.open == 1)
    other.writer.close()
    await eventually(lambda: proxy.connections == 0 and echo.open == 0)


async def test_much_goes_through_although_nobody_reads_for_a_while(proxy: FaultProxy, echo: Echo) -> None:
    client = await connected(proxy)
    line = b"y" * 60_000 + b"\n"
    for _ in range(300):
        client.say(line)
    await asyncio.sleep(0.2)
    # It does not pile up in the proxy: who sends is slowed down.
    assert len(echo.received) < 300
    for _ in range(300):
        assert await client.hear() == b"re:" + line
    client.writer.close()


async def test_who_has_sent_everything_still_gets_the_replies(proxy: FaultProxy) -> None:
    client = await connected(proxy)
    proxy.reply_delay = 0.05
    client.say(b"last\n")
    client.writer.write_eof()
    assert await client.hear() == b"re:last\n"
    assert await client.hear() == b""
    await eventually(lambda: proxy.connections == 0)
    client.writer.close()


async def test_the_end_of_the_server_is_the_end_for_the_client(proxy: FaultProxy) -> None:
    nobody = free_port()
    async with FaultProxy("127.0.0.1", nobody) as proxy:
        client = await connected(proxy)
        assert await client.ask(b"anybody?\n") == b""
        client.writer.close()


@pytest.mark.parametrize("reset", [False, True])
async def test_a_cut_before_the_request_keeps_it_from_the_server(proxy: FaultProxy, echo: Echo, reset: bool) -> None:
    client, other = await connected(proxy), await connected(proxy)
    planned = proxy.cut_when(Moment.BEFORE_REQUEST, containing=b"save", reset=reset)
    assert await client.ask(b"read\n") == b"re:read\n"
    client.say(b"save it\n")
    if reset:
        with pytest.raises(ConnectionResetError):
            await client.hear()
    else:
        assert await client.hear() == b""
    assert planned.happened
    assert await other.ask(b"save again\n") == b"re:save again\n"
    assert echo.received == [b"read\n", b"save again\n"]
    client.writer.close()
    other.writer.close()


@pytest.mark.parametrize("reset", [False, True])
async def test_a_cut_after_the_request_gives_it_to_the_server(proxy: FaultProxy, echo: Echo, reset: bool) -> None:
    client = await connected(proxy)
    planned = proxy.cut_when(Moment.AFTER_REQUEST, after=1, reset=reset)
    assert await client.ask(b"one\n") == b"re:one\n"
    client.say(b"two\n")
    if reset:
        with pytest.raises(ConnectionResetError):
            await client.hear()
    else:
        assert await client.hear() == b""
    assert planned.happened
    await eventually(lambda: echo.received == [b"one\n", b"two\n"] and echo.open == 0)
    client.writer.close()


@pytest.mark.parametrize("reply_bytes", [0, 1, 5])
async def test_a_cut_in_the_reply_lets_some_bytes_of_it_through(
    proxy: FaultProxy, echo: Echo, reply_bytes: int
) -> None:
    client = await connected(proxy)
    proxy.reply_delay = 0.02
    proxy.cut_when(Moment.IN_REPLY, containing=b"two", reply_bytes=reply_bytes)
    assert await client.ask(b"one\n") == b"re:one\n"
    assert await client.ask(b"two\n") == b"re:two\n"[:reply_bytes]
    assert echo.received == [b"one\n", b"two\n"]
    client.writer.close()


async def test_a_delay_holds_each_direction_for_its_own_time(proxy: FaultProxy) -> None:
    client = await connected(proxy)
    for requests, replies in [(0.15, 0.0), (0.0, 0.15), (0.1, 0.1), (0.0, 0.0)]:
        proxy.request_delay, proxy.reply_delay = requests, replies
        began = time.monotonic()
        assert await client.ask(b"slow\n") == b"re:slow\n"
        assert requests + replies <= time.monotonic() - began < requests + replies + 0.1
    client.writer.close()


async def test_a_delay_that_ends_lets_nothing_overtake(proxy: FaultProxy, echo: Echo) -> None:
    client = await connected(proxy)
    proxy.request_delay = 0.1
    client.say(b"first\n")
    await asyncio.sleep(0.02)
    proxy.request_delay = 0
    client.say(b"second\n")
    assert await client.hear() == b"re:first\n"
    assert echo.received[0] == b"first\n"
    assert await client.hear() == b"re:second\n"
    client.writer.close()


async def test_a_black_hole_takes_everything_and_gives_nothing(proxy: FaultProxy, echo: Echo) -> None:
    old, quiet = await connected(proxy), await connected(proxy)
    assert await old.ask(b"before\n") == b"re:before\n"
    proxy.swallow()
    new = await connected(proxy)
    for client in (old, new):
        client.say(b"lost\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.reader.readline(), 0.1)
    assert echo.received == [b"before\n"]
    await proxy.heal()
    assert (await old.hear(), await new.hear()) == (b"", b"")
    # Nothing of this one was lost.
    assert await quiet.ask(b"after\n") == b"re:after\n"
    for client in (old, new, quiet):
        client.writer.close()


async def test_refusing_and_listening_again_keep_the_port(proxy: FaultProxy) -> None:
    client, port = await connected(proxy), proxy.port
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await connected(proxy)
    assert await client.ask(b"still\n") == b"re:still\n"
    await proxy.heal()
    assert proxy.port == port
    again = await connected(proxy)
    assert await again.ask(b"again\n") == b"re:again\n"
    client.writer.close()
    again.writer.close()


@pytest.mark.parametrize("reset", [False, True])
async def test_all_connections_can_be_cut_now(proxy: FaultProxy, echo: Echo, reset: bool) -> None:
    clients = [await connected(proxy) for _ in range(3)]
    for client in clients:
        await client.ask(b"hello\n")
    assert proxy.cut(reset=reset) == 3
    for client in clients:
        if reset:
            with pytest.raises(ConnectionResetError):
                await client.hear()
        else:
            assert await client.hear() == b""
        client.writer.close()
    await eventually(lambda: proxy.connections == 0 and echo.open == 0)
    assert proxy.cut() == 0


async def test_closing_waits_for_nobody_who_does_not_read(echo: Echo) -> None:
    server = await asyncio.start_server(echo.serve, "127.0.0.1")
    proxy = FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1])
    await proxy.start()
    client = await connected(proxy)
    for _ in range(200):
        client.say(b"z" * 60_000 + b"\n")
    await asyncio.sleep(0.1)
    await asyncio.wait_for(proxy.close(), 1)
    assert proxy.connections == 0
    client.writer.transport.abort()
    server.close()
