"""A short list with the API of PyMongo's cursors of commands."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, MutableMapping
from typing import Any, Self

from .arguments import check_integer


class ListCursor:
    """Documents that are all there already.

    Parameters
    ----------
    documents : iterable of dict
    """

    def __init__(self, documents: Iterable[MutableMapping[str, Any]]) -> None:
        self._documents = deque(documents)

    @property
    def alive(self) -> bool:
        """Whether there are more documents."""
        return bool(self._documents)

    def batch_size(self, batch_size: int) -> Self:
        """Accepted for the sake of programs that set it."""
        check_integer("batch_size", batch_size, least=0)
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MutableMapping[str, Any]:
        if not self._documents:
            raise StopAsyncIteration
        return self._documents.popleft()

    async def next(self) -> MutableMapping[str, Any]:
        """The next document.

        Raises
        ------
        StopAsyncIteration
            There is none.
        """
        return await self.__anext__()

    async def try_next(self) -> MutableMapping[str, Any] | None:
        """The next document, or None."""
        return await anext(self, None)

    async def to_list(self, length: int | None = None) -> list[MutableMapping[str, Any]]:
        """The remaining documents, at most `length` of them."""
        if length is not None and check_integer("length", length) < 1:
            raise ValueError("to_list() length must be greater than 0")
        number = len(self._documents) if length is None else min(length, len(self._documents))
        return [self._documents.popleft() for _ in range(number)]

    async def close(self) -> None:
        """Give up what was not read."""
        self._documents.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()
