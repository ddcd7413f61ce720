"""``memory://`` and ``memory://name``: documents in this process, for tests, caches and programs that keep nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

from ...breathing import Breather
from ...contract.capabilities import Atomicity, Capabilities
from ...contract.log import Position
from ...engine.driver import Applied, CollectionState, Commit, Driver, IndexRef, LogPage, Page, Place, Row
from ...engine.expiry import INTERVAL as EXPIRE_INTERVAL
from ...engine.store import LOG_SIZE, EngineStore
from ...errors import InvalidURL, StoreClosed
from ...query.bounds import Range
from ..urls import StoreURL
from ..worker import Worker
from .data import MemoryData

Result = TypeVar("Result")

#: Changes above which a commit is applied on a thread, so that the event loop goes on meanwhile.
LARGE_COMMIT = 1000
#: Bytes of documents after which a page of a scan ends.
PAGE_BYTES = 4 * 1024 * 1024

#: The data that the process shares by name, as long as it lives.
_SHARED: dict[str, MemoryData] = {}
_SHARED_LOCK = threading.Lock()


class MemoryStore(EngineStore):
    """Documents in memory.

    Parameters
    ----------
    name : str, optional
        Stores of one name share their documents, whatever event loop or thread they are in, for as long as the
        process lives. Without a name the documents are the store's own; they outlive closing it.
    log_size : int
        Positions of the change log that are kept at least.
    expire_interval : float
        Seconds between two times that expired documents are removed; 0 for never.
    """

    def __init__(
        self, name: str | None = None, *, log_size: int = LOG_SIZE, expire_interval: float = EXPIRE_INTERVAL
    ) -> None:
        capabilities = Capabilities(atomic=Atomicity.STORE, durable=False, shared=False, change_log=True, check=True)
        data = MemoryData(PAGE_BYTES) if name is None else _shared(name)
        super().__init__(
            f"memory://{name or ''}",
            MemoryDriver(data),
            capabilities,
            log_size=log_size,
            expire_interval=expire_interval,
        )

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Make the store of a URL: ``memory://``, ``memory://name``; options ``log_size``, ``expire_interval``.

        Raises
        ------
        InvalidURL
        """
        parts = StoreURL.parse(url, ["log_size", "expire_interval"])
        if "@" in url.partition("?")[0]:
            raise InvalidURL("a memory store has no user name and password", store=parts.shown)
        name = parts.host + parts.path
        return cls(
            name or None,
            log_size=int(parts.number("log_size", LOG_SIZE, least=1)),
            expire_interval=parts.number("expire_interval", EXPIRE_INTERVAL, least=0),
        )


def _shared(name: str) -> MemoryData:
    with _SHARED_LOCK:
        return _SHARED.setdefault(name, MemoryData(PAGE_BYTES))


class MemoryDriver(Driver):
    """Runs each step under the lock of the data, on the event loop's thread as long as nobody has to wait for it."""

    def __init__(self, data: MemoryData) -> None:
        self._data = data
        self._breather = Breather()
        self._worker: Worker | None = None

    async def open(self) -> None:
        """Make the driver ready."""
        self._worker = Worker("atomodm-memory")

    async def close(self) -> None:
        """Let large commits finish."""
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop(lambda: None)

    async def _step(self, step: Callable[[], Result], *, large: bool = False) -> Result:
        # Nothing here ever waits: without this, a loop of awaits would keep everybody else from running.
        await self._breather.breathe()
        if self._worker is None:
            raise StoreClosed("the store was closed")
        lock = self._data.lock
        if not large and lock.acquire(blocking=False):
            try:
                return step()
            finally:
                lock.release()

        def locked() -> Result:
            with lock:
                return step()

        return await self._worker.run(locked)

    async def state(self, collection: str) -> CollectionState:
        """As `Driver.state`."""
        return await self._step(lambda: self._data.state(collection))

    async def states(self) -> list[CollectionState]:
        """As `Driver.states`."""
        return await self._step(self._data.states)

    async def get(self, collection: str, ids: Sequence[bytes], *, version: int | None = None) -> list[Row]:
        """As `Driver.get`."""
        return await self._step(lambda: self._data.get(collection, ids, version), large=len(ids) > LARGE_COMMIT)

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
        return await self._step(lambda: self._data.scan(collection, index, ranges, limit, after, reverse, version))

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
        return await self._step(lambda: self._data.entries(collection, index, ranges, limit, after, version))

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
        return await self._step(lambda: self._data.count(collection, index, ranges, version))

    async def absent(self, collection: str, index: IndexRef, places: Sequence[Place]) -> list[Place]:
        """As `Driver.absent`."""
        return await self._step(lambda: self._data.absent(collection, index, places))

    async def apply(self, commit: Commit) -> Applied:
        """As `Driver.apply`."""
        size = sum(
            len(changes.inserts) + len(changes.updates) + len(changes.added) + len(changes.removed)
            for changes in commit.collections.values()
        )
        return await self._step(lambda: self._data.apply(commit), large=size > LARGE_COMMIT)

    async def position(self) -> Position:
        """As `Driver.position`."""
        return await self._step(self._data.position)

    async def log(self, since: Position, limit: int) -> LogPage:
        """As `Driver.log`."""
        return await self._step(lambda: self._data.log(since, limit))
