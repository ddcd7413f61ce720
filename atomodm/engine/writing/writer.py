"""Applies batches: prepares, commits, and tries again after a race that is nobody's conflict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from ...concurrency import together
from ...contract.operations import Batch, Delete, Insert, Operation, Outcome
from ...errors import AtomodmError, StaleCatalogue
from ..driver import Applied, Driver, Refused, Row
from ..indexing.catalogue import Catalogue
from ..indexing.catalogues import Catalogues
from ..record import decode_record, outcome
from .document_queue import DocumentQueue
from .latest import DocumentKey
from .patience import Patience
from .preparing import Preparation, Prepared, document_keys_of, is_unguarded, reads_first
from .refusal import Refusal
from .room import make_room

#: Unguarded operations above which a batch does not queue up for each of its documents.
QUEUED = 100

#: Documents as they are, or are believed to be, before a batch.
_Rows = dict[DocumentKey, Row]


class Writer:
    """Applies the batches of one store handle.

    A batch takes one round trip where nothing must be read for it: where it carries the documents as they were, or this
    handle wrote them last. That these are still the same is checked in the commit; where they are not, they are read.

    Parameters
    ----------
    driver : Driver
    catalogues : Catalogues
    keep : int
        Log positions to keep.
    url : str
        The store's address for messages.

    Attributes
    ----------
    queue : DocumentQueue
        Whoever reads a document to write it back holds it meanwhile. Guarded operations do not queue up here.
    """

    def __init__(self, driver: Driver, catalogues: Catalogues, keep: int, url: str) -> None:
        self._driver = driver
        self._catalogues = catalogues
        self._keep = keep
        self._url = url
        self.queue = DocumentQueue(driver.timeout)

    async def write(self, batch: Batch) -> Outcome:
        """Apply a batch, as `Store.write`."""
        if not batch.operations:
            return Outcome((), ())
        keys = await document_keys_of(batch, self._url)
        contended = [
            key
            for key, operation in zip(keys, batch.operations, strict=True)
            if type(operation) is not Insert and is_unguarded(operation)
        ]
        if 0 < len(contended) <= QUEUED:
            async with self.queue.hold(contended):
                return await self._write(batch, keys)
        return await self._write(batch, keys)

    async def _write(self, batch: Batch, keys: Sequence[DocumentKey]) -> Outcome:
        patience: Patience | None = None
        collections = list(dict.fromkeys([collection for collection, _ in keys]))
        believes = made_room = True
        while True:
            catalogues = {name: await self._catalogues.get(name) for name in collections}
            believed, unread = self._known(batch, keys, catalogues, believes=believes)
            believes = False
            current = {**believed, **await self._read(unread)} if unread else believed
            try:
                prepared = await Preparation(batch, keys, catalogues, current, self._keep, self._driver.now()).run()
            except AtomodmError:
                if not believed:
                    raise
                # What makes it fail may be what the document is not any more.
                continue
            refusal: Refusal | None = None
            stale: StaleCatalogue | None = None
            try:
                applied = await self._driver.apply(prepared.commit)
            except StaleCatalogue as error:
                self._catalogues.forget(collections)
                stale = error
            except Refused as refused:
                self._forget(refused.mismatched)
                refusal = Refusal(refused, batch, keys, prepared.effects, catalogues, self._url)
                # Where nobody was in the way any more, somebody else may have made room; that is believed once.
                room = await make_room(self._driver, self.write, refused, prepared.commit, catalogues)
                if room or (room is None and made_room):
                    made_room = bool(room)
                    continue
            else:
                for name, changes in prepared.commit.collections.items():
                    if changes.catalogue is not None:
                        self._catalogues.forget([name])
                self._keep_latest(prepared, applied, catalogues)
                return _outcome(prepared, applied)
            patience = patience or self.queue.patience()
            if refusal is not None:
                refusal.raise_unless_race(given_up=patience.is_over and not believed)
                if believed:
                    continue
            await patience.wait(stale)

    # -- documents as they are before ----------------------------------------------------------------------------------

    def _known(
        self, batch: Batch, keys: Sequence[DocumentKey], catalogues: Mapping[str, Catalogue], *, believes: bool
    ) -> tuple[_Rows, list[DocumentKey]]:
        """The documents that need not be read, and those that must be, of those that must be known."""
        known: _Rows = {}
        unread: list[DocumentKey] = []
        for key, operation in zip(keys, batch.operations, strict=True):
            if type(operation) is Insert or not reads_first(operation, catalogues):
                continue
            row = self._believed(key, operation, catalogues) if believes else None
            if row is None:
                unread.append(key)
            else:
                known[key] = row
        return known, unread

    def _believed(self, key: DocumentKey, operation: Operation, catalogues: Mapping[str, Catalogue]) -> Row | None:
        # Others may have prolonged the life of one that has expired by what is known of it here.
        row = None if catalogues[key[0]].expires else self.queue.latest.get(key)
        if isinstance(operation, Delete):
            if operation.seen is not None and (row is None or operation.revision is not None):
                row = (key[1], *operation.seen)
            if row is not None and operation.revision not in (None, row[1]):
                return None
        return row

    async def _read(self, keys: Sequence[DocumentKey]) -> _Rows:
        wanted: dict[str, list[bytes]] = {}
        for collection, id in keys:
            wanted.setdefault(collection, []).append(id)
        found = [(name, partial(self._driver.get, name, ids)) for name, ids in wanted.items()]
        rows = await together([read for _, read in found])
        return {(name, row[0]): row for (name, _), part in zip(found, rows, strict=True) for row in part}

    def _keep_latest(self, prepared: Prepared, applied: Applied, catalogues: Mapping[str, Catalogue]) -> None:
        """Remember what was written, for those who write it again."""
        latest = self.queue.latest
        several = len(prepared.effects) > QUEUED or applied.former is not None
        for name, changes in prepared.commit.collections.items():
            if changes.deletes:
                self._forget([(name, id) for id, _ in changes.deletes])
            # Whether a document has expired is judged when it is read.
            if not several and not catalogues[name].expires:
                latest.keep(name, changes, applied.first)

    def _forget(self, documents: Iterable[DocumentKey]) -> None:
        for document in documents:
            self.queue.latest.forget(document)


def _outcome(prepared: Prepared, applied: Applied) -> Outcome:
    if applied.former is None:
        return outcome(prepared.effects, applied.first)
    # The batch had been applied before: its record says what it did then.
    return outcome([operation.effect for operation in decode_record(applied.former)], applied.first)
