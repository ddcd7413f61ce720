"""A server that answers what a test tells it to, for what no real server does when it is asked to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from hiredis import Reader

from atomodm.store.redis.clients import from_url
from atomodm.store.redis.connection import Connection
from atomodm.store.urls import StoreURL

#: Ends the connection instead of answering.
HANG_UP = b"hang up"
#: What a healthy server tells of itself.
INFO = {
    "redis_version": "7.0.15",
    "redis_mode": "standalone",
    "loading": "0",
    "maxmemory_policy": "noeviction",
    "role": "master",
    "cluster_enabled": "0",
}

#: Answers a command; None for no answer.
Answer = Callable[[list[bytes]], bytes | None]


def bulk(text: bytes) -> bytes:
    """A reply of bytes."""
    return b"$%d\r\n%b\r\n" % (len(text), text)


def array(*replies: bytes) -> bytes:
    """A reply of several."""
    return b"*%d\r\n%b" % (len(replies), b"".join(replies))


def info(**changes: str) -> bytes:
    """The reply to INFO."""
    lines = [f"{name}:{value}" for name, value in {**INFO, **changes}.items()]
    return bulk("\r\n".join(["# Server", *lines, ""]).encode())


class ScriptedServer:
    """A server for one test; ``async with`` it.

    Parameters
    ----------
    answer : callable
        Gives the raw reply to a command. Where it raises `LookupError`, `greet` answers.

    Attributes
    ----------
    port : int
    connections : int
        How many there have been.
    asked : Counter
        How often each command came, by its first word.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.connections = 0
        self.asked: Counter[bytes] = Counter()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        self.hang_up()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def open_connections(self) -> int:
        """How many there are now."""
        return len(self._writers)

    def hang_up(self) -> None:
        """End all connections."""
        for writer in self._writers:
            writer.close()

    def send(self, reply: bytes) -> None:
        """Send something to all who are connected, late or unasked."""
        for writer in self._writers:
            writer.write(reply)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        commands = Reader()
        try:
            while data := await reader.read(65536):
                commands.feed(data)
                while command := commands.gets():
                    self.asked[command[0].upper()] += 1
                    try:
                        reply = self.answer(command)
                    except LookupError:
                        reply = greet(command)
                    if reply is HANG_UP:
                        return
                    if reply is not None:
                        writer.write(reply)
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


def greet(command: list[bytes]) -> bytes:
    """What a healthy server answers while a connection begins."""
    return info() if command[0].upper() == b"INFO" else b"+OK\r\n"


def connection_to(url: str, timeout: float = 1.0, max_connections: int = 50) -> Connection:
    """A connection, not yet opened."""
    target = from_url(StoreURL.parse(url, ["db"]), timeout, max_connections)
    return Connection(
        target.servers,
        timeout=timeout,
        url=target.url,
        clustered=target.clustered,
        max_calls=target.max_connections,
    )
