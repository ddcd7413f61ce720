"""``Model.objects``: queries that give objects, the object cache, and the collection itself."""

from __future__ import annotations

import asyncio
import difflib
import functools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bson import ObjectId
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import ConnectionFailure, PyMongoError
from pymongo.results import BulkWriteResult, DeleteResult

from ..contract.finding import Explanation
from ..contract.store import Store
from ..errors import DoesNotExist, DuplicateKey
from ..identity import ObjectCache
from ..model import Model, spec_of
from ..session.deleting import follow_broken_off, follow_deletes
from .query import Query
from .source import ModelSource

if TYPE_CHECKING:
    from ..contract import Collection

    class _PassedThrough(Collection):
        """What is passed through has the names and types of the portable API: editors and type checkers know them."""

        # A program that asks for the document of an object of its own knows that there is one.
        async def find_one(self, filter: Any | None = None, *args: Any, **kwargs: Any) -> Any: ...
else:
    _PassedThrough = object

T = TypeVar("T", bound=Model)

#: Methods of collections after which documents may be gone.
_REMOVING = frozenset({"delete_one", "delete_many", "find_one_and_delete", "bulk_write", "drop", "rename"})
#: Those of them whose first argument is a filter.
_BY_FILTER = frozenset({"delete_one", "delete_many", "find_one_and_delete"})
#: How often `get_or_create` tries to create what others make and what is gone before it is found.
_ATTEMPTS = 3
#: Ids that are as they are in a filter, too.
_PLAIN_IDS = (ObjectId, str, int, bytes)


