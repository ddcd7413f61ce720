"""The object cache: one object for one document."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator, MutableMapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from weakref import ref

from ..contract.store import Store
from ..encoding import encode, id_key
from ..model.unloaded import unloaded_class
from ..serializer.identifiers import restored_id, stored_form

if TYPE_CHECKING:
    from .scope import CacheScope

#: The revision of an object that was restored from a state: whether that is what is stored is not known.
UNVERIFIED = -1
#: Entries are swept when so many were added since the last time, at least.
_SWEEP_AT_LEAST = 1024


class ObjectCache(MutableMapping[Any, Any]):
    """The objects of one collection of one store in one scope, by ``_id``.

    Clean objects are held weakly, objects with edits that observers signalled strongly, so that no edit is lost with
    the last reference to it. Deleting a key, or `clear`, forgets objects whatever their edits.

    Attributes
    ----------
    scope : CacheScope
    store : Store
    collection : str
    objects : dict
        Keys of `id_key` to weak references; generated code reads and fills it. Dead references are swept now and then,
        which is cheaper than a callback for each.
    fetching : dict
        Keys to futures that tell, when the fetch under way has ended, whether it succeeded; concurrent loads share it.
    """

    def __init__(self, scope: CacheScope, store: Store, collection: str) -> None:
        self.scope = scope
        self.store = store
        self.collection = collection
        self.objects: dict[Hashable, ref[Any]] = {}
        self.fetching: dict[Hashable, asyncio.Future[bool]] = {}
        self._readings: list[set[Hashable]] = []
        self._held: dict[int, Any] = {}
        self._sweep_at = _SWEEP_AT_LEAST

    @property
    def prepared(self) -> set[Any]:
        """Models whose declared indexes are in force, in whatever scope they were made so."""
        return self.store.prepared.setdefault(self.collection, set())

    # -- the mapping that programs see ---------------------------------------------------------------------------------

    def __getitem__(self, _id: Any) -> Any:
        found = self.find(id_key(stored_form(_id)))
        if found is None:
            raise KeyError(_id)
        return found

    def __setitem__(self, _id: Any, obj: Any) -> None:
        self.objects[id_key(stored_form(_id))] = ref(obj)
        self.sweep()

    def __delitem__(self, _id: Any) -> None:
        obj = self[_id]
        del self.objects[id_key(stored_form(_id))]
        self.release(obj)

    def __iter__(self) -> Iterator[Any]:
        return iter([obj._id for obj in self.live()])

    def __len__(self) -> int:
        return len(self.live())

    # A cache is itself, whatever it holds; each write of a batch asks in which one it is.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def clear(self) -> None:
        """Forget all objects, those with unsaved edits too."""
        self.objects.clear()
        self._held.clear()

    @property
    def dirty(self) -> list[Any]:
        """The objects that are held because observers signalled edits of them."""
        return list(self._held.values())

    def sibling(self, collection: str) -> ObjectCache:
        """The cache of another collection of the same store and scope."""
        return self if collection == self.collection else self.scope.cache(self.store, collection)

    # -- for the layers that load and save ---------------------------------------------------------------------------

    def live(self) -> list[Any]:
        """All objects that are still there."""
        return [obj for entry in list(self.objects.values()) if (obj := entry()) is not None]

    def find(self, key: Hashable) -> Any:
        """The object with a key of `id_key`, or None."""
        entry = self.objects.get(key)
        return None if entry is None else entry()

    def object_for(self, model: Any, _id: Any) -> Any:
        """The object with this id; an unloaded one of `model` is made where there is none."""
        key = id_key(_id)
        entry = self.objects.get(key)
        obj = None if entry is None else entry()
        if obj is None:
            obj = self._unloaded(model, _id)
            self.objects[key] = ref(obj)
        return obj

    def _unloaded(self, model: Any, _id: Any) -> Any:
        ghost = unloaded_class(model)
        obj = ghost.__new__(ghost)
        obj.set_notifications_enabled(False)
        obj._id = restored_id(model, _id)
        obj.__home__ = self
        obj.__restored__ = False  # reading a default tells observers
        obj.set_notifications_enabled(True)
        return obj

    def adopt(self, obj: Any, _id: Any) -> bool:
        """Give an object the place of its id; False where another live object has it."""
        key = id_key(_id)
        entry = self.objects.get(key)
        known = None if entry is None else entry()
        if known is None:
            self.objects[key] = ref(obj)
            self.sweep()
        return known is None or known is obj

    def settle(self, obj: Any, document: dict[str, Any]) -> None:
        """Give an object that was restored from a document its place, clean, at a revision that is not known."""
        _id = document["_id"]
        self.adopt(obj, _id)
        muted = obj.set_notifications_enabled(False)
        try:
            obj.__home__ = self
            obj.__snapshot__ = encode(document)
            obj.__revision__ = UNVERIFIED
        finally:
            obj.set_notifications_enabled(muted)
        obj.__mark_dirty__(())

    def forget(self, obj: Any, _id: Any) -> None:
        """Take an object out, whatever its edits."""
        key = id_key(_id)
        if self.find(key) is obj:
            del self.objects[key]
        self.release(obj)

    def hold(self, obj: Any) -> None:
        """Keep an object with unsaved edits."""
        self._held[id(obj)] = obj

    def release(self, obj: Any) -> None:
        """Let an object go with the last reference to it."""
        self._held.pop(id(obj), None)

    def reading(self) -> AbstractContextManager[set[Hashable]]:
        """Know, while documents are read, which of them this process has written since.

        What was read of those may be older than what the object has already, and has to be read again. The block is
        given a set of keys of documents written since; it grows.
        """
        return _Reading(self._readings)

    def wrote(self, _id: Any) -> None:
        """Tell the reads under way that this process has written or deleted a document."""
        if self._readings:
            key = id_key(_id)
            for written in self._readings:
                written.add(key)

    def sweep(self) -> None:
        """Drop dead references when many were added since the last time."""
        if len(self.objects) >= self._sweep_at:
            dead = [key for key, entry in self.objects.items() if entry() is None]
            for key in dead:
                del self.objects[key]
            self._sweep_at = max(_SWEEP_AT_LEAST, 2 * len(self.objects))

    def __repr__(self) -> str:
        return f"<ObjectCache of {self.collection} in {self.store.url}: {len(self)} objects, {len(self._held)} held>"


class _Reading(AbstractContextManager[set[Hashable]]):
    # A class and no generator: each read of one document enters one.
    __slots__ = ("_readings", "_written")

    def __init__(self, readings: list[set[Hashable]]) -> None:
        self._readings = readings
        self._written: set[Hashable] = set()

    def __enter__(self) -> set[Hashable]:
        self._readings.append(self._written)
        return self._written

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._readings[:] = [other for other in self._readings if other is not self._written]
