"""Which revisions a run of writes has made, in little memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable


class WrittenRevisions:
    """Revisions of documents that one run has written.

    Revisions are positions of the change log. A batch has positions of its own, one after the other, so that an
    interval stands for all of them; batches that directly follow each other are one interval.
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __len__(self) -> int:
        return len(self._starts)

    def __contains__(self, revision: int) -> bool:
        place = bisect_right(self._starts, revision) - 1
        return place >= 0 and revision <= self._ends[place]

    def add(self, revisions: Iterable[int]) -> None:
        """Add the revisions of a batch; 0 stands for documents that are gone."""
        for revision in sorted(filter(None, revisions)):
            if self._ends and self._ends[-1] == revision - 1:
                self._ends[-1] = revision
            else:
                self._starts.append(revision)
                self._ends.append(revision)
