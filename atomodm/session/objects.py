"""What happens to one object: load, refresh, revert, restore."""

from __future__ import annotations

from typing import Any

from ..contract.finding import Chunk
from ..encoding import decode, encode, id_key
from ..errors import DoesNotExist, UnsupportedOperation
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
from .in_flight import wait_for, write_under_way


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
