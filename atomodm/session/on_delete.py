"""What deleting a document means for the documents that refer to it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..contract.capabilities import Atomicity
from ..contract.finding import Find
from ..contract.operations import Delete, Operation, Patch
from ..contract.store import Store
from ..encoding import decode, id_key
from ..errors import BatchTooLarge, DeletionRefused, UnsupportedOperation
from ..identity import UNVERIFIED, ObjectCache
from ..model import REGISTRY, FieldSpec, spec_of
from ..model.types import ModelType
from ..query.changes import Changes
from ..query.nodes import In
from ..serializer.identifiers import document_id
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

    async def steps(self, store: Store, atomic: bool | None = None) -> list[list[int]]:
        """The operations by the batches that the store can apply: what refers to a document goes before it.

        So none of them leaves a reference to a document that is gone, unless documents refer to each other to and fro.

        Parameters
        ----------
        store : Store
        atomic : bool or None
            True refuses several batches; None allows them where the store is not atomic over all of it; False allows
            as many as it takes, each of which is in order.

        Raises
        ------
        UnsupportedOperation
            The store cannot do it all or nothing, and `atomic` is True.
        BatchTooLarge
            What the store could apply at once is more than it takes at once, and `atomic` is not False.
        """
        capabilities = store.capabilities
        everything = range(len(self.operations))
        by_collection = capabilities.atomic is Atomicity.COLLECTION
        units = [operation.collection if by_collection else "" for operation in self.operations]
        things = Things(units, self.referring)
        if len(everything) > 1 and (capabilities.atomic is Atomicity.DOCUMENT or len(set(units)) > 1):
            if atomic:
                raise UnsupportedOperation(
                    "these documents cannot be deleted all or nothing; delete with atomic=False", store=store.url
                )
            if capabilities.atomic is Atomicity.DOCUMENT:
                return [[number] for number in await one_by_one(everything, things, AllFirm())]
        steps = [list(everything)] if not by_collection else await in_steps(things, AllFirm())
        most = capabilities.max_batch or len(everything)
        if atomic is False:
            ordered = [await one_by_one(step, things, AllFirm()) for step in steps]
            return [step[start : start + most] for step in ordered for start in range(0, len(step), most)]
        if any(len(step) > most for step in steps):
            raise BatchTooLarge(
                f"{len(everything)} documents are deleted or changed, and at most {most} go together; "
                "delete with atomic=False",
                store=store.url,
            )
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
    waiting: list[tuple[ObjectCache, list[Any]]] = [(cache, [document_id(obj) for obj in objects])]
    for home, ids in waiting:  # grows while it is walked
        fresh = [_id for _id in ids if not isinstance(operations.get((home.collection, id_key(_id))), Delete)]
        for _id in fresh:
            key = (home.collection, id_key(_id))
            operations[key] = Delete(home.collection, _id, seen=_seen(deleted.get(key, ())))
        for (collection, path), owner in _places_of_references_to(home.collection).items():
            place = home.sibling(collection)
            cascading: list[Any] = []
            for found in await _references(place, path, owner, home.collection, fresh):
                key, to = (collection, id_key(found.id)), (home.collection, id_key(found.referred))
                if found.field.on_delete == "deny" and key != to:
                    raise DeletionRefused(
                        "a document refers to it by a member that denies it", model=found.tag, path=found.field.name
                    )
                referring.setdefault(to, set()).add(key)
                if found.field.on_delete == "nullify":
                    former = operations.get(key)
                    paths: dict[str, Any] = {path: None}
                    if isinstance(former, Patch):
                        paths = {**former.changes.set, **paths}
                    if not isinstance(former, Delete):
                        operations[key] = Patch(collection, found.id, Changes(set=paths))
                elif found.field.on_delete == "cascade":
                    cascading.append(found.id)
                    if (obj := place.find(id_key(found.id))) is not None:
                        known = deleted.setdefault(key, [])
                        known.extend([obj] if all(obj is not other for other in known) else [])
            if cascading:
                waiting.append((place, cascading))
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


def _places_of_references_to(collection: str) -> dict[tuple[str, str], Any]:
    """Where members that say what deleting means may refer to a collection's documents.

    Gives the collection and the path, and for each the model of documents that have no tag.
    """
    models = [model for model in list(REGISTRY.values()) if not model.__atomodm_embedded__]
    residents = [model for model in models if (model.__options__.name or model.__model__) == collection]
    return {
        (spec.collection, field.stored_name): spec.owner
        for model in models
        if _says_on_delete(model)
        for spec in [spec_of(model)]
        for field in spec.fields
        if field.on_delete != "keep"
        and isinstance(field.type, ModelType)
        and any(issubclass(resident, field.type.model) for resident in residents)
    }


def _says_on_delete(model: Any) -> bool:
    members = model.members()
    return any((members[name].metadata or {}).get("on_delete", "keep") != "keep" for name in model.__fields__)


@dataclass(frozen=True, slots=True)
class _Reference:
    """A document that refers to another one, by a member of its own model."""

    id: Any
    tag: str
    field: FieldSpec
    referred: Any


async def _references(
    place: ObjectCache, path: str, owner: Any, collection: str, ids: Sequence[Any]
) -> list[_Reference]:
    """The references at a path to documents of a collection.

    Models that share a collection may say different things of one path, and where a member takes models of several
    collections, documents of all of them may have one of the ids.
    """
    found: list[_Reference] = []
    if ids:
        async for chunk in place.store.find(place.collection, Find(filter=In(f"{path}._id", tuple(ids)))):
            for data in chunk.documents:
                document = decode(data)
                spec = spec_of(_model_of(document, owner))
                field, reference = spec.by_stored_name.get(path), document[path]
                if field is None or not isinstance(field.type, ModelType) or not isinstance(reference, dict):
                    continue
                referred = _model_of(reference, field.type.model)
                if field.on_delete != "keep" and spec_of(referred).collection == collection:
                    found.append(_Reference(document["_id"], spec.tag, field, reference["_id"]))
    return found


def _model_of(state: Mapping[str, Any], otherwise: Any) -> Any:
    """The model that a document or a reference names."""
    tag = state.get("__model__")
    return REGISTRY.get(tag, otherwise) if isinstance(tag, str) else otherwise
