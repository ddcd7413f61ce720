"""What every store promises to the layers above it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack
from os import PathLike
from typing import Any
from urllib.parse import urlsplit

from ..errors import StoreClosed, UnsupportedOperation, WrongLoop
from ..query.nodes import ALL, Node
from ..query.updates import UpdateOperators
from .capabilities import Atomicity, Capabilities
from .checking import CheckReport
from .collection import Collection
from .finding import Chunk, Explanation, Find
from .indexes import IndexSpec, Progress
from .log import ChangePage, Position
from .operations import Batch, Outcome
from .updates import Besides, Held, UpdateOutcome


class Store(ABC):
    """A database we can talk to: named collections of BSON documents with revisions.

    A store belongs to the event loop that opened it. `requests` counts what was asked of the database, one for each
    read, find batch or write batch, whatever its size.
    """

    #: The store's address without credentials, for messages.
    url: str
    #: What stands for the name of a database where a collection says where it is.
    database_name: str
    capabilities: Capabilities
    requests: int

    def __init__(self, url: str) -> None:
        self.url = url
        self.database_name = _last_part(url)
        self.requests = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._when_closing: list[Callable[[Store], None]] = []
        #: By collection, the models whose declared indexes are in force; what removes the indexes empties it.
        self.prepared: dict[str, set[Any]] = {}
        #: Whether the first operation opens the store, as for one that is assigned by its URL.
        self.opens_at_first_use = False

    def when_closing(self, listener: Callable[[Store], None]) -> None:
        """Have `listener` called with the store, once, before it closes."""
        self._when_closing.append(listener)

    @property
    def is_open(self) -> bool:
        """Whether the store was opened and not closed since."""
        return self._loop is not None

    async def open(self) -> None:
        """Open the store in the running loop; nothing happens when it is open there already."""
        if self._loop is None:
            await self._open()
            self._loop = asyncio.get_running_loop()
        else:
            self.check_usable()

    async def close(self) -> None:
        """Close the store; nothing happens when it is closed already."""
        if self._loop is not None:
            self.check_usable()
            listeners, self._when_closing = self._when_closing, []
            async with AsyncExitStack() as stack:  # all of it happens, whatever a listener raises
                stack.push_async_callback(self._close)
                stack.callback(setattr, self, "_loop", None)
                stack.callback(self.prepared.clear)
                for listener in reversed(listeners):
                    stack.callback(listener, self)

    async def ready(self) -> None:
        """Make sure that the store is open in the running loop; one that `opens_at_first_use` is opened now."""
        if self._loop is None and self.opens_at_first_use:
            await self.open()
        else:
            self.check_usable()

    def check_usable(self) -> None:
        """Raise `StoreClosed` or `WrongLoop` unless the store is open in the running loop."""
        if self._loop is None:
            raise StoreClosed("the store is not open", store=self.url)
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is not self._loop:
            raise WrongLoop("the store belongs to another event loop; open one store for each loop", store=self.url)

    @abstractmethod
    async def _open(self) -> None: ...

    @abstractmethod
    async def _close(self) -> None: ...

    @abstractmethod
    def collection(self, name: str) -> Collection:
        """A collection with PyMongo's API: names, arguments, results and errors.

        Raises
        ------
        pymongo.errors.InvalidName
            No collection can have that name.
        """

    def __getitem__(self, name: str) -> Collection:
        """As `collection`."""
        return self.collection(name)

    @abstractmethod
    def now(self) -> int:
        """The store's time, which decides whether documents have expired, in milliseconds since 1970; nobody is asked.

        Where the store is on another computer, that one's clock counts, as far as it was learnt from its answers.
        """

    @abstractmethod
    async def get(self, collection: str, ids: Sequence[Any]) -> Chunk:
        """Read documents by id, in any order; ids that do not exist are left out."""

    @abstractmethod
    def find(self, collection: str, find: Find) -> AsyncGenerator[Chunk, None]:
        """Answer `find` chunk by chunk, in bounded memory unless it must be sorted without an index.

        Close the generator (`contextlib.aclosing`) when it is not read to its end.
        """

    @abstractmethod
    async def count(
        self, collection: str, filter: Node = ALL, *, limit: int | None = None, hint: str | None = None
    ) -> int:
        """Count the documents that match.

        Parameters
        ----------
        collection : str
        filter : Node
        limit : int, optional
            Counting stops there.
        hint : str, optional
            As in `Find`.
        """

    @abstractmethod
    async def explain(self, collection: str, find: Find) -> Explanation:
        """Run `find` and say how it was answered."""

    @abstractmethod
    async def write(self, batch: Batch) -> Outcome:
        """Apply a batch, all or nothing.

        Raises
        ------
        RevisionMismatch, DuplicateKey
            Nothing was written.
        UnsupportedOperation
            Nothing was written; the batch goes beyond what the store is atomic over. Write it in parts.
        BatchTooLarge
            Nothing was written; the batch exceeds the store's capabilities.
        OutcomeUnknown
            The connection died after sending.
        """

    @abstractmethod
    async def update(
        self,
        collection: str,
        filter: Node,
        update: UpdateOperators,
        *,
        held: Held | None = None,
        besides: Besides | None = None,
    ) -> UpdateOutcome:
        """Apply update operators to all documents that match, whatever their revisions, each in one atomic step.

        Many tasks and processes may update one document at a time: no change is lost. Others see some of the documents
        updated before the rest.

        Parameters
        ----------
        collection : str
        filter : Node
        update : UpdateOperators
            What `atomodm.query.updates.parse_update` has read, without array filters.
        held : mapping, optional
            Documents that the caller has: it is told how they are after the update, and where nobody else has changed
            one meanwhile it need not be read.
        besides : callable, optional
            Gives for each document fields that are set as well, as the time when it expires.

        Raises
        ------
        InvalidUpdate, DuplicateKey
            The documents before the one concerned are updated.
        RevisionMismatch
            Others changed a document again and again, until the deadline.
        OutcomeUnknown
            The connection died after sending.
        """

    @abstractmethod
    async def ensure_indexes(
        self, collection: str, indexes: Sequence[IndexSpec], progress: Progress | None = None
    ) -> None:
        """Create the indexes that are missing and build them over the documents that are there.

        Others may read and write meanwhile, and several processes may ask for the same indexes at once. An index is
        used for reading when it is complete. A build that is cancelled is taken up by the next one who asks; until
        then writers keep to the index as it is declared, so that a unique one already refuses equal values.

        Raises
        ------
        IndexConflict
            Another index has that name, or the same fields and options under another name, or the options do not go
            together; `IndexConflict.server_code` says which as a MongoDB server does.
        DuplicateKey
            A unique index finds equal values; nothing is left of it.
        InvalidIndexKey
            A document leads through several arrays; nothing is left of the index.
        UnsupportedOperation
            An index of a kind that there is not here.
        """

    @abstractmethod
    async def list_indexes(self, collection: str) -> list[IndexSpec]:
        """The indexes of a collection that are complete, without the one on ``_id``."""

    @abstractmethod
    async def drop_indexes(self, collection: str, names: Sequence[str] | None = None) -> None:
        """Remove indexes by name; with None all of them except the one on ``_id``.

        Raises
        ------
        IndexConflict
            There is no index of that name (`server_code` 27), or it is the one on ``_id`` (72); none is removed.
        """

    @abstractmethod
    async def drop(self, collection: str) -> int:
        """Remove a collection with its indexes; gives the number of documents it had."""

    @abstractmethod
    async def rename(self, collection: str, new_name: str, *, drop_target: bool = False) -> None:
        """Give a collection another name, with its documents at their revisions and its indexes, in one step.

        In the change log both names are dropped: whoever follows one of them reads it again.

        Raises
        ------
        NamespaceConflict
            There is no such collection (`server_code` 26), or there is one of the new name (48) and `drop_target` is
            False, or both names are the same (20).
        InvalidQuery
            No collection can have that name (73).
        UnsupportedOperation
            `Capabilities.rename` is False.
        """

    @abstractmethod
    async def drop_database(self) -> None:
        """Remove all collections, in one step where the store is atomic over all of it, otherwise one by one."""

    @abstractmethod
    async def list_collection_names(self) -> list[str]:
        """Names of the collections that have documents or indexes, sorted."""

    @abstractmethod
    async def position(self) -> Position:
        """The change log's current position; `changes` since there gives what comes after now."""

    @abstractmethod
    async def changes(self, since: Position, limit: int = 1000) -> ChangePage:
        """What the change log has after a position, as many whole transactions as it takes to reach `limit` entries.

        Parameters
        ----------
        since : Position
            From `position` or from a `ChangePage`.
        limit : int
            1 or more.

        Raises
        ------
        InvalidQuery
            The limit is less than 1.
        TokenLost
            The log was trimmed past `since`, or never had such a position.
        """

    # -- upkeep --------------------------------------------------------------------------------------------------------

    async def check(self, *, repair: bool = False, progress: Progress | None = None) -> CheckReport:
        """Compare all documents with the indexes, and look for damage; others may read and write meanwhile.

        Parameters
        ----------
        repair : bool
            Mend what follows from the documents: index entries and counters. Documents are never changed or removed.
        progress : callable, optional
            Called with documents done and documents in all.

        Raises
        ------
        UnsupportedOperation
        """
        raise self._has_no("check")

    async def backup(
        self, path: str | PathLike[str], progress: Progress | None = None, *, replace: bool = False
    ) -> None:
        """Copy the store as it is at this moment into a file, while others read and write.

        Parameters
        ----------
        path : str or path
            The file appears when it is whole. Relative paths start at the current directory.
        progress : callable, optional
            Called with parts done and parts in all.
        replace : bool
            The file may be a former backup, which is replaced in one step.

        Raises
        ------
        BackupRefused
            The file exists.
        StoreUnavailable
            The file cannot be written.
        UnsupportedOperation
        """
        raise self._has_no("backup")

    async def vacuum(self) -> None:
        """Give the space of what was deleted back.

        Raises
        ------
        StoreBusy
            Others hold what is needed for it.
        UnsupportedOperation
        """
        raise self._has_no("vacuum")

    # -- for stores ----------------------------------------------------------------------------------------------------

    def check_atomic(self, batch: Batch) -> None:
        """Raise `UnsupportedOperation` unless the store can apply a batch all or nothing."""
        atomic = self.capabilities.atomic
        if atomic is Atomicity.STORE or len(batch.operations) < 2:
            return
        if atomic is Atomicity.COLLECTION and len({operation.collection for operation in batch.operations}) == 1:
            return
        raise UnsupportedOperation(
            f"the store is atomic over one {atomic.value}, and the batch goes beyond; write it in parts", store=self.url
        )

    def _has_no(self, operation: str) -> UnsupportedOperation:
        return UnsupportedOperation(f"a {type(self).__name__} has no {operation}()", store=self.url)

    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return f"<{type(self).__name__} {self.url} {state}>"


def _last_part(url: str) -> str:
    """The last part of a store's address, without an ending."""
    parts = urlsplit(url)
    last = (parts.path.rstrip("/") or parts.netloc).rpartition("/")[2]
    return last.split(".")[0] or parts.scheme
