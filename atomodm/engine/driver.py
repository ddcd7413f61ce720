"""What the engine asks of a driver: an ordered key-value space with atomic commits, and nothing about queries.

A driver keeps, for each collection, documents under byte ids, index entries ``(index, key, id)`` in byte order, and
one opaque catalogue; and for the whole store one log. It compares and stores bytes and integers; what they mean is
the engine's business.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..contract.log import Position
from ..query.bounds import Range


class IndexRef(NamedTuple):
    """One index of a collection, as the driver knows it.

    Attributes
    ----------
    number : int
        Unique among all indexes that the collection ever had.
    unique : bool
        Its entries are claims: one id for each key.
    """

    number: int
    unique: bool


# Rows are plain tuples: a batch has hundreds of thousands of them, and the garbage collector leaves plain ones alone.

#: Where an entry stands in an index: key, id. In the primary order the key is the id. Reading goes on after any place:
#: the id may be empty, before all others, or one that there is not, where nobody cares whether what begins with it is
#: given.
Place = tuple[bytes, bytes]
#: A stored document: id, revision, document.
Row = tuple[bytes, int, bytes]
#: A new document, whose id must be absent: id, document, offset. Its revision is the commit's first position + offset.
InsertRow = tuple[bytes, bytes, int]
#: A new form of a document that is at an expected revision: id, expected, document, offset.
UpdateRow = tuple[bytes, int, bytes, int]
#: A document that must be at an expected revision, or absent where that is 0: id, expected.
Guard = tuple[bytes, int]
#: An entry of the index with a number: number, key, id.
EntryRow = tuple[int, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a scan, column by column, in scan order.

    Attributes
    ----------
    keys, ids : sequence of bytes
        The entries.
    revisions, documents : sequence of int, sequence of bytes
        The documents they belong to, read in the same atomic step.
    more : bool
        The scan ended at a limit: there may be further entries.
    """

    keys: Sequence[bytes]
    ids: Sequence[bytes]
    revisions: Sequence[int]
    documents: Sequence[bytes]
    more: bool

    def part(self, start: int, end: int) -> Page:
        """Some of its entries."""
        return Page(
            self.keys[start:end], self.ids[start:end], self.revisions[start:end], self.documents[start:end], self.more
        )


@dataclass(frozen=True, slots=True)
class CollectionState:
    """What the store knows about a collection as a whole.

    Attributes
    ----------
    name : str
    version : int
        Of the catalogue: the log position of the commit that wrote it; 0 while nothing was.
    catalogue : bytes
    documents : int
        How many there are.
    """

    name: str
    version: int = 0
    catalogue: bytes = b""
    documents: int = 0


@dataclass(slots=True)
class CollectionChanges:
    """What a commit does to one collection.

    Attributes
    ----------
    version : int
        The catalogue version that all this was computed for.
    inserts, updates, deletes : list
        Documents; a delete removes the document at the expected revision.
    guards : list of Guard
        Documents that are not written but must be at their revision.
    removed, added : list of EntryRow
        Entries of plain indexes. Removing an absent one and adding a present one change nothing.
    released, claimed : list of EntryRow
        Entries of unique indexes. All releases come before all claims; a claim of a key that belongs to another id
        refuses the commit, a release of another id's key changes nothing.
    cleared : list of IndexRef
        Indexes that lose all their entries.
    catalogue : bytes or None
        A new catalogue.
    dropped : bool
        The collection goes with everything it has.
    renamed : str or None
        The collection gets this name, after all drops of the commit; nothing else happens to it then. One of that name
        that has documents refuses the commit with `StaleCatalogue`, one without goes; a collection that is not there
        refuses it too.
    """

    version: int
    inserts: list[InsertRow] = field(default_factory=list)
    updates: list[UpdateRow] = field(default_factory=list)
    deletes: list[Guard] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    removed: list[EntryRow] = field(default_factory=list)
    added: list[EntryRow] = field(default_factory=list)
    released: list[EntryRow] = field(default_factory=list)
    claimed: list[EntryRow] = field(default_factory=list)
    cleared: list[IndexRef] = field(default_factory=list)
    catalogue: bytes | None = None
    dropped: bool = False
    renamed: str | None = None


class LogEntry(NamedTuple):
    """What the log keeps of a commit.

    Attributes
    ----------
    operation_id : bytes
        A commit whose operation id is in the log is not applied again.
    origin : bytes
    size : int
        Log positions that the commit takes, at least one.
    record : bytes
        What changed, in the engine's encoding.
    keep : int
        Older commits are trimmed when they end more than so many positions before this one.
    """

    operation_id: bytes
    origin: bytes
    size: int
    record: bytes
    keep: int


class Commit(NamedTuple):
    """Changes that are applied together or not at all; without a log entry no position is taken."""

    collections: Mapping[str, CollectionChanges]
    log: LogEntry | None = None


class Applied(NamedTuple):
    """What became of a commit.

    Attributes
    ----------
    first : int
        Its first log position; 0 without a log entry.
    former : bytes or None
        The record of the commit that had been applied under this operation id before; then nothing was done now.
    dropped : int
        Documents in the dropped collections.
    """

    first: int
    former: bytes | None = None
    dropped: int = 0


