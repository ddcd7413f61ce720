"""The answer to a find, with PyMongo's API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Self

from pymongo import ASCENDING
from pymongo.errors import InvalidOperation

from ..contract.store import Find, Store
from ..encoding import decode_all
from ..errors import describe_type
from .pymongo_errors import pymongo_errors


def parse_sort(key_or_list: Any, direction: Any = None) -> list[tuple[str, int]]:
    """Read an order as PyMongo takes it: a path, paths with directions, or a mapping of them.

    Raises
    ------
    TypeError, ValueError
    """
    if isinstance(key_or_list, str):
        items: Sequence[Any] = [(key_or_list, ASCENDING if direction is None else direction)]
    elif direction is not None:
        raise TypeError(f"a direction goes with one path, not with {describe_type(key_or_list)}")
    elif isinstance(key_or_list, Mapping):
        items = list(key_or_list.items())
    elif isinstance(key_or_list, list | tuple):
        items = key_or_list
    else:
        raise TypeError(f"an order is a path, a list or a mapping, not {describe_type(key_or_list)}")
    order: list[tuple[str, int]] = []
    for item in items:
        path, way = (item, ASCENDING) if isinstance(item, str) else item
        if not isinstance(path, str):
            raise TypeError(f"a path to sort by is a string, not {describe_type(path)}")
        if type(way) is not int or way not in (1, -1):
            raise ValueError("a sort direction is 1 or -1")
        order.append((path, way))
    if not order:
        raise ValueError("an order names one path or more")
    return order


class EngineCursor:
    """The answer to a find; nothing is asked before it is first read.

    Parameters
    ----------
    store : Store
    collection : str
    find : Find
    """

    def __init__(self, store: Store, collection: str, find: Find) -> None:
        self._store = store
        self._collection = collection
        self._find = find
        self._documents: AsyncGenerator[dict[str, Any], None] | None = None
        self._closed = False

    def sort(self, key_or_list: Any, direction: Any = None) -> Self:
        """Order the documents by one path and direction, or by several."""
        return self._change(replace(self._find, sort=parse_sort(key_or_list, direction)))

    def skip(self, skip: int) -> Self:
        """Leave out the first `skip` documents."""
        if not isinstance(skip, int):
            raise TypeError(f"skip is an integer, not {describe_type(skip)}")
        if skip < 0:
            raise ValueError("skip must be 0 or more")
        return self._change(replace(self._find, skip=skip))

    def limit(self, limit: int) -> Self:
        """Give `limit` documents at most; 0 means all."""
        if not isinstance(limit, int):
            raise TypeError(f"limit is an integer, not {describe_type(limit)}")
        return self._change(replace(self._find, limit=abs(limit) or None))

    def _change(self, find: Find) -> Self:
        if self._documents is not None or self._closed:
            raise InvalidOperation("cannot set options after executing query")
        self._find = find
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        if self._closed:
            raise StopAsyncIteration
        if self._documents is None:
            self._documents = self._read()
        with pymongo_errors(self._collection):
            return await anext(self._documents)

    async def next(self) -> dict[str, Any]:
        """The next document.

        Raises
        ------
        StopAsyncIteration
            There is none.
        """
        return await self.__anext__()

    async def to_list(self, length: int | None = None) -> list[dict[str, Any]]:
        """The remaining documents, at most `length` of them."""
        if length is not None and length < 1:
            raise ValueError("to_list() length must be greater than 0")
        found: list[dict[str, Any]] = []
        async for document in self:
            found.append(document)
            if len(found) == length:
                break
        return found

    async def close(self) -> None:
        """Give up what was not read."""
        self._closed = True
        if self._documents is not None:
            await self._documents.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def _read(self) -> AsyncGenerator[dict[str, Any], None]:
        async with aclosing(self._store.find(self._collection, self._find)) as chunks:
            async for chunk in chunks:
                for document in decode_all(chunk.documents):
                    yield document
