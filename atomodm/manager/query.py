"""`Query`: a question about the objects of one model, built step by step and asked when it is awaited or iterated."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from bson import Int64, ObjectId

from ..contract.finding import Explanation, Find
from ..errors import DoesNotExist, InvalidQuery, MultipleObjectsReturned, describe_type
from ..query.lookups import Resolver, compile_lookup, split_name
from ..query.nodes import ALL, Compare, Node, Operator, conjunction, negation
from ..query.q import Q

T = TypeVar("T")

Sort = tuple[tuple[str, int], ...]

#: Objects of a chunk where they are iterated, and may be given up one by one.
ITERATED = 128

#: Types of ids by which a document is read without a query: what equals them has the same key in every store.
_PLAIN_IDS = frozenset({ObjectId, str, int, Int64, UUID})


class QuerySource(Protocol[T]):
    """Where a query's objects come from: one model's documents in one store."""

    @property
    def model(self) -> str:
        """The ``__model__`` for messages."""
        ...

    @property
    def resolver(self) -> Resolver:
        """Knows the names that queries may use."""
        ...

    @property
    def base_filter(self) -> Node:
        """What every query of the model asks for besides."""
        ...

    @property
    def ordering(self) -> Sequence[str]:
        """The order of queries that do not say one, as ``order_by`` takes it."""
        ...

    def objects(self, find: Find, fetch: int | None) -> AsyncIterator[list[T]]:
        """Find documents and give their objects chunk by chunk.

        A generator is closed when its reader stops early, and then releases the store's cursor.

        Parameters
        ----------
        find : Find
        fetch : int or None
            Levels of references to load; None for all that can be reached.
        """
        ...

    async def by_id(self, _id: Any, fetch: int | None) -> T | None:
        """Give the object of the document with an id, or None; `fetch` as for `objects`."""
        ...

    async def count(self, filter: Node) -> int:
        """Count the documents that match."""
        ...

    async def explain(self, find: Find) -> Explanation:
        """Run `find` and say how it was answered."""
        ...

    async def update(self, filter: Node, operators: Mapping[str, Any] | None, values: Mapping[str, Any]) -> int:
        """Update the documents that match; gives how many did."""
        ...


class Query(Generic[T]):
    """Objects of one model that match conditions, in an order.

    A query never changes: each method gives a new one, and nothing is asked of the store before a query is awaited,
    iterated with ``async for`` or ended with `get`, `first`, `count` and the like. It can be asked any number of times,
    also at the same time, and answers with what the store has then.

    Parameters
    ----------
    source : QuerySource
    """

    __slots__ = ("_fetch", "_filter", "_limit", "_order", "_reversed", "_skip", "_source")

    # Without these, subscription would make queries look iterable.
    __iter__: None = None
    __contains__: None = None

    def __init__(self, source: QuerySource[T]) -> None:
        self._source = source
        self._filter: Node = ALL
        self._order: Sort | None = None
        self._reversed = False
        self._skip = 0
        self._limit: int | None = None
        self._fetch: int | None = 1

    # -- building ------------------------------------------------------------------------------------------------------

    def filter(self, /, *conditions: Q, **lookups: Any) -> Query[T]:
        """Keep the objects that fulfil all conditions.

        Raises
        ------
        InvalidQuery
            A name is unknown, an operand makes no sense, or the query is sliced already.
        """
        return self._narrow("filter", self._bind(conditions, lookups))

    def exclude(self, /, *conditions: Q, **lookups: Any) -> Query[T]:
        """Leave out the objects that fulfil all conditions; nothing is left out where there are no conditions.

        Raises
        ------
        InvalidQuery
            As for `filter`.
        """
        node = self._bind(conditions, lookups)
        return self._narrow("exclude", node if node is ALL else negation(node))

    def order_by(self, *names: str) -> Query[T]:
        """Sort by members, the most important first; ``"-age"`` descends. Without names, sort by ``_id`` only.

        Objects that tie come in the order of their ids. An array counts as its smallest element, or as its largest
        where the order descends; what is missing counts as None, which comes before all values.

        Raises
        ------
        InvalidQuery
            A name is unknown, or the query is sliced already.
        """
        self._check_not_sliced("order_by")
        query = self._copy()
        query._order = self._sort_by(names)
        query._reversed = False
        return query

    def reverse(self) -> Query[T]:
        """Turn the order round, that of ids too; arrays then count by their other end, see `order_by`.

        Raises
        ------
        InvalidQuery
            The query is sliced already.
        """
        self._check_not_sliced("reverse")
        query = self._copy()
        query._reversed = not self._reversed
        return query

    def limit(self, count: int) -> Query[T]:
        """Give at most the first `count` objects."""
        return self._slice(0, _check_count(count, "limit"))

    def skip(self, count: int) -> Query[T]:
        """Leave out the first `count` objects."""
        return self._slice(_check_count(count, "skip"), None)

    def __getitem__(self, part: slice) -> Query[T]:
        """Give a part of the answer, ``query[10:20]``; a part of a part counts from that part's start.

        Raises
        ------
        InvalidQuery
            It is an index, has a step, or counts from the end.
        """
        if not isinstance(part, slice):
            raise self._error("a query is asked with await: use query[i:i + 1] or query.skip(i).first()")
        if part.step is not None and part.step != 1:
            raise self._error("a query's slice has no step")
        start = 0 if part.start is None else _check_count(part.start, "a slice")
        stop = None if part.stop is None else _check_count(part.stop, "a slice")
        return self._slice(start, None if stop is None else max(0, stop - start))

    def all(self) -> Query[T]:
        """Give a query that asks the same."""
        return self._copy()

    def fetch(self, depth: int | None) -> Query[T]:
        """Choose how many levels of references are loaded with the objects: 1 by default, None for all."""
        query = self._copy()
        query._fetch = None if depth is None else _check_count(depth, "fetch")
        return query

    # -- asking --------------------------------------------------------------------------------------------------------

    async def get(self, /, *conditions: Q, **lookups: Any) -> T:
        """Give the one object that fulfils all conditions.

        Raises
        ------
        DoesNotExist
            There is none.
        MultipleObjectsReturned
            There are several.
        """
        query = self.filter(*conditions, **lookups) if conditions or lookups else self
        if (_id := query._only_id()) is not None:
            # What programs ask most is a read of one document, with nothing to plan and nothing to evaluate.
            one = await self._source.by_id(_id, query._fetch)
            found = [] if one is None else [one]
        else:
            found = await query._unordered().limit(2).to_list()
        if not found:
            raise DoesNotExist("no document matches the query", model=self._source.model)
        if len(found) > 1:
            raise MultipleObjectsReturned("more than one document matches the query", model=self._source.model)
        return found[0]

    async def first(self) -> T | None:
        """Give the first object, or None."""
        found = await self.limit(1).to_list()
        return found[0] if found else None

    async def last(self) -> T | None:
        """Give the last object, or None.

        Raises
        ------
        InvalidQuery
            The query is sliced.
        """
        self._check_not_sliced("last")
        return await self.reverse().first()

    async def count(self) -> int:
        """Count the objects, of a sliced query those of its part."""
        if self._limit == 0:
            return 0
        count = max(0, await self._source.count(self._full_filter()) - self._skip)
        return count if self._limit is None else min(count, self._limit)

    async def exists(self) -> bool:
        """Whether there is an object; no references are loaded."""
        return await self._unordered().fetch(0).first() is not None

    async def to_list(self) -> list[T]:
        """Give all objects."""
        objects: list[T] = []
        async with aclosing(self._chunks()) as chunks:
            async for chunk in chunks:
                objects.extend(chunk)
        return objects

    async def update(self, operators: Mapping[str, Any] | None = None, /, **values: Any) -> int:
        """Update all documents that match, each in one atomic step in the store, whatever their revisions.

        Cached objects follow, and keep their unsaved edits.

        Parameters
        ----------
        operators : mapping, optional
        **values : object
            As `NoSQLModel.update` takes them.

        Returns
        -------
        int
            How many documents matched, those included that have become no different.

        Raises
        ------
        InvalidQuery
            The query is sliced.
        InvalidUpdate, DuplicateKey, RevisionMismatch, OutcomeUnknown
            As from `NoSQLModel.update`. The documents before the one concerned are updated.
        """
        self._check_not_sliced("update")
        return await self._source.update(self._full_filter(), operators, values)

    async def explain(self) -> Explanation:
        """Run the query and say how the store answered it."""
        return await self._source.explain(self._find())

    def __await__(self) -> Generator[Any, None, list[T]]:
        return self.to_list().__await__()

    async def __aiter__(self) -> AsyncGenerator[T, None]:
        """Give the objects one by one; there are never more in memory than a chunk of the store and what is kept."""
        async with aclosing(self._chunks(ITERATED)) as chunks:
            async for chunk in chunks:
                for item in chunk:
                    yield item

    def __repr__(self) -> str:
        return f"<Query of {self._source.model}>"

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _chunks(self, size: int | None = None) -> AsyncGenerator[list[T], None]:
        """The objects in chunks of a size; large ones, as the store chooses, take fewer requests for references."""
        if self._limit == 0:
            return
        chunks = self._source.objects(replace(self._find(), batch_size=size), self._fetch)
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()

    def _copy(self) -> Query[T]:
        query = object.__new__(type(self))
        query._source = self._source
        query._filter = self._filter
        query._order = self._order
        query._reversed = self._reversed
        query._skip = self._skip
        query._limit = self._limit
        query._fetch = self._fetch
        return query

    def _bind(self, conditions: Sequence[Q], lookups: dict[str, Any]) -> Node:
        resolver, model = self._source.resolver, self._source.model
        if conditions:
            return Q(*conditions, **lookups).bind(resolver, model=model)
        # As a `Q` of lookups alone is bound.
        return conjunction([compile_lookup(resolver, name, value, model=model) for name, value in lookups.items()])

    def _unordered(self) -> Query[T]:
        """The same objects in the order that costs the store least; which objects a part has depends on the order."""
        return self if self._is_sliced() else self.order_by()

    def _only_id(self) -> Any:
        """The id that the query asks for, if that is all it asks for and ids equal to it are stored alike."""
        node = self._full_filter()
        if not isinstance(node, Compare) or node.path != "_id" or node.operator is not Operator.EQ or self._is_sliced():
            return None
        return node.value if type(node.value) in _PLAIN_IDS else None

    def _is_sliced(self) -> bool:
        return self._skip > 0 or self._limit is not None

    def _narrow(self, what: str, node: Node) -> Query[T]:
        self._check_not_sliced(what)
        query = self._copy()
        query._filter = node if self._filter is ALL else conjunction((self._filter, node))
        return query

    def _slice(self, start: int, count: int | None) -> Query[T]:
        query = self._copy()
        query._skip = self._skip + start
        if self._limit is not None:
            left = max(0, self._limit - start)
            query._limit = left if count is None else min(left, count)
        else:
            query._limit = count
        return query

    def _full_filter(self) -> Node:
        base = self._source.base_filter
        return self._filter if base is ALL else conjunction((base, self._filter))

    def _find(self) -> Find:
        return Find(filter=self._full_filter(), sort=self._sort(), skip=self._skip, limit=self._limit)

    def _sort(self) -> Sort:
        order = self._sort_by(self._source.ordering) if self._order is None else self._order
        if not self._reversed:
            return order
        if all(path != "_id" for path, _ in order):
            # Ties are reversed too, so that the reverse of a query gives exactly its objects from last to first.
            order = (*order, ("_id", 1))
        return tuple((path, -direction) for path, direction in order)

    def _sort_by(self, names: Sequence[str]) -> Sort:
        order: list[tuple[str, int]] = []
        for name in names:
            if not isinstance(name, str):
                raise self._error(f"order_by takes names, not {describe_type(name)}")
            segments = split_name(name.removeprefix("-"), model=self._source.model)
            resolved = self._source.resolver.resolve(segments)
            if resolved.rest:
                raise self._error(f"order_by takes names of members; {'__'.join(resolved.rest)!r} is none")
            if all(path != resolved.path for path, _ in order):
                order.append((resolved.path, -1 if name.startswith("-") else 1))
        return tuple(order)

    def _check_not_sliced(self, what: str) -> None:
        if self._is_sliced():
            raise self._error(f"{what} comes before slicing, limit and skip")

    def _error(self, message: str) -> InvalidQuery:
        return InvalidQuery(message, model=self._source.model)


def _check_count(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidQuery(f"{what} takes an integer, not {describe_type(value)}")
    if value < 0:
        raise InvalidQuery(f"{what} takes no negative numbers; use reverse() to count from the end")
    return value
