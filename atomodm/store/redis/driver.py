"""The engine's driver for Redis: one server, the one that Sentinels name, or a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from ...contract.log import Position
from ...engine.driver import (
    Applied,
    CollectionState,
    Commit,
    Driver,
    Finding,
    IndexRef,
    LogPage,
    Page,
    Place,
    Row,
)
from ...errors import SaveError, StoreError, UnsupportedOperation
from ...query.bounds import Range
from ...query.ranges import EVERYTHING
from . import reading, writing
from .clock import Clock
from .connection import Connection
from .layout import Layout, entry, place, places
from .log import ClusterLogs, ServerLog
from .scripts import COMMIT, COUNT, ENTRIES, FORGET, GET, SCAN, STATES
from .upkeep import Examiner

#: Entries without documents that are removed at a time.
_FORGOTTEN_AT_ONCE = 1000


class RedisDriver(Driver):
    """The engine's driver for what one connection leads to.

    Parameters
    ----------
    connection : Connection
    layout : Layout
    """

    far = True

    def __init__(self, connection: Connection, layout: Layout) -> None:
        self.timeout = connection.timeout
        self._connection = connection
        self._layout = layout
        self._clock = Clock()
        self._log: ClusterLogs | ServerLog = (
            ClusterLogs(connection, layout) if connection.clustered else ServerLog(connection, layout)
        )
        self._repairing: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect, and learn the server's time."""
        await self._connection.open()
        try:
            await self.state("")
        except BaseException:
            await self._connection.close()
            raise

    async def close(self) -> None:
        """Let repairs finish, then disconnect."""
        try:
            if self._repairing:
                await asyncio.wait(self._repairing)
        finally:
            await self._connection.close()

    def now(self) -> int:
        """The server's time, as far as its answers told it."""
        return self._clock.now()

    # -- reading -------------------------------------------------------------------------------------------------------

    async def state(self, collection: str) -> CollectionState:
        """As `Driver.state`."""
        (state,) = await self._states([collection])
        return state

    async def states(self) -> list[CollectionState]:
        """As `Driver.states`."""
        collections = self._layout.collections
        while True:
            members = await self._connection.command(b"SMEMBERS", collections, key=collections)
            names = sorted(name.decode() for name in members)
            if self._connection.clustered:
                found = await asyncio.gather(*map(self.state, names))
                return [state for state in found if state.version or state.documents]
            states = await self._states(names, all=True)
            # Somebody may have made or dropped a collection in between.
            if len(states) == len(names):
                return states

    async def _states(self, names: Sequence[str], *, all: bool = False) -> list[CollectionState]:
        keys = [self._layout.collections] if all else []
        for name in names:
            part = self._layout.collection(name)
            keys += part.meta, part.ids
        sent = self._clock.start()
        reply = await self._connection.run(STATES, keys, [b"all", *[name.encode() for name in names]] if all else [])
        if reply is None:
            return []
        self._clock.learn(sent, reply[0])
        return [
            CollectionState(name, int(version or 0), catalogue or b"", documents)
            for name, (version, catalogue, documents) in zip(names, reply[1:], strict=True)
        ]

    async def get(self, collection: str, ids: Sequence[bytes], *, version: int | None = None) -> list[Row]:
        """As `Driver.get`."""
        wanted = ids if len(ids) == 1 else list(dict.fromkeys(ids))
        part = self._layout.collection(collection)
        keys = [part.meta, part.documents]
        rows: list[Row] = []
        read = 0
        while True:
            args: list[bytes | int] = [
                reading.version_bytes(version),
                reading.GET_BYTES,
                *wanted[read : read + reading.GET_IDS],
            ]
            values = await self._connection.run(GET, keys, args)
            if values is None:
                raise reading.stale()
            rows += reading.rows(wanted[read : read + len(values)], values)
            read += len(values)
            if read >= len(wanted):
                return rows

    async def scan(
        self,
        collection: str,
        index: IndexRef | None,
        ranges: Sequence[Range],
        *,
        limit: int,
        after: Place | None = None,
        reverse: bool = False,
        version: int | None = None,
    ) -> Page:
        """As `Driver.scan`."""
        part = self._layout.collection(collection)
        source = part.ids if index is None else part.index(*index)
        keys = [part.meta, part.documents, source]
        limit = min(limit, reading.PAGE_ENTRIES)
        settings: list[bytes | int] = [
            reading.version_bytes(version),
            limit,
            reading.PAGE_BYTES,
            b"ids" if index is None else b"entries",
            b"ZREVRANGEBYLEX" if reverse else b"ZRANGEBYLEX",
        ]
        wanted = reading.bounds(index, ranges, after, reverse)
        while True:
            bounds = [bound for pair in wanted[: reading.RANGES] for bound in pair]
            sent = self._clock.start()
            reply = await self._connection.run(SCAN, keys, [*settings, *bounds])
            if reply is None:
                raise reading.stale()
            self._clock.learn(sent, reply[0])
            page, last, orphans = reading.found(index, reply, limit)
            if orphans and page.keys:
                self._forget(part.documents, source, orphans)
            elif orphans:
                # Of very many, not all should wait to be removed.
                await self._forget_now(part.documents, source, orphans)
            further = wanted[reading.RANGES :]
            if page.keys:
                return replace(page, more=True) if further else page
            if page.more and last is not None:
                after = (last, last) if index is None else place(last)
                wanted = reading.bounds(index, ranges, after, reverse)
            elif further:
                wanted = further
            else:
                return page

    async def entries(
        self,
        collection: str,
        index: IndexRef,
        ranges: Sequence[Range],
        *,
        limit: int,
        after: Place | None = None,
        version: int | None = None,
    ) -> list[Place]:
        """As `Driver.entries`."""
        part = self._layout.collection(collection)
        source = part.index(*index)
        keys = [part.meta, source]
        found: list[Place] = []
        wanted = reading.bounds(index, ranges, after, reverse=False)
        while True:
            size = min(limit - len(found), reading.PAGE_ENTRIES)
            bounds = [bound for pair in wanted[: reading.RANGES] for bound in pair]
            settings: list[bytes | int] = [reading.version_bytes(version), size]
            members = await self._connection.run(ENTRIES, keys, [*settings, *bounds])
            if members is None:
                raise reading.stale()
            met = list(zip(*places(members), strict=True))
            if not all(id for _, id in met):
                self._forget(part.documents, source, [(member, b"") for member in members if not place(member)[1]])
                met = [(key, id) for key, id in met if id]
            found += met
            if len(members) == size and len(found) < limit:
                wanted = reading.bounds(index, ranges, place(members[-1]), reverse=False)
            else:
                wanted = wanted[reading.RANGES :]
            if len(found) >= limit or not wanted:
                return found

    async def count(
        self,
        collection: str,
        index: IndexRef | None,
        ranges: Sequence[Range],
        *,
        limit: int | None = None,
        version: int | None = None,
    ) -> int:
        """As `Driver.count`."""
        part = self._layout.collection(collection)
        keys = [part.meta, part.ids if index is None else part.index(*index)]
        settings: list[bytes | int] = [reading.version_bytes(version), limit or 0]
        wanted = reading.bounds(index, ranges, None, reverse=False)
        total = 0
        while True:
            bounds: list[bytes] = []
            if tuple(ranges) != (EVERYTHING,):
                # Nothing lies between these two, and the version is looked at even where there is no range.
                bounds = [bound for pair in wanted[: reading.RANGES] for bound in pair] or [b"+", b"-"]
            counted: int | None = await self._connection.run(COUNT, keys, [*settings, *bounds])
            if counted is None:
                raise reading.stale()
            total += counted
            wanted = wanted[reading.RANGES :]
            if not wanted or (limit is not None and total >= limit):
                return total

    async def absent(self, collection: str, index: IndexRef, places: Sequence[Place]) -> list[Place]:
        """As `Driver.absent`."""
        key = self._layout.collection(collection).index(*index)
        missing: list[Place] = []
        for start in range(0, len(places), reading.PAGE_ENTRIES):
            some = places[start : start + reading.PAGE_ENTRIES]
            scores = await self._connection.command(b"ZMSCORE", key, *[entry(*place) for place in some], key=key)
            missing += [place for place, score in zip(some, scores, strict=True) if score is None]
        return missing

    # -- writing -------------------------------------------------------------------------------------------------------

    async def apply(self, commit: Commit) -> Applied:
        """As `Driver.apply`."""
        writing.check_size(commit, self._connection.url)
        if not self._connection.clustered or len(commit.collections) == 1:
            return await self._apply(commit)
        if not commit.collections or not all(changes.dropped for changes in commit.collections.values()):
            raise UnsupportedOperation("a Redis Cluster changes one collection at a time", store=self._connection.url)
        dropped = [await self._apply(single) for single in writing.single_drops(commit)]
        return dropped[-1]._replace(dropped=sum([each.dropped for each in dropped]))

    async def _apply(self, commit: Commit) -> Applied:
        clustered = self._connection.clustered
        registered, indexes = False, 0
        while True:
            attempt = writing.Attempt(
                self._layout, clustered=clustered, commit=commit, registered=registered, indexes=indexes
            )
            sent = self._clock.start()
            reply = await self._connection.run(COMMIT, attempt.keys, attempt.args, writes=True)
            match reply[0]:
                case b"applied":
                    self._clock.learn(sent, reply[3])
                    return writing.applied(reply)
                case b"unregistered":
                    # The set is in another slot than what it names.
                    collections = self._layout.collections
                    await self._connection.command(b"SADD", collections, *reply[1:], key=collections, writes=True)
                    registered = True
                case b"indexes":
                    indexes = max(reply[2::2])
                case _:
                    return writing.applied(reply)

    def _forget(self, documents: bytes, source: bytes, orphans: Sequence[tuple[bytes, bytes]]) -> None:
        """Remove entries whose documents are gone, while what met them goes on."""
        task = asyncio.create_task(self._forget_now(documents, source, orphans))
        self._repairing.add(task)
        task.add_done_callback(self._repairing.discard)

    async def _forget_now(self, documents: bytes, source: bytes, orphans: Sequence[tuple[bytes, bytes]]) -> None:
        # Whoever meets them again tries again.
        with suppress(StoreError, SaveError):
            for start in range(0, len(orphans), _FORGOTTEN_AT_ONCE):
                members, ids = zip(*orphans[start : start + _FORGOTTEN_AT_ONCE], strict=True)
                await self._connection.run(FORGET, [documents, source], [*members, *ids], writes=True)

    # -- the log -------------------------------------------------------------------------------------------------------

    async def position(self) -> Position:
        """As `Driver.position`."""
        return await self._log.position()

    async def log(self, since: Position, limit: int) -> LogPage:
        """As `Driver.log`."""
        return await self._log.read(since, limit)

    # -- checking ------------------------------------------------------------------------------------------------------

    async def examine(self, *, repair: bool) -> list[Finding]:
        """As `Driver.examine`."""
        return await Examiner(self._connection, self._layout, repair=repair).run()
