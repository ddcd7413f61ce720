"""What deleting a document means for the documents that refer to it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from ..contract.capabilities import Atomicity
from ..contract.finding import Find
from ..contract.operations import Delete, Operation, Patch
from ..contract.store import Store
from ..encoding import decode, id_key
from ..errors import BatchTooLarge, DeletionRefused
from ..identity import UNVERIFIED, ObjectCache
from ..model import REGISTRY, FieldSpec, ModelSpec, spec_of
from ..model.types import ModelType
from ..query.changes import Changes
from ..query.nodes import In
from ..serializer.identifiers import document_id
from .merge import value_at
from .ordering import AllFirm, Things, in_steps, one_by_one

#: A document: its collection, and the key of its id.
_Key = tuple[str, Hashable]


@dataclass(frozen=True, slots=True)
class Deletion:
    """What deleting some documents takes.

    Attributes
    ----------
    operations : list of Operation
    objects : list of list
        For each operation the objects of this process that are deleted by it.
    referring : list of list of int
        For each operation those on documents that refer to its document.
    """

    operations: list[Operation]
    objects: list[list[Any]]
    referring: list[list[int]]

    @property
    def deleted(self) -> list[Any]:
        """All objects that are deleted."""
        return [obj for objects in self.objects for obj in objects]

    async def steps(self, store: Store) -> list[list[int]]:
        """The operations by the batches that the store can apply: what refers to a document goes before it.

        So none of them leaves a reference to a document that is gone, unless documents refer to each other to and fro.

        Raises
        ------
        BatchTooLarge
            What the store could apply at once is more than it takes at once.
        """
        capabilities = store.capabilities
        if capabilities.atomic is Atomicity.STORE or len(self.operations) == 1:
            return [list(range(len(self.operations)))]
        things = Things([operation.collection for operation in self.operations], self.referring)
        if capabilities.atomic is Atomicity.DOCUMENT:
            order = await one_by_one(range(len(self.operations)), things, AllFirm())
            return [[number] for number in order]
        steps = await in_steps(things, AllFirm())
        if capabilities.max_batch is not None and any(len(step) > capabilities.max_batch for step in steps):
            raise BatchTooLarge(f"at most {capabilities.max_batch} documents are deleted together", store=store.url)
        return steps


async def consequences(objects: Sequence[Any], cache: ObjectCache) -> Deletion:
    """What it takes to delete some objects of one cache.

    Raises
    ------
    DeletionRefused
        A document refers to one of them through a member tagged ``on_delete="deny"``.
    """
    operations: dict[_Key, Operation] = {}
    deleted: dict[_Key, list[Any]] = {}
    referring: dict[_Key, set[_Key]] = {}
    for obj in objects:
        deleted.setdefault((cache.collection, id_key(document_id(obj))), []).append(obj)
    waiting: list[tuple[Any, ObjectCache, list[Any]]] = [
        (spec_of(type(objects[0])).model, cache, [document_id(obj) for obj in objects])
    ]
    for model, home, ids in waiting:  # grows while it is walked
        fresh = [_id for _id in ids if not isinstance(operations.get((home.collection, id_key(_id))), Delete)]
        for _id in fresh:
            key = (home.collection, id_key(_id))
            operations[key] = Delete(home.collection, _id, seen=_seen(deleted.get(key, ())))
        for spec, field in _references_to(model):
            place = home.sibling(spec.collection)
            found = await _referring(place, field, fresh)
            if not found:
                continue
            if field.on_delete == "deny":
                raise DeletionRefused(
                    f"{len(found)} document(s) of {spec.tag} refer to it", model=model.__model__, path=field.name
                )
            for _id, referred in found:
                referring.setdefault((home.collection, id_key(referred)), set()).add((place.collection, id_key(_id)))
            if field.on_delete == "cascade":
                waiting.append((spec.model, place, [_id for _id, _ in found]))
                for _id, _ in found:
                    if (obj := place.find(id_key(_id))) is not None:
                        known = deleted.setdefault((place.collection, id_key(_id)), [])
                        known.extend([obj] if all(obj is not other for other in known) else [])
                continue
            for _id, _ in found:
                key = (place.collection, id_key(_id))
                former = operations.get(key)
                paths = {field.stored_name: None}
                if isinstance(former, Patch):
                    paths = {**former.changes.set, **paths}
                if not isinstance(former, Delete):
                    operations[key] = Patch(place.collection, _id, Changes(set=paths))
    # What was found last is the farthest from the objects: it goes first where nothing else decides.
    keys = list(reversed(operations))
    numbers = {key: number for number, key in enumerate(keys)}
    return Deletion(
        [operations[key] for key in keys],
        [deleted.get(key, []) for key in keys],
        [sorted(numbers[other] for other in referring.get(key, ()) if other != key) for key in keys],
    )


def _seen(objects: Sequence[Any]) -> tuple[int, bytes] | None:
    """What the objects of a document know of it, which spares a store reading it."""
    for obj in objects:
        if obj.__snapshot__ is not None and obj.__revision__ != UNVERIFIED:
            return obj.__revision__, obj.__snapshot__
    return None


def _references_to(model: Any) -> list[tuple[ModelSpec, FieldSpec]]:
    """The members of all models that may refer to `model` and say what deleting it means."""
    return [
        (spec, field)
        for other in list(REGISTRY.values())
        if not other.__atomodm_embedded__ and _says_on_delete(other)
        for spec in [spec_of(other)]
        for field in spec.fields
        if field.on_delete != "keep" and isinstance(field.type, ModelType) and issubclass(model, field.type.model)
    ]


def _says_on_delete(model: Any) -> bool:
    members = model.members()
    return any((members[name].metadata or {}).get("on_delete", "keep") != "keep" for name in model.__fields__)


async def _referring(cache: ObjectCache, field: FieldSpec, ids: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Ids of the documents that refer to some ids, each with the one that it refers to."""
    found: list[tuple[Any, Any]] = []
    if ids:
        async for chunk in cache.store.find(cache.collection, Find(filter=In(f"{field.stored_name}._id", tuple(ids)))):
            for data in chunk.documents:
                document = decode(data)
                found.append((document["_id"], value_at(document, f"{field.stored_name}._id")))
    return found
