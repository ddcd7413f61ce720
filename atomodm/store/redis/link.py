"""One connection to one server, which any number of calls use at the same time.

Commands are written as they come, and replies arrive in the same order: the oldest call that waits gets the next one.
A call that is cancelled, or past its deadline, keeps its place, so that its reply is dropped when it arrives and never
given to somebody else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

from hiredis import ProtocolError, Reader, pack_command
from redis.asyncio.connection import AbstractConnection

from ...errors import DriverMissing

#: Parts of the timeout between two looks for calls that are past their deadline.
LOOKS: Final = 20

_NOTHING: Final = object()

#: The bytes of a command, of its parts. hiredis declares its argument as a tuple of one part.
pack = cast("Callable[[tuple[bytes | str | int, ...]], bytes]", pack_command)


class LinkLost(Exception):
    """A call got no answer because of the way to the server.

    Attributes
    ----------
    reason : str
        For a message.
    sent : bool
        The server may have done what was asked.
    """

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


class Link(asyncio.Protocol):
    """A connection, from the moment that the server has accepted it.

    Parameters
    ----------
    connection : redis.asyncio.connection.AbstractConnection
        Connected; its stream is taken from it.
    timeout : float
        Seconds that a call has at most.

    Attributes
    ----------
    usable : bool
        It is open.
    ready : bool
        Calls may be sent at once: it is open, and what was sent before has left.
    """

    # redis-py makes the connection: addresses, TLS, credentials, the database. What it does for each command costs more
    # than the server takes for it, and a cancelled command costs the connection; so it hands over the stream.

    def __init__(self, connection: AbstractConnection, timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._new_future = self._loop.create_future
        self._reader = Reader(notEnoughData=_NOTHING)
        self._next_reply = self._reader.gets
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._interval = timeout / LOOKS
        self._look: asyncio.TimerHandle | None = None
        self._heard = self._quiet_since = self._loop.time()
        self._oldest: asyncio.Future[Any] | None = None
        self._unsent = 0
        self._writable: asyncio.Future[None] | None = None
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._reason = "the connection was closed"
        # The streams live as long as the transport, which they close when they are collected.
        self._streams = _taken_from(connection)
        self._transport = self._streams[1].transport
        self._write = self._transport.write
        self._transport.set_protocol(self)
        self.usable = self.ready = not self._transport.is_closing()

    def send(self, command: bytes, deadline: float) -> asyncio.Future[Any]:
        """Send a packed command; the future gets its reply, which may be a `hiredis.ReplyError`, or `LinkLost`.

        The link must be `usable`.
        """
        self._write(command)
        future = self._new_future()
        self._waiting.append((future, deadline))
        if self._look is None:
            self._look = self._loop.call_later(self._interval, self._look_for_late_calls)
        return future

    async def writable(self) -> None:
        """Wait until what was written before has left, where much of it has not."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    @property
    def is_idle(self) -> bool:
        """Whether no call waits."""
        return not self._waiting

    def abort(self, reason: str) -> None:
        """Close at once; what waits is told `reason`."""
        if self.usable:
            self._reason = reason
        self.usable = self.ready = False
        self._transport.abort()

    async def close(self) -> None:
        """Close at once, and wait until it is closed."""
        self.abort("the store was closed")
        await asyncio.shield(self._ended)

    # -- deadlines -----------------------------------------------------------------------------------------------------

    def _look_for_late_calls(self) -> None:
        # One timer for the link instead of one for each call, which would cost each of them a few microseconds.
        self._look = None
        now = self._loop.time()
        for future, deadline in self._waiting:
            if deadline <= now and not future.done():
                future.set_exception(LinkLost("the server did not answer in time", sent=True))
        if self._is_silent(now):
            # Nobody is there any more, or can answer. Whoever has time left tries again on a new connection.
            self.abort("the server did not answer")
        elif self._waiting:
            self._look = self._loop.call_later(self._interval, self._look_for_late_calls)

    def _is_silent(self, now: float) -> bool:
        """Whether one call has waited for half of the timeout in which nothing came, and nothing left either."""
        oldest = self._waiting[0][0] if self._waiting else None
        unsent = self._transport.get_write_buffer_size()
        if oldest is not self._oldest or unsent != self._unsent or self._heard > self._quiet_since:
            self._oldest, self._unsent, self._quiet_since = oldest, unsent, now
            return False
        return oldest is not None and now - self._quiet_since >= LOOKS * self._interval / 2

    # -- called by the transport ---------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Give replies to those who wait for them."""
        self._heard = self._loop.time()
        waiting, next_reply = self._waiting, self._next_reply
        try:
            self._reader.feed(data)
            while (reply := next_reply()) is not _NOTHING:
                future = waiting.popleft()[0]
                if not future.done():
                    future.set_result(reply)
        except (ProtocolError, IndexError):
            # What cannot be read, or what nobody asked for: nothing that follows can be told apart.
            self.abort("the server sent what is no reply")

    def eof_received(self) -> bool:
        """Close: nothing can be answered any more."""
        return False

    def pause_writing(self) -> None:
        """Remember that others should wait with writing."""
        if self._writable is None:
            self._writable = self._new_future()
            self.ready = False

    def resume_writing(self) -> None:
        """Let those go on who wait to write."""
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None
            self.ready = self.usable

    def connection_lost(self, error: Exception | None) -> None:
        """Tell everybody who waits."""
        self.usable = self.ready = False
        if error is not None and isinstance(error, OSError):
            self._reason = f"the connection broke: {error.strerror or type(error).__name__}"
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self.resume_writing()
        waiting, self._waiting = self._waiting, deque()
        for future, _ in waiting:
            if not future.done():
                future.set_exception(LinkLost(self._reason, sent=True))
        if not self._ended.done():
            self._ended.set_result(None)


def _taken_from(connection: AbstractConnection) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    # redis-py has no public name for the stream; these have been the same from its version 4.2 to 8.
    reader, writer = getattr(connection, "_reader", None), getattr(connection, "_writer", None)
    if not isinstance(reader, asyncio.StreamReader) or not isinstance(writer, asyncio.StreamWriter):
        raise DriverMissing(
            "this version of redis-py, or the class of this connection, does not fit; pip install 'redis>=6,<9'"
        )
    connection._reader = connection._writer = None
    return reader, writer
