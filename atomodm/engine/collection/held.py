"""Documents that a caller has already: an update goes on from there, and tells what they have become."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...contract.updates import Held, UpdatedDocument
from .found import FoundDocument


class HeldDocuments:
    """What the caller of an update has of documents, and what it is told of them.

    Parameters
    ----------
    held : Held
    is_alive : callable
        ``f(document) -> bool``: whether a document has not expired.

    Attributes
    ----------
    updated : list of UpdatedDocument
        What the caller is told.
    """

    def __init__(self, held: Held, is_alive: Callable[[Mapping[str, Any]], bool]) -> None:
        self._held = held
        self._is_alive = is_alive
        self.updated: list[UpdatedDocument] = []

    def find(self, id: Any) -> FoundDocument | None:
        """The document as the caller last knew it; None where it knows nothing, or where the document has expired."""
        known = self._held.get(id)
        if known is None:
            return None
        found = FoundDocument.read(*known)
        return found if self._is_alive(found.document) else None

    def tell(self, id: Any, before: int, revision: int, document: bytes) -> None:
        """Note what a document has become, if the caller has it and does not know that yet."""
        if id in self._held:
            known = self._held[id]
            if known is None or known[0] != revision:
                self.updated.append(UpdatedDocument(id, before, revision, document))
