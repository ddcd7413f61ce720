"""The data of a memory store: sorted containers under one lock, without an event loop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from sortedcontainers import SortedDict

from ...contract.log import Position
from ...engine.driver import (
    Applied,
    CollectionChanges,
    CollectionState,
    Commit,
    EntryRow,
    IndexRef,
    LogEntry,
    LoggedCommit,
    LogPage,
    Page,
    Place,
    Refused,
    Row,
)
from ...errors import StaleCatalogue, TokenLost
from ...query.bounds import Range


class Collection:
    """One collection, in containers that are sorted by bytes.

    Attributes
    ----------
    documents : SortedDict
        Ids to revisions and documents.
    entries : dict of int to SortedDict
        By number, the plain indexes: keys joined with ids, to keys and ids. No key is the beginning of another one, so
        that they sort as the pairs would, in half the time.
    claims : dict of int to SortedDict
        By number, the unique indexes: keys to ids.
    """

    def __init__(self) -> None:
        self.version = 0
        self.catalogue = b""
        self.documents: Any = SortedDict()
        self.entries: dict[int, Any] = {}
        self.claims: dict[int, Any] = {}

    def revision(self, id: bytes) -> int:
        """The revision of a document; 0 when it is absent."""
        found: tuple[int, bytes] | None = self.documents.get(id)
        return 0 if found is None else found[0]

    def table(self, index: IndexRef | None) -> Any:
        """The container that `index` is."""
        if index is None:
            return self.documents
        return (self.claims if index.unique else self.entries).get(index.number) or SortedDict()

    def places(self, index: IndexRef | None, bounds: Range, after: Place | None, reverse: bool) -> Iterator[Place]:
        """Places within `bounds` and after `after`, in scan order."""
        table = self.table(index)
        low, high = bounds
        from_low = True
        if after is not None:
            start = after[0] + after[1] if index is not None and not index.unique else after[0]
            if reverse:
                high = min(high, start)
            elif start >= low:
                low, from_low = start, False
        if low >= high:
            return
        for key in table.irange(low, high, (from_low, False), reverse):
            if index is None:
                yield key, key
            elif index.unique:
                yield key, table[key]
            else:
                yield table[key]

    def count(self, index: IndexRef | None, bounds: Range) -> int:
        """Number of entries within `bounds`."""
        table = self.table(index)
        low, high = bounds
        return max(0, int(table.bisect_left(high) - table.bisect_left(low)))

    def mismatched(self, changes: CollectionChanges) -> Iterator[bytes]:
        """Ids of the documents that are not at the revision that `changes` expects."""
        for id, _, _ in changes.inserts:
            if id in self.documents:
                yield id
        for id, expected, *_ in chain[Any](changes.updates, changes.deletes, changes.guards):
            if self.revision(id) != expected:
                yield id

    def taken(self, changes: CollectionChanges) -> Iterator[EntryRow]:
        """The claims for keys that belong, or in this commit go, to another document."""
        owners: dict[tuple[int, bytes], bytes | None] = {}
        for number, key, id in changes.released:
            if self.claims.get(number, {}).get(key) == id:
                owners[number, key] = None
        for claim in changes.claimed:
            number, key, id = claim
            owner = owners[number, key] if (number, key) in owners else self.claims.get(number, {}).get(key)
            if owner is None or owner == id:
                owners[number, key] = id
            else:
                yield claim

    def apply(self, changes: CollectionChanges, first: int) -> None:
        """Make the changes; they were checked."""
        documents = self.documents
        documents.update({id: (first + offset, document) for id, document, offset in changes.inserts})
        for id, _, document, offset in changes.updates:
            documents[id] = (first + offset, document)
        for id, _ in changes.deletes:
            del documents[id]
        for index in changes.cleared:
            (self.claims if index.unique else self.entries).pop(index.number, None)
        for number, key, id in changes.removed:
            self.entries.get(number, {}).pop(key + id, None)
        for number, places in _by_index(changes.added).items():
            self.entries.setdefault(number, SortedDict()).update({key + id: (key, id) for key, id in places})
        for number, key, id in changes.released:
            if self.claims.get(number, {}).get(key) == id:
                del self.claims[number][key]
        for number, places in _by_index(changes.claimed).items():
            self.claims.setdefault(number, SortedDict()).update(places)
        if changes.catalogue is not None:
            self.version, self.catalogue = first, changes.catalogue


def _by_index(entries: Iterable[EntryRow]) -> dict[int, list[tuple[bytes, bytes]]]:
    found: dict[int, list[tuple[bytes, bytes]]] = {}
    for number, key, id in entries:
        found.setdefault(number, []).append((key, id))
    return found


class MemoryData:
    """Collections and log, shared by any number of threads; hold `lock` around every call.

    Parameters
    ----------
    page_bytes : int
        Bytes of documents after which a page ends.
    """

    def __init__(self, page_bytes: int) -> None:
        self.lock = threading.Lock()
        self._page_bytes = page_bytes
        self._collections: dict[str, Collection] = {}
        self._log: deque[LoggedCommit] = deque()
        self._logged: dict[bytes, LoggedCommit] = {}

    def state(self, name: str) -> CollectionState:
        """As `Driver.state`."""
        collection = self._collections.get(name)
        if collection is None:
            return CollectionState(name)
        return CollectionState(name, collection.version, collection.catalogue, len(collection.documents))

    def states(self) -> list[CollectionState]:
        """As `Driver.states`."""
        return [self.state(name) for name in self._collections]

    def get(self, name: str, ids: Sequence[bytes], version: int | None) -> list[Row]:
        """As `Driver.get`."""
        documents = self._collection(name, version).documents
        return [(id, *documents[id]) for id in dict.fromkeys(ids) if id in documents]

    def scan(
        self,
        name: str,
        index: IndexRef | None,
        ranges: Sequence[Range],
        limit: int,
        after: Place | None,
        reverse: bool,
        version: int | None,
    ) -> Page:
        """As `Driver.scan`."""
        collection = self._collection(name, version)
        keys: list[bytes] = []
        ids: list[bytes] = []
        rows: list[tuple[int, bytes]] = []
        documents = collection.documents
        size = 0
        all_places = (collection.places(index, bounds, after, reverse) for bounds in ranges)
        for key, id in islice(chain.from_iterable(all_places), limit):
            row = documents[id]
            keys.append(key)
            ids.append(id)
            rows.append(row)
            size += len(row[1])
            if size >= self._page_bytes:
                break
        more = len(rows) == limit or size >= self._page_bytes
        if not rows:
            return Page((), (), (), (), more)
        revisions, found = zip(*rows, strict=True)
        return Page(keys, ids, revisions, found, more)

    def entries(
        self,
        name: str,
        index: IndexRef,
        ranges: Sequence[Range],
        limit: int,
        after: Place | None,
        version: int | None,
    ) -> list[Place]:
        """As `Driver.entries`."""
        collection = self._collection(name, version)
        places = (collection.places(index, bounds, after, False) for bounds in ranges)
        return list(islice(chain.from_iterable(places), limit))

    def count(self, name: str, index: IndexRef | None, ranges: Sequence[Range], version: int | None) -> int:
        """As `Driver.count`."""
        collection = self._collection(name, version)
        return sum(collection.count(index, bounds) for bounds in ranges)

    def absent(self, name: str, index: IndexRef, places: Sequence[Place]) -> list[Place]:
        """As `Driver.absent`."""
        table = self._collection(name, None).table(index)
        if index.unique:
            return [place for place in places if table.get(place[0]) != place[1]]
        return [place for place in places if place[0] + place[1] not in table]

    def apply(self, commit: Commit) -> Applied:
        """As `Driver.apply`."""
        if commit.log is not None and (former := self._logged.get(commit.log.operation_id)) is not None:
            return Applied(former.first, former.record)
        found = [(name, self._collection(name, changes.version)) for name, changes in commit.collections.items()]
        if mismatched := [
            (name, id) for name, collection in found for id in collection.mismatched(commit.collections[name])
        ]:
            raise Refused(mismatched=mismatched)
        if taken := [
            (name, number, id)
            for name, collection in found
            for number, _, id in collection.taken(commit.collections[name])
        ]:
            raise Refused(taken=taken)
        for name, changes in commit.collections.items():
            if changes.renamed is not None:
                self._check_renamed(name, changes.renamed, commit)
        # Everything is checked: from here on nothing can fail half way.
        first = self.position() + 1
        dropped = 0
        for name, collection in found:
            changes = commit.collections[name]
            if changes.dropped:
                dropped += len(collection.documents)
                self._collections.pop(name, None)
            elif changes.renamed is None:
                collection.apply(changes, first)
                self._collections[name] = collection
        for name, changes in commit.collections.items():
            if changes.renamed is not None:
                self._collections[changes.renamed] = self._collections.pop(name)
        if commit.log is None:
            return Applied(0, dropped=dropped)
        self._append(first, commit.log)
        return Applied(first, dropped=dropped)

    def _check_renamed(self, name: str, new_name: str, commit: Commit) -> None:
        if name not in self._collections:
            raise StaleCatalogue("the collection is not there")
        target = self._collections.get(new_name)
        goes = new_name in commit.collections and commit.collections[new_name].dropped
        if target is not None and target.documents and not goes:
            raise StaleCatalogue("the collection has documents")

    def _append(self, first: int, entry: LogEntry) -> None:
        logged = LoggedCommit(first, entry.size, entry.operation_id, entry.origin, entry.record)
        self._log.append(logged)
        self._logged[entry.operation_id] = logged
        while len(self._log) > 1 and self._log[0].first + self._log[0].size <= first - entry.keep:
            del self._logged[self._log.popleft().operation_id]

    def position(self) -> int:
        """As `Driver.position`."""
        return self._log[-1].first + self._log[-1].size - 1 if self._log else 0

    def log(self, since: Position, limit: int) -> LogPage:
        """As `Driver.log`."""
        oldest = self._log[0].first if self._log else 1
        if not isinstance(since, int) or not oldest - 1 <= since <= self.position():
            raise TokenLost("the change log does not reach back to that position")
        found: list[LoggedCommit] = []
        # What is asked for most often stands at the end.
        for logged in reversed(self._log):
            if logged.first + logged.size - 1 <= since:
                break
            found.append(logged)
        found.reverse()
        positions = 0
        for number, logged in enumerate(found):
            if positions >= limit:
                del found[number:]
                break
            positions += logged.size
        return LogPage(found, found[-1].first + found[-1].size - 1 if found else since)

    def _collection(self, name: str, version: int | None) -> Collection:
        collection = self._collections.get(name) or Collection()
        if version is not None and collection.version != version:
            raise StaleCatalogue("the index catalogue changed")
        return collection
