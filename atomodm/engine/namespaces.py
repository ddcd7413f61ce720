"""What is done to collections as a whole: they are named, dropped, given another name."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..contract.capabilities import Atomicity
from ..errors import NamespaceConflict, StaleCatalogue
from ..query.server_codes import ServerCode
from .driver import Applied, CollectionChanges, CollectionState, Commit, Driver, LogEntry
from .indexing.catalogue import Catalogue
from .indexing.catalogues import Catalogues
from .record import Effect, encode_record


class Namespaces:
    """The collections of one store handle.

    Parameters
    ----------
    driver : Driver
    catalogues : Catalogues
    keep : int
        Log positions to keep.
    url : str
        The store's address for messages.
    atomic : Atomicity
        What a commit is atomic over.
    """

    def __init__(self, driver: Driver, catalogues: Catalogues, keep: int, url: str, atomic: Atomicity) -> None:
        self._driver = driver
        self._catalogues = catalogues
        self._keep = keep
        self._url = url
        self._atomic = atomic

    async def names(self) -> list[str]:
        """Names of the collections that have documents or indexes, sorted."""
        return sorted(state.name for state in await self._driver.states() if _exists(state))

    async def drop(self, names: Sequence[str] | None) -> int:
        """Remove collections, or all that there are; gives the number of their documents.

        That is one step where a commit is atomic over the store; otherwise they go one by one.
        """
        if self._atomic is not Atomicity.STORE and (names is None or len(names) > 1):
            names = sorted(state.name for state in await self._driver.states()) if names is None else names
            return sum([await self.drop([name]) for name in names])
        while True:
            states = await self._driver.states() if names is None else [await self._driver.state(n) for n in names]
            # One without indexes may still remember what it had.
            present = [state for state in states if state.documents or state.catalogue]
            if not present:
                return 0
            changes = {state.name: CollectionChanges(state.version, dropped=True) for state in present}
            try:
                return (await self._apply(changes)).dropped
            except StaleCatalogue:
                continue

    async def rename(self, name: str, new_name: str, *, drop_target: bool) -> None:
        """Give a collection another name, as `Store.rename`."""
        if name == new_name:
            raise self._error(f"collection {name} cannot be renamed to itself", ServerCode.ILLEGAL_OPERATION)
        while True:
            source, target = await self._driver.state(name), await self._driver.state(new_name)
            if not _exists(source):
                raise self._error(f"there is no collection {name}", ServerCode.NAMESPACE_NOT_FOUND)
            if _exists(target) and not drop_target:
                message = f"there is a collection {new_name} already; drop it, or have it replaced"
                raise self._error(message, ServerCode.NAMESPACE_EXISTS)
            changes = {
                name: CollectionChanges(source.version, renamed=new_name),
                new_name: CollectionChanges(target.version, dropped=drop_target),
            }
            try:
                await self._apply(changes)
            except StaleCatalogue:
                continue
            else:
                return

    async def _apply(self, changes: dict[str, CollectionChanges]) -> Applied:
        names = list(changes)
        record = encode_record([Effect.DROPPED] * len(names), names, [None] * len(names))
        try:
            entry = LogEntry(os.urandom(16), b"", len(names), record, self._keep)
            return await self._driver.apply(Commit(changes, entry))
        finally:
            self._catalogues.forget(names)

    def _error(self, message: str, code: ServerCode) -> NamespaceConflict:
        return NamespaceConflict(message, server_code=code, store=self._url)


def _exists(state: CollectionState) -> bool:
    return bool(state.documents or Catalogue.of(state).indexes)
