"""Reads the documents of an access page by page, in its order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter

from ...errors import StaleCatalogue
from ...query.ranges import Range, point
from ..driver import Driver, Page, Place, Row
from ..indexing.catalogues import Catalogues
from ..planning.plan import Access, Intersection, Lookup, Scan, may_repeat
from .meeting import Meeting
from .pages import LARGEST_PAGE, PageSize

#: Ranges that a driver is given at a time.
MOST_RANGES = 5000


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
    """Reads what an access gives.

    Each page is one atomic step, and between two of them others may write: a document whose key they move across the
    place that was reached is met at both keys or at neither, and one that they move from one part of a union to another
    likewise. Each was what it was read as at that moment. Documents that nobody touches are met once.

    Parameters
    ----------
    driver : Driver
    catalogues : Catalogues
    collection : str
    access : Scan, Lookup or Intersection
    version : int
        The catalogue version that `access` was chosen for.
    size : PageSize
        Says how many documents to ask for.
    asked : callable
        Called before each request to the driver.
    """

    def __init__(
        self,
        driver: Driver,
        catalogues: Catalogues,
        collection: str,
        access: Access,
        version: int,
        size: PageSize,
        asked: Callable[[], None],
    ) -> None:
        self.figures = Figures()
        self._driver = driver
        self._catalogues = catalogues
        self._collection = collection
        self._access = access
        self._version: int | None = version
        self._size = size
        self._asked = asked
        self._after: Place | None = None
        self._looked_up = 0
        self._more = not isinstance(access, Scan) or bool(access.ranges)
        # While scanning backwards: the key whose documents are read forwards before the scan goes on.
        self._group: bytes | None = None
        self._group_after: Place | None = None
        self._meeting: Meeting | None = None
        if isinstance(access, Intersection):
            self._meeting = Meeting(access.scans, self._entries, LARGEST_PAGE, ahead=driver.far)
        self._met: list[bytes] = []
        #: Something was read, so that a new catalogue is no reason to begin again.
        self.begun = False
        #: Whether it can come upon one document several times.
        self.repeats = isinstance(access, Scan) and may_repeat(access.index, access)

    @property
    def ended(self) -> bool:
        """Whether there is no further page."""
        return self._group is None and not self._more

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
        if self._meeting is not None:
            return await self._read_meeting(self._meeting)
        assert isinstance(access, Scan)
        if access.reverse and access.ids_ascend:
            return await self._scan_back(access)
        page = await self._scan(access, access.ranges, self._after, access.reverse, self._size.next)
        self._more = page.more
        self._after = _end(page)
        self._size.grow()
        return page

    async def close(self) -> None:
        """Give up what was asked for and is not wanted any more."""
        if self._meeting is not None:
            await self._meeting.close()

    async def _read_meeting(self, meeting: Meeting) -> Page:
        if not self._met:
            self._met = await meeting.next()
        size = self._size.next
        wanted, self._met = self._met[:size], self._met[size:]
        self._more = bool(self._met) or not meeting.ended
        return await self._get(wanted)

    async def _look_up(self, access: Lookup) -> Page:
        wanted = access.ids[self._looked_up : self._looked_up + self._size.next]
        self._looked_up += len(wanted)
        self._more = self._looked_up < len(access.ids)
        self.figures.scanned += len(wanted)
        return await self._get(wanted)

    async def _get(self, wanted: Sequence[bytes]) -> Page:
        rows: dict[bytes, Row] = {}
        if wanted:
            self._asked()
            rows = {row[0]: row for row in await self._get_rows(wanted)}
        self.figures.fetched += len(rows)
        self._size.grow()
        found = [rows[id] for id in wanted if id in rows]
        if not found:
            return Page((), (), (), (), self._more)
        ids, revisions, documents = zip(*found, strict=True)
        if self._more:
            self._size.weigh(documents)
        return Page(ids, ids, revisions, documents, self._more)

    async def _get_rows(self, wanted: Sequence[bytes]) -> list[Row]:
        # What ids give does not depend on the catalogue; only what is left to evaluate did.
        version = None if self.begun else self._version
        rows = await self._driver.get(self._collection, wanted, version=version)
        self.begun = True
        return rows

    async def _scan_back(self, scan: Scan) -> Page:
        """Read a page from the highest key to the lowest, with ascending ids for each key.

        A page that ended at its limit may lack documents of its last key: those are read on their own, forwards.
        """
        # One more shows whether the last document wanted is the last one of its key.
        page = await self._scan(scan, scan.ranges, self._after, reverse=True, size=self._size.next + 1)
        self._size.grow()
        self._more = page.more
        if not page.more:
            return _ids_ascending(page, len(page.keys))
        self._group = page.keys[-1]
        self._after = (self._group, b"")
        return _ids_ascending(page, page.keys.index(self._group))

    async def _read_group(self, scan: Scan, key: bytes) -> Page:
        page = await self._scan(scan, [point(key)], self._group_after, reverse=False, size=self._size.next)
        self._group_after = _end(page)
        if not page.more:
            self._group = self._group_after = None
        return page

    async def _scan(self, scan: Scan, ranges: Sequence[Range], after: Place | None, reverse: bool, size: int) -> Page:
        ranges = _left(ranges, after, reverse)
        start = 0
        while True:
            # A driver looks at all that it is given, each time.
            part = ranges if len(ranges) <= MOST_RANGES else ranges[start : start + MOST_RANGES]
            self._asked()
            try:
                page = await self._driver.scan(
                    self._collection,
                    None if scan.index is None else scan.index.ref,
                    part,
                    limit=size,
                    after=after,
                    reverse=reverse,
                    version=self._version,
                )
            except StaleCatalogue:
                await self._renew(scan)
                continue
            if scan.index is None:
                # The primary order does not depend on the catalogue; only the choice of it did.
                self._version = None
            self.begun = True
            if not page.more and start + len(part) < len(ranges):
                if not page.keys:
                    start += len(part)
                    continue
                page = replace(page, more=True)
            self.figures.scanned += len(page.keys)
            self.figures.fetched += len(page.keys)
            return page

    async def _entries(self, scan: Scan, after: Place | None) -> list[Place]:
        assert scan.index is not None
        while True:
            self._asked()
            try:
                found = await self._driver.entries(
                    self._collection,
                    scan.index.ref,
                    scan.ranges,
                    limit=LARGEST_PAGE,
                    after=after,
                    version=self._version,
                )
            except StaleCatalogue:
                await self._renew(scan)
                continue
            self.begun = True
            self.figures.scanned += len(found)
            return found

    async def _renew(self, scan: Scan) -> None:
        """Go on under a new catalogue in which the index is still there.

        Raises
        ------
        StaleCatalogue
            Nothing was read yet, or the index was removed.
        """
        if not self.begun:
            raise StaleCatalogue("the index catalogue changed")
        if scan.index is None:
            self._version = None
            return
        catalogue = await self._catalogues.reload(self._collection)
        index = catalogue.current(scan.index)
        if index is None or not index.complete:
            raise StaleCatalogue("the index that this find reads was removed meanwhile; ask again")
        self._version = catalogue.version
        self.repeats = self._meeting is None and may_repeat(index, scan)


def _left(ranges: Sequence[Range], after: Place | None, reverse: bool) -> Sequence[Range]:
    """What is left of ascending ranges after a place, in the order of the scan."""
    if len(ranges) == 1:
        return ranges
    if after is not None:
        # The last range that begins at the key of the place or before it.
        place = bisect_right(ranges, after[0], key=itemgetter(0)) - 1
        ranges = ranges[: place + 1] if reverse else ranges[max(0, place) :]
    return ranges[::-1] if reverse else ranges


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
