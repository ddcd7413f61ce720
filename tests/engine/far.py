"""A memory store at the end of a long line: every call of the driver takes a while, and is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from atomodm.contract import Atomicity, Capabilities
from atomodm.engine import EngineStore
from atomodm.store.memory import MemoryDriver
from atomodm.store.memory.data import MemoryData

#: Seconds from a call to its answer.
DELAY = 0.002
PAGE_BYTES = 4 * 1024 * 1024


class FarDriver(MemoryDriver):
    """Counts calls, by name and in their order, and how many are under way.

    Attributes
    ----------
    calls : list of (str, tuple, dict)
        Names and arguments of all calls.
    under_way, most : int
        Calls that have no answer yet, and the most that there ever were at a time.
    cancelled : int
        Calls that were given up.
    """

    far = True

    def __init__(self, data: MemoryData, delay: float = DELAY) -> None:
        super().__init__(data)
        self.delay = delay
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.under_way = self.most = self.cancelled = 0

    def names(self) -> list[str]:
        """The names of all calls."""
        return [name for name, _, _ in self.calls]

    async def _travel(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        self.calls.append((name, args, options))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.delay / 2)
            answer = await getattr(MemoryDriver, name)(self, *args, **options)
            await asyncio.sleep(self.delay / 2)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
        return answer

    async def state(self, *args: Any, **options: Any) -> Any:
        return await self._travel("state", args, options)

    async def states(self, *args: Any, **options: Any) -> Any:
        return await self._travel("states", args, options)

    async def get(self, *args: Any, **options: Any) -> Any:
        return await self._travel("get", args, options)

    async def scan(self, *args: Any, **options: Any) -> Any:
        return await self._travel("scan", args, options)

    async def entries(self, *args: Any, **options: Any) -> Any:
        return await self._travel("entries", args, options)

    async def count(self, *args: Any, **options: Any) -> Any:
        return await self._travel("count", args, options)

    async def absent(self, *args: Any, **options: Any) -> Any:
        return await self._travel("absent", args, options)

    async def apply(self, *args: Any, **options: Any) -> Any:
        return await self._travel("apply", args, options)


#: The data of stores that were made of URLs.
_SHARED: dict[str, MemoryData] = {}


class FarStore(EngineStore):
    """A store on a `FarDriver`; stores that are given the same data, or were made of one URL, share it."""

    def __init__(self, data: MemoryData | None = None, *, delay: float = DELAY, **options: Any) -> None:
        self.data = MemoryData(PAGE_BYTES) if data is None else data
        self.driver = FarDriver(self.data, delay)
        capabilities = Capabilities(atomic=Atomicity.STORE, durable=False, shared=False, change_log=True, check=True)
        super().__init__("far://here", self.driver, capabilities, **options)

    @classmethod
    def from_url(cls, url: str) -> FarStore:
        """Make a store whose answers take no longer than those of others."""
        address, _, options = url.partition("?log_size=")
        data = _SHARED.setdefault(address, MemoryData(PAGE_BYTES))
        return cls(data, delay=0, **({"log_size": int(options)} if options else {}))

    @contextmanager
    def calls(self) -> Iterator[list[str]]:
        """The names of the calls made meanwhile; the list is filled at the end."""
        before = len(self.driver.calls)
        names: list[str] = []
        self.driver.most = self.driver.under_way
        yield names
        names += self.driver.names()[before:]


@asynccontextmanager
async def far_store(data: MemoryData | None = None, **options: Any) -> AsyncIterator[FarStore]:
    """An open store; at the end, nothing that it was asked is under way."""
    store = FarStore(data, **options)
    await store.open()
    try:
        yield store
        assert store.driver.under_way == 0
    finally:
        await store.close()
