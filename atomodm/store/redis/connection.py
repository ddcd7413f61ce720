"""Calls to Redis: scripts and commands, each under one deadline, repeated while that may help."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from ...errors import AtomodmError, StoreClosed, StoreUnavailable
from .calls import ATTEMPT, FIRST_PAUSE, Call, Pauses
from .faults import Refusal, Remedy, Unanswered, refused
from .opening import check_server, read_info
from .servers import Parts, Servers

if TYPE_CHECKING:
    from .scripts import Script

#: Keys that a server looks at in one step of a walk through all of them, and how often a walk begins anew.
KEYS_WALKED: Final = 1000
REPEATED_WALKS: Final = 5


class Connection:
    """Runs scripts and commands; replies are bytes, integers and lists as the server sends them.

    Each call has one deadline. What fails on the way is repeated until then, on other servers where they took over: a
    commit that was applied already is recognised by its operation id, and all other calls may be made twice. A call
    that is cancelled leaves nothing behind that another one could take for its own reply.

    Parameters
    ----------
    servers : callable
        Makes the way to the servers when the connection is opened.
    timeout : float
        Seconds that a call has.
    url : str
        The store's address for messages.
    clustered : bool
        Whether keys are spread over several servers.
    max_calls : int, optional
        Calls that are under way at most; others wait. Without it as many as there are.
    """

    def __init__(
        self,
        servers: Callable[[], Servers],
        *,
        timeout: float,
        url: str,
        clustered: bool = False,
        max_calls: int | None = None,
    ) -> None:
        self._make_servers = servers
        self.timeout = timeout
        self.url = url
        self.clustered = clustered
        self._max_calls = max_calls
        self._room: asyncio.Semaphore | None = None
        self._servers: Servers | None = None
        self._time: Callable[[], float] = _never
        self._running = 0
        self._idle: asyncio.Event | None = None

    async def open(self) -> None:
        """Connect, and ask whether the server can serve as a store.

        Raises
        ------
        StoreUnavailable
            It cannot be reached, does not let us in, or cannot serve.
        """
        self._time = asyncio.get_running_loop().time
        self._room = None if self._max_calls is None else asyncio.Semaphore(self._max_calls)
        servers = self._make_servers()
        try:
            await self._check(servers)
        except BaseException:
            await servers.close()
            raise
        self._servers = servers

    async def close(self) -> None:
        """Let running calls end, and disconnect."""
        servers, self._servers = self._servers, None
        if servers is None:
            return
        try:
            if self._running:
                self._idle = asyncio.Event()
                await self._idle.wait()
        finally:
            self._idle = None
            await servers.close()

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
        command = (b"EVALSHA", script.sha, len(keys), *keys, *args)
        return await self._call(command, keys[0] if keys else None, writes, script)

    async def command(self, *parts: bytes | str | int, key: bytes | None = None, writes: bool = False) -> Any:
        """Run a command on the server that has `key`, or on any master.

        Raises are those of `run`.
        """
        return await self._call(parts, key, writes, None)

    async def keys(self, pattern: bytes) -> AsyncGenerator[list[bytes], None]:
        """The keys of all masters that match a pattern, step by step; some may be given several times.

        Raises are those of `run`.
        """
        for attempt in range(REPEATED_WALKS):
            began = self._time()
            pauses = Pauses(began + self.timeout)
            try:
                for master in self._opened().masters():
                    process = await self._process(master)
                    cursor = b"0"
                    while True:
                        step = (b"SCAN", cursor, b"MATCH", pattern, b"COUNT", KEYS_WALKED)
                        cursor, found = await self._ask(master, step)
                        yield found
                        if cursor == b"0":
                            break
                    if await self._process(master) != process:
                        raise Unanswered("the server was replaced by another one", sent=False)
                return
            except (Refusal, Unanswered) as caught:
                failure = caught
            # From the beginning: what is known of a server ends with it.
            error = _error_of(failure, self.url)
            if isinstance(failure, Refusal) and failure.remedy is Remedy.NONE:
                raise error
            await self._opened().refresh(began, self._time() + self.timeout)
            if attempt + 1 == REPEATED_WALKS or not await pauses.another():
                raise error

    async def _process(self, master: Any) -> str | None:
        """What a server's process calls itself."""
        return read_info(await self._ask(master, (b"INFO", b"server"))).get("run_id")

    async def _ask(self, master: Any, command: Parts) -> Any:
        servers = self._opened()
        deadline = self._time() + self.timeout
        await self._enter(deadline)
        try:
            return await servers.send(command, None, deadline, server=master)
        finally:
            self._leave()

    async def _call(self, command: Parts, key: bytes | None, writes: bool, script: Script | None) -> Any:
        servers = self._opened()
        deadline = self._time() + self.timeout
        await self._enter(deadline)
        try:
            call = Call(
                servers,
                command,
                key,
                script=script,
                writes=writes,
                timeout=self.timeout,
                deadline=deadline,
                url=self.url,
            )
            return await call.answer()
        finally:
            self._leave()

    def _opened(self) -> Servers:
        if self._servers is None:
            raise StoreClosed("the store is not open", store=self.url)
        return self._servers

    async def _enter(self, deadline: float) -> None:
        """Wait until there is room for another call."""
        self._running += 1
        room = self._room
        if room is None:
            return
        try:
            if not room.locked():
                await room.acquire()
                return
            async with asyncio.timeout_at(deadline - FIRST_PAUSE):
                await room.acquire()
        except BaseException as error:
            self._ended()
            if not isinstance(error, TimeoutError):
                raise
            raise StoreUnavailable(
                "all connections were in use until the time was over; see the option max_connections", store=self.url
            ) from None

    def _leave(self) -> None:
        if self._room is not None:
            self._room.release()
        self._ended()

    def _ended(self) -> None:
        self._running -= 1
        if self._idle is not None and not self._running:
            self._idle.set()

    async def _check(self, servers: Servers) -> None:
        deadline = self._time() + self.timeout
        pauses = Pauses(deadline)
        error: AtomodmError | None = None
        while True:
            limit = min(deadline, self._time() + self.timeout * ATTEMPT)
            try:
                await servers.open(limit)
                for master in servers.masters():
                    reply = await servers.send((b"INFO",), None, limit, server=master)
                    check_server(read_info(reply), clustered=self.clustered, url=self.url)
                return
            except (Refusal, Unanswered) as caught:
                failure = caught
            if error is None or self._time() < deadline:
                error = _error_of(failure, self.url)  # later ones only tell that the time is over
            if (isinstance(failure, Refusal) and failure.remedy is Remedy.NONE) or not await pauses.another():
                raise error


def _never() -> float:
    raise AssertionError("the connection was not opened")


def _error_of(failure: Refusal | Unanswered, url: str) -> AtomodmError:
    if isinstance(failure, Refusal):
        return refused(failure, url)
    return StoreUnavailable(failure.reason, store=url)
