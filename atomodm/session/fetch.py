"""Breadth-first restore: each level of a reference graph with one request for each collection."""

from __future__ import annotations

import asyncio
import inspect
import weakref
from collections.abc import Collection, Container, Hashable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from ..breathing import Breather
from ..concurrency import together
from ..contract.finding import Chunk
from ..contract.updates import UpdatedDocument
from ..encoding import decode, decode_all, id_key
from ..identity import ObjectCache
from ..model import REGISTRY, spec_of
from ..model.unloaded import mark_loaded, mark_unloaded
from ..serializer import RestoreScope, check_model, generated_for, hooks_of
from ..serializer.awaiting import anything_to_await, prepare_document
from ..serializer.identifiers import document_id
from .announce import Announcements
from .fill import check_fits, edits_of, fill, no_longer_stale, refresh, settle_quietly
from .in_flight import wait_for, write_under_way
from .references import references_of

#: Fetch everything reachable.
ALL = None
#: Objects to be filled, by key, of each cache.
_Level = dict[ObjectCache, dict[Hashable, Any]]
#: Documents that are decoded in one call; more do not stay in the processor's cache.
_SLICE = 128


class Fetch:
    """One restore: finds or makes the object for every reference it meets, and fills them level by level.

    Parameters
    ----------
    origin : ObjectCache
        The cache of the documents asked for; references of models of the same manager go to its siblings.
    model : type
        The model of the documents asked for.
    depth : int or None
        Levels of references to fetch, counted from the documents asked for; None for all.
    """

    def __init__(self, origin: ObjectCache, model: Any, depth: int | None = ALL) -> None:
        self.origin = origin
        self.model = model
        # Weakly, so that what a fetch has met is not kept alive by a cycle until the next collection.
        self.scope = RestoreScope(weakref.proxy(self))
        self._left = depth
        self._frontier: dict[ObjectCache, dict[Hashable, Any]] = {}
        self._caches: dict[Any, ObjectCache] = {}
        self._met: list[Any] = []
        self._passing: list[Any] = []
        self._passed: dict[int, Any] = {}
        self._refreshes: list[tuple[Any, bytes, int]] = []
        self._deferred: list[tuple[Any, dict[str, Any], bytes, int]] = []
        self._told = Announcements()
        self._decided: Collection[str] = ()
        self._awaits = anything_to_await()
        self._breather = Breather()

    # -- what restoring functions ask of a resolver ------------------------------------------------------------------

    def object_for(self, model: Any, _id: Any) -> Any:
        """The object of a reference; its document is on the next level unless the object is loaded."""
        cache = self._caches.get(model)
        if cache is None:
            cache = self._caches[model] = self._cache_of(model)
        obj = cache.object_for(model, _id)
        if self._left != 0:
            if obj.__snapshot__ is None:
                self._frontier.setdefault(cache, {})[id_key(_id)] = obj
            elif self._left != 1 and id(obj) not in self._passed:
                self._passed[id(obj)] = obj
                self._passing.append(obj)
        return obj

    def pass_through(self, obj: Any) -> None:
        """Meet what a loaded object refers to: it may have been loaded without that."""
        for model, _id in references_of(obj):
            self.object_for(model, _id)

    def announce_later(self, obj: Any) -> None:
        """Tell observers of a new object when everything is restored."""
        self._told.add_new(obj)

    def settle(self, obj: Any, document: dict[str, Any]) -> None:
        """Make an object that code of the program's restored from a document one of its cache."""
        self._cache_of(spec_of(type(obj)).model).settle(obj, document)

    def _cache_of(self, model: Any) -> ObjectCache:
        same_manager = inspect.getattr_static(model, "objects") is inspect.getattr_static(self.model, "objects")
        if same_manager and model.__options__.store is self.model.__options__.store:
            return self.origin.sibling(spec_of(model).collection)
        cache: ObjectCache = model.objects.cache
        return cache

    # -- documents that were asked for ------------------------------------------------------------------------------

    async def objects_of(self, chunk: Chunk, written: Container[Hashable] = ()) -> list[Any]:
        """The objects of the documents in a chunk, and of what they refer to.

        Parameters
        ----------
        chunk : Chunk
        written : container
            Keys of documents that this process has written since they were read, see `ObjectCache.reading`.
        """
        found: list[Any] = []
        await self.origin.scope.inserted(self.origin.store)
        with self._told.sent_after_failure():
            for start in range(0, len(chunk.documents), _SLICE):
                documents = chunk.documents[start : start + _SLICE]
                revisions = chunk.revisions[start : start + _SLICE]
                if self._awaits or hooks_of(self.model).awaits:
                    for data, revision, document in zip(documents, revisions, decode_all(documents), strict=True):
                        found.append(self._meet(id_key(document["_id"]), document, data, revision))
                else:
                    hydrate = generated_for(self.model).hydrate
                    found += hydrate(documents, revisions, self.origin, self.scope, self._meet, self._told.add_new)
                if self._deferred:
                    await self._fill_deferred()
                await self._breather.breathe()
        self.origin.sweep()
        await self.complete(written)
        return found

    def _meet(self, key: Hashable, document: dict[str, Any], data: bytes, revision: int) -> Any:
        """Take a document whose object is known already, or is of another class than was asked for."""
        model = check_model(self.model, document)
        obj = self.origin.find(key)
        if obj is None:
            obj = self.origin.object_for(model, document["_id"])
        check_fits(obj, model)
        if obj.__snapshot__ is not None:
            self._met.append(obj)
            if obj.__revision__ != revision:
                self._refreshes.append((obj, data, revision))
        elif self._awaits or hooks_of(model).awaits:
            self._deferred.append((obj, document, data, revision))
        else:
            fill(obj, document, data, revision, self.scope, self._told)
        return obj

    async def _fill_deferred(self) -> None:
        """Fill the objects whose restoring awaits code of the program's."""
        deferred, self._deferred = self._deferred, []
        for obj, document, data, revision in deferred:
            if obj.__snapshot__ is None:
                await self._fill_awaiting(obj, document, data, revision)

    async def _fill_awaiting(self, obj: Any, document: dict[str, Any], data: bytes, revision: int) -> None:
        model = spec_of(type(obj)).model
        self.scope.enter(document, obj)
        if hooks_of(model).restorestate:
            edited = edits_of(obj)
            mark_loaded(obj)
            try:
                await obj.__restorestate__(dict(document), self.scope)
                settle_quietly(obj, data, revision)
            finally:
                if obj.__snapshot__ is None:
                    mark_unloaded(obj)
                obj.__mark_dirty__(())
                for name, value in edited.items():
                    setattr(obj, name, value)
        else:
            prepared = await prepare_document(model, document, self.scope)
            fill(obj, prepared, data, revision, self.scope, self._told)

    # -- levels ------------------------------------------------------------------------------------------------------

    async def fill_objects(self, cache: ObjectCache, objects: Sequence[Any]) -> None:
        """Fetch and fill unloaded objects, and what they refer to."""
        with self._told.sent_after_failure():
            await self._fetch({cache: {id_key(document_id(obj)): obj for obj in objects}})
        await self.complete()

    async def complete(self, written: Container[Hashable] = ()) -> None:
        """Apply to loaded objects what changed, fetch the remaining levels, then tell observers."""
        if not (self._refreshes or self._met or self._frontier or self._passing):
            return self._told.send()
        with self._told.sent_after_failure():
            refreshes, self._refreshes = self._refreshes, []
            await self.follow(
                [obj for obj, data, revision in refreshes if not await self._refresh(obj, data, revision, written)]
            )
            met, self._met = self._met, []
            await self._pass_through_all(met)
            while (self._frontier or self._passing) and self._left != 0:
                if self._left is not None:
                    self._left -= 1
                level, self._frontier = self._frontier, {}
                passing, self._passing = self._passing, []
                await self._fetch_level(level)
                await self._pass_through_all(passing)
            return self._told.send()

    async def _pass_through_all(self, objects: Sequence[Any]) -> None:
        if self._left != 0:
            for obj in objects:
                self.pass_through(obj)
                await self._breather.breathe()

    async def follow(self, objects: Sequence[Any]) -> bool:
        """Have loaded objects of the first cache follow their documents; False when some of these are gone."""
        found = True
        while objects:
            with self.origin.reading() as written:
                by_key = {id_key(document_id(obj)): obj for obj in objects if obj.__home__ is not None}
                chunk = await self.origin.store.get(
                    self.origin.collection, [document_id(obj) for obj in by_key.values()]
                )
                await self.origin.scope.inserted(self.origin.store)
                found = found and len(chunk.documents) == len(by_key)
                objects = [
                    obj
                    for data, revision, document in zip(
                        chunk.documents, chunk.revisions, decode_all(chunk.documents), strict=True
                    )
                    for obj in [by_key[id_key(document["_id"])]]
                    if not await self._refresh(obj, data, revision, written)
                ]
        return found

    async def follow_updated(
        self,
        updated: Sequence[tuple[Any, UpdatedDocument]],
        written: Container[Hashable],
        decided: Collection[str] = (),
    ) -> None:
        """Have loaded objects of the first cache follow what an update of this process has made of their documents.

        Parameters
        ----------
        updated : sequence of (NoSQLModel, UpdatedDocument)
        written : container
            Keys of documents that this process has written since the update began, see `ObjectCache.reading`.
        decided : collection of str
            Stored paths at which edits of the objects are given up.
        """
        self._decided = decided
        behind: list[Any] = []
        with self._told.sent_after_failure():
            for obj, document in updated:
                key = id_key(document.id)
                follows = obj.__revision__ == document.before or (document.before is None and key not in written)
                if write_under_way([obj]) is not None or not follows:
                    behind.append(obj)
                else:
                    await self._refresh(obj, document.document, document.revision, ())
                await self._breather.breathe()
            while (under_way := write_under_way(behind)) is not None:
                await wait_for(under_way)
            await self.follow(behind)
        await self.complete()

    async def _refresh(self, obj: Any, data: bytes, revision: int, written: Container[Hashable]) -> bool:
        """Have one object follow; False when this process has written the document since it was read."""
        if obj.__home__ is None or write_under_way([obj]) is not None:
            return True  # a write under way is guarded: it meets what is newer here
        if obj.__revision__ == revision and not self._decided:
            no_longer_stale(obj)
            return True
        if id_key(document_id(obj)) in written:
            return False
        if hooks_of(spec_of(type(obj)).model).restorestate and not edits_of(obj):
            await self._fill_awaiting(obj, decode(data), data, revision)
            no_longer_stale(obj)
        else:
            await refresh(obj, data, revision, self.scope, self._told, self._decided)
        return True

    async def _fetch_level(self, level: _Level) -> None:
        kinds = {kind for wanted in level.values() for kind in set(map(type, wanted.values()))}
        if self._awaits or any(hooks_of(spec_of(kind).model).awaits for kind in kinds):
            # Code of the program's may fetch any of these itself, and must not wait for what waits for it.
            for cache, wanted in level.items():
                await self._fetch({cache: wanted})
        else:
            await self._fetch(level)

    async def _fetch(self, level: _Level) -> None:
        """Fill objects from their documents; those whose documents are gone stay unloaded."""
        waiting = level
        while waiting:
            mine: _Level = {}
            others: list[tuple[ObjectCache, Hashable, asyncio.Future[bool]]] = []
            for cache, wanted in waiting.items():
                others += [(cache, key, cache.fetching[key]) for key in wanted if key in cache.fetching]
                own = {
                    key: obj for key, obj in wanted.items() if key not in cache.fetching and obj.__snapshot__ is None
                }
                if own:
                    mine[cache] = own
            if mine:
                await self._fetch_mine(mine)
            waiting = {}
            for cache, key, future in others:
                obj = level[cache][key]
                if not await _succeeded(future):
                    # Whoever fetched it failed or was cancelled: it is ours now.
                    waiting.setdefault(cache, {})[key] = obj
                elif obj.__snapshot__ is not None and self._left != 0:
                    self.pass_through(obj)

    async def _fetch_mine(self, mine: _Level) -> None:
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        caches = list(mine)
        for cache, wanted in mine.items():
            for key in wanted:
                cache.fetching[key] = done
        succeeded = False
        try:
            while mine:
                with ExitStack() as stack:
                    written = [stack.enter_context(cache.reading()) for cache in mine]
                    chunks = await together([partial(_read, *asked) for asked in mine.items()])
                    parts, mine = list(mine.items()), {}
                    for (cache, wanted), chunk, since in zip(parts, chunks, written, strict=True):
                        if overtaken := await self.fill_documents(wanted, chunk, since):
                            mine[cache] = overtaken
            succeeded = True
        finally:
            for cache in caches:
                for key, future in list(cache.fetching.items()):
                    if future is done:
                        del cache.fetching[key]
            done.set_result(succeeded)

    async def fill_documents(
        self, wanted: dict[Hashable, Any], chunk: Chunk, written: Container[Hashable] = (), *, again: bool = False
    ) -> dict[Hashable, Any]:
        """Fill unloaded objects from the documents in a chunk; loaded ones too when `again`.

        Returns
        -------
        dict
            Those of `wanted` whose documents this process has written since they were read.
        """
        overtaken: dict[Hashable, Any] = {}
        for start in range(0, len(chunk.documents), _SLICE):
            documents = chunk.documents[start : start + _SLICE]
            revisions = chunk.revisions[start : start + _SLICE]
            for data, revision, document in zip(documents, revisions, decode_all(documents), strict=True):
                key = id_key(document["_id"])
                obj = wanted[key]
                if obj.__snapshot__ is not None and not again:
                    continue
                if key in written:
                    overtaken[key] = obj
                    continue
                tag = document.get("__model__")
                if tag is not None and tag != obj.__model__:
                    check_fits(obj, REGISTRY[tag])
                if self._awaits or hooks_of(spec_of(type(obj)).model).awaits:
                    await self._fill_awaiting(obj, document, data, revision)
                else:
                    fill(obj, document, data, revision, self.scope, self._told)
            await self._breather.breathe()
        return overtaken

    async def fill_new(self, obj: Any, state: dict[str, Any]) -> None:
        """Fill an object that has no document from a state."""
        self.scope.enter(state, obj)
        if hooks_of(type(obj)).restorestate:
            await obj.__restorestate__(state, self.scope)
        else:
            prepared = await prepare_document(type(obj), state, self.scope)
            obj.set_notifications_enabled(False)
            try:
                generated_for(type(obj)).restore(obj, prepared, self.scope)
            finally:
                obj.set_notifications_enabled(True)
            self._told.add_new(obj)
        obj.__restored__ = True


async def _read(cache: ObjectCache, wanted: dict[Hashable, Any]) -> Chunk:
    chunk = await cache.store.get(cache.collection, [document_id(obj) for obj in wanted.values()])
    await cache.scope.inserted(cache.store)
    return chunk


async def _succeeded(future: asyncio.Future[Any]) -> bool:
    """Wait for somebody else's fetch without cancelling it when this one is cancelled."""
    return bool(await asyncio.shield(future))
