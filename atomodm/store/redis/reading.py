"""What is asked of Redis for reading, and what its answers mean: functions without a connection."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from struct import Struct, error, unpack
from typing import Any, Final, NamedTuple

from ...engine.driver import IndexRef, Page, Place, Row
from ...errors import StaleCatalogue, StoreCorrupt
from ...query.bounds import Range
from .layout import entry, places

#: Bytes of documents after which a page of a scan ends.
PAGE_BYTES: Final = 4 * 1024 * 1024
#: Bytes of documents that one request for ids reads.
GET_BYTES: Final = 32 * 1024 * 1024
#: Ids that one request has, as many as a script can give to one command.
GET_IDS: Final = 7_000
#: Entries that a page has at most, so that neither the server nor the event loop is held up for long.
PAGE_ENTRIES: Final = 10_000
#: Ranges that one request goes through.
RANGES: Final = 5_000

#: A revision, as each stored document begins with it.
REVISION: Final = Struct(">Q")


class Found(NamedTuple):
    """A part of a scan.

    Attributes
    ----------
    page : Page
        Without the entries whose documents are missing.
    last : bytes or None
        The last member that was read.
    orphans : list of (bytes, bytes)
        Members whose documents are missing, with their ids.
    """

    page: Page
    last: bytes | None
    orphans: list[tuple[bytes, bytes]]


def bounds(
    index: IndexRef | None, ranges: Sequence[Range], after: Place | None, reverse: bool
) -> list[tuple[bytes, bytes]]:
    """The ranges of members that a scan reads, as ``ZRANGEBYLEX`` or ``ZREVRANGEBYLEX`` takes them."""
    if after is None:
        if reverse:
            return [(b"(" + high, b"[" + low) for low, high in ranges if low < high]
        return [(b"[" + low, b"(" + high) for low, high in ranges if low < high]
    start = place_member(index, after, reverse)
    if reverse:
        return [(b"(" + min(high, start), b"[" + low) for low, high in ranges if low < high and low < start]
    return [
        (b"(" + start if start >= low else b"[" + low, b"(" + high)
        for low, high in ranges
        if low < high and start < high
    ]


def place_member(index: IndexRef | None, place: Place, reverse: bool) -> bytes:
    """The member beside which a scan goes on that came to a place."""
    key, id = place
    if index is None:
        return id
    if index.unique:
        # One id has the key. Who has it now does not come a second time.
        return key if reverse else key + b"\xff"
    return entry(key, id) if id else key


def version_bytes(version: int | None) -> bytes:
    """How a script is told the catalogue's version."""
    return b"" if version is None else b"%d" % version


def stale() -> StaleCatalogue:
    """The error of what was computed for another catalogue."""
    return StaleCatalogue("the index catalogue changed")


def revisions_of(values: Sequence[bytes]) -> Sequence[int]:
    """The revisions of stored values.

    Raises
    ------
    StoreCorrupt
    """
    try:
        return unpack(f">{len(values)}Q", b"".join([value[:8] for value in values]))
    except error:
        raise StoreCorrupt("a stored document is damaged: it has no revision") from None


def rows(ids: Sequence[bytes], values: Sequence[bytes | None]) -> list[Row]:
    """The documents among the values stored under ids."""
    there = [(id, value) for id, value in zip(ids, values, strict=True) if value is not None]
    revisions = revisions_of([value for _, value in there])
    return [(id, revision, value[8:]) for (id, value), revision in zip(there, revisions, strict=True)]


def found(index: IndexRef | None, reply: list[Any], limit: int) -> Found:
    """Read the answer to a scan.

    Raises
    ------
    StoreCorrupt
    """
    members, values = reply[1], reply[2]
    # Where the page ended for its bytes, there is something more in the answer.
    more = len(reply) > 3 or len(members) >= limit
    if not members:
        return Found(Page((), (), (), (), more), None, [])
    last = members[-1]
    keys, ids = (members, members) if index is None else places(members)
    orphans: list[tuple[bytes, bytes]] = []
    if None in values:
        present = [value is not None for value in values]
        orphans = [(member, id) for member, id, there in zip(members, ids, present, strict=True) if not there]
        keys, ids, values = (list(compress(column, present)) for column in (keys, ids, values))
    page = Page(keys, ids, revisions_of(values), [value[8:] for value in values], more)
    return Found(page, last, orphans)
