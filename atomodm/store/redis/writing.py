"""How a commit is put to the script that applies it, and what the script's answer means.

KEYS and ARGV are those of ``scripts/commit.lua``. Numbers are packed big-endian in strings, as the script unpacks them:
for each commit a header, and for each collection a header, its expected revisions, its offsets, and the groups of its
index entries. A group is what happens to the entries of one index in one way.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct, error, pack
from typing import Any, Final

from ...engine.driver import Applied, CollectionChanges, Commit, EntryRow, IndexRef, Refused
from ...errors import BatchTooLarge, StoreError
from .layout import CollectionKeys, Layout, members_of
from .reading import stale, version_bytes

#: Index entries that one commit changes at most: the server does nothing else meanwhile.
MAX_ENTRIES: Final = 200_000

#: Collections, whether there is a log entry, whether the set of collections is among the keys, whether new collections
#: are in it already, whether the commit takes memory, the log positions it takes, those to keep.
_HEADER: Final = Struct(">BBBBBIQ")
#: Keys of indexes, inserts, updates, deletes, guards, groups, fate, which collection this one takes the place of, the
#: highest number of an index that gets entries, a bound for the size of its documents.
_PART: Final = Struct(">IIIIIIBIII")
#: Kind, number, key, entries.
_GROUP: Final = Struct(">BIII")
_CLEARED, _REMOVED, _ADDED, _RELEASED, _CLAIMED = range(5)
_DROPPED: Final = 1
_REPLACED: Final = 2

#: A revision that no document has.
_NEVER: Final = 2**64 - 1
#: Least bound for the size of documents.
_SMALL: Final = 256


class Attempt:
    """Keys and arguments of one attempt at a commit.

    Parameters
    ----------
    layout : Layout
    clustered : bool
    commit : Commit
    registered : bool
        New collections are in the set of collections already.
    indexes : int
        Numbers of the indexes, from 1 on, of collections that go or get another name.

    Attributes
    ----------
    keys, args : list of bytes
    """

    def __init__(
        self, layout: Layout, clustered: bool, commit: Commit, *, registered: bool = False, indexes: int = 0
    ) -> None:
        self._indexes = indexes
        self._targets = {changes.renamed for changes in commit.collections.values() if changes.renamed is not None}
        collections = commit.collections
        if missing := self._targets.difference(collections):
            collections = {**collections, **{name: CollectionChanges(-1) for name in missing}}
        self._numbers = {name: number for number, name in enumerate(collections, start=1)}
        self._grows = bool(self._targets)
        first = layout.collection(next(iter(collections), ""))
        self.keys = [first.log, first.operations, first.head]
        if not clustered:
            self.keys.append(layout.collections)
        entry = commit.log
        self.args = [b"", b"", b"", b""] if entry is None else [b"", entry.operation_id, entry.origin, entry.record]
        for name, changes in collections.items():
            self._add(layout.collection(name), changes)
        self.args[0] = _HEADER.pack(
            len(collections),
            entry is not None,
            not clustered,
            registered,
            self._grows,
            0 if entry is None else entry.size,
            0 if entry is None else entry.keep,
        )

    def _add(self, keys: CollectionKeys, changes: CollectionChanges) -> None:
        inserts, updates, deletes, guards = changes.inserts, changes.updates, changes.deletes, changes.guards
        self.keys += keys.meta, keys.documents, keys.ids
        replaced = keys.name in self._targets
        groups: list[bytes] = []
        entries: list[bytes] = []
        highest, former = 0, len(self.keys)
        if changes.dropped or replaced or changes.renamed is not None:
            self.keys += keys.indexes(self._indexes)
        else:
            highest = self._group(keys, changes, groups, entries)
        named = len(self.keys) - former
        ids = [row[0] for row in inserts]
        documents = [row[1] for row in inserts]
        offsets = [row[2] for row in inserts]
        # An absent document cannot be written or deleted; as a guard, 0 says that it must be absent.
        expected: list[int] = []
        for id, revision, document, offset in updates:
            ids.append(id)
            documents.append(document)
            offsets.append(offset)
            expected.append(revision or _NEVER)
        for id, revision in deletes:
            ids.append(id)
            expected.append(revision or _NEVER)
        for id, revision in guards:
            ids.append(id)
            expected.append(revision)
        largest = 0
        if documents:
            largest = 1 << (max(_SMALL, len(max(documents, key=len)) + 8) - 1).bit_length()
        if documents or highest or changes.catalogue is not None:
            self._grows = True
        self.args += (
            _PART.pack(
                named,
                len(inserts),
                len(updates),
                len(deletes),
                len(guards),
                len(groups),
                _DROPPED * changes.dropped + _REPLACED * replaced,
                0 if changes.renamed is None else self._numbers[changes.renamed],
                highest,
                largest,
            ),
            version_bytes(None if changes.version < 0 else changes.version),
            keys.encoded_name,
            b"" if changes.catalogue is None else b"+" + changes.catalogue,
            bytes(8 * len(inserts)) + _revisions(expected),
            pack(f">{len(offsets)}I", *offsets),
            b"".join(groups),
            *ids,
            *documents,
            *entries,
        )

    def _group(
        self, keys: CollectionKeys, changes: CollectionChanges, groups: list[bytes], entries: list[bytes]
    ) -> int:
        """Sort entries into groups; gives the highest number of an index that gets entries."""
        highest = 0
        places: dict[IndexRef, int] = {}
        kinds: tuple[tuple[int, Sequence[EntryRow]], ...] = (
            (_REMOVED, changes.removed),
            (_ADDED, changes.added),
            (_RELEASED, changes.released),
            (_CLAIMED, changes.claimed),
        )
        for index in changes.cleared:
            groups.append(_GROUP.pack(_CLEARED, index.number, self._place(keys, places, index), 0))
        for kind, rows in kinds:
            if not rows:
                continue
            members = members_of(rows)
            for number, some in members.items():
                place = self._place(keys, places, IndexRef(number, kind >= _RELEASED))
                groups.append(_GROUP.pack(kind, number, place, len(some)))
                entries += some
            if kind in (_ADDED, _CLAIMED):
                highest = max(highest, *members)
        return highest

    def _place(self, keys: CollectionKeys, places: dict[IndexRef, int], index: IndexRef) -> int:
        """Where the key of an index is among those of the collection's indexes, counted from 1."""
        place = places.get(index)
        if place is None:
            place = places[index] = len(places) + 1
            self.keys.append(keys.index(*index))
        return place