class NoSQLDatabaseProxy(Generic[T], _PassedThrough):
    """One model on one store.

    Our own words (`filter`, `get`, `all`, …) give objects. Every other name that the store's collection has is passed
    through with its own arguments and results (`find`, `find_one`, `insert_one`, …), which are documents.

    Attributes
    ----------
    model : type
    store : Store
    """

    # Without these, subscription would make proxies look iterable.
    __iter__: None = None
    __contains__: None = None

    def __init__(self, model: type[T], store: Store) -> None:
        self.model = model
        self.store = store
        self._source = ModelSource(model, store)

    # -- the collection and its objects --------------------------------------------------------------------------------

    @property
    def cache(self) -> ObjectCache:
        """The objects of the collection that exist, a mutable mapping by ``_id``."""
        return self._source.cache

    @property
    def table(self) -> Any:
        """The store's own collection."""
        return self.store.collection(spec_of(self.model).collection)

    async def ready(self) -> None:
        """Open the store where it opens at first use, and put the model's declared indexes in force."""
        await self._source.ready()

    def __getattr__(self, name: str) -> Any:
        table = self.table
        if name.startswith("_") or not hasattr(type(table), name):
            if not name.startswith("_") and hasattr(AsyncCollection, name):
                raise AttributeError(
                    f"{self.model.__name__}.objects has no {name!r} on {self.store.url}: only on MongoDB"
                )
            words = sorted({word for word in (*dir(type(self)), *dir(type(table))) if not word.startswith("_")})
            close = difflib.get_close_matches(name, words, 3) or words
            raise AttributeError(f"{self.model.__name__}.objects has no {name!r}; did you mean {', '.join(close)}?")
        found = getattr(table, name)
        return self._passed_through(name, found) if iscoroutinefunction(found) else found

    def _passed_through(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        async def call(*args: Any, **kwargs: Any) -> Any:
            await self.ready()
            if name not in _REMOVING:
                return await method(*args, **kwargs)
            try:
                result = await method(*args, **kwargs)
                if _may_have_removed(name, result):
                    await self._follow(name, _only_ids(name, result, *args, **kwargs))
            except (ConnectionFailure, asyncio.CancelledError):
                # It may be done all the same.
                await self._follow_broken_off(name, _only_ids(name, {}, *args, **kwargs))
                raise
            except PyMongoError:
                # Of several writes a part may be done.
                await self._follow(name, None)
                raise
            return result

        return call

    async def _follow(self, name: str, ids: Sequence[Any] | None) -> None:
        """Have the cached objects follow a method of `_REMOVING`, which may have removed these documents only."""
        self._no_longer_prepared(name)
        await follow_deletes(self.cache, ids)

    async def _follow_broken_off(self, name: str, ids: Sequence[Any] | None) -> None:
        self._no_longer_prepared(name)
        await follow_broken_off(self.cache, ids)

    def _no_longer_prepared(self, name: str) -> None:
        if name in ("drop", "rename"):
            self.cache.prepared.clear()

    # -- objects -----------------------------------------------------------------------------------------------------

    def all(self) -> Query[T]:
        """All objects, in ``Meta.ordering``."""
        return Query(self._source)

    def filter(self, *conditions: Any, **lookups: Any) -> Query[T]:
        """The objects for which all conditions and lookups hold."""
        return self.all().filter(*conditions, **lookups)

    def exclude(self, *conditions: Any, **lookups: Any) -> Query[T]:
        """The objects for which not all conditions and lookups hold."""
        return self.all().exclude(*conditions, **lookups)

    def order_by(self, *names: str) -> Query[T]:
        """All objects in an order of your own."""
        return self.all().order_by(*names)

    def reverse(self) -> Query[T]:
        """All objects, ``Meta.ordering`` turned round."""
        return self.all().reverse()

    def limit(self, count: int) -> Query[T]:
        """At most the first `count` objects in ``Meta.ordering``."""
        return self.all().limit(count)

    def skip(self, count: int) -> Query[T]:
        """All objects in ``Meta.ordering`` but the first `count`."""
        return self.all().skip(count)

    def fetch(self, depth: int | None) -> Query[T]:
        """All objects, with so many levels of their references; None for all levels."""
        return self.all().fetch(depth)

    def __getitem__(self, part: slice) -> Query[T]:
        """A part of all objects in ``Meta.ordering``, ``objects[10:20]``."""
        return self.all()[part]

    def __aiter__(self) -> AsyncIterator[T]:
        return self.all().__aiter__()

    async def get(self, *conditions: Any, **lookups: Any) -> T:
        """The one object that fits.

        Raises
        ------
        DoesNotExist, MultipleObjectsReturned
            None does, or several do.
        """
        return await self.all().get(*conditions, **lookups)

    async def first(self) -> T | None:
        """The first object in ``Meta.ordering``, or None."""
        return await self.all().first()

    async def last(self) -> T | None:
        """The last object in ``Meta.ordering``, or None."""
        return await self.all().last()

    async def count(self) -> int:
        """How many objects there are."""
        return await self.all().count()

    async def exists(self) -> bool:
        """Whether there is an object."""
        return await self.all().exists()

    async def to_list(self) -> list[T]:
        """All objects, in ``Meta.ordering``."""
        return await self.all().to_list()

    async def explain(self) -> Explanation:
        """Ask for all objects and say how the store answered."""
        return await self.all().explain()

    async def update(self, operators: Mapping[str, Any] | None = None, /, **values: Any) -> int:
        """Update all documents, as `Query.update`; gives how many there were."""
        return await self.all().update(operators, **values)

    async def create(self, **values: Any) -> T:
        """Make an object and save it."""
        obj = self.model(**values)
        await obj.save()
        return obj

    async def get_or_create(self, defaults: dict[str, Any] | None = None, **lookups: Any) -> tuple[T, bool]:
        """The object that fits, else a new one with the values of the lookups and `defaults`.

        Where a unique index covers the lookups, two programs that call this at once get one document.

        Returns
        -------
        object, bool
            The object, and whether it was created.
        """
        exact = {name.removesuffix("__exact"): value for name, value in lookups.items()}
        values = {name: value for name, value in exact.items() if "__" not in name}
        refused: list[DuplicateKey] = []
        while True:
            try:
                return await self.get(**lookups), False
            except DoesNotExist:
                # What others made may expire, or be deleted, before it is found; or it has only some of the values.
                if len(refused) == _ATTEMPTS:
                    raise refused[-1] from None
            try:
                return await self.create(**{**values, **(defaults or {})}), True
            except DuplicateKey as error:
                refused.append(error)

    def __repr__(self) -> str:
        return f"<{self.model.__name__}.objects on {self.store.url}>"


def _may_have_removed(name: str, result: Any) -> bool:
    """Whether documents may be gone, going by what a method of `_REMOVING` gave."""
    if isinstance(result, BulkWriteResult | DeleteResult):
        return not result.acknowledged or result.deleted_count > 0
    return result is not None or name != "find_one_and_delete"


def _only_ids(name: str, result: Any, filter: Any = None, *args: Any, **kwargs: Any) -> list[Any] | None:
    """The only ids that a method of `_REMOVING` can have removed; None where this is not known."""
    if name == "find_one_and_delete" and "_id" in result:
        return [result["_id"]]
    if name not in _BY_FILTER or "_id" not in filter:
        return None
    condition = filter["_id"]
    among = condition["$in"] if isinstance(condition, Mapping) and set(condition) == {"$in"} else [condition]
    # Operators and regular expressions may mean any id.
    plain = all(isinstance(_id, _PLAIN_IDS) for _id in among)
    return list(among) if plain else None
