"""How many documents are asked for at once.

A page costs a round trip, whatever its size, and memory. On a near driver the first page is what the caller takes at
once; on a far one somewhat more, which comes with the same round trip. Each further page is larger than the one before,
so that a long answer takes few of them. Scans end a page after some megabytes by themselves; documents that are read by
their ids come all, so there what was read tells how many are asked for next.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...concurrency import AT_A_TIME
from ...contract.finding import Find
from ..planning.plan import Part, Plan

#: Documents of one page at most; a page is held in memory.
LARGEST_PAGE = 4096
#: A further page is so many times as large as the one before.
GROWTH = 4
#: Bytes of documents that are read by their ids at once, as far as can be told before.
PAGE_BYTES = 4 * 1024 * 1024
#: A page of documents of which some may be left out is so many times as large as what is wanted.
SPARE = 4
#: Documents that a far driver gives at hardly more cost than one.
FEW = 64


#: Documents of the first chunk where the caller leaves it to the store, and of later ones at most.
FIRST_CHUNK = 128
LARGEST_CHUNK = 1024


class ChunkSize:
    """The number of documents of the next chunk.

    What is done with a chunk, as loading what its documents refer to, may take a round trip too.
    """

    __slots__ = ("_grows", "next")

    def __init__(self, find: Find) -> None:
        self.next = find.batch_size or FIRST_CHUNK
        self._grows = find.batch_size is None

    def grow(self) -> None:
        """A chunk was given: the next one is larger, if it is the store's choice."""
        if self._grows:
            self.next = min(2 * self.next, LARGEST_CHUNK)


class PageSize:
    """The number of documents to ask for next.

    Parameters
    ----------
    first : int
    most : int
    """

    __slots__ = ("most", "next")

    def __init__(self, first: int, most: int = LARGEST_PAGE) -> None:
        self.next = first
        self.most = most

    @classmethod
    def of(cls, find: Find, plan: Plan, part: Part, *, far: bool) -> PageSize:
        """The page sizes of one part of a plan."""
        parts = len(plan.parts)
        usual = find.batch_size or FIRST_CHUNK
        most = max(usual, LARGEST_PAGE)
        if far:
            # Of several parts, pages are read at a time; a first page has room for more than the first documents.
            most = max(usual, LARGEST_PAGE // min(parts, AT_A_TIME))
            usual = max(usual, min(GROWTH * usual // min(parts, AT_A_TIME), most))
        if find.limit is None or not plan.sorted:
            return cls(usual, most)
        wanted = find.skip + find.limit
        if plan.merged:
            wanted = max(wanted // parts + 1, min(wanted, FEW) if far else 0)
        if part.is_decided:
            return cls(max(1, min(wanted, most)), most)
        return cls(max(1, min(max(SPARE * wanted, FEW if far else 0), usual)), most)

    def grow(self) -> None:
        """A page was asked for: the next one is larger."""
        self.next = max(self.next, min(GROWTH * self.next, self.most))

    def weigh(self, documents: Sequence[bytes]) -> None:
        """Documents were read by their ids: the next ones are expected to be as large."""
        if read := sum(map(len, documents)):
            self.next = max(1, min(self.next, PAGE_BYTES * len(documents) // read))
