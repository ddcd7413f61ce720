"""Declared indexes, in force from a model's first use."""

from __future__ import annotations

from typing import Any

from ..contract.store import IndexSpec
from ..identity import ObjectCache
from ..model import REGISTRY, ModelSpec, spec_of
from ..model.types import FieldType, ListType, ModelType, SetType


def declared_indexes(spec: ModelSpec) -> list[IndexSpec]:
    """The indexes that a model's tags and ``Meta.indexes`` declare; a reference is indexed by its id."""
    return [
        IndexSpec(name=f"{path}_1", fields=((path, 1),), unique=field.unique)
        for field in spec.fields
        if (field.index or field.unique) and field.stored_name != "_id"
        for path in [f"{field.stored_name}._id" if _refers(field.type) else field.stored_name]
    ]


def _refers(kind: FieldType) -> bool:
    if isinstance(kind, ListType | SetType):
        return _refers(kind.item)
    return isinstance(kind, ModelType) and not kind.embedded


async def prepare_collection(cache: ObjectCache, model: Any) -> None:
    """Open the store, and create the indexes that the models of a collection declare, once for each model."""
    await cache.store.ready()
    if model in cache.prepared:
        return
    collection = spec_of(model).collection
    models = {model, *(other for other in list(REGISTRY.values()) if _shares(other, collection))}
    indexes = {index.name: index for other in models for index in declared_indexes(spec_of(other))}
    if indexes:
        await cache.store.ensure_indexes(collection, sorted(indexes.values(), key=lambda index: index.name))
    cache.prepared.update(models)


def _shares(model: Any, collection: str) -> bool:
    return not model.__atomodm_embedded__ and model.__options__.name == collection
