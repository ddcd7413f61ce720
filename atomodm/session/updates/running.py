"""Sending updates, and having the cached objects follow what they have changed."""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pymongo.results import UpdateResult

from ...contract.finding import Chunk
from ...contract.updates import Held, UpdatedDocument, UpdateOutcome
from ...encoding import decode, id_key, same
from ...errors import AtomodmError, DoesNotExist, OutcomeUnknown, StoreError
from ...identity import UNVERIFIED, ObjectCache
from ...model import REGISTRY, ModelSpec, spec_of
from ...model.expiry import EXPIRES
from ...query.changes import Changes
from ...query.nodes import Compare, Exists, Node, Operator, conjunction, negation
from ...query.updates import parse_update
from ...serializer.identifiers import document_id
from ..documents import members_at
from ..expiring import renewal
from ..fetch import Fetch
from ..in_flight import wait_for, write_under_way
from ..merge import value_at
from .compiling import ModelUpdate


class HeldObjects(Mapping[Any, tuple[int, bytes] | None]):
    """What the objects of a cache were last read or written as, by the ids of their documents; a view of what is there.

    Parameters
    ----------
    cache : ObjectCache
    """

    def __init__(self, cache: ObjectCache) -> None:
        self._cache = cache

    def __getitem__(self, _id: Any) -> tuple[int, bytes] | None:
        obj = self._cache.find(id_key(_id))
        if obj is None or obj.__snapshot__ is None:
            raise KeyError
        return _known_of(obj)

    def __iter__(self) -> Iterator[Any]:
        return (document_id(obj) for obj in self.objects())

    def __len__(self) -> int:
        return len(self.objects())

    def objects(self) -> list[Any]:
        """The objects whose documents these are."""
        return [obj for obj in self._cache.live() if obj.__snapshot__ is not None]


class _HeldObject(Mapping[Any, tuple[int, bytes] | None]):
    """What one object was last read or written as, loaded or not."""

    def __init__(self, obj: Any, _id: Any) -> None:
        self._obj = obj
        self._id = _id
        self._key = id_key(_id)

    def __getitem__(self, _id: Any) -> tuple[int, bytes] | None:
        if id_key(_id) != self._key:
            raise KeyError
        return _known_of(self._obj)

    def __iter__(self) -> Iterator[Any]:
        return iter([self._id])

    def __len__(self) -> int:
        return 1


def _known_of(obj: Any) -> tuple[int, bytes] | None:
    if obj.__snapshot__ is None or obj.__revision__ == UNVERIFIED:
        return None
    return obj.__revision__, obj.__snapshot__


async def update_matching(cache: ObjectCache, spec: ModelSpec, filter: Node, update: ModelUpdate) -> int:
    """Update all documents that match, and have the cached objects follow; gives how many matched.

    Raises
    ------
    InvalidUpdate, DuplicateKey, RevisionMismatch, OutcomeUnknown
        As `Store.update`. The objects follow what was changed before.
    """
    held = HeldObjects(cache)
    with cache.reading() as written:
        try:
            outcome = await _send(cache, filter, update, held, update.moved, _besides(cache, spec, update))
        except AtomodmError as error:
            error.model = error.model or spec.tag
            if not isinstance(error, StoreError | OutcomeUnknown):
                # The store answers, and may have changed documents before.
                with suppress(AtomodmError):
                    await _follow_all(cache, spec, held.objects())
            raise
        await _follow(cache, spec, outcome.documents, written)
    return outcome.matched


async def _follow_all(cache: ObjectCache, spec: ModelSpec, objects: Sequence[Any]) -> None:
    fetch = Fetch(cache, spec.model, 0)
    await fetch.follow(objects)
    await fetch.complete()


