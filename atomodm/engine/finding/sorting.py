"""Sorts the documents of a find that no index has in order."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import islice

#: Bytes of documents that are kept while sorting; the others are read again when it is their turn.
KEPT_BYTES = 16 * 1024 * 1024
#: Documents that are sorted at once; sorted runs of this length are merged while they are read.
RUN = 8192


#: A document with its place in the order: sort key, id, revision, and its bytes as long as there is room for them.
Sortable = tuple[bytes, bytes, int, bytes | None]


class Sorter:
    """Collects documents and gives them in the order of their keys, without ever holding the event loop for long.

    Parameters
    ----------
    wanted : int, optional
        How many of the first ones are wanted; the others are not kept.
    """

    def __init__(self, wanted: int | None) -> None:
        self._wanted = wanted
        # With few wanted ones, what is not among them is cut off now and then. It costs less than keeping a heap.
        self._few = wanted if wanted is not None and wanted <= RUN else None
        self._run_length = RUN + (self._few or 0)
        self._runs: list[list[Sortable]] = []
        self._found: list[Sortable] = []
        self._bytes = 0

    def add(self, key: bytes, id: bytes, revision: int, document: bytes) -> None:
        """Collect one document."""
        kept = self._bytes < KEPT_BYTES
        self._bytes += len(document) if kept else 0
        self._found.append((key, id, revision, document if kept else None))
        if len(self._found) >= self._run_length:
            self._end_run()

    def _end_run(self) -> None:
        self._found.sort()
        if self._few is None:
            self._runs.append(self._found)
            self._found = []
        else:
            del self._found[self._few :]
            self._bytes = sum(len(document or b"") for _, _, _, document in self._found)

    def sorted(self) -> Iterator[Sortable]:
        """The wanted documents in order."""
        self._end_run()
        return islice(merge(*self._runs, self._found), self._wanted)
