"""``sqlite:///file.db``: documents in one SQLite file, for any number of processes of one machine.

There is one writer at a time; readers never wait for it. Each request to the file is one function on the thread of a
connection: one connection writes, another one reads.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, TypeVar

from ..contract.store import Atomicity, Capabilities
from ..engine.driver import Applied, CollectionState, Commit, Driver, IndexRef, LoggedCommit, Page, Place, Row
from ..engine.store import LOG_SIZE, EngineStore
from ..errors import InvalidURL, StoreClosed, UnsupportedOperation
from ..query.bounds import Range
from . import sqlite_reading, sqlite_writing
from .sqlite_file import FileOptions, open_for_reading, open_for_writing, store_errors
from .urls import StoreURL
from .worker import Worker

Result = TypeVar("Result")

#: Seconds to wait for another process's lock, unless the URL says otherwise.
TIMEOUT = 5.0
#: What ``synchronous=`` may be, the default first.
SYNCHRONOUS = ("normal", "full", "off")


class SQLiteStore(EngineStore):
    """Documents in one SQLite file, which is created with mode 0600 where it does not exist.

    Parameters
    ----------
    path : str or Path
        Relative paths start at the directory that is current now.
    synchronous : str
        What a commit waits for. ``"normal"``: nothing is lost when the program dies, and after a power cut the last
        commits may be missing while the file is sound. ``"full"``: a commit that is done survives a power cut.
        ``"off"``: a power cut may destroy the file.
    timeout : float
        Seconds to wait for another process that writes; then `StoreBusy`.
    read_only : bool
        Open a file that exists and write nothing.
    log_size : int
        Positions of the change log that are kept at least.
    url : str, optional
        The address for messages.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        synchronous: str = SYNCHRONOUS[0],
        timeout: float = TIMEOUT,
        read_only: bool = False,
        log_size: int = LOG_SIZE,
        url: str | None = None,
    ) -> None:
        if synchronous not in SYNCHRONOUS:
            raise ValueError(f"synchronous is one of {', '.join(SYNCHRONOUS)}")
        shown = url if url is not None else f"sqlite:///{path}"
        options = FileOptions(Path(path).absolute(), shown, synchronous, timeout, read_only)
        capabilities = Capabilities(atomic=Atomicity.STORE, durable=True, shared=True, change_log=True)
        super().__init__(shown, SQLiteDriver(options), capabilities, log_size=log_size)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Make the store of a URL: ``sqlite:///relative.db`` or ``sqlite:////absolute.db``.

        Options are ``synchronous`` (``normal``, ``full``, ``off``), ``timeout`` in seconds, ``mode=ro`` and
        ``log_size``. In file names ``%``, ``?`` and ``#`` are written ``%25``, ``%3F`` and ``%23``.

        Raises
        ------
        InvalidURL
        """
        parts = StoreURL.parse(url, ["synchronous", "timeout", "mode", "log_size"])
        path = parts.path.removeprefix("/")
        if not url.partition("://")[2].startswith("/"):
            raise InvalidURL("write sqlite:///relative.db or sqlite:////absolute.db", store=parts.shown)
        if not path or path == ":memory:" or "\0" in path:
            raise InvalidURL("the URL names no file; memory:// keeps documents in memory", store=parts.shown)
        parts.choice("mode", "ro", ["ro"])
        return cls(
            path,
            synchronous=parts.choice("synchronous", SYNCHRONOUS[0], SYNCHRONOUS),
            timeout=parts.number("timeout", TIMEOUT, least=0),
            read_only="mode" in parts.options,
            log_size=int(parts.number("log_size", LOG_SIZE, least=1)),
            url=parts.shown,
        )


class _ConnectionThread:
    """A connection and the thread that alone uses it."""

    def __init__(self, name: str, options: FileOptions) -> None:
        self._worker = Worker(name)
        self._options = options
        self._connection: sqlite3.Connection | None = None

    async def open(self, open_connection: Callable[[FileOptions], sqlite3.Connection]) -> None:
        """Connect."""

        def connect() -> None:
            self._connection = open_connection(self._options)

        await self._worker.run(connect)

    async def run(self, step: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run one function on the connection."""

        def on_connection() -> Result:
            if self._connection is None:
                raise StoreClosed("the store was closed", store=self._options.url)
            with store_errors(self._options):
                return step(self._connection)

        return await self._worker.run(on_connection)

    async def close(self) -> None:
        """Let what was asked for finish, then disconnect."""

        def disconnect() -> None:
            if self._connection is not None:
                connection, self._connection = self._connection, None
                with store_errors(self._options):
                    connection.close()

        await self._worker.stop(disconnect)


class SQLiteDriver(Driver):
    """The engine's driver for one SQLite file.

    Parameters
    ----------
    options : FileOptions
    """

    def __init__(self, options: FileOptions) -> None:
        self._options = options
        self._reader: _ConnectionThread | None = None
        self._writer: _ConnectionThread | None = None

    async def open(self) -> None:
        """Open the file, creating it where there is none."""
        reader = _ConnectionThread("atomodm-sqlite-read", self._options)
        writer = _ConnectionThread("atomodm-sqlite-write", self._options)
        try:
            # The writer creates what the reader needs.
            if not self._options.read_only:
                await writer.open(open_for_writing)
            await reader.open(open_for_reading)
        except BaseException:
            await reader.close()
            await writer.close()
            raise
        self._reader, self._writer = reader, writer

    async def close(self) -> None:
        """Let what is running finish, then close the file."""
        reader, writer, self._reader, self._writer = self._reader, self._writer, None, None
        # The last connection to close tidies up, which only the writing one may.
        if reader is not None:
            await reader.close()
        if writer is not None:
            await writer.close()

    async def _read(self, step: Callable[[sqlite3.Connection], Result]) -> Result:
        if self._reader is None:
            raise StoreClosed("the store was closed", store=self._options.url)
        return await self._reader.run(step)

    async def state(self, collection: str) -> CollectionState:
        """As `Driver.state`."""
        return await self._read(lambda connection: sqlite_reading.state(connection, collection))

    async def states(self) -> list[CollectionState]:
        """As `Driver.states`."""
        return await self._read(sqlite_reading.states)

    async def get(self, collection: str, ids: Sequence[bytes]) -> list[Row]:
        """As `Driver.get`."""
        return await self._read(lambda connection: sqlite_reading.get(connection, collection, ids))

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
            lambda connection: sqlite_reading.scan(
                connection, collection, index, ranges, limit, after, reverse, version
            )
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
            lambda connection: sqlite_reading.entries(connection, collection, index, ranges, limit, after, version)
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
        return await self._read(
            lambda connection: sqlite_reading.count(connection, collection, index, ranges, limit, version)
        )

    async def apply(self, commit: Commit) -> Applied:
        """As `Driver.apply`."""
        if self._options.read_only:
            raise UnsupportedOperation("the store is open for reading only (mode=ro)", store=self._options.url)
        if self._writer is None:
            raise StoreClosed("the store was closed", store=self._options.url)
        return await self._writer.run(lambda connection: sqlite_writing.apply(connection, commit))

    async def position(self) -> int:
        """As `Driver.position`."""
        return await self._read(sqlite_reading.position)

    async def log(self, since: int, limit: int) -> list[LoggedCommit]:
        """As `Driver.log`."""
        return await self._read(lambda connection: sqlite_reading.log(connection, since, limit))
