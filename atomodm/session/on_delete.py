"""What deleting a document means for the documents that refer to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..contract.operations import Delete, Operation, Patch
from ..contract.store import Find
from ..encoding import decode, id_key
from ..errors import DeletionRefused
from ..identity import ObjectCache
from ..model import REGISTRY, FieldSpec, ModelSpec, spec_of
from ..model.types import ModelType
from ..query.changes import Changes
from ..query.nodes import In
from ..serializer.identifiers import document_id


async def consequences(objects: Sequence[Any], cache: ObjectCache) -> tuple[list[Operation], list[Any]]:
    """The operations that delete some objects, and all cached objects that are deleted with them.

    Raises
    ------
    DeletionRefused
        A document refers to one of them through a member tagged ``on_delete="deny"``.
    """
    operations: dict[Any, Operation] = {}
    deleted: list[Any] = list(objects)
    waiting: list[tuple[Any, ObjectCache, list[Any]]] = [
        (spec_of(type(objects[0])).model, cache, [document_id(obj) for obj in objects])
    ]
    for model, home, ids in waiting:  # grows while it is walked
        fresh = [_id for _id in ids if (home.collection, id_key(_id)) not in operations]
        for _id in fresh:
            operations[home.collection, id_key(_id)] = Delete(home.collection, _id)
        for spec, field in _references_to(model):
            place = home.sibling(spec.collection)
            found = await _referring(place, field, fresh)
            if not found:
                continue
            if field.on_delete == "deny":
                raise DeletionRefused(
                    f"{len(found)} document(s) of {spec.tag} refer to it", model=model.__model__, path=field.name
                )
            if field.on_delete == "cascade":
                waiting.append((spec.model, place, found))
                deleted.extend(obj for _id in found if (obj := place.find(id_key(_id))) is not None)
                continue
            for _id in found:
                key = (place.collection, id_key(_id))
                former = operations.get(key)
                paths = {field.stored_name: None}
                if isinstance(former, Patch):
                    paths = {**former.changes.set, **paths}
                if not isinstance(former, Delete):
                    operations[key] = Patch(place.collection, _id, Changes(set=paths))
    return list(operations.values()), list(dict.fromkeys(deleted))


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


async def _referring(cache: ObjectCache, field: FieldSpec, ids: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    if ids:
        async for chunk in cache.store.find(cache.collection, Find(filter=In(f"{field.stored_name}._id", tuple(ids)))):
            found.extend(decode(data)["_id"] for data in chunk.documents)
    return found
