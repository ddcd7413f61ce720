"""Carrying out a save: one batch, retried while others write in between, never leaving an object half-saved."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Literal

from pymongo.results import InsertOneResult, UpdateResult

from ..breathing import Breather, without_collecting
from ..contract.operations import Batch, Operation, Outcome
from ..contract.store import Atomicity, Store
from ..encoding import decode, id_key
from ..errors import (
    BatchTooLarge,
    Conflict,
    DuplicateKey,
    OutcomeUnknown,
    RevisionMismatch,
    UnsupportedOperation,
)
from ..identity import UNVERIFIED, ObjectCache
from ..model import spec_of
from ..model.unloaded import is_unloaded, mark_loaded
from ..serializer import FlattenScope, Form
from ..serializer.carefully import before_of
from ..serializer.identifiers import stored_id
from .announce import Announcements
from .documents import flatten_document, provisional_id
from .fetch import Fetch
from .fill import base_for, differing, fill, settle_quietly, take_awaiting
from .in_flight import BeingWritten, wait_for, write_under_way
from .merge import Decide, Disagreement, disagreements_of_state, merge, resolve
from .plan import FindCache, Planner, Write, WriteKind

#: What to do where both sides changed one path.
OnConflict = Literal["raise", "local", "remote"] | Decide

#: Seconds for which a save goes on trying while others change the same documents.
DEFAULT_TIMEOUT = 30.0
_PAUSE = 0.002

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
        self._on_conflict = on_conflict
        self._atomic = atomic
        self._timeout = timeout
        self._inserted: set[int] = set()

    async def run(self) -> list[SaveResult]:
        """Save, and give for each root what pymongo would: `InsertOneResult` or `UpdateResult`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        while True:
            breather = Breather()
            with without_collecting():
                writes = self._planner.plan(self._roots)
            objects = [write.obj for write in writes]
            if (under_way := write_under_way(objects)) is not None:
                await wait_for(under_way)
                continue
            # Nothing was awaited since the snapshot, so that no edit falls between it and this.
            with BeingWritten(objects):
                await breather.breathe()
                self._inserted.update(id(write.obj) for write in writes if write.kind is WriteKind.INSERT)
                if await self._attempt(writes):
                    results = {id(write.obj): self._result(write) for write in writes}
                    return [results[id(obj)] for obj in self._roots]
                if loop.time() > deadline:
                    raise RevisionMismatch([], store=writes[0].cache.store.url)
            await asyncio.sleep(random.random() * _PAUSE)

    def _result(self, write: Write) -> SaveResult:
        if id(write.obj) in self._inserted:
            return InsertOneResult(write.id, True)
        changed = 0 if write.kind is WriteKind.NOTHING else 1
        return UpdateResult({"n": 1, "nModified": changed, "ok": 1.0, "updatedExisting": True}, True)

    async def _attempt(self, writes: Sequence[Write]) -> bool:
        """Write once; False when somebody else was faster and the objects have followed."""
        for cache, model in {(write.cache, spec_of(type(write.obj)).model): None for write in writes}:
            await cache.store.ready()
            await self._prepare(cache, model)
        if unchanged := [write for write in writes if write.kind is WriteKind.NOTHING]:
            await _finish(unchanged, None)
        for store, part in self._batches([write for write in writes if write.kind is not WriteKind.NOTHING]):
            operations: list[Operation] = []
            breather = Breather()
            for write in part:
                operations.append(write.operation())
                if breather.is_due():
                    await breather.breathe()
            try:
                await self._write(store, part, Batch(operations))
            except RevisionMismatch as mismatch:
                await self._follow([part[position] for position in mismatch.positions])
                return False
            except DuplicateKey as error:
                if await self._take_over(part):
                    return False
                error.model = part[error.position].obj.__model__
                raise
        return True

    async def _write(self, store: Store, part: Sequence[Write], batch: Batch) -> None:
        """Write a batch, and make the objects what was written."""
        with _inserting(store, part):
            try:
                outcome = await store.write(batch)
            except (OutcomeUnknown, asyncio.CancelledError):
                for write in part:
                    if write.data is not None:
                        write.obj.__track__().uncertain += (write.data,)
                raise
            await _finish(part, outcome)

    def _batches(self, writes: Sequence[Write]) -> list[tuple[Store, list[Write]]]:
        """The writes by store, referenced objects before those that refer to them, in parts that the store can hold."""
        by_store: dict[Store, list[Write]] = {}
        for write in reversed(writes):
            by_store.setdefault(write.cache.store, []).append(write)
        batches: list[tuple[Store, list[Write]]] = []
        for store, part in by_store.items():
            self._check_atomicity(store, part, len(by_store))
            pieces = _pieces(store, part)
            if len(pieces) > 1 and self._atomic is not False:
                raise BatchTooLarge(
                    f"{len(part)} documents are more than one batch can hold; save in parts or with atomic=False",
                    store=store.url,
                )
            batches.extend((store, piece) for piece in pieces)
        return batches

    def _check_atomicity(self, store: Store, part: Sequence[Write], stores: int) -> None:
        if not self._atomic or (stores == 1 and len(part) == 1):
            return
        widest = store.capabilities.atomic
        collections = {write.cache.collection for write in part}
        enough = widest is Atomicity.STORE or (widest is Atomicity.COLLECTION and len(collections) == 1)
        if stores > 1 or not enough:
            raise UnsupportedOperation(
                "these objects cannot be saved all or nothing; save with atomic=False", store=store.url
            )

    async def _take_over(self, writes: Sequence[Write]) -> bool:
        """Make new objects at home that earlier tries, whose outcome was not known, have written; False for none."""
        by_cache: dict[ObjectCache, list[Write]] = {}
        for write in writes:
            if write.kind is WriteKind.INSERT and write.obj.__tracking__.uncertain:
                by_cache.setdefault(write.cache, []).append(write)
        told = Announcements()
        found = False
        with told.sent_after_failure():
            for cache, part in by_cache.items():
                stored = await _read(cache, part)
                for write in part:
                    data, revision = stored.get(id_key(write.id), (b"", 0))
                    tracking = write.obj.__tracking__
                    # Nobody else knows an id that was made here; a primary key may have been taken by somebody else.
                    if data and (write.id == tracking.reserved_id or data in tracking.uncertain):
                        found = True
                        _take_home(write)
                        settle_quietly(write.obj, tracking.uncertain[-1], 0)
                        await self._follow_one(write, data, revision, told)
        told.send()
        return found

    # -- others were faster ------------------------------------------------------------------------------------------

    async def _follow(self, writes: Sequence[Write]) -> None:
        """Bring objects up to what others wrote, keeping this side's changes.

        Raises
        ------
        Conflict
            Both changed one path, and the policy is to raise; or the document is gone.
        """
        by_cache: dict[ObjectCache, list[Write]] = {}
        for write in writes:
            by_cache.setdefault(write.cache, []).append(write)
        told = Announcements()
        with told.sent_after_failure():
            for cache, part in by_cache.items():
                stored = await _read(cache, part)
                for write in part:
                    found = stored.get(id_key(write.id))
                    if found is None and self._was_never_stored(write):
                        _leave_home(write.obj)
                        continue
                    if found is None:
                        raise self._gone(write)
                    await self._follow_one(write, *found, told)
        told.send()

    def _was_never_stored(self, write: Write) -> bool:
        """Whether a root was restored from a state of which no document is known, so that saving it inserts one."""
        return write.obj.__revision__ == UNVERIFIED and any(write.obj is root for root in self._roots)

    def _gone(self, write: Write) -> Conflict:
        return self._noted(
            write.obj,
            {},
            Conflict(
                "the document was deleted by somebody else; save(replace=True) writes it again",
                model=write.obj.__model__,
                store=write.cache.store.url,
            ),
        )

    async def _follow_one(self, write: Write, data: bytes, revision: int, told: Announcements) -> None:
        obj, spec, remote = write.obj, spec_of(type(write.obj)), decode(data)
        fetch = Fetch(write.cache, spec.model, 0)
        if is_unloaded(obj):
            return fill(obj, remote, data, revision, fetch.scope, told)
        local_data = flatten_document(obj, stored_id(obj), FlattenScope(Form.DOCUMENT, provisional_id))
        local = decode(local_data)
        merged = merge(spec, base_for(obj, remote), local, remote, before_of(obj))
        disagreements = merged.disagreements
        if obj.__revision__ == UNVERIFIED and write.kind is WriteKind.UPDATE:
            disagreements += disagreements_of_state(spec, decode(obj.__snapshot__), local, remote, disagreements)
        document = self._decide(write, merged.document, disagreements)
        names = differing(spec, local, document, set())
        if not await take_awaiting(obj, document, names, fetch.scope, told, local_data):
            return await self._follow_one(write, data, revision, told)
        return settle_quietly(obj, data, revision)

    def _decide(self, write: Write, merged: dict[str, Any], disagreements: Sequence[Disagreement]) -> dict[str, Any]:
        """Apply the policy to what both sides changed; gives the document that the object is to have."""
        if not disagreements:
            return merged
        if self._on_conflict == "raise":
            values = {found.path: (found.base, found.local, found.remote) for found in disagreements}
            raise self._noted(
                write.obj,
                values,
                Conflict(
                    "somebody else changed what this save changes; see obj.__state__.conflict, then refresh or "
                    "save(on_conflict=…)",
                    paths=values,
                    model=write.obj.__model__,
                    store=write.cache.store.url,
                ),
            )
        return resolve(write.obj, merged, disagreements, self._on_conflict)

    def _noted(self, obj: Any, values: dict[str, Any], conflict: Conflict) -> Conflict:
        state = obj.__state__
        state.conflict = values
        state.stale = True
        return conflict


