"""A TCP proxy that does on request what networks do by themselves: cut, delay, swallow, refuse, reset.

A test puts it between a client and its server, which both need not know of it::

    async with FaultProxy("127.0.0.1", 6379) as proxy:
        store = create_store(f"redis://{proxy.address}/0")
        await store.open()
        cut = proxy.cut_when(Moment.IN_REPLY, containing=b"EVALSHA")
        with pytest.raises(OutcomeUnknown):
            await store.write(batch)
        assert cut.happened

It knows nothing of what is said through it, so that it serves every protocol. It runs in the event loop that starts
it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Self

__all__ = ["FaultProxy", "Moment", "PlannedCut"]

# Lingering for no time at all: closing sends RST, and what was not sent yet is thrown away.
_RESET = struct.pack("ii", 1, 0)


class Moment(Enum):
    """When a planned cut comes.

    A request is what comes from the client at one time; of a long one it is the part that was asked for.
    """

    #: The server gets nothing of the request.
    BEFORE_REQUEST = "before the request"
    #: The server gets the request, and the client no answer. Whether the server still works on it is not known.
    AFTER_REQUEST = "after the request"
    #: The server has answered, and the client gets so many bytes of the answer, or none.
    IN_REPLY = "in the reply"


@dataclass(eq=False, slots=True)
class PlannedCut:
    """A cut that is to come, made by `FaultProxy.cut_when`.

    Attributes
    ----------
    moment : Moment
    containing : bytes
        What the request has in it; empty for any request.
    after : int
        Such requests that go through before.
    reply_bytes : int
        Bytes of the reply that reach the client.
    reset : bool
        The client gets RST instead of an orderly end.
    happened : bool
        The connection was cut.
    """

    moment: Moment
    containing: bytes = b""
    after: int = 0
    reply_bytes: int = 0
    reset: bool = False
    happened: bool = False


class FaultProxy:
    """Forwards connections to a server, faithfully until it is told otherwise.

    Parameters
    ----------
    host : str
    port : int
        Where the server is. It may come and go.
    listen_port : int, default 0
        The port of this machine that clients connect to; 0 for any that is free.

    Attributes
    ----------
    request_delay, reply_delay : float
        Seconds for which everything that comes from a client, or from the server, is held before it goes on. May be set
        at any time.
    accepted : int
        Connections that clients have made so far.
    """

    def __init__(self, host: str, port: int, *, listen_port: int = 0) -> None:
        self._target = (host, port)
        self._port = listen_port
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._planned: list[PlannedCut] = []
        self._swallows = False
        self.request_delay = 0.0
        self.reply_delay = 0.0
        self.accepted = 0

    @property
    def port(self) -> int:
        """The port to connect to."""
        return self._port

    @property
    def address(self) -> str:
        """Where to connect to, as ``host:port``."""
        return f"127.0.0.1:{self._port}"

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._links)

    # -- coming and going ----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to listen, at the port it had before where there was one."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._accept, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Listen no more, so that connecting is refused; connections that are open stay. `start` ends it."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def close(self) -> None:
        """Listen no more, and cut all connections."""
        self.refuse()
        for link in list(self._links):
            link.cut(at_once=True)
        await asyncio.gather(*(link.ended.wait() for link in list(self._links)))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _accept(self) -> _End:
        self.accepted += 1
        link = _Link(self)
        self._links.add(link)
        return link.client

    # -- faults --------------------------------------------------------------------------------------------------------

    def cut(self, *, reset: bool = False) -> int:
        """Cut every open connection now.

        Parameters
        ----------
        reset : bool, default False
            With RST instead of an orderly end.

        Returns
        -------
        int
            How many there were.
        """
        links = list(self._links)
        for link in links:
            link.cut(reset=reset)
        return len(links)

    def cut_when(
        self,
        moment: Moment,
        *,
        containing: bytes = b"",
        after: int = 0,
        reply_bytes: int = 0,
        reset: bool = False,
    ) -> PlannedCut:
        """Cut one connection when a request comes by; the other ones go on.

        Parameters
        ----------
        moment : Moment
        containing : bytes, optional
            Wait for a request with this in it.
        after : int, default 0
            Let so many such requests through first.
        reply_bytes : int, default 0
            With `Moment.IN_REPLY`: bytes of the reply that still reach the client.
        reset : bool, default False
            With RST instead of an orderly end. What of the reply is still on its way to the client may be lost.
        """
        planned = PlannedCut(moment, containing, after, reply_bytes, reset)
        self._planned.append(planned)
        return planned

    def swallow(self) -> None:
        """Be a black hole: accept connections, take what is sent on old and new ones, deliver nothing."""
        self._swallows = True

    async def heal(self) -> None:
        """End all faults: forward at once, plan nothing, listen.

        Connections of which something was swallowed are cut: what comes after a gap has no meaning.
        """
        self._swallows = False
        self.request_delay = self.reply_delay = 0.0
        self._planned.clear()
        for link in list(self._links):
            if link.has_gap:
                link.cut()
        await self.start()

    def _cut_for(self, request: bytes) -> PlannedCut | None:
        """The planned cut that this request brings about, which is planned no more then."""
        for planned in self._planned:
            if planned.containing in request:
                if planned.after == 0:
                    self._planned.remove(planned)
                    return planned
                planned.after -= 1
        return None


class _Link:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self.client = _End(self, self._requested)
        self._server = _End(self, self._replied)
        self._connecting: asyncio.Task[None] | None = None
        # The cut that comes in the next reply, and how many bytes of that may still go through.
        self._in_reply: PlannedCut | None = None
        self._left = 0
        self._is_cut = False
        self.has_gap = False
        self.ended = asyncio.Event()

    def cut(self, *, reset: bool = False, at_once: bool = False) -> None:
        """End both connections: with RST for the client if wanted, and in order for the server.

        `at_once` waits for nobody who does not take what was sent.
        """
        self._is_cut = True
        if self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
        self.client.close(reset=reset, at_once=at_once)
        self._server.close(at_once=at_once)

    # -- what the ends tell --------------------------------------------------------------------------------------------

    def opened(self, end: _End) -> None:
        if end is self.client:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
        elif self._is_cut:
            end.close()

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self._server, *self._proxy._target)
        except OSError:
            # The server is not there: the client sees that its connection ends.
            self.cut()

    def closed(self) -> None:
        """One of the two connections is gone."""
        self.cut()
        if self.client.is_closed and self._server.is_closed:
            self._proxy._links.discard(self)
            self.ended.set()

    def other(self, end: _End) -> _End:
        return self._server if end is self.client else self.client

    def ends_sending(self, end: _End) -> None:
        """One side sends no more; it may still wait for what the other one sends."""
        if self._proxy._swallows:
            self.has_gap = True
        elif self.other(end).sends_no_more:
            self.other(end).push(self.cut, self._delay_to(self.other(end)))
        else:
            self.other(end).push(self.other(end).end_writing, self._delay_to(self.other(end)))

    # -- what comes through --------------------------------------------------------------------------------------------

    def _delay_to(self, end: _End) -> float:
        return self._proxy.reply_delay if end is self.client else self._proxy.request_delay

    def _requested(self, request: bytes) -> None:
        if self._proxy._swallows:
            self.has_gap = True
            return
        planned = self._proxy._cut_for(request)
        delay = self._proxy.request_delay
        if planned is None:
            self._server.push(request, delay)
        elif planned.moment is Moment.BEFORE_REQUEST:
            self._server.push(lambda: self._cut_as(planned), delay)
        elif planned.moment is Moment.AFTER_REQUEST:
            self._server.push(request, delay)
            self._server.push(lambda: self._cut_as(planned), delay)
        else:
            self._in_reply, self._left = planned, planned.reply_bytes
            self._server.push(request, delay)

    def _replied(self, reply: bytes) -> None:
        if self._proxy._swallows:
            self.has_gap = True
            return
        delay, planned = self._proxy.reply_delay, self._in_reply
        if planned is None:
            self.client.push(reply, delay)
            return
        self.client.push(reply[: self._left], delay)
        self._left -= len(reply)
        if self._left <= 0:
            self.client.push(lambda: self._cut_as(planned), delay)

    def _cut_as(self, planned: PlannedCut) -> None:
        planned.happened = True
        self.cut(reset=planned.reset)


class _End(asyncio.Protocol):
    """One of the two connections of a link, with what is to be sent on it."""

    def __init__(self, link: _Link, receive: Callable[[bytes], None]) -> None:
        self._link = link
        self._receive = receive
        self._transport: asyncio.Transport | None = None
        # What is to be sent, or done, and when.
        self._waiting: deque[tuple[float, bytes | Callable[[], None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_closing = False
        self.is_closed = False
        self.sends_no_more = False

    def push(self, item: bytes | Callable[[], None], delay: float) -> None:
        """Send something, or do something, after all that was pushed before and not before `delay` has passed."""
        self._waiting.append((asyncio.get_running_loop().time() + delay, item))
        if self._timer is None:
            self._go_on()

    def _go_on(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        while self._waiting and self._transport is not None and not self._is_closing:
            due, item = self._waiting[0]
            if due > loop.time():
                self._timer = loop.call_at(due, self._go_on)
                return
            self._waiting.popleft()
            if callable(item):
                item()
            else:
                self._transport.write(item)

    def end_writing(self) -> None:
        """Tell who is connected that nothing more will come."""
        if self._transport is not None and not self._is_closing:
            self._transport.write_eof()

    def close(self, *, reset: bool = False, at_once: bool = False) -> None:
        """End the connection; what was written is sent, unless that must be at once, and what waits is not."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._waiting.clear()
        was_closing, self._is_closing = self._is_closing, True
        if self._transport is None:
            self.is_closed = True
        elif at_once or (reset and not was_closing):
            if reset:
                handle = self._transport.get_extra_info("socket")
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
        elif not was_closing:
            self._transport.close()

    # -- called by the event loop --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._is_closing:
            # It was given up while it was being made.
            self.is_closed = False
            transport.close()
            return
        self._link.opened(self)
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self._receive(data)

    def eof_received(self) -> bool:
        self.sends_no_more = True
        self._link.ends_sending(self)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._is_closing = self.is_closed = True
        self._link.closed()

    def pause_writing(self) -> None:
        self._link.other(self).pause_reading()

    def resume_writing(self) -> None:
        self._link.other(self).resume_reading()

    def pause_reading(self) -> None:
        """Read nothing until who is to get it has taken what there is."""
        if self._transport is not None and not self._is_closing:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport is not None and not self._is_closing:
            self._transport.resume_reading()
