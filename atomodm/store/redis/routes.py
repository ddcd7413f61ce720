"""Which server a call goes to: the only one there is, or the master that Sentinels or a folder name."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from hiredis import ReplyError

from .dialing import Dialer, Place
from .link import Link, LinkLost, pack


class Routes(ABC):
    """Finds the link for a call."""

    #: Whether keys are spread over several servers.
    clustered = False

    @abstractmethod
    def link(self, key: bytes | None) -> Link | None:
        """The link for a key, if there is one that can be used at once."""

    @abstractmethod
    async def connected(self, key: bytes | None, deadline: float) -> Link:
        """The link for a key, which is made where there is none.

        Raises
        ------
        LinkLost
            It cannot be had now.
        StoreError
            It cannot be had.
        """

    @abstractmethod
    async def all(self, deadline: float) -> Sequence[Link]:
        """Links to all servers that take writes."""

    @abstractmethod
    def suspect(self, link: Link | None) -> None:
        """Look again where calls go: a server was lost, or did not take what should be for it."""

    @abstractmethod
    def moved(self, slot: int, host: str, port: int, teller: Link) -> None:
        """Take up what a server of a cluster told."""

    @abstractmethod
    async def at(self, host: str, port: int, teller: Link, deadline: float) -> Link:
        """The link to a server that another one named."""

    @abstractmethod
    async def close(self) -> None:
        """Close all links at once."""


class Locator(ABC):
    """Knows where a single server is."""

    @abstractmethod
    async def dial(self) -> Link:
        """Connect to it.

        Raises
        ------
        LinkLost, StoreError
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of what it holds."""


class SingleRoutes(Routes):
    """All calls go to one server.

    Parameters
    ----------
    locator : Locator
    """

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self._place = Place(locator.dial)

    def link(self, key: bytes | None) -> Link | None:
        """The link, if it can be used at once."""
        link = self._place.link
        return link if link is not None and link.ready else None

    async def connected(self, key: bytes | None, deadline: float) -> Link:
        """The link."""
        return await self._place.connected(deadline)

    async def all(self, deadline: float) -> Sequence[Link]:
        """The link alone."""
        return [await self._place.connected(deadline)]

    def suspect(self, link: Link | None) -> None:
        """Connect again: the address may lead elsewhere now."""
        if link is not None:
            link.abort("the server is no master any more")

    def moved(self, slot: int, host: str, port: int, teller: Link) -> None:
        """Nothing: there are no slots."""

    async def at(self, host: str, port: int, teller: Link, deadline: float) -> Link:
        """No link: the server was made a part of a cluster meanwhile."""
        raise LinkLost("the server became a part of a cluster; open the store with redis+cluster://", sent=False)

    async def close(self) -> None:
        """Close the link at once."""
        try:
            await self._place.close()
        finally:
            await self._locator.close()


class Address(Locator):
    """A server at a fixed address.

    Parameters
    ----------
    dialer : Dialer
        Its settings have the address.
    """

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer

    async def dial(self) -> Link:
        """Connect to it."""
        return await self._dialer.dial()

    async def close(self) -> None:
        """Nothing is held."""


async def ask(link: Link, *command: str | bytes | int, limit: float) -> Any:
    """Send a command and give its reply, which may be a `ReplyError`; `LinkLost` after `limit` seconds."""
    reply = link.send(pack(command), asyncio.get_running_loop().time() + limit)
    try:
        async with asyncio.timeout(limit):
            return await reply
    except TimeoutError:
        raise LinkLost("the server did not answer in time", sent=True) from None


class Sentinels(Locator):
    """The master of a service, as Sentinels name it.

    Parameters
    ----------
    service : bytes
    sentinels : sequence of Dialer
        For each Sentinel one, whose settings have its address.
    dialer : Dialer
        For the master.
    """

    def __init__(self, service: bytes, sentinels: Sequence[Dialer], dialer: Dialer) -> None:
        self._service = service
        self._sentinels = list(sentinels)
        self._dialer = dialer

    async def dial(self) -> Link:
        """Connect to the master that the first Sentinel names which answers."""
        host, port = await self._master()
        link = await self._dialer.dial(host=host, port=port)
        role = await ask(link, "ROLE", limit=self._dialer.timeout)
        # Who may not ask learns it with the first write.
        if not isinstance(role, ReplyError) and role[0] != b"master":
            link.abort("the server is no master any more")
            raise LinkLost("the Sentinels name a server that is no master", sent=False)
        return link

    async def close(self) -> None:
        """Nothing is held."""

    async def _master(self) -> tuple[str, int]:
        tasks = [asyncio.create_task(self._named_by(dialer)) for dialer in self._sentinels]
        reason = "no Sentinel was given"
        try:
            for next_one in asyncio.as_completed(tasks):
                try:
                    return await next_one
                except LinkLost as lost:
                    reason = lost.reason
            raise LinkLost(reason, sent=False)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _named_by(self, dialer: Dialer) -> tuple[str, int]:
        try:
            link = await dialer.dial()
        except LinkLost as lost:
            raise LinkLost(f"no Sentinel answers: {lost.reason}", sent=False) from None
        try:
            reply = await ask(link, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service, limit=dialer.timeout)
        finally:
            await link.close()
        if isinstance(reply, ReplyError):
            raise LinkLost("a Sentinel refused to name the master", sent=False)
        if reply is None:
            raise LinkLost("the Sentinels know no service of this name", sent=False)
        return reply[0].decode(), int(reply[1])
