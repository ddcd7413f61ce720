"""Carrying out a save: retried while others write in between, never leaving an object half-saved.

Where the store is atomic over all of it, that is one batch. Otherwise it is several: whatever stops a save then, each
object says whether it was written, and the next save goes on with the rest.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from pymongo.results import InsertOneResult, UpdateResult

from ..breathing import Breather, without_collecting
from ..contract.operations import Batch
from ..contract.store import Store
from ..errors import DuplicateKey, OutcomeUnknown, PartlyApplied, RevisionMismatch
from ..identity import ObjectCache
from ..model import spec_of
from .expiring import renew
from .finishing import finish
from .following import Following, OnConflict
from .in_flight import BeingWritten, wait_for, write_under_way
from .plan import FindCache, Planner, Write, WriteKind
from .steps import Step, steps_of

#: Seconds for which a save goes on trying while others change the same documents.
DEFAULT_TIMEOUT = 30.0
_PAUSE = 0.002
_NOTHING_INSERTED = nullcontext()
# A member of an enumeration is looked up by a function of it, before Python 3.12.
_INSERT, _NOTHING = WriteKind.INSERT, WriteKind.NOTHING
#: Operations that are made between two looks at the clock.
_AT_ONCE = 128

SaveResult = InsertOneResult | UpdateResult


class Save:
    """One save of some objects.

    Parameters
    ----------
    roots : sequence of NoSQLModel
    find_cache : callable
        Gives the cache for an object that has no home.
    prepare : callable
        Awaited with a cache and a model before the first write to a collection; declares indexes.
    graph, replace : bool
        See `Planner`.
    on_conflict : "raise", "local", "remote" or callable
        What to do where this save and somebody else changed one path.
    atomic : bool or None
        True refuses what the store cannot apply all or nothing; False allows several batches; None does what the
        store can.
    timeout : float
        Seconds after which a save that keeps being overtaken gives up with `RevisionMismatch`.
    """

    def __init__(
        self,
        roots: Sequence[Any],
        find_cache: FindCache,
        prepare: Callable[[ObjectCache, Any], Awaitable[None]],
        *,
        graph: bool = True,
        replace: bool = False,
        on_conflict: OnConflict = "raise",
        atomic: bool | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._roots = roots
        self._planner = Planner(find_cache, graph=graph, replace=replace)
        self._prepare = prepare
        self._graph = graph
        self._on_conflict: OnConflict = on_conflict
        self._atomic = atomic
        self._timeout = timeout
        self._inserted: set[int] = set()
        self._unfinished: Sequence[Any] = ()
        # By id: what is left to write, and of that what is written in part; and what is done, of all tries.
        self._left: dict[int, Any] = {}
        self._unlinked: dict[int, Any] = {}
        self._done: dict[int, Any] = {}

    async def run(self) -> list[SaveResult]:
        """Save, and give for each root what pymongo would: `InsertOneResult` or `UpdateResult`.

        Raises
        ------
        PartlyApplied
            A part was written, and then something failed.
        """
        if self._graph:
            self._unfinished = [
                obj
                for root in self._roots
                if (tracking := root.__tracking__) is not None and tracking.unfinished
                for obj in tracking.unfinished
            ]
        try:
            results = await self._run()
        except BaseException as error:
            if self._is_begun:
                self._remember(self._left.values())
                if isinstance(error, Exception) and self._left:
                    raise self._partly(error) from error
            raise
        self._remember(())
        return results

    @property
    def _following(self) -> Following:
        return Following(self._roots, self._on_conflict)

    @property
    def _is_begun(self) -> bool:
        """Whether anything was written."""
        return bool(self._done or self._unlinked)

    def _remember(self, unfinished: Collection[Any]) -> None:
        """Have the next save of the roots do what is left, though it may not be reached through changed objects."""
        if not self._graph:
            return
        for root in self._roots:
            if unfinished:
                root.__track__().unfinished = tuple(obj for obj in unfinished if obj is not root)
            elif (tracking := root.__tracking__) is not None:
                tracking.unfinished = ()

    def _partly(self, error: Exception) -> PartlyApplied:
        return PartlyApplied(
            error,
            applied=[obj for key, obj in self._done.items() if key not in self._left],
            unlinked=[obj for key, obj in self._left.items() if key in self._unlinked],
            unapplied=[obj for key, obj in self._left.items() if key not in self._unlinked],
        )

    async def _run(self) -> list[SaveResult]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        while True:
            breather = Breather()
            with without_collecting():
                writes = self._planner.plan(self._roots, self._unfinished)
            objects = [write.obj for write in writes]
            if (under_way := write_under_way(objects)) is not None:
                await wait_for(under_way)
                continue
            # Nothing was awaited since the snapshot, so that no edit falls between it and this.
            with BeingWritten(objects) as being_written:
                await breather.breathe()
                self._inserted.update([id(write.obj) for write in writes if write.kind is _INSERT])
                if await self._attempt(writes, being_written):
                    done = {id(write.obj): write for write in writes}
                    return [self._result(done[id(obj)]) for obj in self._roots]
                if loop.time() > deadline:
                    raise RevisionMismatch([], store=writes[0].cache.store.url)
            if self._is_begun and self._graph:
                self._unfinished = list(self._left.values())
            await asyncio.sleep(random.random() * _PAUSE)

    def _result(self, write: Write) -> SaveResult:
        if id(write.obj) in self._inserted:
            return InsertOneResult(write.id, True)
        changed = int(id(write.obj) in self._done)
        return UpdateResult({"n": 1, "nModified": changed, "ok": 1.0, "updatedExisting": True}, True)

    async def _attempt(self, writes: Sequence[Write], being_written: BeingWritten) -> bool:
        """Write once; False when somebody else was faster and the objects have followed."""
        for cache, kind in dict.fromkeys([(write.cache, type(write.obj)) for write in writes]):
            await cache.store.ready()
            await self._prepare(cache, spec_of(kind).model)
        if expired := await renew(writes, self._roots):
            await self._following.follow(expired)
            return False
        changed = [write for write in writes if write.kind is not _NOTHING]
        if len(changed) < len(writes):
            await finish([write for write in writes if write.kind is _NOTHING], None)
        self._left = {id(write.obj): write.obj for write in changed}
        for step in await steps_of(changed, self._atomic) if changed else ():
            try:
                await self._write(step, being_written)
            except RevisionMismatch as mismatch:
                await self._following.follow([step.writes[position] for position in mismatch.positions])
                return False
            except DuplicateKey as error:
                if await self._following.take_over(step.writes):
                    return False
                error.model = step.writes[error.position].obj.__model__
                raise
        return True

    async def _write(self, step: Step, being_written: BeingWritten) -> None:
        """Write a batch, and make the objects what was written."""
        operations = [write.operation() for write in step.writes[:_AT_ONCE]]
        breather = Breather()
        for start in range(_AT_ONCE, len(step.writes), _AT_ONCE):
            await breather.breathe()
            operations += [write.operation() for write in step.writes[start : start + _AT_ONCE]]
        with _inserting(step.store, step.writes):
            try:
                outcome = await step.store.write(Batch(operations))
            except (OutcomeUnknown, asyncio.CancelledError):
                for write in step.writes:
                    if write.data is not None:
                        write.obj.__track__().uncertain += (write.data,)
                raise
            self._note(step.writes, being_written)
            await finish(step.writes, outcome)

    def _note(self, writes: Sequence[Write], being_written: BeingWritten) -> None:
        """Note that some writes are done."""
        for write in writes:
            key = id(write.obj)
            if write.link is not None:
                self._unlinked[key] = write.obj
                continue
            self._unlinked.pop(key, None)
            self._left.pop(key, None)
            self._done[key] = write.obj
            being_written.written.add(key)


def _inserting(store: Store, writes: Sequence[Write]) -> AbstractContextManager[object]:
    """Tell what reads the store of the new objects among those that are written, as `CacheScope.inserting`."""
    scopes = {write.cache.scope for write in writes if write.obj.__home__ is None}
    if not scopes:
        return _NOTHING_INSERTED
    with ExitStack() as stack:
        for scope in scopes:
            stack.enter_context(scope.inserting(store))
        return stack.pop_all()
