"""What happens to one object: load, refresh, revert, delete, restore."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from pymongo.results import DeleteResult

from ..breathing import Breather
from ..contract.finding import Chunk
from ..contract.operations import Batch, Delete
from ..encoding import decode, encode, id_key
from ..errors import DoesNotExist, PartlyApplied, UnsupportedOperation
from ..identity import UNVERIFIED, ObjectCache
from ..model import spec_of
from ..model.unloaded import is_unloaded
from ..query.changes import Changes
from ..serializer import FlattenScope, Form, check_model, hooks_of
from ..serializer.awaiting import must_await
from ..serializer.identifiers import document_id, stored_id
from .announce import Announcements
from .documents import changes_of, flatten_document, members_at, provisional_id, set_members_of
from .fetch import Fetch
from .fill import settle_quietly, take
from .in_flight import BeingWritten, wait_for, write_under_way
from .on_delete import consequences


async def load(obj: Any, cache: ObjectCache) -> bool:
    """Fill an unloaded object, or a handle, in place, and what it refers to; False when the document is gone."""
    model = spec_of(type(obj)).model
    fetch = Fetch(cache, model)
    state = None if obj.__tracking__ is None else obj.__tracking__.state
    if state is not None:
        state.loading = True
    try:
        if obj.__snapshot__ is not None:  # the program says that it is not restored
            obj.__restored__ = await _follow(obj, fetch)
        elif obj.__home__ is not None:
            cache.adopt(obj, document_id(obj))
            await fetch.fill_objects(cache, [obj])
        else:
            chunk = await cache.store.get(cache.collection, [document_id(obj)])
            await _fill_handle(obj, cache, fetch, chunk)
    finally:
        if state is not None:
            state.loading = False
    obj.__update_state__()
    return bool(obj.__restored__)


async def _follow(obj: Any, fetch: Fetch) -> bool:
    """Have a loaded object follow its document, and load what it refers to; False when the document is gone."""
    fetch.origin.adopt(obj, document_id(obj))  # it may be a second writer whose place has become free
    if not await fetch.follow([obj]):
        return False
    fetch.pass_through(obj)
    await fetch.complete()
    return True


async def _fill_handle(obj: Any, cache: ObjectCache, fetch: Fetch, chunk: Chunk) -> None:
    """Fill an object that the program made for an id; it takes the free place in the cache."""
    if chunk.documents:
        cache.adopt(obj, document_id(obj))
        obj.__home__ = cache
        await fetch.fill_documents({id_key(document_id(obj)): obj}, chunk)
        await fetch.complete()


async def refresh(obj: Any, cache: ObjectCache) -> None:
    """Fetch an object's document, and what it refers to, whatever is known of it.

    Raises
    ------
    DoesNotExist
        The document is gone.
    """
    if obj.__snapshot__ is None:
        if not await load(obj, cache):
            raise _missing(obj, cache)
        return
    if not await _follow(obj, Fetch(cache, spec_of(type(obj)).model)):
        obj.__state__.stale = True
        raise _missing(obj, cache)
    obj.__update_state__()


def _missing(obj: Any, cache: ObjectCache) -> DoesNotExist:
    return DoesNotExist("the document is not there", model=obj.__model__, store=cache.store.url)


def revert(obj: Any) -> None:
    """Give an object its last loaded or saved values back, observers told; edits are lost."""
    cache = obj.__home__
    if cache is None:
        return
    if obj.__snapshot__ is None:
        for field in spec_of(type(obj)).fields:
            if obj.__tracking__ is not None and field.name in obj.__tracking__.dirty:
                field.member.del_slot(obj)
        obj.__mark_dirty__(())
        return
    model, document = spec_of(type(obj)).model, decode(obj.__snapshot__)
    if must_await(model, document):
        raise UnsupportedOperation(
            "restoring it awaits code of the program's; await restore(state, force=True) with the stored state",
            model=model.__model__,
        )
    told = Announcements()
    fetch = Fetch(cache, model, 0)
    take(obj, document, None, fetch.scope, told)
    obj.__mark_dirty__(())
    told.send()


async def settled(obj: Any) -> None:
    """Wait until no save or delete of an object is under way."""
    while (under_way := write_under_way([obj])) is not None:
        await wait_for(under_way)


async def delete(objects: Sequence[Any], cache: ObjectCache) -> DeleteResult:
    """Delete documents of one store, with what ``on_delete`` says of references to them.

    That is one batch where the store is atomic over all of it. Otherwise documents go before those they refer to.

    Raises
    ------
    PartlyApplied
        A part was deleted, and then something failed.
    """
    while True:
        deletion = await consequences(objects, cache)
        steps = await deletion.steps(cache.store)
        under_way = write_under_way(deletion.deleted)
        if under_way is None:
            break
        await wait_for(under_way)
    removed = 0
    done: dict[int, Any] = {}
    with BeingWritten(deletion.deleted) as being_written:
        for position, step in enumerate(steps):
            operations = [deletion.operations[number] for number in step]
            try:
                outcome = await cache.store.write(Batch(operations))
            except Exception as error:
                if not position:
                    raise
                left = [obj for obj in deletion.deleted if id(obj) not in done]
                raise PartlyApplied(error, applied=list(done.values()), unapplied=left) from error
            for obj in [obj for number in step for obj in deletion.objects[number]]:
                mark_deleted(obj)
                done[id(obj)] = obj
                being_written.written.add(id(obj))
            removed += sum(
                existed
                for operation, existed in zip(operations, outcome.existed, strict=True)
                if isinstance(operation, Delete)
            )
    return DeleteResult({"n": removed, "ok": 1.0}, True)


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


async def follow_deletes(cache: ObjectCache, ids: Sequence[Any] | None = None) -> None:
    """Ask once which documents of cached objects are gone, and mark these objects as deleted.

    Where the answer is older than what an object has written meanwhile, or is just writing, it is asked for again.

    Parameters
    ----------
    cache : ObjectCache
    ids : sequence, optional
        The only documents that may be gone; all unless it is given.
    """
    objects = cache.live() if ids is None else [obj for _id in ids if (obj := cache.find(id_key(_id))) is not None]
    asked = [(document_id(obj), obj) for obj in objects]
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


async def restore(cls: Any, state: dict[str, Any], force: bool) -> Any:
    """Make, or find in the cache, the object of a state; an object that is loaded comes back untouched unless `force`.

    Raises
    ------
    WrongModel, ModelNotRegistered
        The state is not for this model.
    """
    model = check_model(cls, state)
    _id = state.get("_id")
    if _id is None:
        return await _restore_new(model, state)
    cache: ObjectCache = model.objects.cache
    obj = cache.object_for(model, _id)
    if obj.__snapshot__ is not None and not force:
        return obj
    if force:
        obj.__mark_dirty__(())
    fetch = Fetch(cache, model)
    data = encode(state)
    if obj.__snapshot__ is None or hooks_of(model).awaits:
        await fetch.fill_documents({id_key(_id): obj}, Chunk([UNVERIFIED], [data]), again=True)
    else:
        told = Announcements()
        take(obj, decode(data), None, fetch.scope, told)
        settle_quietly(obj, data, UNVERIFIED)
        told.send()
    obj.__update_state__()
    await fetch.complete()
    return obj


async def _restore_new(model: Any, state: dict[str, Any]) -> Any:
    """Make an object of a state without id: it has no document yet."""
    cache: ObjectCache = model.objects.cache
    fetch = Fetch(cache, model)
    obj = model.__new__(model)
    await fetch.fill_new(obj, dict(state))
    await fetch.complete()
    return obj


def pending_changes(obj: Any) -> Changes:
    """What saving an object alone would write now."""
    if obj.__home__ is None:
        _id = stored_id(obj) if obj._id is not None else provisional_id(obj)
        return Changes(set=decode(flatten_document(obj, _id, FlattenScope(Form.DOCUMENT, provisional_id))))
    scope = FlattenScope(Form.DOCUMENT, provisional_id)
    if is_unloaded(obj):
        return set_members_of(obj, scope)
    return changes_of(obj, flatten_document(obj, stored_id(obj), scope))


def changed_members(obj: Any) -> set[str]:
    """Names of the members that differ from the document, in-place changes included."""
    return members_at(spec_of(type(obj)), pending_changes(obj))
