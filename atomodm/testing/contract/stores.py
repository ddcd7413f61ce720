"""Handles on one store's data, and short ways to write and read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from ...contract import Batch, Chunk, Find, Insert, Outcome, Store, Update
from ...encoding import decode, decode_all, encode
from ...query.changes import Changes
from ...query.nodes import ALL, Node
from ...store.registry import create_store


class Stores:
    """Opens handles on the same data and closes them at the end.

    Override `create` for a store that options are given to in another way.

    Parameters
    ----------
    url : str
        Where the data of this test is.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._opened: list[Store] = []

    def create(self, *, log_size: int | None = None) -> Store:
        """Make one more handle, not yet opened.

        Parameters
        ----------
        log_size : int, optional
            Positions of the change log that are kept.
        """
        if log_size is None:
            return create_store(self.url)
        return create_store(f"{self.url}{'&' if '?' in self.url else '?'}log_size={log_size}")

    async def open(self, *, log_size: int | None = None) -> Store:
        """Open one more handle."""
        store = self.create(log_size=log_size)
        await store.open()
        self._opened.append(store)
        return store

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for store in self._opened:
            await store.close()


def insert(collection: str, document: Mapping[str, Any]) -> Insert:
    """The operation that inserts a document."""
    return Insert(collection, document["_id"], encode(document))


def update(collection: str, revision: int, previous: Mapping[str, Any], changes: Changes) -> Update:
    """The operation that makes `changes` to a document that was read as `previous` at `revision`."""
    old = encode(previous)
    return Update(collection, previous["_id"], revision, changes, encode(changes.apply(decode(old))), old)


async def insert_all(store: Store, collection: str, documents: Iterable[Mapping[str, Any]]) -> Outcome:
    """Insert documents in one batch."""
    return await store.write(Batch([insert(collection, document) for document in documents]))


async def find_all(
    store: Store,
    collection: str,
    filter: Node = ALL,
    *,
    sort: Sequence[tuple[str, int]] = (),
    skip: int = 0,
    limit: int | None = None,
    batch_size: int = 128,
    hint: str | None = None,
) -> list[dict[str, Any]]:
    """All documents that a find gives."""
    find = Find(filter=filter, sort=sort, skip=skip, limit=limit, batch_size=batch_size, hint=hint)
    found: list[dict[str, Any]] = []
    async for chunk in store.find(collection, find):
        found += decode_all(chunk.documents)
    return found


async def ids(store: Store, collection: str, filter: Node = ALL, **options: Any) -> list[Any]:
    """The ids of the documents that a find gives."""
    return [document["_id"] for document in await find_all(store, collection, filter, **options)]


async def read(store: Store, collection: str, id: Any) -> tuple[int, dict[str, Any]] | None:
    """One document with its revision."""
    chunk: Chunk = await store.get(collection, [id])
    return (chunk.revisions[0], decode(chunk.documents[0])) if chunk.documents else None


async def contents(store: Store) -> dict[str, list[dict[str, Any]]]:
    """All documents of all collections, by id."""
    return {name: await find_all(store, name, sort=[("_id", 1)]) for name in await store.list_collection_names()}
