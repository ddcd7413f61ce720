"""``connect(database)``: open a store and make it the default database."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any

from ..contract.store import Store
from ..store.registry import create_store, store_of_client
from .manager import NoSQLModelManager


class Connection:
    """A store being connected: await it, or enter it with ``async with``."""

    def __init__(self, database: Any, manager: NoSQLModelManager) -> None:
        self._store = create_store(database) if isinstance(database, str) else store_of_client(database)
        self._manager = manager

    async def _connect(self) -> Store:
        await self._store.open()
        self._manager.connect(self._store)
        return self._store

    def __await__(self) -> Generator[Any, None, Store]:
        return self._connect().__await__()

    async def __aenter__(self) -> Store:
        return await self._connect()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._store.close()


def connect(database: Any, *, manager: NoSQLModelManager | None = None) -> Connection:
    """Open a store and make it the default database until it closes.

    Parameters
    ----------
    database : str or client
        A URL, ``sqlite:///people.db``, ``redis://host:6379/0``, ``memory://``, ``memory://name``; see `create_store`.
        Or a client of ``redis.asyncio``, which is not closed; see `store_of_client`.
    manager : NoSQLModelManager, optional
        Whose database it becomes; ``NoSQLModelManager.instance()`` by default.

    Returns
    -------
    Connection
        ``async with connect(url) as store`` closes the store at the end and gives the former database back;
        ``store = await connect(url)`` leaves it to you to ``await store.close()``.

    Raises
    ------
    InvalidURL, UnsupportedHandle, DriverMissing
        The URL cannot be read, the client is none of a database that is known, or the driver is not installed.
    StoreUnavailable, StoreCorrupt, SchemaTooNew
        On entering: the store cannot be opened.
    ContextError
        On leaving: databases were closed out of order.
    """
    return Connection(database, manager if manager is not None else NoSQLModelManager.instance())
