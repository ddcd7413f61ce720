"""Turns a batch into a commit: expected revisions, index entries old and new, and the record for the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bson import Regex

from ...breathing import Breather
from ...contract.operations import Batch, Delete, Insert, Operation, Patch, Replace, Update
from ...encoding import decode, decode_all, encode
from ...errors import DuplicateKey, InvalidQuery, StoreCorrupt, ValueNotStorable
from ...query.changes import Changes
from ...query.evaluator import compile_filter
from ...query.keys import encode_key
from ..driver import CollectionChanges, Commit, InsertRow, LogEntry, Row
from ..indexing.catalogue import Catalogue, Index
from ..indexing.entries import (
    DocumentEntries,
    NewlyMultikey,
    add_entries,
    add_new_entries,
    affected,
    document_entries,
    former_entries,
)
from ..record import Effect, encode_record, log_size
from .latest import DocumentKey

#: A revision that no document has: a guard that cannot hold.
NEVER = -1

#: Operations that are prepared between two looks at the clock.
_STEP = 128

#: First bytes of the keys of arrays and regular expressions, which MongoDB does not take for ids.
_NO_IDS = {encode_key([])[0], encode_key(Regex(""))[0]}

_NO_ENTRIES: DocumentEntries = {}


class Prepared(NamedTuple):
    """A commit and what it will have done.

    Attributes
    ----------
    commit : Commit
    effects : list of Effect
        One for each operation.
    """

    commit: Commit
    effects: list[Effect]


def reads_first(operation: Operation, catalogues: Mapping[str, Catalogue]) -> bool:
    """Whether the document's present state must be read before the operation can be prepared."""
    if isinstance(operation, Delete):
        return operation.revision is None or bool(catalogues[operation.collection].indexes)
    return isinstance(operation, (Patch, Replace))


def is_unguarded(operation: Operation) -> bool:
    """Whether the operation applies to whatever revision the document is at, so that a race is ours to resolve."""
    return isinstance(operation, (Patch, Replace)) or (isinstance(operation, Delete) and operation.revision is None)


async def document_keys_of(batch: Batch, store: str) -> list[DocumentKey]:
    """The documents of a batch, one for each operation.

    Raises
    ------
    DuplicateKey
        Two inserts have the same id.
    ValueError
        Two other operations are about one document.
    ValueNotStorable
        An id is an array or a regular expression.
    """
    keys = _document_keys(batch.operations[:_STEP])
    breather = Breather()
    for start in range(_STEP, len(batch.operations), _STEP):
        await breather.breathe()
        keys += _document_keys(batch.operations[start : start + _STEP])
    if len(set(keys)) != len(keys):
        _refuse_repeated(batch, keys, store)
    return keys


def _document_keys(operations: Sequence[Operation]) -> list[DocumentKey]:
    keys = [(operation.collection, encode_key(operation.id)) for operation in operations]
    if not _NO_IDS.isdisjoint([id[0] for _, id in keys]):
        raise ValueNotStorable("an id may not be an array or a regular expression", path="_id")
    return keys


def _refuse_repeated(batch: Batch, keys: Sequence[DocumentKey], store: str) -> None:
    seen: dict[DocumentKey, int] = {}
    for position, key in enumerate(keys):
        first = seen.setdefault(key, position)
        if first == position:
            continue
        if isinstance(batch.operations[first], Insert) and isinstance(batch.operations[position], Insert):
            message = f"two documents for collection {key[0]} have the same id"
            raise DuplicateKey(message, index="_id_", fields=["_id"], position=position, store=store)
        raise ValueError(f"operations {first} and {position} of a batch are about the same document")


