"""Where a query's objects come from: one model on one store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from ..contract.finding import Explanation, Find
from ..contract.store import Store
from ..identity import ObjectCache, current_scope
from ..model import REGISTRY, Model, spec_of
from ..query.nodes import ALL, In, Node
from ..session.fetch import Fetch
from ..session.indexes import prepare_collection
from ..session.resolver import ModelResolver
from ..session.updates import compile_update, update_matching

T = TypeVar("T", bound=Model)


class ModelSource(Generic[T]):
    """What `Query` needs to know of a model, and the store's answers as objects.

    Attributes
    ----------
    resolver : ModelResolver
        Finds the stored path of a lookup.
    """

    def __init__(self, model: type[T], store: Store) -> None:
        self._model = model
        self._store = store
        self.resolver = ModelResolver(spec_of(model))

    @property
    def cache(self) -> ObjectCache:
        """The object cache of the collection in the running context's scope."""
        return current_scope().cache(self._store, spec_of(self._model).collection)

    async def ready(self) -> None:
        """Open the store where it opens at first use, and put the model's declared indexes in force."""
        await prepare_collection(self.cache, self._model)

    @property
    def model(self) -> str:
        """The model, for messages."""
        return self._model.__model__

    @property
    def ordering(self) -> Sequence[str]:
        """``Meta.ordering``."""
        return self._model.__options__.ordering

    @property
    def base_filter(self) -> Node:
        """Which documents of the collection are of this model: all for its owner, else those with a fitting tag."""
        if spec_of(self._model).owner is self._model:
            return ALL
        tags = {tag for tag, model in list(REGISTRY.items()) if issubclass(model, self._model)}
        return In("__model__", tuple(sorted(tags)))

    async def objects(self, find: Find, fetch: int | None) -> AsyncIterator[list[T]]:
        """The objects that a find gives, chunk by chunk."""
        await self.ready()
        cache = self.cache
        chunks: Any = self._store.find(cache.collection, find)
        with cache.reading() as written:
            try:
                async for chunk in chunks:
                    yield await Fetch(cache, self._model, fetch).objects_of(chunk, written)
            finally:
                await chunks.aclose()

    async def by_id(self, _id: Any, fetch: int | None) -> T | None:
        """The object of one document, or None."""
        cache = self.cache
        await prepare_collection(cache, self._model)
        with cache.reading() as written:
            chunk = await self._store.get(cache.collection, [_id])
            objects = await Fetch(cache, self._model, fetch).objects_of(chunk, written)
        return objects[0] if objects else None

    async def count(self, filter: Node) -> int:
        """How many documents match."""
        await self.ready()
        return await self._store.count(self.cache.collection, filter)

    async def explain(self, find: Find) -> Explanation:
        """How the store answers a find."""
        await self.ready()
        return await self._store.explain(self.cache.collection, find)

    async def update(self, filter: Node, operators: Mapping[str, Any] | None, values: Mapping[str, Any]) -> int:
        """Update the documents that match, and have the cached objects follow; gives how many matched."""
        spec = spec_of(self._model)
        update = compile_update(spec, operators, values)
        await self.ready()
        return await update_matching(self.cache, spec, filter, update)
