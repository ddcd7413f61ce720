"""Sorts the documents of a find that no index has in order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

#: Bytes of documents that are kept while sorting; the others are read again when it is their turn.
KEPT_BYTES = 16 * 1024 * 1024


#: A document with its place in the order: sort key, id, revision, and its bytes as long as there is room for them.
Sortable = tuple[bytes, bytes, int, bytes | None]


class Sorter:
    """Collects documents and gives them in the order of their keys.

    Parameters
    ----------
    wanted : int, optional
        How many of the first ones are wanted; the others are not kept.
    """

    def __init__(self, wanted: int | None) -> None:
        self._wanted = wanted
        self._found: list[Sortable] = []
        self._bytes = 0
        # Cutting off now and then what is not wanted costs less than keeping a heap.
        self._cut_at = None if wanted is None else 2 * wanted + 1024

    def add(self, key: bytes, id: bytes, revision: int, document: bytes) -> None:
        """Collect one document."""
        kept = self._bytes < KEPT_BYTES
        self._bytes += len(document) if kept else 0
        self._found.append((key, id, revision, document if kept else None))
        if self._cut_at is not None and len(self._found) >= self._cut_at:
            self._cut()

    def _cut(self) -> None:
        self._found.sort()
        del self._found[self._wanted :]
        self._bytes = sum(len(document or b"") for _, _, _, document in self._found)

    def sorted(self, skip: int) -> Iterator[Sortable]:
        """The wanted documents in order, without the first `skip`."""
        self._found.sort()
        return islice(self._found, skip, self._wanted)