class Preparation:
    """Prepares one batch.

    For nobody is there a document that has expired: changing it is refused as if it were absent, replacing it inserts,
    and an unguarded delete finds nothing. Only a delete at its revision, as those have that make room, removes it.

    Parameters
    ----------
    batch : Batch
    keys : sequence of DocumentKey
        One for each operation.
    catalogues : mapping of str to Catalogue
        Of all its collections.
    current : mapping of DocumentKey to Row
        The documents that had to be read first, as far as they exist.
    keep : int
        Log positions to keep.
    now : int
        The time that decides whether documents have expired, as `Driver.now`.
    """

    def __init__(
        self,
        batch: Batch,
        keys: Sequence[DocumentKey],
        catalogues: Mapping[str, Catalogue],
        current: Mapping[DocumentKey, Row],
        keep: int,
        now: int,
    ) -> None:
        self._batch = batch
        self._keys = keys
        self._catalogues = dict(catalogues)
        self._current = current
        self._keep = keep
        self._changes: dict[str, CollectionChanges] = {}
        self._is_alive: dict[str, Callable[[Mapping[str, Any]], bool]] = {}
        for name, catalogue in catalogues.items():
            self._changes[name] = CollectionChanges(catalogue.version)
            if catalogue.expires:
                self._is_alive[name] = compile_filter(catalogue.alive(now))
        self._effects: list[Effect] = []
        self._offset = 0

    async def run(self) -> Prepared:
        """Prepare the batch, giving way to the event loop now and then."""
        batch = self._batch
        breather = Breather()
        for start in range(0, len(batch.operations), _STEP):
            if start:
                await breather.breathe()
            self._add(batch.operations[start : start + _STEP], self._keys[start : start + _STEP])
        record = encode_record(
            self._effects,
            [collection for collection, _ in self._keys],
            [operation.id for operation in batch.operations],
        )
        entry = LogEntry(batch.operation_id, batch.origin, log_size(self._effects), record, self._keep)
        return Prepared(Commit(self._changes, entry), self._effects)

    def _add(self, operations: Sequence[Operation], keys: Sequence[DocumentKey]) -> None:
        inserts: dict[str, list[InsertRow]] = {}
        effects, inserted = self._effects, Effect.INSERTED
        for operation, key in zip(operations, keys, strict=True):
            # What batches mostly consist of is collected and done together.
            if type(operation) is Insert:
                inserts.setdefault(key[0], []).append((key[1], operation.document, self._offset))
                effects.append(inserted)
                self._offset += 1
            else:
                effect = self._add_one(operation, key)
                effects.append(effect)
                self._offset += bool(effect)
        for collection, rows in inserts.items():
            self._changes[collection].inserts += rows
            if indexes := self._catalogues[collection].indexes:
                documents = decode_all([document for _, document, _ in rows])
                new = add_new_entries(self._changes[collection], indexes, [id for id, _, _ in rows], documents)
                self._mark_multikey(collection, new)

    def _add_one(self, operation: Operation, key: DocumentKey) -> Effect:
        collection, id = key
        changes = self._changes[collection]
        indexes: Sequence[Index] = self._catalogues[collection].indexes
        row = self._current.get(key)
        old, new = None if row is None else row[2], None
        if isinstance(operation, Update):
            old = operation.previous
        expected = 0 if row is None else row[1]
        is_there = old is not None and not self._has_expired(collection, old)
        match operation:
            case Update() | Patch() if not is_there:
                changes.guards.append((id, NEVER))
                return Effect.NOTHING
            case Update():
                new, expected = operation.document, operation.revision
                indexes = affected(indexes, operation.changes.paths()) if indexes else ()
            case Patch():
                assert row is not None
                new = _patched(row, operation.changes)
                indexes = affected(indexes, operation.changes.paths()) if indexes else ()
            case Replace() | Insert():
                new = operation.document
            case Delete():
                if operation.revision is not None:
                    expected = operation.revision
                elif not is_there:
                    changes.guards.append((id, expected))
                    return Effect.NOTHING
        if indexes:
            self._add_entries(collection, indexes, id, old, new)
        if new is None:
            changes.deletes.append((id, expected))
            return Effect.DELETED
        if old is None:
            changes.inserts.append((id, new, self._offset))
            return Effect.INSERTED
        changes.updates.append((id, expected, new, self._offset))
        return Effect.REPLACED if is_there else Effect.INSERTED

    def _has_expired(self, collection: str, data: bytes) -> bool:
        is_alive = self._is_alive.get(collection)
        if is_alive is None:
            return False
        try:
            return not is_alive(decode(data))
        except StoreCorrupt:
            # Of a damaged one nobody knows; what can be done with it is said where it is prepared.
            return False

    def _add_entries(
        self, collection: str, indexes: Sequence[Index], id: bytes, old: bytes | None, new: bytes | None
    ) -> None:
        before = _NO_ENTRIES
        if old is not None:
            try:
                before = former_entries(indexes, decode(old))
            except StoreCorrupt:
                # A damaged document can be removed; what it leaves in indexes leads nowhere, and a repair clears it up.
                if new is not None:
                    raise
        after = _NO_ENTRIES if new is None else document_entries(indexes, decode(new))
        self._mark_multikey(collection, add_entries(self._changes[collection], indexes, id, before, after))

    def _mark_multikey(self, collection: str, newly: NewlyMultikey) -> None:
        """Have the commit say that documents have several entries in these indexes."""
        for number, positions in newly.items():
            catalogue = self._catalogues[collection]
            known = catalogue.numbered(number)
            if known is not None and not positions <= known.multikey:
                self._catalogues[collection] = catalogue.with_index(known.with_multikey(positions))
                self._changes[collection].catalogue = self._catalogues[collection].encode()


def _patched(row: Row, changes: Changes) -> bytes:
    id, _, data = row
    document = changes.apply(decode(data))
    if "_id" not in document or encode_key(document["_id"]) != id:
        raise InvalidQuery("a change may not touch the document's id", path="_id")
    return encode(document)