async def update_object(obj: Any, cache: ObjectCache, update: ModelUpdate) -> UpdateResult:
    """Update the document of one object, which follows: where it has edits at the paths concerned, these are given up.

    Raises
    ------
    DoesNotExist
        The document is gone, or the object never had one.
    InvalidUpdate, DuplicateKey, RevisionMismatch, OutcomeUnknown
        As `Store.update`.
    """
    spec = spec_of(type(obj))
    while (under_way := write_under_way([obj])) is not None:
        await wait_for(under_way)
    _id = document_id(obj)
    tracking = obj.__tracking__
    if _id is None or (tracking is not None and tracking.deleted):
        raise DoesNotExist("the object has no document; save it first", model=spec.tag, store=cache.store.url)
    moved = update.moved
    if moved and obj.__snapshot__ is not None:
        document = decode(obj.__snapshot__)
        moved = {former: present for former, present in moved.items() if value_at(document, former) is not None}
    itself = Compare("_id", Operator.EQ, _id)
    besides = _besides(cache, spec, update)
    with cache.reading() as written:
        try:
            outcome = await _send(cache, itself, update, _HeldObject(obj, _id), moved, besides)
        except AtomodmError as error:
            error.model = error.model or spec.tag
            if isinstance(error, OutcomeUnknown):
                obj.__state__.stale = True
            raise
        if not outcome.matched:
            obj.__state__.stale = True
            raise DoesNotExist("the document is not there", model=spec.tag, store=cache.store.url)
        documents = outcome.documents
        if obj.__snapshot__ is None and documents:
            await _fill(obj, cache, spec, documents[0], update.operators.paths)
        elif not documents:
            # The document is as the object knows it, which may have edits all the same.
            documents = [UpdatedDocument(_id, obj.__revision__, obj.__revision__, obj.__snapshot__)]
        await _follow(cache, spec, documents, written, obj, update.operators.paths)
    tracking = obj.__tracking__
    if tracking is not None and tracking.state is not None and obj.__revision__ == documents[0].revision:
        tracking.state.stale = False
    modified = outcome.modified
    if modified and besides is not None:
        modified = int(besides.was_beside_a_change(documents[0].document))
    raw = {"n": 1, "nModified": modified, "ok": 1.0, "updatedExisting": True}
    return UpdateResult(raw, True)


async def _send(
    cache: ObjectCache,
    filter: Node,
    update: ModelUpdate,
    held: Held,
    moved: Mapping[str, str],
    besides: _Renewal | None,
) -> UpdateOutcome:
    for former, present in moved.items():
        # What is counted up from must not be left behind under a former name.
        there = conjunction((filter, Exists(former, True), negation(Exists(present, True))))
        await cache.store.update(cache.collection, there, parse_update({"$rename": {former: present}}))
    return await cache.store.update(cache.collection, filter, update.operators, held=held, besides=besides)


class _Renewal:
    """Checks documents that are about to be updated, and begins their time to live anew.

    Parameters
    ----------
    cache : ObjectCache
    spec : ModelSpec
    update : ModelUpdate
    """

    def __init__(self, cache: ObjectCache, spec: ModelSpec, update: ModelUpdate) -> None:
        self._store = cache.store
        self._spec = spec
        self._update = update
        self._before: Mapping[str, Any] = {}

    def __call__(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields by which the time of a document begins anew; none where it does not.

        Raises
        ------
        InvalidUpdate
            As `ModelUpdate.check_entered`.
        """
        self._update.check_entered(document)
        self._before = document
        tag = document.get("__model__", self._spec.tag)
        # A query of the base finds documents of its subclasses, each of which lives as its own model says.
        if tag == self._spec.tag:
            return renewal(self._spec, document, self._store.now())
        model = REGISTRY.get(tag) if isinstance(tag, str) else None
        return {} if model is None else renewal(spec_of(model), document, self._store.now())

    def was_beside_a_change(self, document: bytes) -> bool:
        """Whether the last document, which is this now, has become different by more than its time."""
        after = {**decode(document), EXPIRES: None}
        return not same(after, {**self._before, EXPIRES: None})


def _besides(cache: ObjectCache, spec: ModelSpec, update: ModelUpdate) -> _Renewal | None:
    """What is to be done with each document; None where there is nothing."""
    models = (model for model in list(REGISTRY.values()) if issubclass(model, spec.model))
    expire = spec.options.ttl is not None or any(model.__options__.ttl is not None for model in models)
    return _Renewal(cache, spec, update) if update.entered or expire else None


async def _fill(obj: Any, cache: ObjectCache, spec: ModelSpec, document: UpdatedDocument, paths: Sequence[str]) -> None:
    """Fill an object that was not loaded; one that the program made for an id takes the free place in the cache."""
    if obj.__tracking__ is not None:
        obj.__mark_dirty__(obj.__tracking__.dirty - members_at(spec, Changes(unset=tuple(paths))))
    cache.adopt(obj, document.id)
    obj.__home__ = cache
    fetch = Fetch(cache, spec.model, 0)
    await fetch.fill_documents({id_key(document.id): obj}, Chunk([document.revision], [document.document]))
    await fetch.complete()


async def _follow(
    cache: ObjectCache,
    spec: ModelSpec,
    documents: Sequence[UpdatedDocument],
    written: Container[Hashable],
    also: Any = None,
    decided: Sequence[str] = (),
) -> None:
    """Have objects follow: those of the cache, and one that need not have a place there."""
    if not documents:
        return
    updated = [
        (obj, document)
        for document in documents
        for obj in {id(found): found for found in (also, cache.find(id_key(document.id)))}.values()
        if obj is not None and obj.__snapshot__ is not None
    ]
    try:
        await Fetch(cache, spec.model, 0).follow_updated(updated, written, decided)
    finally:
        for document in documents:
            cache.wrote(document.id)