async def _read(cache: ObjectCache, writes: Sequence[Write]) -> dict[Hashable, tuple[bytes, int]]:
    """What is stored now of some documents of one cache, with revisions, by key."""
    chunk = await cache.store.get(cache.collection, [write.id for write in writes])
    await cache.scope.inserted(cache.store)
    return {
        id_key(decode(data)["_id"]): (data, revision)
        for data, revision in zip(chunk.documents, chunk.revisions, strict=True)
    }


def _inserting(store: Store, writes: Sequence[Write]) -> AbstractContextManager[object]:
    """Tell what reads the store of the new objects among those that are written, as `CacheScope.inserting`."""
    scopes = {write.cache.scope for write in writes if write.obj.__home__ is None}
    if not scopes:
        return nullcontext()
    with ExitStack() as stack:
        for scope in scopes:
            stack.enter_context(scope.inserting(store))
        return stack.pop_all()


def _pieces(store: Store, writes: Sequence[Write]) -> list[list[Write]]:
    """Writes in batches that a store can hold."""
    most = store.capabilities.max_batch
    most_bytes = store.capabilities.max_batch_bytes
    pieces: list[list[Write]] = []
    size = 0
    for write in writes:
        length = len(write.data or b"")
        full = not pieces or (most is not None and len(pieces[-1]) >= most)
        if full or (most_bytes is not None and size + length > most_bytes):
            pieces.append([])
            size = 0
        pieces[-1].append(write)
        size += length
    return pieces


