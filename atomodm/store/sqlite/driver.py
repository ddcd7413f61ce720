"""The engine's driver for SQLite files: one connection writes, another one reads."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from ...contract.indexes import Progress
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
from ...errors import StoreClosed, UnsupportedOperation
from ...query.bounds import Range
from . import backup, reading, upkeep, writing
from .file import FileOptions, StoreConnection, open_for_reading, open_for_writing
from .thread import ConnectionThread
from .waiting import Patience

Result = TypeVar("Result")


class SQLiteDriver(Driver):
    """The engine's driver for one SQLite file.

    Parameters
    ----------
    options : FileOptions
    """

    def __init__(self, options: FileOptions) -> None:
        self._options = options
        self._reader: ConnectionThread | None = None
        self._writer: ConnectionThread | None = None

    async def open(self) -> None:
        """Open the file, creating it where there is none."""
        reader = ConnectionThread("atomodm-sqlite-read", self._options)
        writer = ConnectionThread("atomodm-sqlite-write", self._options)
        patience = Patience(self._options.timeout)
        try:
            # The writer creates what the reader needs.
            if not self._options.read_only:
                await writer.open(open_for_writing, patience)
            await reader.open(open_for_reading, patience)
        except BaseException:
            await reader.close()
            await writer.close()
            raise
        self._reader, self._writer = reader, writer

    async def close(self) -> None:
        """Let what is running finish, then close the file."""
        reader, writer, self._reader, self._writer = self._reader, self._writer, None, None
        # The last connection to close tidies up, which only the writing one may.
        try:
            if reader is not None:
                await reader.close()
        finally:
            # Nobody else would close it: not after being cancelled either.
            if writer is not None:
                await writer.close()

    async def _read(self, step: Callable[[sqlite3.Connection], Result]) -> Result:
        if self._reader is None:
            raise self._closed()
        return await self._reader.run(lambda connection, patience: _read(connection, patience, step))

    def _writing(self) -> ConnectionThread:
        if self._options.read_only:
            raise UnsupportedOperation("the store is open for reading only (mode=ro)", store=self._options.url)
        if self._writer is None:
            raise self._closed()
        return self._writer

    def _closed(self) -> StoreClosed:
        return StoreClosed("the store was closed", store=self._options.url)

    async def state(self, collection: str) -> CollectionState:
        """As `Driver.state`."""
        return await self._read(lambda connection: reading.state(connection, collection))

    async def states(self) -> list[CollectionState]:
        """As `Driver.states`."""
        return await self._read(reading.states)

    async def get(self, collection: str, ids: Sequence[bytes], *, version: int | None = None) -> list[Row]:
        """As `Driver.get`."""
        return await self._read(lambda connection: reading.get(connection, collection, ids, version))

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
        return await self._read(
            lambda connection: reading.scan(connection, collection, index, ranges, limit, after, reverse, version)
        )

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
        return await self._read(
            lambda connection: reading.entries(connection, collection, index, ranges, limit, after, version)
        )

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
        return await self._read(lambda connection: reading.count(connection, collection, index, ranges, limit, version))

    async def absent(self, collection: str, index: IndexRef, places: Sequence[Place]) -> list[Place]:
        """As `Driver.absent`."""
        return await self._read(lambda connection: reading.absent(connection, collection, index, places))

    async def apply(self, commit: Commit) -> Applied:
        """As `Driver.apply`."""
        return await self._writing().run(lambda connection, patience: writing.apply(connection, commit, patience))

    async def position(self) -> Position:
        """As `Driver.position`."""
        return await self._read(reading.position)

    async def log(self, since: Position, limit: int) -> LogPage:
        """As `Driver.log`."""
        return await self._read(lambda connection: reading.log(connection, since, limit))

    # -- upkeep --------------------------------------------------------------------------------------------------------

    async def examine(self, *, repair: bool) -> list[Finding]:
        """As `Driver.examine`."""
        mended: list[Finding] = []
        if repair:
            mended = await self._writing().run_long(upkeep.mend)
        async with self._another("atomodm-sqlite-check") as connection:
            return mended + await connection.run_long(upkeep.examine)

    async def vacuum(self) -> None:
        """Write the file anew without what was deleted; writers wait meanwhile, readers do not."""
        # On the thread that writes, so that writers of this store queue up instead of meeting a lock.
        await self._writing().run_long(upkeep.vacuum)

    async def back_up(self, target: Path, progress: Progress | None, replace: bool) -> None:
        """Copy what is committed now into another file."""
        loop = asyncio.get_running_loop()
        failed: list[BaseException] = []

        def report(done: int, total: int) -> None:
            if progress is None or failed:
                return
            try:
                progress(done, total)
            except BaseException as error:
                failed.append(error)

        def tell(done: int, total: int) -> None:
            if failed:
                raise backup.Abandoned
            loop.call_soon_threadsafe(report, done, total)

        def copy(connection: StoreConnection, patience: Patience) -> None:
            backup.back_up(connection, target, replace, tell, patience)

        async with self._another("atomodm-sqlite-backup") as connection:
            try:
                await connection.run_long(copy)
            except backup.Abandoned:
                raise failed[0] from None
        if failed:
            raise failed[0]

    @asynccontextmanager
    async def _another(self, name: str) -> AsyncIterator[ConnectionThread]:
        """Another connection for long reading, which keeps nobody from using the first one."""
        # The file is still the one that this store has open.
        if self._reader is None:
            raise self._closed()
        await self._reader.run(lambda connection, patience: connection.check_in_place())
        another = ConnectionThread(name, self._options)
        try:
            await another.open(open_for_reading, Patience(self._options.timeout))
            yield another
        finally:
            await another.close()


def _read(connection: StoreConnection, patience: Patience, step: Callable[[sqlite3.Connection], Result]) -> Result:
    connection.check_in_place_at_times()
    return patience.attempt(lambda: step(connection))
