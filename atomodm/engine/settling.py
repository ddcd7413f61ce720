"""Decides what is really wrong of what looked wrong while others were writing, and mends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from ..contract.checking import Problem
from ..encoding import decode, decode_all
from ..errors import InvalidIndexKey, StaleCatalogue, StoreCorrupt
from ..query.ranges import EVERYTHING, point
from .driver import CollectionChanges, Commit, Driver, EntryRow, IndexRef, Place, Refused
from .indexing.catalogue import Catalogue, Index
from .indexing.catalogues import Catalogues
from .indexing.index_keys import Entries

#: How often something that keeps changing is looked at.
TRIES = 10
#: Documents that are read together.
_TOGETHER = 64

#: What a document that is not there has in an index.
NO_ENTRIES: Final[Entries] = ([], frozenset())

#: Revision and bytes.
_Document = tuple[int, bytes]


class Suspect(NamedTuple):
    """Something that looks wrong.

    Attributes
    ----------
    number : int
        Of the index.
    key : bytes or None
        Of the entry that is missing or too many. None: the index does not know that the document has several.
    id : bytes
        Of the document.
    """

    number: int
    key: bytes | None
    id: bytes


class _Wrong(NamedTuple):
    """Something that is wrong at one revision of a document; 0 where there is no document."""

    within: Index
    key: bytes
    id: bytes
    revision: int
    missing: bool

    @property
    def entry(self) -> EntryRow:
        """The entry that is missing or too many."""
        return self.within.number, self.key, self.id


class Settler:
    """Looks again at what seemed wrong in one collection.

    Parameters
    ----------
    driver : Driver
    catalogues : Catalogues
    collection : str
    asked : callable
        Called before each request to the driver.
    repair : bool
    """

    def __init__(
        self, driver: Driver, catalogues: Catalogues, collection: str, asked: Callable[[], None], repair: bool
    ) -> None:
        self._driver = driver
        self._catalogues = catalogues
        self._collection = collection
        self._asked = asked
        self._repair = repair

    async def settle(self, suspects: Sequence[Suspect]) -> list[Problem]:
        """What of `suspects` is wrong."""
        problems: list[Problem] = []
        ids = list(dict.fromkeys(suspect.id for suspect in suspects))
        for start in range(0, len(ids), _TOGETHER):
            part = set(ids[start : start + _TOGETHER])
            problems += await self._settle_some([suspect for suspect in suspects if suspect.id in part])
        return problems

    async def _settle_some(self, suspects: Sequence[Suspect]) -> list[Problem]:
        problems = await self._forgotten([suspect for suspect in suspects if suspect.key is None])
        places = {(suspect.number, suspect.key, suspect.id) for suspect in suspects if suspect.key is not None}
        for attempt in range(TRIES):
            if not places:
                break
            # Who writes these documents all the time gets to an end between two looks.
            await asyncio.sleep(0.002 * attempt)
            places, found = await self._look(places)
            problems += found
        return problems

    async def _look(self, places: set[EntryRow]) -> tuple[set[EntryRow], list[Problem]]:
        """One more look: entries whose documents changed meanwhile, to be looked at again, and what is wrong."""
        self._asked()
        rows = await self._read(places)
        catalogue = await self._catalogues.reload(self._collection)
        wrong: list[_Wrong] = []
        for index in catalogue:
            wrong += await self._wrong(index, [(key, id) for number, key, id in places if number == index.number], rows)
        if not wrong:
            return set(), []
        again = await self._read(places)
        state = await self._driver.state(self._collection)
        if state.version != catalogue.version:
            return {item.entry for item in wrong}, []
        settled = [item for item in wrong if _revision(again, item.id) == item.revision]
        moved = {item.entry for item in wrong}.difference(item.entry for item in settled)
        mended: set[EntryRow] = set()
        if self._repair and settled:
            try:
                mended = await self._mend(catalogue, settled)
            except StaleCatalogue:
                return {item.entry for item in wrong}, []
        return moved, [await self._problem(item, item.entry in mended) for item in settled]

    async def _wrong(self, index: Index, places: Sequence[Place], rows: Mapping[bytes, _Document]) -> list[_Wrong]:
        if not places:
            return []
        absent = set(await self._driver.absent(self._collection, index.ref, places))
        expected = {id: entries_of(index, decoded(rows[id][1])) for _, id in places if id in rows}
        wrong: list[_Wrong] = []
        for key, id in places:
            entries = expected.get(id, NO_ENTRIES)
            missing = (key, id) in absent
            # What a damaged document would have for entries nobody knows; an index that is being built lacks some.
            if entries is None or (key in entries[0]) != missing or (missing and not index.complete):
                continue
            wrong.append(_Wrong(index, key, id, _revision(rows, id), missing))
        return wrong

    async def _read(self, places: Iterable[EntryRow]) -> dict[bytes, _Document]:
        ids = list({id for _, _, id in places})
        return {id: (revision, data) for id, revision, data in await self._driver.get(self._collection, ids)}

    async def _problem(self, wrong: _Wrong, repaired: bool) -> Problem:
        if not wrong.missing:
            message = "an entry fits no value of its document" if wrong.revision else "an entry leads to no document"
        elif not wrong.within.spec.unique:
            message = "an entry is missing"
        elif repaired or not await self._claimed(wrong):
            message = "a unique value is not claimed"
        else:
            message = "a unique value is claimed for another document"
        return Problem(
            message=message,
            collection=self._collection,
            index=wrong.within.spec.name,
            id_key=wrong.id,
            repaired=repaired,
        )

    async def _claimed(self, wrong: _Wrong) -> bool:
        return bool(await self._driver.entries(self._collection, wrong.within.ref, [point(wrong.key)], limit=1))

    # -- mending -------------------------------------------------------------------------------------------------------

    async def _mend(self, catalogue: Catalogue, wrong: Sequence[_Wrong]) -> set[EntryRow]:
        """Write and remove entries, each only if its document is still as it was; gives what was mended."""
        changes = CollectionChanges(catalogue.version)
        # Each document is guarded once.
        changes.guards = list({item.id: item.revision for item in wrong}.items())
        for item in wrong:
            if item.within.spec.unique:
                (changes.claimed if item.missing else changes.released).append(item.entry)
            else:
                (changes.added if item.missing else changes.removed).append(item.entry)
        self._asked()
        try:
            await self._driver.apply(Commit({self._collection: changes}))
        except Refused as refused:
            # Some of them are in the way of all the others: whose documents were written meanwhile, or whose unique
            # values belong to others.
            moved = {id for _, id in refused.mismatched}
            taken = {(number, id) for _, number, id in refused.taken}
            left = [
                item
                for item in wrong
                if item.id not in moved and not (item.missing and (item.within.number, item.id) in taken)
            ]
            return await self._mend(catalogue, left) if 0 < len(left) < len(wrong) else set()
        return {item.entry for item in wrong}

    async def _forgotten(self, suspects: Sequence[Suspect]) -> list[Problem]:
        """Indexes that do not know that documents have several values in them, so that queries repeat those."""
        if not suspects:
            return []
        problems: list[Problem] = []
        rows = await self._read((number, b"", id) for number, _, id in suspects)
        for number, _, id in suspects:
            # Read after the document: who wrote it had told the catalogue before.
            catalogue = await self._catalogues.reload(self._collection)
            index = catalogue.numbered(number)
            entries = entries_of(index, decoded(rows[id][1])) if index is not None and id in rows else None
            if index is None or entries is None or entries[1] <= index.multikey:
                continue
            repaired = False
            if self._repair:
                with suppress(StaleCatalogue):
                    await self._catalogues.change(catalogue.with_index(index.with_multikey(entries[1])))
                    repaired = True
            problems.append(
                Problem(
                    message="the index does not know that documents have several values in it",
                    collection=self._collection,
                    index=index.spec.name,
                    id_key=id,
                    repaired=repaired,
                )
            )
        return problems

    async def settle_stray(self, ref: IndexRef) -> Problem | None:
        """What is wrong where entries were found of an index that there was not; None when nothing is."""
        catalogue = await self._catalogues.reload(self._collection)
        index = catalogue.numbered(ref.number)
        if (index is not None and index.ref == ref) or ref in catalogue.cleared:
            return None
        # They may have gone together with the index, just now.
        if not await self._driver.entries(self._collection, ref, [EVERYTHING], limit=1):
            return None
        repaired = False
        if self._repair:
            self._asked()
            with suppress(StaleCatalogue):
                changes = CollectionChanges(catalogue.version, cleared=[ref])
                await self._driver.apply(Commit({self._collection: changes}))
                repaired = True
        return Problem(
            message="there are entries of an index that does not exist", collection=self._collection, repaired=repaired
        )


def _revision(rows: Mapping[bytes, _Document], id: bytes) -> int:
    return rows[id][0] if id in rows else 0


def decoded_all(documents: Sequence[bytes]) -> Sequence[dict[str, Any] | None]:
    """As `decoded`, for many documents."""
    # They are decoded in one go, where it is sure that each ends where the next one begins.
    if all(len(data) > 4 and int.from_bytes(data[:4], "little") == len(data) for data in documents):
        with suppress(StoreCorrupt):
            return decode_all(documents)
    return [decoded(data) for data in documents]


def decoded(data: bytes) -> dict[str, Any] | None:
    """A document; None where it cannot be decoded."""
    try:
        return decode(data)
    except StoreCorrupt:
        return None


def entries_of(index: Index, document: Mapping[str, Any] | None) -> Entries | None:
    """A document's entries; None where it is damaged, or cannot be in the index."""
    try:
        return None if document is None else index.entries(document)
    except InvalidIndexKey:
        return None
