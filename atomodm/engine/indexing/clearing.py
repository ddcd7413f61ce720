"""Removes the entries of indexes that are gone, a part at a time, so that writers are never held up for long."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from ...breathing import Breather
from ...errors import IndexConflict, StaleCatalogue
from ...query.ranges import EVERYTHING
from ...query.server_codes import ServerCode
from ..driver import CollectionChanges, Commit, Driver, EntryRow, IndexRef
from .catalogue import Catalogue, Index
from .catalogues import Catalogues
from .index_specs import ID_INDEX

#: Entries that are removed in one go, in some 0.3 s on SQLite.
AT_ONCE = 250_000
#: Entries that one commit removes of an index that has more: that takes longer in all, and holds nobody up.
STEP = 10_000


class IndexClearer:
    """Clears up after indexes of one collection.

    A catalogue remembers the indexes that were dropped until their entries are removed. Nobody reads or writes those
    any more, and whoever changes the collection's indexes next goes on with what a process left undone.

    Parameters
    ----------
    driver : Driver
    catalogues : Catalogues
    collection : str
    """

    def __init__(self, driver: Driver, catalogues: Catalogues, collection: str) -> None:
        self._driver = driver
        self._catalogues = catalogues
        self._collection = collection

    async def drop(self, names: Sequence[str] | None, url: str) -> None:
        """Remove indexes, as `Store.drop_indexes`."""
        if names is not None and ID_INDEX in names:
            raise IndexConflict("cannot drop _id index", server_code=ServerCode.INVALID_OPTIONS, store=url)
        while True:
            catalogue = await self._catalogues.reload(self._collection)
            gone = self._named(catalogue, names, url)
            if not gone:
                break
            for index in gone:
                catalogue = catalogue.without(index.number)
            with suppress(StaleCatalogue):
                catalogue = await self._catalogues.change(catalogue)
                break
        await self.run(catalogue)

    def _named(self, catalogue: Catalogue, names: Sequence[str] | None, url: str) -> list[Index]:
        if names is None:
            return list(catalogue)
        found: list[Index] = []
        for name in dict.fromkeys(names):
            index = catalogue.named(name)
            if index is None:
                raise IndexConflict(
                    f"index not found with name [{name}] in collection {self._collection}",
                    server_code=ServerCode.INDEX_NOT_FOUND,
                    store=url,
                )
            found.append(index)
        return found

    async def run(self, catalogue: Catalogue) -> Catalogue:
        """Remove what `catalogue` says is yet to be removed."""
        breather = Breather()
        while catalogue.cleared:
            for ref in catalogue.cleared:
                while await self._remove_some(ref):
                    await breather.breathe()
            # Who else clears up, or changes the indexes, may be first.
            with suppress(StaleCatalogue):
                return await self._catalogues.change(
                    catalogue.without_cleared(catalogue.cleared), cleared=catalogue.cleared
                )
            catalogue = await self._catalogues.reload(self._collection)
        return catalogue

    async def _remove_some(self, ref: IndexRef) -> bool:
        """Remove entries of a large index; False where one commit can remove all that are left."""
        catalogue = await self._catalogues.reload(self._collection)
        if ref not in catalogue.cleared:
            # Somebody else is done with it; what has its number now belongs to a new collection of the same name.
            return False
        if await self._driver.count(self._collection, ref, [EVERYTHING], limit=AT_ONCE + 1) <= AT_ONCE:
            return False
        places = await self._driver.entries(self._collection, ref, [EVERYTHING], limit=STEP)
        rows: list[EntryRow] = [(ref.number, key, id) for key, id in places]
        changes = CollectionChanges(catalogue.version)
        (changes.released if ref.unique else changes.removed).extend(rows)
        with suppress(StaleCatalogue):
            await self._driver.apply(Commit({self._collection: changes}))
        return True
