"""Lets the writers of one document in this process go one after the other, each from where the one before left it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from .latest import DocumentKey, LatestDocuments
from .patience import Patience


class DocumentQueue:
    """One lock for each document that is being written, as long as somebody holds or awaits it.

    Parameters
    ----------
    deadline : float, optional
        Seconds after which a write that others overtake is given up.

    Attributes
    ----------
    latest : LatestDocuments
        What was written last.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self.latest = LatestDocuments()
        self._deadline = deadline
        self._locks: dict[DocumentKey, asyncio.Lock] = {}
        self._users: dict[DocumentKey, int] = {}

    def patience(self) -> Patience:
        """The pauses and the deadline of one write."""
        return Patience(self._deadline)

    def is_held(self, document: DocumentKey) -> bool:
        """Whether somebody holds a document, so that `hold` would wait."""
        return document in self._locks

    @asynccontextmanager
    async def hold(self, documents: Iterable[DocumentKey]) -> AsyncIterator[None]:
        """Be the only one who holds any of `documents`."""
        async with AsyncExitStack() as stack:
            # Everybody takes locks in the same order, so that nobody waits for each other.
            for document in sorted(set(documents)):
                await stack.enter_async_context(self._hold_one(document))
            yield

    @asynccontextmanager
    async def _hold_one(self, document: DocumentKey) -> AsyncIterator[None]:
        lock = self._locks.setdefault(document, asyncio.Lock())
        self._users[document] = self._users.get(document, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._users[document] -= 1
            if not self._users[document]:
                del self._users[document], self._locks[document]
