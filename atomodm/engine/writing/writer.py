"""Applies batches: prepares, commits, and tries again after a race that is nobody's conflict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

from ...contract.operations import Batch, Insert, Outcome
from ...errors import StaleCatalogue
from ..driver import Applied, Driver, Refused, Row
from ..indexing.catalogue import Catalogue
from ..indexing.catalogues import Catalogues
from ..record import decode_record, outcome
from .document_queue import DocumentKey, DocumentQueue
from .patience import Patience
from .preparing import Preparation, Prepared, document_keys_of, is_unguarded, reads_first
from .refusal import Refusal

#: Unguarded operations above which a batch does not queue up for each of its documents.
QUEUED = 100


class Writer:
    """Applies the batches of one store handle.

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
        self.queue = DocumentQueue()

    async def write(self, batch: Batch) -> Outcome:
        """Apply a batch, as `Store.write`."""
        if not batch.operations:
            return Outcome((), ())
        keys = await document_keys_of(batch, self._url)
        async with self._turn(batch, keys):
            return await self._write(batch, keys)

    def _turn(self, batch: Batch, keys: Sequence[DocumentKey]) -> AbstractAsyncContextManager[None]:
        contended = [
            key
            for key, operation in zip(keys, batch.operations, strict=True)
            if type(operation) is not Insert and is_unguarded(operation)
        ]
        return self.queue.hold(contended) if 0 < len(contended) <= QUEUED else nullcontext()

    async def _write(self, batch: Batch, keys: Sequence[DocumentKey]) -> Outcome:
        patience = Patience()
        collections = list(dict.fromkeys(operation.collection for operation in batch.operations))
        while True:
            catalogues = {name: await self._catalogues.get(name) for name in collections}
            current = await self._read(batch, keys, catalogues)
            prepared = await Preparation(batch, keys, catalogues, current, self._keep).run()
            refusal: Refusal | None = None
            stale: StaleCatalogue | None = None
            try:
                applied = await self._driver.apply(prepared.commit)
            except StaleCatalogue as error:
                self._catalogues.forget(collections)
                stale = error
            except Refused as refused:
                refusal = Refusal(refused, batch, keys, prepared.effects, catalogues, self._url)
            else:
                self._catalogues.forget(
                    name for name, changes in prepared.commit.collections.items() if changes.catalogue is not None
                )
                return _outcome(prepared, applied)
            if refusal is not None:
                refusal.raise_unless_race(given_up=patience.is_over)
            await patience.wait(stale)

    async def _read(
        self, batch: Batch, keys: Sequence[DocumentKey], catalogues: Mapping[str, Catalogue]
    ) -> dict[DocumentKey, Row]:
        wanted: dict[str, list[bytes]] = {}
        for (collection, id), operation in zip(keys, batch.operations, strict=True):
            if type(operation) is not Insert and reads_first(operation, catalogues):
                wanted.setdefault(collection, []).append(id)
        return {
            (collection, row[0]): row
            for collection, ids in wanted.items()
            for row in await self._driver.get(collection, ids)
        }


def _outcome(prepared: Prepared, applied: Applied) -> Outcome:
    if applied.former is None:
        return outcome(prepared.effects, applied.first)
    # The batch had been applied before: its record says what it did then.
    return outcome([operation.effect for operation in decode_record(applied.former)], applied.first)