class LoggedCommit(NamedTuple):
    """One commit as read from the log."""

    first: int
    size: int
    operation_id: bytes
    origin: bytes
    record: bytes


class LogPage(NamedTuple):
    """A part of the log: commits, oldest first, and the position after them."""

    commits: Sequence[LoggedCommit]
    position: Position


class Refused(Exception):
    """A commit was refused as a whole.

    Attributes
    ----------
    mismatched : list of (str, bytes)
        Collections and ids of the documents that are not at the expected revision.
    taken : list of (str, int, bytes)
        Where no document mismatched: collections, index numbers and ids of claims for keys that belong to others.
    """

    def __init__(
        self, mismatched: Sequence[tuple[str, bytes]] = (), taken: Sequence[tuple[str, int, bytes]] = ()
    ) -> None:
        super().__init__(f"{len(mismatched)} mismatched, {len(taken)} taken")
        self.mismatched = mismatched
        self.taken = taken


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a driver finds wrong in what it keeps.

    Attributes
    ----------
    message : str
        Without any stored value.
    collection : str or None
    repaired : bool
    """

    message: str
    collection: str | None = None
    repaired: bool = False


class Driver(ABC):
    """An ordered key-value space.

    Every method is one atomic step. Where a `version` is given, `StaleCatalogue` is raised when the collection's
    catalogue has another one.

    Attributes
    ----------
    far : bool
        A request goes to another process or machine, so that it mostly waits: the engine then asks for several things
        at a time, for the next page while the present one is worked on, and for a little more rather than twice.
    timeout : float or None
        Seconds after which what depends on others is given up; None leaves it to the engine.
    """

    far: bool = False
    timeout: float | None = None

    @abstractmethod
    async def open(self) -> None:
        """Make the driver ready in the running loop."""

    @abstractmethod
    async def close(self) -> None:
        """Let what is running finish, then release everything."""

    def now(self) -> int:
        """The time that decides whether documents have expired, in milliseconds since 1970, without asking anybody."""
        return time.time_ns() // 1_000_000

    @abstractmethod
    async def state(self, collection: str) -> CollectionState:
        """One collection; one that is not there is empty, at version 0."""

    @abstractmethod
    async def states(self) -> list[CollectionState]:
        """All collections, in any order."""

    @abstractmethod
    async def get(self, collection: str, ids: Sequence[bytes], *, version: int | None = None) -> list[Row]:
        """The documents with these ids that exist, in any order."""

    @abstractmethod
    async def scan(
        self,
        collection: str,
        index: IndexRef | None,
        ranges: Sequence[Range],
        *,
        limit: int,
        after: Place | None = None,
        reverse: bool = False,
        version: int | None = None,
    ) -> Page:
        """Read entries with their documents in the order of their places.

        Parameters
        ----------
        collection : str
        index : IndexRef or None
            None for the documents themselves, in the order of their ids.
        ranges : sequence of (bytes, bytes)
            The keys to read, ``low <= key < high``: disjoint, in scan order.
        limit : int
            Entries at most; a driver may stop earlier, after some megabytes of documents, but not without any entry.
        after : Place, optional
            Read only what comes after this place in scan order.
        reverse : bool
            From the highest place to the lowest.
        version : int, optional
        """

    @abstractmethod
    async def entries(
        self,
        collection: str,
        index: IndexRef,
        ranges: Sequence[Range],
        *,
        limit: int,
        after: Place | None = None,
        version: int | None = None,
    ) -> list[Place]:
        """Read entries in ascending order as they stand, whether or not their documents exist.

        Parameters are those of `scan`. There are further entries only where `limit` of them were read.
        """

    @abstractmethod
    async def count(
        self,
        collection: str,
        index: IndexRef | None,
        ranges: Sequence[Range],
        *,
        limit: int | None = None,
        version: int | None = None,
    ) -> int:
        """Number of entries in `ranges`; counting may stop at `limit`."""

    @abstractmethod
    async def apply(self, commit: Commit) -> Applied:
        """Apply a commit, all or nothing.

        Checked in this order: whether the operation id is in the log, the catalogue versions, the revisions, the
        claims.

        Raises
        ------
        StaleCatalogue
        Refused
        """

    @abstractmethod
    async def position(self) -> Position:
        """Where the log ends."""

    @abstractmethod
    async def log(self, since: Position, limit: int) -> LogPage:
        """Commits after a position that `position` or an earlier page gave, until they take `limit` positions.

        Raises
        ------
        TokenLost
            Commits after `since` were trimmed, or the log never had such a position.
        """

    # -- checking ------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def absent(self, collection: str, index: IndexRef, places: Sequence[Place]) -> list[Place]:
        """Those of the places that have no entry in the index."""

    async def examine(self, *, repair: bool) -> list[Finding]:
        """What is wrong in the driver's own keeping: damage, counters, what belongs to no collection.

        What a repair mends is given with `Finding.repaired`.
        """
        return []
