"""What the suite needs besides models: another program's view of a store, and counting what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from ... import NoSQLModel, Store
from ...contract.capabilities import Atomicity
from ...contract.operations import Batch, Delete, Insert, Operation, Patch
from ...encoding import decode, encode
from ...identity import PROCESS_SCOPE
from ...model import spec_of
from ...query.changes import Changes


class Elsewhere:
    """Another program: reads and writes documents without any object of this one.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(self, model: type[NoSQLModel], _id: Any) -> dict[str, Any] | None:
        """The document as it is stored."""
        chunk = await self._store.get(spec_of(model).collection, [_id])
        return decode(chunk.documents[0]) if chunk.documents else None

    async def revision(self, model: type[NoSQLModel], _id: Any) -> int:
        """The document's revision."""
        return (await self._store.get(spec_of(model).collection, [_id])).revisions[0]

    async def set(self, obj: Any, **values: Any) -> None:
        """Set stored fields of an object's document."""
        await self.change(obj, Changes(set=values))

    async def append(self, obj: Any, name: str, *items: Any) -> None:
        """Append to a stored array of an object's document."""
        await self.change(obj, Changes(push={name: list(items)}))

    async def change(self, obj: Any, changes: Changes) -> None:
        """Change an object's document."""
        await self._write(Patch(spec_of(type(obj)).collection, obj._id, changes))

    async def insert(self, model: type[NoSQLModel], document: dict[str, Any]) -> None:
        """Write a new document."""
        await self._write(Insert(spec_of(model).collection, document["_id"], encode(document)))

    async def delete(self, *objects: Any) -> None:
        """Delete objects' documents."""
        await self._write(*(Delete(spec_of(type(obj)).collection, obj._id) for obj in objects))

    async def _write(self, *operations: Operation) -> None:
        for operation in operations:  # a store may be atomic over one document only
            await self._store.write(Batch([operation]))


def batches_for(store: Store, *objects: Any) -> int:
    """How many batches it takes to write the documents of objects, where no references form a cycle."""
    match store.capabilities.atomic:
        case Atomicity.STORE:
            return 1
        case Atomicity.COLLECTION:
            return len({spec_of(type(obj)).collection for obj in objects})
        case Atomicity.DOCUMENT:
            return len(objects)


def forget_all(store: Store, *models: type[NoSQLModel]) -> None:
    """Forget the objects of some models, as a program that was just started knows none."""
    for model in models:
        PROCESS_SCOPE.cache(store, spec_of(model).collection).clear()


class Requests:
    """How much was asked of a store in a ``with`` block of `counted`."""

    count = 0


@contextmanager
def counted(store: Store) -> Iterator[Requests]:
    """Count the requests that a block makes."""
    requests = Requests()
    before = store.requests
    yield requests
    requests.count = store.requests - before


def is_sound(obj: Any) -> bool:
    """Whether an object is in none of the states that only last while something is under way."""
    muted = not obj.notifications_enabled()
    in_flight = obj.__tracking__ is not None and obj.__tracking__.in_flight is not None
    half_loaded = obj.__home__ is not None and obj.__restored__ != (obj.__snapshot__ is not None)
    return not (muted or in_flight or half_loaded)


def chain(model: type[Any], length: int) -> Sequence[Any]:
    """New objects, each of which refers to the following one."""
    nodes = [model(name=str(position), value=position) for position in range(length)]
    for node, following in pairwise(nodes):
        node.next = following
    return nodes
