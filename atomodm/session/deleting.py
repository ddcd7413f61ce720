"""Deleting documents, and what becomes of the objects of documents that are gone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence
from typing import Any

from pymongo.results import DeleteResult

from ..breathing import Breather
from ..contract.operations import Batch, Delete
from ..encoding import decode, id_key
from ..errors import AtomodmError, BatchTooLarge, PartlyApplied
from ..identity import ObjectCache
from ..model import spec_of
from ..serializer.identifiers import document_id
from .in_flight import BeingWritten, wait_for, write_under_way
from .on_delete import Deletion, consequences

#: Seconds for which somebody who is cancelled waits until objects have followed what was done.
GRACE = 0.1

#: Questions that go on although nobody waits for them: nothing else holds a task.
_asking: set[asyncio.Task[None]] = set()


async def delete(objects: Sequence[Any], cache: ObjectCache, atomic: bool | None = None) -> DeleteResult:
    """Delete documents of one store, with what ``on_delete`` says of references to them.

    That is one batch where the store is atomic over all of it. Otherwise documents go before those they refer to.

    Parameters
    ----------
    objects : sequence of NoSQLModel
    cache : ObjectCache
    atomic : bool or None
        As for a save: True refuses what the store cannot do all or nothing; False allows as many batches as it takes;
        None does what the store can.

    Raises
    ------
    DeletionRefused, UnsupportedOperation, BatchTooLarge
        Nothing was deleted.
    PartlyApplied
        A part was deleted, and then something failed.
    """
    while True:
        deletion = await consequences(objects, cache)
        steps = await deletion.steps(cache.store, atomic)
        under_way = write_under_way(deletion.deleted)
        if under_way is None:
            break
        await wait_for(under_way)
    deleting = _Deleting(deletion, cache, in_pieces=atomic is False)
    try:
        with BeingWritten(deletion.deleted) as being_written:
            removed = await deleting.run(steps, being_written)
    finally:
        for collection, ids in deleting.doubtful.items():
            await follow_broken_off(cache.sibling(collection), ids)
    return DeleteResult({"n": removed, "ok": 1.0}, True)


class _Deleting:
    """Carries out a deletion, batch by batch.

    Attributes
    ----------
    doubtful : dict
        By collection the ids of documents that may be deleted or not, because nobody waited for the answer.
    """

    def __init__(self, deletion: Deletion, cache: ObjectCache, *, in_pieces: bool) -> None:
        self.doubtful: dict[str, list[Any]] = {}
        self._deletion = deletion
        self._cache = cache
        self._in_pieces = in_pieces
        self._is_begun = False
        self._removed = 0
        self._done: dict[int, Any] = {}

    async def run(self, steps: Sequence[Sequence[int]], being_written: BeingWritten) -> int:
        """Apply the batches; gives how many documents were deleted."""
        waiting = deque(steps)
        while waiting:
            step = waiting.popleft()
            try:
                await self._apply(step, being_written)
            except Exception as error:
                if self._in_pieces and isinstance(error, BatchTooLarge) and len(step) > 1:
                    # What is in the documents, or in indexes, counts too, and only the store knows that.
                    middle = len(step) // 2
                    waiting.extendleft([step[middle:], step[:middle]])
                    continue
                if not self._is_begun:
                    raise
                left = [obj for obj in self._deletion.deleted if id(obj) not in self._done]
                raise PartlyApplied(error, applied=list(self._done.values()), unapplied=left) from error
        return self._removed

    async def _apply(self, step: Sequence[int], being_written: BeingWritten) -> None:
        operations = [self._deletion.operations[number] for number in step]
        try:
            outcome = await self._cache.store.write(Batch(operations))
        except asyncio.CancelledError:
            for operation in operations:
                if isinstance(operation, Delete):
                    self.doubtful.setdefault(operation.collection, []).append(operation.id)
            raise
        self._is_begun = True
        for number in step:
            for obj in self._deletion.objects[number]:
                mark_deleted(obj)
                self._done[id(obj)] = obj
                being_written.written.add(id(obj))
        self._removed += sum(
            existed
            for operation, existed in zip(operations, outcome.existed, strict=True)
            if isinstance(operation, Delete)
        )


def mark_deleted(obj: Any) -> None:
    """Make an object one whose document was deleted: without id and place in the cache; its own save inserts again."""
    cache, _id = obj.__home__, document_id(obj)
    tracking = obj.__track__()
    tracking.former_id = _id
    tracking.former_home = cache
    tracking.former_snapshot = obj.__snapshot__
    tracking.dirty = frozenset()
    tracking.assumed = None
    if cache is not None:
        cache.forget(obj, _id)
        cache.wrote(_id)
    obj.__home__ = None
    obj.__snapshot__ = None
    obj.__revision__ = None
    if spec_of(type(obj)).primary_key is None:
        obj._id = None
    obj.__update_state__()


# -- documents that others, or calls past the objects, may have deleted ------------------------------------------------


async def follow_deletes(cache: ObjectCache, ids: Sequence[Any] | None = None) -> None:
    """Ask once which documents of cached objects are gone, and mark these objects as deleted.

    Where the answer is older than what an object has written meanwhile, or is just writing, it is asked for again.

    Parameters
    ----------
    cache : ObjectCache
    ids : sequence, optional
        The only documents that may be gone; all unless it is given.
    """
    asked = [(document_id(obj), obj) for obj in _cached(cache, ids)]
    breather = Breather()
    while asked:
        with cache.reading() as written:
            chunk = await cache.store.get(cache.collection, [_id for _id, _ in asked])
            there: set[Hashable] = set()
            for data in chunk.documents:
                there.add(id_key(decode(data)["_id"]))
                if breather.is_due():
                    await breather.breathe()
            gone = [(_id, obj) for _id, obj in asked if (key := id_key(_id)) not in there and cache.find(key) is obj]
            asked = []
            for _id, obj in gone:
                if id_key(_id) in written or write_under_way([obj]) is not None:
                    asked.append((_id, obj))
                else:
                    mark_deleted(obj)
        if (under_way := write_under_way([obj for _, obj in asked])) is not None:
            await wait_for(under_way)


async def follow_broken_off(cache: ObjectCache, ids: Sequence[Any] | None = None) -> None:
    """As `follow_deletes`, for somebody who has no time: after `GRACE` it goes on by itself.

    A delete whose answer nobody waited for may be done all the same. Where the store does not say what is left, the
    objects are marked as stale.
    """
    task = asyncio.create_task(_follow_or_doubt(cache, ids))
    _asking.add(task)
    task.add_done_callback(_asking.discard)
    await asyncio.wait([task], timeout=GRACE)


async def _follow_or_doubt(cache: ObjectCache, ids: Sequence[Any] | None) -> None:
    try:
        await follow_deletes(cache, ids)
    except BaseException as error:
        for obj in _cached(cache, ids):
            if obj.__snapshot__ is not None:
                obj.__state__.stale = True
        if not isinstance(error, AtomodmError):
            raise


def _cached(cache: ObjectCache, ids: Sequence[Any] | None) -> list[Any]:
    return cache.live() if ids is None else [obj for _id in ids if (obj := cache.find(id_key(_id))) is not None]
