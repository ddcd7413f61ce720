"""Cache scopes: within one scope a document is one object."""

from __future__ import annotations

import asyncio
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Self

from ..contract.store import Store
from ..errors import UnsavedChangesWarning
from .cache import ObjectCache


class CacheScope:
    """The object caches of one scope, by store and collection.

    The process has one scope from the start. The scope of the running context decides where new look-ups go; an object
    stays for life with the cache that it came from. Closing a store ends its caches.
    """

    def __init__(self) -> None:
        self._caches: dict[Store, dict[str, ObjectCache]] = {}
        self._inserting: dict[Store, list[asyncio.Future[None]]] = {}

    def cache(self, store: Store, collection: str) -> ObjectCache:
        """The cache of a collection, made at first use."""
        caches = self._caches.get(store)
        if caches is None:
            caches = self._caches[store] = {}
            store.when_closing(self._close)
        cache = caches.get(collection)
        if cache is None:
            cache = caches[collection] = ObjectCache(self, store, collection)
        return cache

    def forget(self, store: Store) -> None:
        """Forget all objects of a store, those with unsaved edits too."""
        for cache in self._caches.get(store, {}).values():
            cache.clear()

    @contextmanager
    def inserting(self, store: Store) -> Iterator[None]:
        """Tell what reads a store that objects of this scope are being inserted, until they have their places here.

        The block runs no code of the program's that could wait for it.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        under_way = self._inserting.setdefault(store, [])
        under_way.append(done)
        try:
            yield
        finally:
            under_way.remove(done)
            if not under_way:
                self._inserting.pop(store, None)
            done.set_result(None)

    async def inserted(self, store: Store) -> None:
        """Wait for the inserts under way: a document that was read may be one whose object has no place here yet."""
        if under_way := self._inserting.get(store):
            await asyncio.wait(list(under_way))

    @contextmanager
    def entered(self) -> Iterator[Self]:
        """Make this the scope in which the running context looks objects up, until the block ends."""
        token = _current.set(self)
        try:
            yield self
        finally:
            _current.reset(token)

    def _close(self, store: Store) -> None:
        """Forget a store's objects because it closes; warn where edits are lost."""
        lost: Counter[str] = Counter()
        for cache in self._caches.pop(store, {}).values():
            lost.update(type(obj).__name__ for obj in cache.dirty)
            cache.clear()
        if lost:
            listed = ", ".join(f"{count} {name}" for name, count in sorted(lost.items()))
            message = f"{store.url} was closed with unsaved changes of {listed}"
            warnings.warn(message, UnsavedChangesWarning, stacklevel=2)


PROCESS_SCOPE = CacheScope()

_current: ContextVar[CacheScope] = ContextVar("atomodm_cache_scope", default=PROCESS_SCOPE)


def current_scope() -> CacheScope:
    """The scope in which the running context looks objects up."""
    return _current.get()
