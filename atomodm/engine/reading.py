"""Reads the documents of an access page by page, in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..errors import StaleCatalogue
from ..query.bounds import Range, point
from .catalogues import Catalogues
from .driver import Driver, Page, Place
from .plan import Lookup, Plan, Scan, may_repeat

#: Documents of one page at most; a page is held in memory.
LARGEST_PAGE = 1024


@dataclass(slots=True)
class Figures:
    """What a find took.

    Attributes
    ----------
    scanned : int
        Index entries, or documents where there is no index, that were looked at.
    fetched : int
        Documents that were read.
    """

    scanned: int = 0
    fetched: int = 0


class Reader:
    """Reads what a plan's access gives.

    Each page is one atomic step, and between two of them others may write: a document whose key they move across the
    place that was reached is met at both keys or at neither. Each was what it was read as at that moment.

    Parameters
    ----------
    driver : Driver
    catalogues : Catalogues
    collection : str
    plan : Plan
    size : int
        Documents of the first page; the following ones are larger.
    asked : callable
        Called before each request to the driver.
    """

    def __init__(
        self,
        driver: Driver,
        catalogues: Catalogues,
        collection: str,
        plan: Plan,
        size: int,
        asked: Callable[[], None],
    ) -> None:
        self.figures = Figures()
        self._driver = driver
        self._catalogues = catalogues
        self._collection = collection
        self._access = plan.access
        self._version: int | None = plan.version
        self._size = size
        self._asked = asked
        self._after: Place | None = None
        self._looked_up = 0
        self._more = True
        # While scanning backwards: the key whose documents are read forwards before the scan goes on.
        self._group: bytes | None = None
        self._group_after: Place | None = None
        #: Whether pages may name a document several times.
        self.repeats = isinstance(plan.access, Scan) and may_repeat(plan.access.index, plan.access.ranges)

    async def read(self) -> Page | None:
        """Read the next page, which may be empty; None after the last one.

        Raises
        ------
        StaleCatalogue
            At the first page: plan again. Later: the index was removed while it was read.
        """
        access = self._access
        if self._group is not None:
            assert isinstance(access, Scan)
            return await self._read_group(access, self._group)
        if not self._more:
            return None
        if isinstance(access, Lookup):
            return await self._look_up(access)
        if access.reverse and access.index is not None and not access.index.spec.unique:
            return await self._scan_back(access)
        page = await self._scan(access, access.ranges, self._after, access.reverse, self._size)
        self._more = page.more
        self._after = _end(page)
        self._grow()
        return page

    async def _look_up(self, access: Lookup) -> Page:
        wanted = access.ids[self._looked_up : self._looked_up + self._size]
        self._looked_up += len(wanted)
        self._more = self._looked_up < len(access.ids)
        self._grow()
        self._asked()
        rows = {row[0]: row for row in await self._driver.get(self._collection, wanted)}
        self.figures.scanned += len(wanted)
        self.figures.fetched += len(rows)
        found = [rows[id] for id in wanted if id in rows]
        if not found:
            return Page((), (), (), (), self._more)
        ids, revisions, documents = zip(*found, strict=True)
        return Page(ids, ids, revisions, documents, self._more)

    async def _scan_back(self, scan: Scan) -> Page:
        """Read a page from the highest key to the lowest, with ascending ids for each key.

        A page that ended at its limit may lack documents of its last key: those are read on their own, forwards.
        """
        # One more shows whether the last document wanted is the last one of its key.
        page = await self._scan(scan, scan.ranges, self._after, reverse=True, size=self._size + 1)
        self._grow()
        self._more = page.more
        if not page.more:
            return _ids_ascending(page, len(page.keys))
        self._group = page.keys[-1]
        self._after = (self._group, b"")
        return _ids_ascending(page, page.keys.index(self._group))

    async def _read_group(self, scan: Scan, key: bytes) -> Page:
        page = await self._scan(scan, [point(key)], self._group_after, reverse=False, size=self._size)
        self._group_after = _end(page)
        if not page.more:
            self._group = self._group_after = None
        return page

    async def _scan(self, scan: Scan, ranges: Sequence[Range], after: Place | None, reverse: bool, size: int) -> Page:
        while True:
            self._asked()
            try:
                page = await self._driver.scan(
                    self._collection,
                    None if scan.index is None else scan.index.ref,
                    ranges[::-1] if reverse else ranges,
                    limit=size,
                    after=after,
                    reverse=reverse,
                    version=self._version,
                )
            except StaleCatalogue:
                if not self.figures.scanned:
                    raise
                await self._renew(scan)
                continue
            if scan.index is None:
                # The primary order does not depend on the catalogue; only the choice of it did.
                self._version = None
            self.figures.scanned += len(page.keys)
            self.figures.fetched += len(page.keys)
            return page

    async def _renew(self, scan: Scan) -> None:
        """Go on under a new catalogue in which the index is still there."""
        catalogue = await self._catalogues.reload(self._collection)
        index = scan.index and catalogue.numbered(scan.index.number)
        if index is None or not index.complete:
            raise StaleCatalogue("the index that this find reads was removed meanwhile; ask again")
        self._version = catalogue.version
        self.repeats = may_repeat(index, scan.ranges)

    def _grow(self) -> None:
        self._size = max(self._size, min(2 * self._size, LARGEST_PAGE))


def _end(page: Page) -> Place | None:
    return (page.keys[-1], page.ids[-1]) if page.keys else None


def _ids_ascending(page: Page, length: int) -> Page:
    """The first `length` entries of a page in descending order, with ascending ids where keys are equal."""
    order: list[int] = []
    for _, group in groupby(range(length), key=page.keys.__getitem__):
        order.extend(reversed(list(group)))
    return Page(
        [page.keys[place] for place in order],
        [page.ids[place] for place in order],
        [page.revisions[place] for place in order],
        [page.documents[place] for place in order],
        page.more,
    )
