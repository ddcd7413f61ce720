"""The catalogues that a store handle knows, and how they change."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable

from ..driver import CollectionChanges, Commit, Driver, IndexRef, LogEntry
from ..record import encode_record
from .catalogue import Catalogue


class Catalogues:
    """A cache of catalogues; the driver refuses what was done with one that is out of date.

    Parameters
    ----------
    driver : Driver
    keep : int
        Log positions to keep, as in `LogEntry`.

    Attributes
    ----------
    when_expiring : callable
        Called with a collection in which documents expire, each time that its catalogue was read.
    when_dropped : callable
        Called with a collection that had a catalogue and has none any more: somebody has dropped it.
    """

    def __init__(self, driver: Driver, keep: int) -> None:
        self.when_expiring: Callable[[str], None] = lambda collection: None
        self.when_dropped: Callable[[str], None] = lambda collection: None
        self._driver = driver
        self._keep = keep
        self._known: dict[str, Catalogue] = {}
        #: Collections whose catalogues somebody is reading.
        self._loading: dict[str, asyncio.Future[None]] = {}
        #: Collections that had a catalogue when it was last read.
        self._seen: set[str] = set()

    async def get(self, collection: str) -> Catalogue:
        """The catalogue as this handle knows it."""
        while (known := self._known.get(collection)) is None:
            loading = self._loading.get(collection)
            if loading is None:
                return await self._load(collection)
            # Many ask at once where a program begins: one of them reads. If that one fails, another one does.
            await asyncio.wait([loading])
        return known

    async def _load(self, collection: str) -> Catalogue:
        loaded = self._loading[collection] = asyncio.get_running_loop().create_future()
        try:
            return await self.reload(collection)
        finally:
            del self._loading[collection]
            loaded.set_result(None)

    async def reload(self, collection: str) -> Catalogue:
        """The catalogue as it stands in the store."""
        state = await self._driver.state(collection)
        self._known[collection] = catalogue = Catalogue.of(state)
        if state.catalogue:
            self._seen.add(collection)
        elif collection in self._seen:
            self._seen.remove(collection)
            self.when_dropped(collection)
        if catalogue.expires:
            self.when_expiring(collection)
        return catalogue

    def forget(self, collections: Iterable[str]) -> None:
        """Read these catalogues again when they are needed next."""
        for collection in collections:
            self._known.pop(collection, None)

    async def change(self, changed: Catalogue, cleared: Iterable[IndexRef] = ()) -> Catalogue:
        """Store another form of a catalogue, based on the version that it carries.

        Parameters
        ----------
        changed : Catalogue
        cleared : iterable of IndexRef
            Indexes that lose their entries in the same step.

        Returns
        -------
        Catalogue
            As it stands now, with its new version.

        Raises
        ------
        StaleCatalogue
            Somebody changed it first.
        """
        self.forget([changed.collection])
        changes = CollectionChanges(changed.version, catalogue=changed.encode(), cleared=list(cleared))
        entry = LogEntry(os.urandom(16), b"", 1, encode_record([], [], []), self._keep)
        await self._driver.apply(Commit({changed.collection: changes}, entry))
        return await self.reload(changed.collection)