async def _finish(writes: Sequence[Write], outcome: Outcome | None) -> None:
    """Make objects what was written: persistent, clean but for later edits, at home in their cache.

    The documents are written: a cancellation meanwhile is kept until all objects know.
    """
    breather = Breather()
    cancelled: asyncio.CancelledError | None = None
    for position, write in enumerate(writes):
        _finish_one(write, None if outcome is None else outcome.revisions[position])
        if cancelled is None and breather.is_due():
            try:
                await breather.breathe()
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        raise cancelled


def _finish_one(write: Write, revision: int | None) -> None:
    obj = write.obj
    tracking = obj.__tracking__
    write.cache.wrote(write.id)
    if obj.__home__ is None:
        _take_home(write)
    else:
        write.cache.adopt(obj, write.id)  # it may be a second writer whose place has become free
    if write.data is not None:
        obj.__snapshot__ = write.data
        if revision is not None:
            obj.__revision__ = revision
        if not obj.__restored__:
            obj.__restored__ = True
        if tracking.assumed is not None:
            tracking.assumed = _still_assumed(write, tracking.assumed)
    tracking.dirty = tracking.during
    tracking.uncertain = ()
    (write.cache.hold if tracking.dirty else write.cache.release)(obj)
    if tracking.state is not None:
        tracking.state.conflict = None
        tracking.state.stale = False


def _leave_home(obj: Any) -> None:
    """Make an object a new one, with the id it has."""
    muted = obj.set_notifications_enabled(False)
    try:
        obj.__home__ = obj.__snapshot__ = obj.__revision__ = None
    finally:
        obj.set_notifications_enabled(muted)


def _still_assumed(write: Write, assumed: dict[str, Any]) -> dict[str, Any] | None:
    """What a write leaves of the values that stand for fields which the document lacks or has refused."""
    if write.kind in (WriteKind.INSERT, WriteKind.REPLACE):
        return None
    written = {path.partition(".")[0] for path in write.changes.paths()}
    return {key: value for key, value in assumed.items() if key not in written} or None


def _take_home(write: Write) -> None:
    """Give a new object its id and its place in the cache; a taken place leaves it a second, guarded writer."""
    obj = write.obj
    if obj._id is None:
        obj._id = write.id
    mark_loaded(obj)
    write.cache.adopt(obj, write.id)
    obj.__home__ = write.cache
    tracking = obj.__track__()
    tracking.reserved_id = tracking.former_id = tracking.former_home = tracking.former_snapshot = None
