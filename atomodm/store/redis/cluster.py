"""Which server of a Redis Cluster a key is on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

from hiredis import ReplyError
from redis.crc import key_slot

from ...errors import StoreClosed, StoreUnsuitable
from .dialing import Dialer, Place
from .faults import code_of, refused
from .link import Link, LinkLost
from .routes import Routes, ask

#: A server's host and port.
Node = tuple[str, int]

SLOTS: Final = 16384
#: Seconds after which the next server is asked for the map while one has not answered.
STAGGER: Final = 0.1
#: Hash tags whose slots are remembered: as many collections as a program has, and no more than memory is for.
REMEMBERED: Final = 4096


class ClusterRoutes(Routes):
    """Calls go to the master of their key's slot.

    Parameters
    ----------
    nodes : sequence of (str, int)
        Some servers of the cluster.
    dialer : Dialer
        For any of them.
    remap : callable, optional
        Gives the address under which a server is reached from here, of the one that it is known by in the cluster.
    """

    clustered = True

    def __init__(self, nodes: Sequence[Node], dialer: Dialer, remap: Callable[[Node], Node] | None = None) -> None:
        self._seeds = list(nodes)
        self._dialer = dialer
        self._remap = remap
        self._places: dict[Node, Place] = {}
        self._masters: list[Node | None] = [None] * SLOTS
        self._serving: list[Node] = []
        self._slots: dict[bytes, int] = {}
        self._refreshing: asyncio.Task[None] | None = None
        self._closed = False

    # -- where a key is ------------------------------------------------------------------------------------------------

    def _slot(self, key: bytes) -> int:
        tag = key[: key.find(b"}") + 1] or key
        slot = self._slots.get(tag)
        if slot is None:
            if len(self._slots) >= REMEMBERED:
                self._slots.clear()
            slot = self._slots[tag] = key_slot(key)
        return slot

    def _node(self, key: bytes | None) -> Node | None:
        if key is not None:
            return self._masters[self._slot(key)]
        return random.choice(self._serving) if self._serving else None

    def link(self, key: bytes | None) -> Link | None:
        """The link to the master of a key's slot, if it can be used at once; without a key to any master."""
        node = self._node(key)
        place = self._places.get(node) if node is not None else None
        link = place.link if place is not None else None
        return link if link is not None and link.ready else None

    async def connected(self, key: bytes | None, deadline: float) -> Link:
        """The link to the master of a key's slot; without a key to any master."""
        node = self._node(key)
        if node is None:
            await self._refreshed(deadline)
            node = self._node(key)
        if node is None:
            raise LinkLost("no server of the cluster serves this part of it", sent=False)
        try:
            return await self._place(node).connected(deadline)
        except LinkLost:
            self.suspect(None)
            raise

    async def all(self, deadline: float) -> Sequence[Link]:
        """Links to all masters."""
        await self._refreshed(deadline)
        return [await self._place(node).connected(deadline) for node in self._serving]

    def _place(self, node: Node) -> Place:
        if self._closed:
            raise StoreClosed("the store was closed", store=self._dialer.url)
        place = self._places.get(node)
        if place is None:
            host, port = node
            place = self._places[node] = Place(lambda: self._dialer.dial(host=host, port=port))
        return place

    # -- what servers tell ---------------------------------------------------------------------------------------------

    def suspect(self, link: Link | None) -> None:
        """Ask again who serves what."""
        if not self._closed:
            self._refresh()

    def moved(self, slot: int, host: str, port: int, teller: Link) -> None:
        """Take up that a slot is elsewhere, and ask what else changed."""
        self._masters[slot] = self._address(host, port, teller)
        self.suspect(teller)

    async def at(self, host: str, port: int, teller: Link, deadline: float) -> Link:
        """The link to a server that another one named."""
        return await self._place(self._address(host, port, teller)).connected(deadline)

    def _address(self, host: str, port: int, teller: Link) -> Node:
        """What a server calls an address; without a host it is its own."""
        if not host or host == "?":
            for node, place in self._places.items():
                if place.link is teller:
                    return node[0], port
        node = host, port
        return node if self._remap is None else self._remap(node)

    # -- the map -------------------------------------------------------------------------------------------------------

    def _refresh(self) -> asyncio.Task[None]:
        if self._closed:
            raise StoreClosed("the store was closed", store=self._dialer.url)
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._read_map())
            self._refreshing.add_done_callback(self._refresh_ended)
        return self._refreshing

    def _refresh_ended(self, task: asyncio.Task[None]) -> None:
        self._refreshing = None
        if not task.cancelled():
            task.exception()  # asked for: whoever waits gets it too

    async def _refreshed(self, deadline: float) -> None:
        task = self._refresh()
        await asyncio.wait([task], timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        if not task.done() or task.cancelled():
            raise LinkLost("no server of the cluster answered in time", sent=False)
        error = task.exception()
        if isinstance(error, LinkLost):
            raise LinkLost(error.reason, sent=False)
        if isinstance(error, StoreUnsuitable):
            raise StoreUnsuitable(error.message, store=error.store)
        if error is not None:
            raise error

    async def _read_map(self) -> None:
        """Ask the servers in any order, the next one when one fails or is slow, until one tells the map."""
        known = [node for node in self._places if node not in self._seeds]
        # Masters first: a replica may be behind.
        nodes = random.sample(known, len(known)) + random.sample(self._seeds, len(self._seeds))
        nodes.sort(key=lambda node: node not in self._serving)
        asked: set[asyncio.Task[None]] = set()
        failure: Exception = LinkLost("no server of the cluster is known", sent=False)
        try:
            while nodes or asked:
                if nodes:
                    asked.add(asyncio.create_task(self._read_map_of(nodes.pop(0))))
                done, asked = await asyncio.wait(
                    asked, timeout=STAGGER if nodes else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    error = task.exception()
                    if error is None:
                        return
                    if not isinstance(error, LinkLost):
                        raise error
                    failure = error
            raise failure
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _read_map_of(self, node: Node) -> None:
        limit = self._dialer.timeout / 2
        link = await self._place(node).connected(asyncio.get_running_loop().time() + limit)
        reply = await ask(link, "CLUSTER", "SLOTS", limit=limit)
        if isinstance(reply, ReplyError):
            if "cluster support disabled" in str(reply):
                raise StoreUnsuitable(
                    "the server is no part of a cluster; write redis:// instead of redis+cluster://",
                    store=self._dialer.url,
                )
            if code_of(reply) in ("LOADING", "CLUSTERDOWN", "BUSY", "MASTERDOWN"):
                raise LinkLost("the server cannot tell the cluster's map now", sent=False)
            raise refused(reply, self._dialer.url)
        self._take_map(reply, node)

    def _take_map(self, ranges: Sequence[Any], teller: Node) -> None:
        masters: list[Node | None] = [None] * SLOTS
        for first, last, master, *_ in ranges:
            host = (master[0] or b"").decode()
            node = (teller[0], master[1]) if host in ("", "?") else (host, master[1])
            if self._remap is not None:
                node = self._remap(node)
            masters[first : last + 1] = [node] * (last + 1 - first)
        if not any(masters):
            raise LinkLost("the cluster serves nothing yet", sent=False)
        self._masters = masters
        self._serving = sorted({node for node in masters if node is not None})
        self._let_go()

    def _let_go(self) -> None:
        """Close idle links to servers that serve nothing any more."""
        for node, place in list(self._places.items()):
            link = place.link
            if node not in self._serving and link is not None and link.is_idle:
                link.abort("the server left the cluster")
                del self._places[node]

    async def close(self) -> None:
        """Close all links at once."""
        self._closed = True
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait([self._refreshing])
        await asyncio.gather(*(place.close() for place in self._places.values()))
        self._places.clear()
