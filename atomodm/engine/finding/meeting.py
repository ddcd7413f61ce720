"""The ids that several scans of one key have in common, found from their entries alone."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence

from ...concurrency import Ahead
from ..driver import Place
from ..planning.plan import Scan

#: Reads entries of a scan after a place, in pages.
ReadEntries = Callable[[Scan, Place | None], Awaitable[list[Place]]]


class _Ids:
    """The ids of one scan, ascending, read as far as they are asked for."""

    def __init__(self, scan: Scan, read: ReadEntries, page_size: int) -> None:
        self._scan = scan
        self._read = read
        self._page_size = page_size
        self._key = scan.ranges[0][0]
        self._ids: list[bytes] = []
        self._last: bytes | None = None
        self.pages = Ahead(self._read_page)
        self.ended = False

    async def _read_page(self) -> list[bytes]:
        after = None if self._last is None else (self._key, self._last)
        return [id for _, id in await self._read(self._scan, after)]

    async def page(self) -> list[bytes]:
        """The next ids."""
        ids = await self.pages.next()
        self.ended = len(ids) < self._page_size
        if ids:
            # What was asked for ahead may lie before what is wanted by now.
            self._last = ids[-1] if self._last is None else max(ids[-1], self._last)
        return ids

    async def among(self, wanted: Sequence[bytes]) -> list[bytes]:
        """Those of `wanted`, which lie after all that were asked for before, that it has."""
        found: set[bytes] = set()
        del self._ids[: bisect_left(self._ids, wanted[0])]
        if not self._ids and (self._last is None or self._last < wanted[0]):
            before = _before(wanted[0])
            self._last = before if self._last is None else max(self._last, before)
        while not self.ended and (not self._ids or self._ids[-1] < wanted[-1]):
            found.update(self._ids)
            self._ids = await self.page()
        found.update(self._ids)
        return [id for id in wanted if id in found]


class Meeting:
    """Walks several scans side by side.

    Parameters
    ----------
    scans : sequence of Scan
        Of one key each, so that their entries come in the order of their ids; the one with the fewest entries first.
    read : callable
        Reads entries of a scan after a place.
    page_size : int
        Entries that `read` gives at once, as long as there are further ones.
    ahead : bool
        Read the first pages together, and then the first scan's next page while the present one is compared.
    """

    def __init__(self, scans: Sequence[Scan], read: ReadEntries, page_size: int, *, ahead: bool) -> None:
        self._first, *self._others = self._all = [_Ids(scan, read, page_size) for scan in scans]
        self._ahead = ahead
        self._begun = False

    @property
    def ended(self) -> bool:
        """Whether there are no further ids."""
        return self._first.ended

    async def next(self) -> list[bytes]:
        """Some ids that all scans have, ascending, perhaps none of them."""
        if self._ahead and not self._begun:
            for each in self._all:
                await each.pages.begin()
        self._begun = True
        ids = await self._first.page()
        if self._ahead and not self._first.ended:
            await self._first.pages.begin()
        for other in self._others:
            if ids:
                ids = await other.among(ids)
        return ids

    async def close(self) -> None:
        """Give up what was asked for ahead."""
        for each in self._all:
            await each.pages.close()


def _before(id: bytes) -> bytes:
    """What lies before an id and after nearly all others that do, and is not the beginning of the id."""
    # The first byte of an id says of which type it is, and is more than 0.
    start = id.rstrip(b"\0")
    return start[:-1] + bytes([start[-1] - 1]) + b"\xff" * (1 + len(id) - len(start))
