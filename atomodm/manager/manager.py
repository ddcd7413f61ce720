"""Managers: the way from a model class to its database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar, overload

from ..contract.store import Store
from ..errors import ContextError, NoDatabase
from ..identity import current_scope
from ..model import Model, spec_of
from ..store.registry import create_store, store_of_client
from .proxy import NoSQLDatabaseProxy

T = TypeVar("T", bound=Model)


class ModelManager:
    """The descriptor behind ``Model.objects``.

    On a class that is no model the descriptor gives the manager itself. This base has no database.
    """

    _instances: ClassVar[dict[type, Any]] = {}

    @classmethod
    def instance(cls) -> Self:
        """The one manager of this class; a subclass has its own database and proxies."""
        if cls not in ModelManager._instances:
            ModelManager._instances[cls] = cls()
        found: Self = ModelManager._instances[cls]
        return found

    @property
    def database(self) -> Any:
        """The database; the base has none."""
        raise NotImplementedError(f"{type(self).__name__} has no database")

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        if isinstance(owner, type) and issubclass(owner, Model):
            raise NotImplementedError(f"{owner.__name__} has no database; derive it from NoSQLModel")
        return self


class NoSQLModelManager(ModelManager):
    """Gives each document model its proxy on the manager's database.

    A program that needs two databases derives a second manager class and gives its models
    ``objects = MyManager.instance()``.
    """

    def __init__(self) -> None:
        self._assigned: Store | None = None
        self._connected: list[Store] = []
        self._owned: set[Store] = set()
        self._proxies: dict[type, NoSQLDatabaseProxy[Any]] = {}
        self._model_stores: dict[str, Store] = {}
        # With the clients, which live as long as their ids stand here.
        self._client_stores: dict[int, tuple[Any, Store]] = {}

    # -- the database ------------------------------------------------------------------------------------------------

    @property
    def database(self) -> Store:
        """The database: the last one connected, else the one assigned.

        Assign a store, or a URL or a client of ``redis.asyncio``, whose store is opened at first use and closed by
        `close`; the client itself is never closed. Assigning takes effect at once; objects that exist stay with the
        store they came from.

        Raises
        ------
        NoDatabase
            None was set; it is an `EnvironmentError` too.
        UnsupportedHandle
            What was assigned is no database that can be used here.
        """
        store = self._connected[-1] if self._connected else self._assigned
        if store is None:
            name = type(self).__name__
            raise NoDatabase(f"no database has been set; use connect(url), or {name}.instance().database = …")
        return store

    @database.setter
    def database(self, handle: Any) -> None:
        self._assigned = self._store_for(handle)
        self._connected.clear()
        self._forget_proxies()

    @database.deleter
    def database(self) -> None:
        self._assigned = None
        self._connected.clear()
        self._forget_proxies()

    def _store_for(self, handle: Any) -> Store:
        if isinstance(handle, Store):
            return handle
        if isinstance(handle, str):
            store = create_store(handle)
        elif id(handle) in self._client_stores:
            return self._client_stores[id(handle)][1]
        else:
            store = store_of_client(handle)
            self._client_stores[id(handle)] = handle, store
        store.opens_at_first_use = True
        self._owned.add(store)
        return store

    def connect(self, store: Store) -> None:
        """Make an open store the database until it closes; used by `connect`."""
        self._connected.append(store)
        store.when_closing(self._disconnected)

    def _disconnected(self, store: Store) -> None:
        if store in self._connected:
            last = self._connected[-1] is store
            self._connected.remove(store)
            self._proxies = {model: proxy for model, proxy in self._proxies.items() if proxy.store is not store}
            if not last:
                raise ContextError(
                    "databases were closed out of order; close the one connected last first", store=store.url
                )

    async def close(self) -> None:
        """Close the stores that were opened for URLs and clients assigned here; what others opened stays open."""
        owned, self._owned = self._owned, set()
        if self._assigned in owned:
            self._assigned = None
        self._model_stores.clear()
        self._client_stores.clear()
        self._forget_proxies()
        for store in owned:
            await store.close()

    # -- proxies -----------------------------------------------------------------------------------------------------

    @property
    def proxies(self) -> Mapping[type, NoSQLDatabaseProxy[Any]]:
        """The proxies made so far, by model; assigning ``{}`` forgets them and all objects in their caches."""
        return self._proxies

    @proxies.setter
    def proxies(self, proxies: Mapping[type, NoSQLDatabaseProxy[Any]]) -> None:
        for store in {proxy.store for proxy in self._proxies.values()}:
            current_scope().forget(store)
        self._proxies = dict(proxies)

    def _forget_proxies(self) -> None:
        self._proxies = {}

    @overload
    def __get__(self, obj: None, owner: type[T]) -> NoSQLDatabaseProxy[T]: ...

    @overload
    def __get__(self, obj: T, owner: type[T] | None = None) -> NoSQLDatabaseProxy[T]: ...

    @overload
    def __get__(self, obj: Any, owner: Any = None) -> Any: ...

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        owner = owner if owner is not None else type(obj)
        if not issubclass(owner, Model):
            return self
        store = self._store_of(owner)
        proxy = self._proxies.get(owner)
        if proxy is None or proxy.store is not store:
            # What a proxy passes through it has by `__getattr__`; type checkers take that for missing.
            proxy = self._proxies[owner] = NoSQLDatabaseProxy(spec_of(owner).model, store)  # type: ignore[abstract]
        return proxy

    def _store_of(self, model: Any) -> Store:
        handle = model.__options__.store
        if handle is None:
            return self.database
        if isinstance(handle, str):
            store = self._model_stores.get(handle)
            if store is None:
                store = self._model_stores[handle] = self._store_for(handle)
            return store
        return self._store_for(handle)
