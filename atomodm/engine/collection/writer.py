"""Writes the documents of a collection, each in one atomic step, beside any number of other writers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from ...contract.operations import Batch, Insert
from ...contract.store import Find, Store
from ...encoding import decode
from ...errors import RevisionMismatch
from ...query.keys import encode_key
from ...query.nodes import Node
from ..writing.document_queue import DocumentQueue
from ..writing.patience import Patience
from .arguments import BATCH_SIZE, index_name
from .changes import check_id
from .found import Change, FoundDocument, encode_changed
from .selection import Selection


@dataclass(frozen=True, slots=True)
class Changed:
    """A document before and after a change.

    Attributes
    ----------
    before : dict
    after : dict or None
        None for one that was removed.
    modified : bool
        Whether there is a difference.
    """

    before: dict[str, Any]
    after: dict[str, Any] | None
    modified: bool


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

    async def change_one(self, selection: Selection, change: Change) -> Changed | None:
        """Change the first document of a selection; None where there is none.

        Raises
        ------
        RevisionMismatch
            Others changed the document again and again, until the deadline.
        DuplicateKey, InvalidIndexKey, InvalidUpdate
        """
        patience = Patience()
        while True:
            found: FoundDocument | None = None
            if not selection.is_one and (found := await self._first(selection)) is None:
                return None
            id = selection.id if found is None else found.id
            key = (self.collection, encode_key(id))
            # Whoever has to wait finds the document changed.
            waits = self._queue.is_held(key)
            async with self._queue.hold([key]):
                if found is None or waits:
                    found = await self._again(selection, id)
                while found is not None:
                    try:
                        return await self._change(found, change)
                    except RevisionMismatch as error:
                        await patience.wait(error)
                    found = await self._again(selection, id)
            if selection.is_one:
                return None

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
            return Changed(found.document, after, modified=False)
        await self.store.write(Batch([operation]))
        return Changed(found.document, after, modified=True)

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
