"""What this handle wrote last, so that whoever writes a document again need not read it."""

from __future__ import annotations

from ..driver import CollectionChanges, Row

#: A document: its collection and the key of its id.
DocumentKey = tuple[str, bytes]

#: Documents that are kept, and their bytes.
KEPT = 1000
KEPT_BYTES = 4 * 1024 * 1024


class LatestDocuments:
    """Documents as this handle wrote them last.

    Others may have written them since: whoever goes on from here has the commit check the revision, and reads the
    document after all when it has another one. Nothing else may be concluded from what is found here.
    """

    def __init__(self) -> None:
        self._rows: dict[DocumentKey, Row] = {}
        self._bytes = 0

    def get(self, document: DocumentKey) -> Row | None:
        """A document as it was written last; None where that is not known."""
        return self._rows.get(document)

    def keep(self, collection: str, changes: CollectionChanges, first: int) -> None:
        """Note what was written, at the log's position `first` and after."""
        rows = self._rows
        for id, data, offset in changes.inserts:
            self._keep((collection, id), (id, first + offset, data))
        for id, _, data, offset in changes.updates:
            self._keep((collection, id), (id, first + offset, data))
        while len(rows) > KEPT or self._bytes > KEPT_BYTES:
            self.forget(next(iter(rows)))

    def _keep(self, document: DocumentKey, row: Row) -> None:
        former = self._rows.pop(document, None)
        self._rows[document] = row
        self._bytes += len(row[2]) - (0 if former is None else len(former[2]))

    def forget(self, document: DocumentKey) -> None:
        """Note that a document is not what it was."""
        former = self._rows.pop(document, None)
        if former is not None:
            self._bytes -= len(former[2])

    def forget_collection(self, collection: str) -> None:
        """Note that no document of a collection may be what it was."""
        for document in [document for document in self._rows if document[0] == collection]:
            self.forget(document)
