"""Changes all documents that match, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from ...breathing import Breather
from ...contract.finding import Find
from ...contract.operations import Delete, Update
from ...encoding import decode_all
from ...errors import InvalidUpdate
from ...query.keys import encode_key
from .batches import write_batches
from .found import Change, FoundDocument
from .held import HeldDocuments
from .selection import Selection
from .writer import DocumentWriter

#: Documents that are read before they are changed and written.
READ_TOGETHER = 1000


@dataclass(slots=True)
class Totals:
    """How many documents matched, and how many of them became different ones."""

    matched: int = 0
    modified: int = 0


async def change_many(
    writer: DocumentWriter, selection: Selection, change: Change, held: HeldDocuments | None = None
) -> Totals:
    """Change all documents of a selection, each in one step; as `ManyChanges`.

    Raises
    ------
    RevisionMismatch, DuplicateKey, InvalidIndexKey, InvalidUpdate
    """
    if not selection.is_one:
        return await ManyChanges(writer, selection, change, held).run()
    changed = await writer.change_one(selection, change, held)
    return Totals() if changed is None else Totals(1, int(changed.modified))


class ManyChanges:
    """One run over all documents of a selection.

    Each document is changed atomically and no more than once, though the scan that finds the documents may come upon
    one again that its own change, or somebody else's, has moved ahead in the index that is scanned (the Halloween
    problem). So the ids of those changed are remembered, where there is an index to move in: revisions would not tell,
    for somebody else may have written the document since. What others change between reading and writing is matched
    again.

    Others see some of the documents changed before the rest, as on MongoDB. An error leaves those changed that came
    before the document concerned.

    Parameters
    ----------
    writer : DocumentWriter
    selection : Selection
    change : callable
    held : HeldDocuments, optional
        What the caller has of documents, and is told of.
    """

    def __init__(
        self, writer: DocumentWriter, selection: Selection, change: Change, held: HeldDocuments | None = None
    ) -> None:
        self._writer = writer
        self._selection = selection
        self._change = change
        self._held = held
        self._totals = Totals()
        self._may_meet_again: bool | None = None
        self._changed: set[bytes] = set()
        self._breather = Breather()

    async def run(self) -> Totals:
        """Change the documents, and say how many there were.

        Raises
        ------
        RevisionMismatch, DuplicateKey, InvalidIndexKey, InvalidUpdate
        """
        find = Find(filter=self._selection.node, hint=self._selection.hint, batch_size=READ_TOGETHER)
        async with aclosing(self._writer.store.find(self._writer.collection, find)) as chunks:
            async for chunk in chunks:
                await self._add(chunk.revisions, chunk.documents)
        return self._totals

    async def _add(self, revisions: Sequence[int], documents: Sequence[bytes]) -> None:
        operations: list[Update | Delete] = []
        failure: InvalidUpdate | None = None
        matched = 0
        for revision, data, document in zip(revisions, documents, decode_all(documents), strict=True):
            await self._breather.breathe()
            found = FoundDocument(revision, data, document)
            if self._changed and encode_key(found.id) in self._changed:
                continue
            try:
                operation = found.operation(self._writer.collection, self._change(document))
            except InvalidUpdate as error:
                failure = error
                break
            matched += 1
            if operation is not None:
                operations.append(operation)
            elif self._held is not None:
                self._held.tell(found.id, revision, revision, data)
        self._totals.matched += matched
        await self._write(operations)
        if failure is not None:
            raise failure

    async def _write(self, operations: Sequence[Update | Delete]) -> None:
        written = await write_batches(self._writer.store, operations)
        moved = {encode_key(id) for id in written.moved}
        for operation in operations:
            if isinstance(operation, Update) and encode_key(operation.id) not in moved:
                await self._remember(operation.id)
        self._totals.modified += len(written.revisions)
        self._totals.matched -= len(written.moved)
        if self._held is not None:
            unmoved = (operation for operation in operations if encode_key(operation.id) not in moved)
            # What comes after one that is refused was not written.
            for operation, revision in zip(unmoved, written.revisions, strict=False):
                if isinstance(operation, Update):
                    self._held.tell(operation.id, operation.revision, revision, operation.document)
        for id in written.moved:
            changed = await self._writer.change_one(self._selection.only(id), self._change, self._held)
            if changed is not None:
                if changed.modified and changed.after is not None:
                    await self._remember(id)
                self._totals.matched += 1
                self._totals.modified += changed.modified
        for _, error in written.refused:
            raise error

    async def _remember(self, id: Any) -> None:
        """Note that a document was changed. One that was removed is another one when it is there again."""
        if self._may_meet_again is None:
            # By now the scan has begun: it uses none of the indexes that are made later.
            self._may_meet_again = bool(await self._writer.store.list_indexes(self._writer.collection))
        if self._may_meet_again:
            self._changed.add(encode_key(id))
