"""Calls to Redis: scripts and commands, each under one deadline, repeated while that may help."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from hiredis import ReplyError

from ...errors import AtomodmError, OutcomeUnknown, StoreClosed, StoreUnavailable
from .faults import REMEDIES, Remedy, code_of, refused
from .link import Link, LinkLost, pack
from .opening import check_server, read_info
from .routes import Routes

if TYPE_CHECKING:
    from .scripts import Script

#: Seconds of the first pause before something is repeated, and of the longest one.
FIRST_PAUSE: Final = 0.004
LONGEST_PAUSE: Final = 0.25
#: Keys that a server looks at in one step of a walk through all of them, and how often a walk begins anew.
KEYS_WALKED: Final = 1000
REPEATED_WALKS: Final = 5
#: How often a call goes on at once where it is sent.
REDIRECTIONS: Final = 5


class Connection:
    """Runs scripts and commands; replies are bytes, integers and lists as the server sends them.

    Each call has one deadline. What fails on the way is repeated until then, on other servers where they took over: a
    commit that was applied already is recognised by its operation id, and all other calls may be made twice. A call
    that is cancelled leaves nothing behind that another one could take for its own reply.

    Parameters
    ----------
    routes : callable
        Makes the routes when the connection is opened.
    timeout : float
        Seconds that a call has.
    url : str
        The store's address for messages.
    clustered : bool
        Whether keys are spread over several servers.
    """

    def __init__(self, routes: Callable[[], Routes], *, timeout: float, url: str, clustered: bool = False) -> None:
        self._make_routes = routes
        self.timeout = timeout
        self.url = url
        self._routes: Routes | None = None
        self._time: Callable[[], float] = _never
        self._running = 0
        self._idle: asyncio.Event | None = None
        self.clustered = clustered

    async def open(self) -> None:
        """Connect, and ask whether the server can serve as a store.

        Raises
        ------
        StoreUnavailable
            It cannot be reached, does not let us in, or cannot serve.
        """
        self._time = asyncio.get_running_loop().time
        routes = self._make_routes()
        try:
            await self._check(routes)
        except BaseException:
            await routes.close()
            raise
        self._routes = routes

    async def close(self) -> None:
        """Let running calls end, and disconnect."""
        routes, self._routes = self._routes, None
        if routes is None:
            return
        try:
            if self._running:
                self._idle = asyncio.Event()
                await self._idle.wait()
        finally:
            self._idle = None
            await routes.close()

    async def run(
        self, script: Script, keys: Sequence[bytes], args: Sequence[bytes | int], *, writes: bool = False
    ) -> Any:
        """Run a script on the server that has `keys`, all of which are in one slot.

        Raises
        ------
        OutcomeUnknown
            It `writes`, was sent, and no answer could be had before the deadline.
        StoreUnavailable
            The server could not be reached before the deadline, or did not do it.
        StoreClosed
        """
        command = pack(("EVALSHA", script.sha, len(keys), *keys, *args))
        return await self._call(command, keys[0] if keys else None, writes, script)

    async def command(self, *parts: bytes | str | int, key: bytes | None = None, writes: bool = False) -> Any:
        """Run a command on the server that has `key`, or on any master.

        Raises are those of `run`.
        """
        return await self._call(pack(parts), key, writes, None)

    async def keys(self, pattern: bytes) -> AsyncGenerator[list[bytes], None]:
        """The keys of all masters that match a pattern, step by step; some may be given several times.

        Raises are those of `run`.
        """
        for attempt in range(REPEATED_WALKS):
            pauses = _Pauses(self._time, self._time() + self.timeout)
            try:
                routes = self._opened()
                for link in await routes.all(self._time() + self.timeout):
                    cursor = b"0"
                    while True:
                        cursor, found = await self._step(link, cursor, pattern)
                        yield found
                        if cursor == b"0":
                            break
                return
            except LinkLost as lost:
                # From the beginning: what is known of a server ends with it.
                if attempt + 1 == REPEATED_WALKS or not await pauses.another():
                    raise StoreUnavailable(lost.reason, store=self.url) from None

    async def _step(self, link: Link, cursor: bytes, pattern: bytes) -> tuple[bytes, list[bytes]]:
        self._opened()
        if not link.usable:
            raise LinkLost("the connection was closed", sent=False)
        self._running += 1
        try:
            command = pack(("SCAN", cursor, "MATCH", pattern, "COUNT", KEYS_WALKED))
            reply = await link.send(command, self._time() + self.timeout)
        finally:
            self._ended()
        if isinstance(reply, ReplyError):
            error = refused(reply, self.url)
            if code_of(reply) in REMEDIES:
                raise LinkLost(error.message, sent=False)
            raise error
        return reply[0], reply[1]

    def _opened(self) -> Routes:
        if self._routes is None:
            raise StoreClosed("the store is not open", store=self.url)
        return self._routes

    def _ended(self) -> None:
        self._running -= 1
        if self._idle is not None and not self._running:
            self._idle.set()

    async def _call(self, command: bytes, key: bytes | None, writes: bool, script: Script | None) -> Any:
        routes = self._opened()
        deadline = self._time() + self.timeout
        self._running += 1
        try:
            failure: Exception | None = None
            link = routes.link(key)
            if link is not None:
                try:
                    reply = await link.send(command, deadline)
                    if type(reply) is not ReplyError:
                        return reply
                    failure = reply
                except LinkLost as lost:
                    failure = lost
            return await _Call(self, routes, command, key, script, writes, deadline).go_on(link, failure)
        finally:
            self._ended()

    async def _check(self, routes: Routes) -> None:
        deadline = self._time() + self.timeout
        pauses = _Pauses(self._time, deadline)
        failure: AtomodmError | None = None
        while True:
            try:
                for link in await routes.all(deadline):
                    reply = await link.send(pack(("INFO",)), deadline)
                    if isinstance(reply, ReplyError):
                        raise reply
                    check_server(read_info(reply), clustered=self.clustered, url=self.url)
                return
            except LinkLost as lost:
                if failure is None or self._time() < deadline:
                    failure = StoreUnavailable(lost.reason, store=self.url)
            except ReplyError as refusal:
                failure = refused(refusal, self.url)
                if code_of(refusal) not in REMEDIES:
                    raise failure from None
            if not await pauses.another():
                raise failure from None


def _never() -> float:
    raise AssertionError("the connection was not opened")


class _Pauses:
    """Waits between attempts: longer each time, never past the deadline, and never as long as others wait."""

    def __init__(self, time: Callable[[], float], deadline: float) -> None:
        self._time = time
        self._deadline = deadline
        self._next = FIRST_PAUSE

    async def another(self) -> bool:
        """Wait; False when there is no time left for another attempt."""
        pause = self._next * random.uniform(0.5, 1)
        self._next = min(self._next * 2, LONGEST_PAUSE)
        left = self._deadline - self._time()
        if left <= 0:
            return False
        await asyncio.sleep(min(pause, left))
        return True


class _Call:
    """A call whose first attempt failed, or could not be made."""

    def __init__(
        self,
        connection: Connection,
        routes: Routes,
        command: bytes,
        key: bytes | None,
        script: Script | None,
        writes: bool,
        deadline: float,
    ) -> None:
        self._time = connection._time
        self.url = connection.url
        self._routes = routes
        self._command = command
        self._key = key
        self._script = script
        self._writes = writes
        self._deadline = deadline
        self._pauses = _Pauses(self._time, deadline)
        self._redirections = 0
        self._unknown = False
        self._refusal: ReplyError | None = None
        self._lost: LinkLost | None = None

    async def go_on(self, link: Link | None, failure: Exception | None) -> Any:
        """Repeat the call until it is answered, nothing helps, or the time is over.

        Parameters
        ----------
        link : Link or None
            Where it was sent.
        failure : LinkLost, ReplyError or None
            What became of that.
        """
        while True:
            try:
                link = await self._next(link, failure)
                reply = await link.send(self._command, self._deadline)
                if type(reply) is not ReplyError:
                    return reply
                failure = reply
            except LinkLost as lost:
                failure = lost

    async def _next(self, link: Link | None, failure: Exception | None) -> Link:
        """The link for the next attempt."""
        if isinstance(failure, ReplyError):
            assert link is not None, "a link has answered"
            code = code_of(failure)
            remedy = REMEDIES.get(code, Remedy.NONE)
            self._refusal = failure
            if remedy is Remedy.NONE:
                raise self._given_up()
            if remedy is Remedy.LOAD and self._script is not None:
                # Both leave together: the server does them one after the other.
                loaded = link.send(pack(("SCRIPT", "LOAD", self._script.source)), self._deadline)
                loaded.add_done_callback(_disregard)
                if self._redirections < REDIRECTIONS and link.usable:
                    self._redirections += 1
                    return link
            elif remedy in (Remedy.MOVED, Remedy.ASK):
                _, slot, address = str(failure).split(" ")[:3]
                host, _, port = address.rpartition(":")
                if remedy is Remedy.MOVED:
                    self._routes.moved(int(slot), host, int(port), link)
                if self._redirections < REDIRECTIONS:
                    self._redirections += 1
                    other = await self._routes.at(host, int(port), link, self._deadline)
                    if remedy is Remedy.ASK:
                        other.send(pack(("ASKING",)), self._deadline).add_done_callback(_disregard)
                    return other
            elif remedy is Remedy.ROUTE:
                self._routes.suspect(link)
        elif isinstance(failure, LinkLost):
            self._unknown = self._unknown or failure.sent
            if self._lost is None or self._time() < self._deadline:
                self._lost = failure  # later ones only tell that the time is over
            self._routes.suspect(None)
        if failure is not None and not await self._pauses.another():
            raise self._given_up()
        return self._routes.link(self._key) or await self._routes.connected(self._key, self._deadline)

    def _given_up(self) -> AtomodmError:
        if self._unknown and self._writes:
            return OutcomeUnknown(
                "the server did not answer a write that was sent to it; read before writing again", store=self.url
            )
        # What a server said tells more than that there was no time left to connect once more.
        if self._refusal is not None:
            return refused(self._refusal, self.url)
        assert self._lost is not None, "something has failed"
        return StoreUnavailable(self._lost.reason, store=self.url)


def _disregard(reply: asyncio.Future[Any]) -> None:
    """What went wrong shows in the reply to the command that follows."""
    if not reply.cancelled():
        reply.exception()
