"""Documents with a time to live: writes that begin it anew, and `expire`, which sets it for one document."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from bson import Int64

from ..breathing import Breather
from ..contract.indexes import IndexSpec
from ..contract.operations import Batch, Update
from ..encoding import decode, encode, id_key
from ..errors import DoesNotExist, RevisionMismatch
from ..identity import UNVERIFIED, ObjectCache
from ..model import ModelSpec, spec_of
from ..model.expiry import EXPIRES, OWN_TTL, may_expire
from ..query.changes import Changes
from ..serializer.identifiers import document_id
from .fetch import Fetch
from .fill import settle_quietly
from .in_flight import BeingWritten
from .plan import Write, WriteKind

#: The index by which documents expire. Documents that live for good have no entry.
EXPIRY: Final = IndexSpec(name=f"{EXPIRES}_1", fields=((EXPIRES, 1),), sparse=True, expire_after=0)

_EPOCH = datetime(1970, 1, 1)
_MILLISECOND = timedelta(milliseconds=1)
#: Seconds for which `expire` goes on trying while others change the document.
_TIMEOUT = 30.0
_PAUSE = 0.002


def renewal(spec: ModelSpec, document: Mapping[str, Any], now: int) -> dict[str, Any]:
    """The fields that a write of a document sets so that its time begins anew; none where it does not.

    Parameters
    ----------
    spec : ModelSpec
    document : mapping
        What is stored: it may have a time of its own.
    now : int
        As `Store.now`.
    """
    ttl = spec.options.ttl
    if ttl is None:
        return {}
    own = document.get(OWN_TTL, ttl)
    if own is None:
        return {}
    return {EXPIRES: _date(now, own * _MILLISECOND if isinstance(own, int) else ttl)}


def _date(now: int, ttl: timedelta = timedelta()) -> datetime:
    """The date, as documents have it, so long after a time."""
    return _EPOCH + timedelta(milliseconds=now) + ttl


def _is_over(document: Mapping[str, Any], now: int) -> bool:
    at = document.get(EXPIRES)
    return isinstance(at, datetime) and at <= _date(now)


# -- saving ------------------------------------------------------------------------------------------------------------


async def renew(writes: Sequence[Write], roots: Sequence[Any]) -> list[Write]:
    """Have the writes of a save begin their documents' time anew, as ``Meta.ttl`` says.

    Parameters
    ----------
    writes : sequence of Write
    roots : sequence of NoSQLModel
        The objects that are to be saved, whose time begins anew although nothing of them has changed.

    Returns
    -------
    list of Write
        Those whose documents have expired, unless somebody else prolonged their lives meanwhile.
    """
    lasting = {kind for kind in {type(write.obj) for write in writes} if spec_of(kind).options.ttl is None}
    ending = [write for write in writes if type(write.obj) not in lasting or may_expire(write.obj.__snapshot__)]
    if not ending:
        return []
    expired: list[Write] = []
    unloaded: dict[ObjectCache, list[Write]] = {}
    breather = Breather()
    asked = {id(obj) for obj in roots}
    for write in ending:
        if write.kind is WriteKind.NOTHING and id(write.obj) not in asked:
            continue
        if write.data is None:
            unloaded.setdefault(write.cache, []).append(write)
        elif not _renew(write, {} if (snapshot := write.obj.__snapshot__) is None else decode(snapshot)):
            expired.append(write)
        if breather.is_due():
            await breather.breathe()
    for cache, part in unloaded.items():
        expired += await _renew_unloaded(cache, part)
    return expired


def _renew(write: Write, stored: dict[str, Any]) -> bool:
    """Renew one write; False, and nothing is done, where what is changed has expired."""
    spec, now = spec_of(type(write.obj)), write.cache.store.now()
    is_over = _is_over(stored, now)
    fields = renewal(spec, stored, now)
    if write.kind in (WriteKind.INSERT, WriteKind.REPLACE):
        # What a document has of its own stays with it, though a time that is over ends nothing that begins now.
        kept = (OWN_TTL,) if fields else () if is_over else (EXPIRES, OWN_TTL)
        if OWN_TTL in stored:
            fields = {**{key: stored[key] for key in kept if key in stored}, **fields}
        if fields:
            assert write.data is not None
            write.data = encode({**decode(write.data), **fields})
        return True
    if is_over:
        return False
    if fields:
        _add(write, Changes(set=fields))
    elif spec.options.ttl is None and OWN_TTL not in stored:
        # The model said so once and says it no longer.
        _add(write, Changes(unset=(EXPIRES,)))
    return True


def _add(write: Write, more: Changes) -> None:
    """Add changes to a write that changes a document."""
    assert write.data is not None
    write.data = encode(more.apply(decode(write.data)))
    write.changes = _joined(write.changes, more)
    write.kind = WriteKind.UPDATE


def _joined(changes: Changes, more: Changes) -> Changes:
    return Changes(
        set={**changes.set, **more.set}, unset=(*changes.unset, *more.unset), push={**changes.push, **more.push}
    )


async def _renew_unloaded(cache: ObjectCache, writes: Sequence[Write]) -> list[Write]:
    """Renew writes of objects that were not loaded: whether their documents have times of their own is looked up."""
    chunk = await cache.store.get(cache.collection, [write.id for write in writes])
    found = {id_key(document["_id"]): document for document in map(decode, chunk.documents)}
    expired = []
    for write in writes:
        stored = found.get(id_key(write.id))
        if stored is None:
            expired.append(write)
        elif fields := renewal(spec_of(type(write.obj)), stored, cache.store.now()):
            write.changes = _joined(write.changes, Changes(set=fields))
            write.kind = WriteKind.PATCH
    return expired


# -- one document's own time -------------------------------------------------------------------------------------------


async def prepare_expiry(cache: ObjectCache) -> None:
    """Have the documents of a collection expire by their own times, whatever its models say."""
    if EXPIRY.name not in cache.prepared:
        await cache.store.ensure_indexes(cache.collection, [EXPIRY])
        cache.prepared.add(EXPIRY.name)


async def expire(obj: Any, cache: ObjectCache, ttl: timedelta | None) -> None:
    """Set when the document of an object expires, and nothing else; edits of the object stay as they are.

    Parameters
    ----------
    obj : NoSQLModel
        Loaded or not; nobody is writing it.
    cache : ObjectCache
    ttl : timedelta or None
        The document's own time to live, from now on; None for good.

    Raises
    ------
    DoesNotExist
        The document is gone, or the object never had one.
    RevisionMismatch
        Others kept changing it.
    """
    store, _id = cache.store, document_id(obj)
    if _id is None or (obj.__tracking__ is not None and obj.__tracking__.deleted):
        raise DoesNotExist("the object has no document; save it first", model=obj.__model__, store=store.url)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _TIMEOUT
    with BeingWritten([obj]):
        known = _known(obj, store.now())
        while True:
            data, revision = known or await _read(obj, cache, _id)
            changes = _own_time(ttl, store.now())
            changed = encode(changes.apply(decode(data)))
            try:
                outcome = await store.write(Batch([Update(cache.collection, _id, revision, changes, changed, data)]))
                break
            except RevisionMismatch:
                if loop.time() > deadline:
                    raise
            known = None
            await asyncio.sleep(random.random() * _PAUSE)
        cache.wrote(_id)
        if known is not None:
            settle_quietly(obj, changed, outcome.revisions[0])
    if known is None and obj.__snapshot__ is not None:
        fetch = Fetch(cache, spec_of(type(obj)).model, 0)
        await fetch.follow([obj])
        await fetch.complete()


def _own_time(ttl: timedelta | None, now: int) -> Changes:
    if ttl is None:
        return Changes(set={OWN_TTL: None}, unset=(EXPIRES,))
    return Changes(set={EXPIRES: _date(now, ttl), OWN_TTL: Int64(ttl // _MILLISECOND)})


def _known(obj: Any, now: int) -> tuple[bytes, int] | None:
    """The document, and its revision, as the object knows it; None where it has to be read."""
    data, revision = obj.__snapshot__, obj.__revision__
    if data is None or revision == UNVERIFIED or (may_expire(data) and _is_over(decode(data), now)):
        return None
    return data, revision


async def _read(obj: Any, cache: ObjectCache, _id: Any) -> tuple[bytes, int]:
    chunk = await cache.store.get(cache.collection, [_id])
    if not chunk.documents:
        obj.__state__.stale = True
        raise DoesNotExist("the document is not there", model=obj.__model__, store=cache.store.url)
    return chunk.documents[0], chunk.revisions[0]
