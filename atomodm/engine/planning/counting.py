"""How many entries scans have, asked of the driver as seldom as will do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from ...concurrency import together
from ..driver import Driver
from ..indexing.catalogue import Catalogue
from .plan import Scan

#: Entries counted to compare scans; above that one is as bad as the other.
COUNTED = 10_000
#: Seconds for which a far driver's answer is good enough to choose by, for whoever asks the same again.
LIFETIME = 5.0
#: Answers that are kept, and ranges of a scan whose answer is.
KEPT = 512
KEPT_RANGES = 16

#: A scan: collection, catalogue version, index number, ranges.
_Key = tuple[str, int, int | None, tuple[tuple[bytes, bytes], ...]]
#: When it was counted, the number of entries, and where counting stopped.
_Counted = tuple[float, int, int | None]


class KeptCounts:
    """What was counted lately. A choice made by it may be slow, and is never wrong."""

    def __init__(self) -> None:
        self._kept: dict[_Key, _Counted] = {}

    def get(self, key: _Key, limit: int | None) -> int | None:
        """A count that is fresh, and exact or as high as is asked for."""
        found = self._kept.get(key)
        if found is None:
            return None
        counted, number, former = found
        if time.monotonic() > counted + LIFETIME:
            del self._kept[key]
            return None
        is_enough = former is None or number < former or (limit is not None and limit <= former)
        return number if is_enough else None

    def keep(self, key: _Key, number: int, limit: int | None) -> None:
        """Keep a count."""
        if len(key[3]) > KEPT_RANGES:
            return
        self._kept.pop(key, None)
        self._kept[key] = (time.monotonic(), number, limit)
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]


class Counting:
    """Counts entries for one plan.

    Parameters
    ----------
    driver : Driver
    catalogue : Catalogue
    kept : KeptCounts
        Used on a far driver.
    """

    def __init__(self, driver: Driver, catalogue: Catalogue, kept: KeptCounts) -> None:
        self._driver = driver
        self._catalogue = catalogue
        self._kept = kept

    async def smallest(self, scans: Sequence[Scan]) -> tuple[int, int]:
        """The place of the scan with the fewest entries, and how many it has."""
        if self._driver.far:
            sizes = await self.sizes([(scan, COUNTED) for scan in scans])
            least = min(sizes)
            return sizes.index(least), least
        place, least = 0, COUNTED
        for other, scan in enumerate(scans):
            size = await self.size(scan, least)
            if size < least:
                place, least = other, size
            if least <= 1:
                break
        return place, least

    async def sizes(self, scans: Sequence[tuple[Scan, int | None]]) -> list[int]:
        """Numbers of entries of scans, each with the number at which counting may stop."""
        if self._driver.far:
            return await together([partial(self.size, scan, limit) for scan, limit in scans])
        return [await self.size(scan, limit) for scan, limit in scans]

    async def size(self, scan: Scan, limit: int | None) -> int:
        """The number of entries; counting may stop at `limit`."""
        index = scan.index
        if (index is None or index.spec.unique) and scan.points == len(scan.fields):
            return len(scan.ranges)
        if not self._driver.far:
            return await self._count(scan, limit)
        key = (
            self._catalogue.collection,
            self._catalogue.version,
            None if index is None else index.number,
            tuple(scan.ranges),
        )
        number = self._kept.get(key, limit)
        if number is None:
            number = await self._count(scan, limit)
            self._kept.keep(key, number, limit)
        return number

    async def _count(self, scan: Scan, limit: int | None) -> int:
        return await self._driver.count(
            self._catalogue.collection,
            None if scan.index is None else scan.index.ref,
            scan.ranges,
            limit=limit,
            version=self._catalogue.version,
        )
