"""The change logs: one of a server, or one of each collection of a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from ...contract.log import Position
from ...engine.driver import LoggedCommit, LogPage
from ...errors import StoreCorrupt, TokenLost
from .connection import Connection
from .layout import CollectionKeys, Layout
from .scripts import LOG

#: Bytes of records after which a page ends.
RECORD_BYTES: Final = 4 * 1024 * 1024
#: Positions are less than this.
_HIGHEST: Final = 2**53


class ServerLog:
    """The log of a single server: its positions are numbers.

    Parameters
    ----------
    connection : Connection
    layout : Layout
    """

    def __init__(self, connection: Connection, layout: Layout) -> None:
        self._connection = connection
        self._keys = layout.collection("")

    async def position(self) -> Position:
        """As `Driver.position`."""
        return await _position(self._connection, self._keys)

    async def read(self, since: Position, limit: int) -> LogPage:
        """As `Driver.log`."""
        if not isinstance(since, int) or not _is_place(since):
            raise _lost(self._connection)
        commits = await _commits(self._connection, self._keys, since, limit)
        return LogPage(commits, _end(commits[-1]) if commits else since)


class ClusterLogs:
    """The logs of a cluster: a position maps names of collections to positions in their logs.

    Parameters
    ----------
    connection : Connection
    layout : Layout
    """

    def __init__(self, connection: Connection, layout: Layout) -> None:
        self._connection = connection
        self._layout = layout

    async def _names(self) -> list[str]:
        members = await self._connection.command(b"SMEMBERS", self._layout.collections, key=self._layout.collections)
        return sorted(name.decode() for name in members)

    async def position(self) -> Position:
        """As `Driver.position`."""

        names = await self._names()
        positions = await asyncio.gather(
            *[_position(self._connection, self._layout.collection(name)) for name in names]
        )
        return {name: position for name, position in zip(names, positions, strict=True) if position}

    async def read(self, since: Position, limit: int) -> LogPage:
        """As `Driver.log`."""
        if since == 0:
            since = {}
        if not isinstance(since, Mapping) or not all(map(_is_place, since.values())):
            raise _lost(self._connection)

        names = sorted({*await self._names(), *since})
        read = await asyncio.gather(
            *[_commits(self._connection, self._layout.collection(name), since.get(name, 0), limit) for name in names]
        )
        # Positions begin with the time, so that commits come about as they were made.
        logged = sorted(
            (commit.first, name, commit) for name, commits in zip(names, read, strict=True) for commit in commits
        )
        position = dict(since)
        commits: list[LoggedCommit] = []
        positions = 0
        for _, name, commit in logged:
            if positions >= limit:
                break
            commits.append(commit)
            positions += commit.size
            position[name] = _end(commit)
        return LogPage(commits, position)


async def _position(connection: Connection, keys: CollectionKeys) -> int:
    return int(await connection.command(b"HGET", keys.head, b"position", key=keys.head) or 0)


async def _commits(connection: Connection, keys: CollectionKeys, since: int, limit: int) -> list[LoggedCommit]:
    reply = await connection.run(LOG, [keys.log, keys.head], [b"%d" % since, b"%d" % limit, b"%d" % RECORD_BYTES])
    if reply is None:
        raise _lost(connection)
    return [_logged(*row) for row in reply]


def _logged(last: Any, size: Any, operation_id: Any, origin: Any, record: Any) -> LoggedCommit:
    try:
        return LoggedCommit(int(last) - int(size) + 1, int(size), operation_id, origin, record)
    except (TypeError, ValueError):
        raise StoreCorrupt("an entry of the change log is damaged") from None


def _end(commit: LoggedCommit) -> int:
    return commit.first + commit.size - 1


def _is_place(position: Any) -> bool:
    return isinstance(position, int) and 0 <= position < _HIGHEST


def _lost(connection: Connection) -> TokenLost:
    return TokenLost("the change log does not reach back to that position", store=connection.url)
