"""One part of a plan while it runs: reads, and leaves out what the part does not give."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...breathing import Breather
from ...concurrency import Ahead
from ...encoding import decode_all
from ...query.evaluator import compile_filter
from ...query.nodes import All, disjunction
from ..driver import Page
from ..planning.plan import Access, Part, Scan, may_repeat
from .reading import Figures, Reader

#: Documents decoded together: they fit in a processor's cache.
DECODED_TOGETHER = 128

Document = Mapping[str, Any]


class Branch:
    """One run of one part of a plan.

    A document that the part comes upon under several keys is given under the first of them, and one that an earlier
    part gives is left out. Both are decided from the document itself, so that nothing needs to be remembered.

    Parameters
    ----------
    part : Part
    reader : Reader
        Of the part's access.
    breather : Breather
    decodes : bool
        The documents will be decoded, whatever is left to evaluate.
    """

    def __init__(self, part: Part, reader: Reader, breather: Breather, *, decodes: bool) -> None:
        self.part = part
        self.reader = reader
        self._breather = breather
        self._decodes = decodes
        self._matches = None if isinstance(part.residual, All) else compile_filter(part.residual)
        self._given = compile_filter(disjunction(part.earlier)) if part.earlier else None
        self._first_key: Callable[[Document], bytes | None] | None = None
        self._pending: deque[Page] = deque()
        self._pages = Ahead(reader.read)
        #: Documents that it gave.
        self.given = 0

    @property
    def figures(self) -> Figures:
        """What it took."""
        return self.reader.figures

    @property
    def repeats(self) -> bool:
        """Whether the access, or that which it is a piece of, can come upon one document several times."""
        whole = self.part.whole
        return self.reader.repeats or (whole is not None and may_repeat(whole.index, whole))

    @property
    def is_covered(self) -> bool:
        """Whether the access gives every document of the part once and no other."""
        return self.part.is_decided and not self.repeats

    async def read(self) -> Page | None:
        """The next part of the access: a page, or as much of it as is decoded without giving way to the event loop."""
        await self._breather.breathe()
        if self._pending:
            return self._pending.popleft()
        page = await self._pages.next()
        if page is None or len(page.keys) <= DECODED_TOGETHER or (self.is_covered and not self._decodes):
            return page
        self._pending.extend(
            page.part(start, start + DECODED_TOGETHER) for start in range(0, len(page.keys), DECODED_TOGETHER)
        )
        return self._pending.popleft()

    async def read_ahead(self) -> None:
        """Ask for the page after the one that was read last, if there may be one."""
        if not self.reader.ended:
            await self._pages.begin()

    async def close(self) -> None:
        """Give up what was asked for and is not wanted any more."""
        await self._pages.close()
        await self.reader.close()

    def select(self, page: Page) -> tuple[Sequence[int], Sequence[bytes]]:
        """Revisions and documents of a page that the part gives."""
        if self.is_covered:
            self.given += len(page.documents)
            return page.revisions, page.documents
        places = self.passing(page, decode_all(page.documents))
        return [page.revisions[place] for place in places], [page.documents[place] for place in places]

    def passing(self, page: Page, decoded: Sequence[Document]) -> Sequence[int]:
        """Places in a page of the documents that the part gives."""
        places: Sequence[int] = range(len(decoded))
        if self._matches is not None:
            matches = self._matches
            places = [place for place, document in enumerate(decoded) if matches(document)]
        if self.repeats:
            first_key = self._first_key = self._first_key or _first_key(self.part.access, self.part.whole)
            places = [place for place in places if first_key(decoded[place]) == page.keys[place]]
        if self._given is not None:
            given = self._given
            places = [place for place in places if not given(decoded[place])]
        self.given += len(places)
        return places


def _first_key(access: Access, whole: Scan | None) -> Callable[[Document], bytes | None]:
    """Make the function that gives the key under which a document is given."""
    if not isinstance(access, Scan) or access.index is None:
        return lambda document: None
    # All pieces of a scan are read in the same direction.
    ranges, reverse = (whole or access).ranges, access.reverse
    keys_of = access.index.keys
    lows = [low for low, _ in ranges]

    def within(key: bytes) -> bool:
        place = bisect_right(lows, key) - 1
        return place >= 0 and key < ranges[place][1]

    def first_key(document: Document) -> bytes | None:
        keys = keys_of(document)
        return next(filter(within, reversed(keys) if reverse else keys), None)

    return first_key
