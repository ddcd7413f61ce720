"""One call to a server: sent, and sent again while that may help, until its deadline."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final

from ...errors import AtomodmError, OutcomeUnknown, StoreClosed, StoreUnavailable
from .faults import Refusal, Remedy, Unanswered, refused
from .servers import Parts, Servers

if TYPE_CHECKING:
    from .scripts import Script

#: Seconds of the first pause before something is repeated, and of the longest one.
FIRST_PAUSE: Final = 0.004
LONGEST_PAUSE: Final = 0.25
#: Part of the timeout that one attempt may take: a firewall may have forgotten its connection, a new one would do.
ATTEMPT: Final = 0.5
#: Bytes from which a command has all the time for one attempt, because it takes some to be sent.
LARGE: Final = 256 * 1024
#: How often a call goes on at once where it is sent.
REDIRECTIONS: Final = 5


class Pauses:
    """Waits between attempts: longer each time, never past the deadline, and never as long as others wait."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._next = FIRST_PAUSE

    async def another(self) -> bool:
        """Wait; False when there is no time left for another attempt."""
        pause = self._next * random.uniform(0.5, 1)
        self._next = min(self._next * 2, LONGEST_PAUSE)
        left = self._deadline - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, min(pause, left)))
        # What is sent in the last moment has no time to be answered: nobody would know what became of it.
        return left - pause > FIRST_PAUSE


class Call:
    """A command or a script, until it is answered, nothing helps, or the time is over.

    Parameters
    ----------
    servers : Servers
    command : tuple
        With ``EVALSHA`` for a script.
    key : bytes, optional
        Where it goes.
    script : Script, optional
        What is sent as a whole to a server that does not know it.
    writes : bool
    timeout : float
        Seconds that the call has.
    deadline : float
        When these are over, by the clock of the event loop.
    url : str
        The store's address for messages.
    """

    def __init__(
        self,
        servers: Servers,
        command: Parts,
        key: bytes | None,
        *,
        script: Script | None,
        writes: bool,
        timeout: float,
        deadline: float,
        url: str,
    ) -> None:
        self._servers = servers
        self._command = command
        self._key = key
        self._script = script
        self._writes = writes
        size = sum([len(part) for part in command if type(part) is bytes])
        self._attempt = timeout * ATTEMPT if size < LARGE else timeout
        self._deadline = deadline
        self._url = url
        self._time = asyncio.get_running_loop().time
        self._began = deadline - timeout
        self._pauses: Pauses | None = None
        self._redirections = 0
        self._asked: Any = None
        self._unknown = False
        self._refusal: Refusal | None = None
        self._lost: Unanswered | None = None

    async def answer(self) -> Any:
        """The raw reply.

        Raises
        ------
        AtomodmError
        """
        while True:
            try:
                return await self._send()
            except (Refusal, Unanswered) as caught:
                failure = caught
            if isinstance(failure, Unanswered):
                self._unknown = self._unknown or failure.sent
                if self._lost is None or self._time() < self._deadline:
                    self._lost = failure  # later ones only tell that the time is over
                await self._servers.refresh(self._began, self._deadline)
            else:
                self._refusal = failure
                if await self._remedied(failure):
                    continue
            if self._pauses is None:
                self._pauses = Pauses(self._deadline)
            if not await self._pauses.another():
                raise self._given_up()

    async def _send(self) -> Any:
        if self._servers.closed:
            raise StoreClosed("the store was closed", store=self._url)
        server, self._asked = self._asked, None
        self._began = self._time()
        limit = min(self._deadline, self._began + self._attempt)
        return await self._servers.send(self._command, self._key, limit, server=server)

    async def _remedied(self, refusal: Refusal) -> bool:
        """Do what helps; whether the call may be sent again at once."""
        match refusal.remedy:
            case Remedy.NONE:
                raise self._given_up()
            case Remedy.WAIT:
                return False
            case Remedy.LOAD if self._script is not None:
                # As a whole, which the server keeps.
                self._command = (b"EVAL", self._script.source, *self._command[2:])
            case Remedy.ASK:
                self._asked = self._servers.asked(refusal.address, self._key)
            case _:
                await self._servers.refresh(self._began, self._deadline)
        self._redirections += 1
        return refusal.remedy is not Remedy.ROUTE and self._redirections <= REDIRECTIONS

    def _given_up(self) -> AtomodmError:
        if self._unknown and self._writes:
            return OutcomeUnknown(
                "the server did not answer a write that was sent to it; read before writing again", store=self._url
            )
        # What a server said tells more than that there was no time left to connect once more.
        if self._refusal is not None:
            return refused(self._refusal, self._url)
        assert self._lost is not None, "something has failed"
        return StoreUnavailable(self._lost.reason, store=self._url)
