"""Turns a batch into a commit: expected revisions, index entries old and new, and the record for the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from bson import Regex

from ..contract.operations import Batch, Delete, Insert, Operation, Patch, Replace, Update
from ..encoding import decode, decode_all, encode
from ..errors import DuplicateKey, InvalidQuery, ValueNotStorable
from ..query.changes import Changes
from ..query.keys import encode_key
from .breathing import Breather
from .catalogue import Catalogue, Index
from .document_queue import DocumentKey
from .driver import CollectionChanges, Commit, Guard, InsertRow, LogEntry, Row, UpdateRow
from .entries import Keys, add_entries, affected, document_keys
from .record import Effect, Recorded, encode_record, log_size

#: A revision that no document has: a guard that cannot hold.
NEVER = -1

#: Operations that are prepared between two looks at the clock.
_STEP = 128

_NO_KEYS: Keys = {}


class _Write(NamedTuple):
    """What one operation comes to, now that the document's present state is known."""

    operation: Operation
    id: bytes
    effect: Effect
    expected: int
    old: bytes | None
    new: bytes | None
    indexes: Sequence[Index]


@dataclass(frozen=True, slots=True)
class Prepared:
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
    return isinstance(operation, Patch | Replace)


def is_unguarded(operation: Operation) -> bool:
    """Whether the operation applies to whatever revision the document is at, so that a race is ours to resolve."""
    return isinstance(operation, Patch | Replace) or (isinstance(operation, Delete) and operation.revision is None)


#: First bytes of the keys of arrays and regular expressions, which MongoDB does not take for ids.
_NO_IDS = (encode_key([])[0], encode_key(Regex(""))[0])


def document_id_key(id: Any) -> bytes:
    """The key of a document's id.

    Raises
    ------
    ValueNotStorable
        The id is an array or a regular expression.
    """
    key = encode_key(id)
    if key[0] in _NO_IDS:
        raise ValueNotStorable("an id may not be an array or a regular expression", path="_id")
    return key


def document_keys_of(batch: Batch, store: str) -> list[DocumentKey]:
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
    keys: dict[DocumentKey, int] = {}
    for position, operation in enumerate(batch.operations):
        key = (operation.collection, document_id_key(operation.id))
        first = keys.setdefault(key, position)
        if first == position:
            continue
        if isinstance(operation, Insert) and isinstance(batch.operations[first], Insert):
            raise DuplicateKey(
                f"two documents for collection {operation.collection} have the same id",
                index="_id_",
                fields=["_id"],
                position=position,
                store=store,
            )
        raise ValueError(f"operations {first} and {position} of a batch are about the same document")
    return list(keys)


class Preparation:
    """Prepares one batch.

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
    """

    def __init__(
        self,
        batch: Batch,
        keys: Sequence[DocumentKey],
        catalogues: Mapping[str, Catalogue],
        current: Mapping[DocumentKey, Row],
        keep: int,
    ) -> None:
        self._batch = batch
        self._keys = keys
        self._catalogues = dict(catalogues)
        self._current = current
        self._keep = keep
        self._changes = {name: CollectionChanges(catalogue.version) for name, catalogue in catalogues.items()}
        self._effects: list[Effect] = []
        self._offset = 0

    async def run(self) -> Prepared:
        """Prepare the batch, giving way to the event loop now and then."""
        operations = self._batch.operations
        breather = Breather()
        for start in range(0, len(operations), _STEP):
            part = operations[start : start + _STEP]
            keys = self._keys[start : start + _STEP]
            self._add([self._resolve(operation, key) for operation, key in zip(part, keys, strict=True)])
            await breather.breathe()
        entry = LogEntry(
            self._batch.operation_id, self._batch.origin, log_size(self._effects), self._record(), self._keep
        )
        return Prepared(Commit(self._changes, entry), self._effects)

    def _record(self) -> bytes:
        return encode_record(
            [
                Recorded(effect, operation.collection, operation.id)
                for effect, operation in zip(self._effects, self._batch.operations, strict=True)
            ]
        )

    def _resolve(self, operation: Operation, key: DocumentKey) -> _Write:
        indexes: Sequence[Index] = self._catalogues[operation.collection].indexes
        id, row = key[1], self._current.get(key)
        match operation:
            case Insert(document=new):
                return _Write(operation, id, Effect.INSERTED, 0, None, new, indexes)
            case Update(revision=revision, previous=old, document=new):
                indexes = affected(indexes, operation.changes.paths()) if indexes else ()
                return _Write(operation, id, Effect.REPLACED, revision, old, new, indexes)
            case Patch(changes=changes) if row is not None:
                indexes = affected(indexes, changes.paths()) if indexes else ()
                new = _patched(row, changes)
                return _Write(operation, id, Effect.REPLACED, row.revision, row.document, new, indexes)
            case Patch():
                return _Write(operation, id, Effect.NOTHING, NEVER, None, None, ())
            case Replace(document=new) if row is not None:
                return _Write(operation, id, Effect.REPLACED, row.revision, row.document, new, indexes)
            case Replace(document=new):
                return _Write(operation, id, Effect.INSERTED, 0, None, new, indexes)
            case Delete(revision=revision) if row is not None:
                expected = row.revision if revision is None else revision
                return _Write(operation, id, Effect.DELETED, expected, row.document, None, indexes)
            case Delete(revision=int(revision)):
                # Nothing had to be read, or it is gone, which the driver finds too.
                return _Write(operation, id, Effect.DELETED, revision, None, None, ())
            case Delete():
                return _Write(operation, id, Effect.NOTHING, 0, None, None, ())

    def _add(self, writes: Sequence[_Write]) -> None:
        indexed = [write for write in writes if write.indexes]
        blobs = [blob for write in indexed for blob in (write.old, write.new) if blob is not None]
        documents = iter(decode_all(blobs) if blobs else ())
        for operation, id, effect, expected, old, new, indexes in writes:
            changes = self._changes[operation.collection]
            offset = self._offset
            self._offset += bool(effect)
            self._effects.append(effect)
            if effect is Effect.INSERTED:
                assert new is not None
                changes.inserts.append(InsertRow(id, new, offset))
            elif effect is Effect.REPLACED:
                assert new is not None
                changes.updates.append(UpdateRow(id, expected, new, offset))
            elif effect is Effect.DELETED:
                changes.deletes.append(Guard(id, expected))
            else:
                changes.guards.append(Guard(id, expected))
            if indexes:
                before = document_keys(indexes, next(documents)) if old is not None else _NO_KEYS
                after = document_keys(indexes, next(documents)) if new is not None else _NO_KEYS
                for index in add_entries(changes, indexes, id, before, after):
                    self._mark_multikey(operation.collection, index)

    def _mark_multikey(self, collection: str, index: Index) -> None:
        catalogue = self._catalogues[collection]
        known = catalogue.numbered(index.number)
        if known is not None and not known.multikey:
            catalogue = catalogue.with_index(replace(known, multikey=True))
            self._catalogues[collection] = catalogue
            self._changes[collection].catalogue = catalogue.encode()


def _patched(row: Row, changes: Changes) -> bytes:
    document = decode(row.document)
    try:
        changes.apply(document)
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        # The message would show values of the document.
        raise InvalidQuery(f"a change does not fit the stored document ({type(error).__name__})") from None
    if "_id" not in document or encode_key(document["_id"]) != row.id:
        raise InvalidQuery("a change may not touch the document's id", path="_id")
    return encode(document)
