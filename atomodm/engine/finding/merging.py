"""Merges the parts of a plan that each give their documents in the order asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from heapq import heapify, heappop, heapreplace

from ...encoding import decode_all
from ..driver import Page
from .branch import Branch, Document

#: Documents that are given together.
GIVEN_TOGETHER = 128

#: Sort key, revision and document.
_Sorted = tuple[bytes, int, bytes]


async def merged(
    branches: Sequence[Branch], read: Callable[[Branch], Awaitable[Page | None]], order: Callable[[Document], bytes]
) -> AsyncGenerator[tuple[Sequence[int], Sequence[bytes]], None]:
    """Give the documents of all branches, in the order that each of them gives.

    Parameters
    ----------
    branches : sequence of Branch
    read : callable
        Reads a branch's next page.
    order : callable
        Gives a document's place.

    Yields
    ------
    sequence of int, sequence of bytes
        Revisions and documents.
    """
    waiting: list[deque[_Sorted]] = [deque() for _ in branches]

    async def fill(number: int) -> bool:
        """Read a branch until it gives something."""
        branch = branches[number]
        while not waiting[number] and (page := await read(branch)) is not None:
            decoded = decode_all(page.documents)
            waiting[number].extend(
                (order(decoded[place]), page.revisions[place], page.documents[place])
                for place in branch.passing(page, decoded)
            )
        return bool(waiting[number])

    heads = [(waiting[number][0][0], number) for number in range(len(branches)) if await fill(number)]
    heapify(heads)
    revisions: list[int] = []
    documents: list[bytes] = []
    while heads:
        _, number = heads[0]
        _, revision, document = waiting[number].popleft()
        revisions.append(revision)
        documents.append(document)
        if len(documents) == GIVEN_TOGETHER or not waiting[number]:
            yield revisions, documents
            revisions, documents = [], []
        if waiting[number] or await fill(number):
            heapreplace(heads, (waiting[number][0][0], number))
        else:
            heappop(heads)
