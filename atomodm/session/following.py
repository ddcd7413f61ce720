"""Objects meet what others wrote: read, merged, and what both sides changed decided."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Literal

from ..encoding import decode, id_key
from ..errors import Conflict
from ..identity import UNVERIFIED, ObjectCache
from ..model import spec_of
from ..model.unloaded import is_unloaded
from ..serializer import FlattenScope, Form
from ..serializer.carefully import before_of
from ..serializer.identifiers import stored_id
from .announce import Announcements
from .documents import flatten_document, provisional_id
from .fetch import Fetch
from .fill import base_for, differing, fill, settle_quietly, take_awaiting
from .finishing import leave_home, take_home
from .merge import Decide, Disagreement, disagreements_of_state, merge, resolve
from .plan import Write, WriteKind

#: What to do where both sides changed one path.
OnConflict = Literal["raise", "local", "remote"] | Decide


class Following:
    """Brings the objects of a save up to what is stored.

    Parameters
    ----------
    roots : sequence of NoSQLModel
        The objects that the program saves; others are saved with them.
    on_conflict : "raise", "local", "remote" or callable
        What to do where this save and somebody else changed one path.
    """

    def __init__(self, roots: Sequence[Any], on_conflict: OnConflict) -> None:
        self._roots = roots
        self._on_conflict = on_conflict

    async def take_over(self, writes: Sequence[Write]) -> bool:
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
                        take_home(write)
                        settle_quietly(write.obj, tracking.uncertain[-1], 0)
                        await self._follow_one(write, data, revision, told)
                        # While it had no document, nothing noted its edits; nor was all of it written, perhaps.
                        write.obj.__mark_dirty__(write.obj.__changed_members__())
        told.send()
        return found

    async def follow(self, writes: Sequence[Write]) -> None:
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
                        leave_home(write.obj)
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
                "the document expired or was deleted by somebody else; save(replace=True) writes it again",
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
