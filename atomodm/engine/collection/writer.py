"""Writes the documents of a collection, each in one atomic step, beside any number of other writers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from ...contract.finding import Find
from ...contract.operations import Batch, Delete, Insert
from ...contract.store import Store
from ...encoding import decode
from ...errors import InvalidIndexKey, InvalidUpdate, RevisionMismatch
from ...query.keys import encode_key
from ...query.nodes import Node
from ..writing.document_queue import DocumentQueue
from ..writing.latest import DocumentKey
from .arguments import BATCH_SIZE, index_name
from .changes import check_id
from .found import Change, FoundDocument, encode_changed
from .held import HeldDocuments
from .selection import Selection


@dataclass(frozen=True, slots=True)
class Changed:
    """A document before and after a change.

    Attributes
    ----------
    found : FoundDocument
        The document to which the change was made.
    after : dict or None
        None for one that was removed.
    revision : int
        Its revision after the change; 0 for one that was removed.
    data : bytes
        The document after the change, as it is stored; empty for one that was removed.
    """

    found: FoundDocument
    after: dict[str, Any] | None
    revision: int
    data: bytes

    @property
    def before(self) -> dict[str, Any]:
        """The document to which the change was made."""
        return self.found.document

    @property
    def modified(self) -> bool:
        """Whether there is a difference."""
        return self.revision != self.found.revision


class DocumentWriter:
    """Writes documents of one collection.

    What is read is written back with its revision as a guard. When somebody else changed the document in between, it
    is read and matched again: no change is lost, and none is made to a document that does not match any more. The
    writers of one document in this process go one after the other; those of other processes are tried against, with
    pauses, until a deadline.

    Parameters
    ----------
    store : Store
    collection : str
    queue : DocumentQueue
        Those in this process who read a document to write it back.
    """

    def __init__(self, store: Store, collection: str, queue: DocumentQueue) -> None:
        self.store = store
        self.collection = collection
        self._queue = queue

    async def selection(
        self, node: Node, sort: tuple[tuple[str, int], ...], hint: str | Mapping[str, Any] | None
    ) -> Selection:
        """Make a selection of the collection's documents.

        Raises
        ------
        InvalidQuery
            There is no index with the keys that are hinted at.
        """
        return Selection.of(node, sort, await index_name(self.store, self.collection, hint))

    async def exists(self, selection: Selection) -> bool:
        """Whether any document matches."""
        return await self._first(selection) is not None

    async def change_one(
        self, selection: Selection, change: Change, held: HeldDocuments | None = None
    ) -> Changed | None:
        """Change the first document of a selection; None where there is none.

        Parameters
        ----------
        selection : Selection
        change : callable
        held : HeldDocuments, optional
            What the caller has of documents, so that they need not be read; it is told what they become.

        Raises
        ------
        RevisionMismatch
            Others changed the document again and again, until the deadline.
        DuplicateKey, InvalidIndexKey, InvalidUpdate
        """
        patience = self._queue.patience()
        while True:
            found: FoundDocument | None = None
            if not selection.is_one and (found := await self._first(selection)) is None:
                return None
            id = selection.id if found is None else found.id
            key = (self.collection, encode_key(id))
            # Whoever has to wait finds the document changed.
            waits = self._queue.is_held(key)
            async with self._queue.hold([key]):
                known: FoundDocument | None = None
                if (found is None or waits) and (selection.is_one or not selection.sort):
                    known = self._latest(key)
                if known is None and held is not None and found is None:
                    known = held.find(id)
                changed = await self._change_known(selection, known, change)
                if changed is None:
                    if found is None or waits:
                        found = await self._again(selection, id)
                    while found is not None and changed is None:
                        try:
                            changed = await self._change(found, change)
                        except RevisionMismatch as error:
                            await patience.wait(error)
                            found = await self._again(selection, id)
                if changed is not None and held is not None:
                    held.tell(id, changed.found.revision, changed.revision, changed.data)
            if changed is not None or selection.is_one:
                return changed

    def _latest(self, document: DocumentKey) -> FoundDocument | None:
        """A document as this process wrote it last, where that is known."""
        row = self._queue.latest.get(document)
        return None if row is None else FoundDocument.read(row[1], row[2])

    async def _change_known(self, selection: Selection, found: FoundDocument | None, change: Change) -> Changed | None:
        """Change a document that may have changed since it was read; None where it has to be read to know."""
        if found is None or not selection.matches(found.document):
            return None
        try:
            changed = await self._change(found, change)
        except (RevisionMismatch, InvalidUpdate, InvalidIndexKey):
            return None
        return changed if changed.modified else None

    async def _first(self, selection: Selection) -> FoundDocument | None:
        find = Find(filter=selection.node, sort=selection.sort, limit=1, hint=selection.hint, batch_size=BATCH_SIZE)
        async with aclosing(self.store.find(self.collection, find)) as chunks:
            async for chunk in chunks:
                return FoundDocument.read(chunk.revisions[0], chunk.documents[0])
        return None

    async def _again(self, selection: Selection, id: Any) -> FoundDocument | None:
        """Read the document anew, if it still is what the selection asks for."""
        if selection.sort and not selection.is_one:
            found = await self._first(selection)
            return found if found is not None and encode_key(found.id) == encode_key(id) else None
        chunk = await self.store.get(self.collection, [id])
        for revision, data in zip(chunk.revisions, chunk.documents, strict=True):
            found = FoundDocument.read(revision, data)
            if selection.matches(found.document):
                return found
        return None

    async def _change(self, found: FoundDocument, change: Change) -> Changed:
        after = change(found.document)
        operation = found.operation(self.collection, after)
        if operation is None:
            return Changed(found, after, found.revision, found.data)
        outcome = await self.store.write(Batch([operation]))
        return Changed(found, after, outcome.revisions[0], b"" if isinstance(operation, Delete) else operation.document)

    async def upsert(self, document: dict[str, Any]) -> dict[str, Any]:
        """Insert the document that an upsert has made, and give it as it is stored.

        Raises
        ------
        DuplicateKey, InvalidIndexKey, InvalidUpdate
        """
        check_id(document["_id"])
        data = encode_changed(document)
        await self.store.write(Batch([Insert(self.collection, document["_id"], data)]))
        return decode(data)