def _revisions(revisions: Sequence[int]) -> bytes:
    try:
        return pack(f">{len(revisions)}Q", *revisions)
    except error:
        return pack(f">{len(revisions)}Q", *[each if 0 <= each < _NEVER else _NEVER for each in revisions])


def check_size(commit: Commit, url: str) -> None:
    """Refuse a commit that would hold the server up for too long.

    Raises
    ------
    BatchTooLarge
    """
    entries = 0
    for changes in commit.collections.values():
        entries += len(changes.removed) + len(changes.added) + len(changes.released) + len(changes.claimed)
    if entries > MAX_ENTRIES:
        raise BatchTooLarge(
            f"{entries:,} index entries change; at most {MAX_ENTRIES:,} go together: write fewer documents at a time",
            store=url,
        )


def single_drops(commit: Commit) -> list[Commit]:
    """Take apart a commit that drops several collections, for a cluster."""
    return [commit._replace(collections={name: changes}) for name, changes in commit.collections.items()]


def applied(reply: list[Any]) -> Applied:
    """What became of a commit.

    Raises
    ------
    StaleCatalogue, Refused
    """
    kind, *rest = reply
    if kind == b"applied":
        return Applied(rest[0], dropped=rest[1])
    if kind == b"former":
        return Applied(rest[0], rest[1])
    if kind == b"stale":
        raise stale()
    if kind == b"mismatched":
        raise Refused(mismatched=[(name.decode(), id) for name, id in zip(rest[::2], rest[1::2], strict=True)])
    if kind == b"taken":
        triples = zip(rest[::3], rest[1::3], rest[2::3], strict=True)
        raise Refused(taken=[(name.decode(), number, id) for name, number, id in triples])
    raise StoreError("the server gave an answer to a commit that nothing is known about")
