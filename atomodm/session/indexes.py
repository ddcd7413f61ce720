"""Declared indexes, in force from a model's first use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pymongo import IndexModel

from ..contract.indexes import IndexSpec
from ..errors import IndexConflict, InvalidQuery, ModelDefinitionError, describe_type
from ..identity import ObjectCache
from ..model import REGISTRY, FieldSpec, ModelSpec, spec_of
from ..query.lookups import split_name
from .expiring import EXPIRY
from .resolver import ModelResolver

Fields = tuple[tuple[str, int], ...]

#: Options of an `IndexModel` beside its key and name, and what they are here; None has no meaning any more.
_OPTIONS: Final = {
    "unique": "unique",
    "sparse": "sparse",
    "partialFilterExpression": "partial",
    "expireAfterSeconds": "expire_after",
    "background": None,
}
#: Codes of the conflicts with an index that exists; all others are about the declaration.
_EXISTS = (85, 86)


def declared_indexes(spec: ModelSpec) -> list[IndexSpec]:
    """The indexes that a model's tags, ``Meta.indexes`` and ``Meta.ttl`` declare; a reference is indexed by its id.

    Raises
    ------
    ModelDefinitionError
        Something declared names no stored member, or two indexes have one name.
    """
    found: dict[str, IndexSpec] = {}
    for index in _Declarations(spec):
        if index.fields == (("_id", 1),):
            continue
        if found.setdefault(index.name, index) != index:
            raise ModelDefinitionError(f"two different indexes are named {index.name}", model=spec.tag)
    if spec.options.ttl is not None:
        found[EXPIRY.name] = EXPIRY
    return list(found.values())


class _Declarations:
    """What one model declares, one index after the other."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._resolver = ModelResolver(spec)

    def __iter__(self) -> Iterator[IndexSpec]:
        for field in self._spec.fields:
            if field.index:
                yield self._of_member(field)
        for declared in self._spec.options.indexes:
            yield self._of_meta(declared)

    def _of_member(self, field: FieldSpec) -> IndexSpec:
        fields = ((self._path([field.name], field.name), field.index),)
        return IndexSpec(
            name=_name(fields),
            fields=fields,
            unique=field.unique,
            sparse=field.sparse,
            expire_after=field.expires,
        )

    def _of_meta(self, declared: Any) -> IndexSpec:
        if isinstance(declared, IndexSpec):
            return self._of_spec(declared)
        if isinstance(declared, IndexModel):
            return self._of_pymongo(declared.document)
        if isinstance(declared, str):
            declared = [declared]
        if not isinstance(declared, Sequence) or not all(isinstance(name, str) for name in declared):
            raise self._error(
                f"Meta.indexes has names, sequences of names, IndexSpec and IndexModel, not {describe_type(declared)}"
            )
        fields = tuple(
            (self._path(self._segments(name.removeprefix("-")), name), -1 if name.startswith("-") else 1)
            for name in declared
        )
        if len(fields) == 1 and (field := self._tagged(fields[0])) is not None:
            return self._of_member(field)
        return IndexSpec(name=_name(fields), fields=fields)

    def _tagged(self, indexed: tuple[str, int]) -> FieldSpec | None:
        """The member whose tags declare this index already, perhaps with options."""
        path, direction = indexed
        for field in self._spec.fields:
            if field.index == direction and self._path([field.name], field.name) == path:
                return field
        return None

    def _of_spec(self, spec: IndexSpec) -> IndexSpec:
        return IndexSpec(
            name=spec.name,
            fields=self._stored(spec.fields),
            unique=spec.unique,
            sparse=spec.sparse,
            partial=spec.partial,
            expire_after=spec.expire_after,
        )

    def _of_pymongo(self, document: Mapping[str, Any]) -> IndexSpec:
        given = tuple(document["key"].items())
        fields = self._stored(given)
        options: dict[str, Any] = {}
        for option, value in document.items():
            if option in ("key", "name"):
                continue
            if option not in _OPTIONS:
                raise self._error(f"an index has the option {option}; there are {', '.join(_OPTIONS)}")
            if (name := _OPTIONS[option]) is not None:
                options[name] = value
        # A name that pymongo made of the paths as they were given is made anew of the stored ones.
        name = document["name"]
        return IndexSpec(name=_name(fields) if name == _name(given) else name, fields=fields, **options)

    def _stored(self, fields: Sequence[tuple[str, Any]]) -> Fields:
        return tuple((self._path(self._parts(path), path), direction) for path, direction in fields)

    def _parts(self, path: Any) -> list[str]:
        if not isinstance(path, str):
            raise self._error(f"an index is over paths, which are strings, not {describe_type(path)}")
        return path.split(".") if "." in path else self._segments(path)

    def _segments(self, name: str) -> list[str]:
        try:
            return split_name(name, model=self._spec.tag)
        except InvalidQuery as error:
            raise self._error(f"an index is over {name!r}: {error.message}") from None

    def _path(self, segments: list[str], name: str) -> str:
        """The stored path for the parts of a name."""
        try:
            resolved = self._resolver.resolve(segments)
        except InvalidQuery as error:
            raise self._error(f"an index is over {name!r}: {error.message}") from None
        if resolved.rest:
            raise self._error(f"an index is over {name!r}, in which {'__'.join(resolved.rest)!r} is a lookup")
        return resolved.path

    def _error(self, message: str) -> ModelDefinitionError:
        return ModelDefinitionError(message, model=self._spec.tag)


def _name(fields: Sequence[tuple[str, Any]]) -> str:
    """The name that MongoDB's drivers give to an index."""
    return "_".join(f"{path}_{direction}" for path, direction in fields)


async def prepare_collection(cache: ObjectCache, model: Any) -> None:
    """Open the store, and create the indexes that the models of a collection declare, once for each model.

    Raises
    ------
    ModelDefinitionError
        What a model declares is no index, or two models of the collection declare different ones of one name.
    IndexConflict
        The collection has another index of that name: one of an earlier form of the model, to be dropped.
    """
    await cache.store.ready()
    if model in cache.prepared:
        return
    collection = spec_of(model).collection
    models = {model, *(other for other in list(REGISTRY.values()) if _shares(other, collection))}
    if indexes := _indexes_of(models):
        try:
            await cache.store.ensure_indexes(collection, sorted(indexes, key=lambda index: index.name))
        except IndexConflict as conflict:
            if conflict.server_code in _EXISTS:
                raise
            raise ModelDefinitionError(conflict.message, model=spec_of(model).tag, store=conflict.store) from None
    cache.prepared.update(models)


def _indexes_of(models: set[Any]) -> list[IndexSpec]:
    found: dict[str, IndexSpec] = {}
    for spec in map(spec_of, models):
        for index in declared_indexes(spec):
            if found.setdefault(index.name, index) != index:
                raise ModelDefinitionError(
                    f"another model of collection {spec.collection} declares index {index.name} with other options",
                    model=spec.tag,
                )
    return list(found.values())


def _shares(model: Any, collection: str) -> bool:
    return not model.__atomodm_embedded__ and model.__options__.name == collection
