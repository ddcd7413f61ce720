"""The answer to a find, with PyMongo's API."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, NoReturn, Self

from pymongo import CursorType
from pymongo.errors import InvalidOperation

from ...contract.finding import Find
from ...encoding import decode_all
from ...errors import InvalidQuery, describe_type
from ...query.projection import compile_projection
from .arguments import (
    BATCH_SIZE,
    check_flag,
    check_integer,
    check_mapping,
    index_name,
    keys_with_directions,
    read_filter,
    read_hint,
    read_projection,
    read_sort,
    refuse,
    several_keys,
)
from .base import CollectionBase
from .distinct import find_distinct
from .faults import NEGATIVE, pymongo_errors
from .time_limit import TimeLimit

_CURSOR_TYPES = (CursorType.NON_TAILABLE, CursorType.TAILABLE, CursorType.TAILABLE_AWAIT, CursorType.EXHAUST)


@dataclass(frozen=True, slots=True)
class _Question:
    """What was asked, as the caller said it: a server, too, looks at it only when it is sent."""

    filter: Mapping[str, Any]
    projection: Mapping[str, Any] | None = None
    skip: int = 0
    limit: int = 0
    sort: Mapping[str, Any] | None = None
    batch_size: int = 0
    hint: str | Mapping[str, Any] | None = None
    max_time_ms: int | None = None


class EngineCursor:
    """The answer to a find; nothing is asked before it is first read.

    The parameters are those of PyMongo's ``find``. Options that it has besides those of `sort`, `skip`, `limit`,
    `batch_size`, `hint` and `max_time_ms` work on MongoDB only, and are refused by name when they are set.

    Raises
    ------
    UnsupportedOperation
        An option is set that works on MongoDB only.
    """

    def __init__(
        self,
        collection: CollectionBase,
        filter: Mapping[str, Any] | None = None,
        projection: Mapping[str, Any] | Iterable[str] | None = None,
        skip: int = 0,
        limit: int = 0,
        no_cursor_timeout: bool = False,
        cursor_type: int = 0,
        sort: Any = None,
        allow_partial_results: bool = False,
        oplog_replay: bool = False,
        batch_size: int = 0,
        collation: Any = None,
        hint: Any = None,
        max_scan: int | None = None,
        max_time_ms: int | None = None,
        max: Any = None,
        min: Any = None,
        return_key: bool | None = None,
        show_record_id: bool | None = None,
        snapshot: bool | None = None,
        comment: Any | None = None,
        session: Any | None = None,
        allow_disk_use: bool | None = None,
        let: Mapping[str, Any] | None = None,
    ) -> None:
        if filter is not None:
            check_mapping("filter", filter)
        # Cursors of ours have no time limit of their own, always have the whole answer, and sort in bounded memory.
        for name, flag in (
            ("no_cursor_timeout", no_cursor_timeout),
            ("allow_partial_results", allow_partial_results),
            ("allow_disk_use", allow_disk_use or False),
        ):
            check_flag(name, flag)
        if cursor_type not in _CURSOR_TYPES:
            raise ValueError("not a valid value for cursor_type")
        refuse(
            cursor_type=cursor_type or None,
            oplog_replay=oplog_replay,
            collation=collation,
            max_scan=max_scan,
            max=max,
            min=min,
            return_key=return_key,
            show_record_id=show_record_id,
            snapshot=snapshot,
            session=session,
            let=let,
        )
        self._collection = collection
        self._question = _Question(
            filter=filter or {},
            projection=read_projection(projection),
            skip=check_integer("skip", skip),
            limit=check_integer("limit", limit),
            sort=several_keys(sort) if sort else None,
            batch_size=check_integer("batch_size", batch_size, least=0),
            hint=read_hint(hint),
            max_time_ms=max_time_ms,
        )
        self._start()

    def _start(self) -> None:
        self._documents: deque[dict[str, Any]] = deque()
        self._parts: AsyncGenerator[list[dict[str, Any]], None] | None = None
        self._retrieved = 0
        self._closed = False
        self._time = TimeLimit(self._question.max_time_ms)

    # -- what is asked -------------------------------------------------------------------------------------------------

    @property
    def collection(self) -> CollectionBase:
        """The collection that is asked."""
        return self._collection

    def sort(self, key_or_list: Any, direction: int | str | None = None) -> Self:
        """Order the documents by one path and direction, or by several."""
        return self._change(sort=keys_with_directions(key_or_list, direction))

    def skip(self, skip: int) -> Self:
        """Leave out the first `skip` documents."""
        return self._change(skip=check_integer("skip", skip, least=0))

    def limit(self, limit: int) -> Self:
        """Give `limit` documents at most; 0 means all, and a negative number as many in one batch."""
        return self._change(limit=check_integer("limit", limit))

    def batch_size(self, batch_size: int) -> Self:
        """Read so many documents at a time; 0 leaves the choice to the store."""
        return self._change(batch_size=check_integer("batch_size", batch_size, least=0))

    def hint(self, index: Any) -> Self:
        """Use this index, given by its name or its keys; None lets the store choose."""
        return self._change(hint=read_hint(index))

    def max_time_ms(self, max_time_ms: int | None) -> Self:
        """Raise ``ExecutionTimeout`` when reading takes longer than so many milliseconds in all; 0 means any time."""
        self._change(max_time_ms=max_time_ms)
        self._time = TimeLimit(max_time_ms)
        return self

    def comment(self, comment: Any) -> Self:
        """A remark; it has no meaning here."""
        return self._change()

    def allow_disk_use(self, allow_disk_use: bool) -> Self:
        """Accepted for the sake of programs that set it: sorting takes bounded memory anyway."""
        check_flag("allow_disk_use", allow_disk_use)
        return self._change()

    def _change(self, **changes: Any) -> Self:
        if self._retrieved or self._parts is not None:
            raise InvalidOperation("cannot set options after executing query")
        self._question = replace(self._question, **changes)
        return self

    def clone(self) -> Self:
        """A cursor with the same options that nothing was read from yet."""
        clone = type(self)(self._collection)
        clone._question = self._question
        clone._start()
        return clone

    def __copy__(self) -> Self:
        # Two cursors that read on from one place would take documents from each other.
        return self.clone()

    def __deepcopy__(self, memo: object) -> Self:
        return self.clone()

    async def rewind(self) -> Self:
        """Give up what was not read, and ask again when the cursor is next read."""
        await self.close()
        self._start()
        return self

    # -- the answer ----------------------------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether there may be more documents."""
        return bool(self._documents) or not self._closed

    @property
    def retrieved(self) -> int:
        """How many documents were fetched."""
        return self._retrieved

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        if self._documents or await self._fetch():
            return self._documents.popleft()
        raise StopAsyncIteration

    async def next(self) -> dict[str, Any]:
        """The next document.

        Raises
        ------
        StopAsyncIteration
            There is none.
        """
        return await self.__anext__()

    async def to_list(self, length: int | None = None) -> list[dict[str, Any]]:
        """The remaining documents, at most `length` of them."""
        if length is not None and check_integer("length", length) < 1:
            raise ValueError("to_list() length must be greater than 0")
        found: list[dict[str, Any]] = []
        while (length is None or len(found) < length) and (self._documents or await self._fetch()):
            if length is None or len(self._documents) <= length - len(found):
                found += self._documents
                self._documents.clear()
            else:
                found += [self._documents.popleft() for _ in range(length - len(found))]
        return found

    async def distinct(self, key: str) -> list[Any]:
        """The distinct values of a path in the documents that match, whatever part of them the cursor gives."""
        if not isinstance(key, str):
            raise TypeError(f"key must be a string, not {describe_type(key)}")
        name = self._collection.name
        with pymongo_errors(name):
            async with TimeLimit(self._question.max_time_ms):
                find = Find(filter=read_filter(self._question.filter))
                return await find_distinct(self._collection.database, name, key, find)

    async def explain(self) -> dict[str, Any]:
        """How the store answers, in the form of a server's answer."""
        with pymongo_errors(self._collection.name):
            explanation = await self._collection.database.explain(self._collection.name, await self._find())
        stage = {"stage": "COLLSCAN"}
        if explanation.index is not None:
            stage = {"stage": "IXSCAN", "indexName": explanation.index, "indexBounds": explanation.bounds}
        plan: dict[str, Any] = {"stage": "FETCH", "inputStage": stage}
        if explanation.residual is not None:
            plan["filter"] = explanation.residual
        return {
            "explainVersion": "1",
            "queryPlanner": {
                "namespace": self._collection.full_name,
                "winningPlan": plan,
                "sortedByIndex": explanation.sorted_by_index,
                "rejectedPlans": [],
            },
            "executionStats": {
                "executionSuccess": True,
                "nReturned": explanation.returned,
                "totalKeysExamined": explanation.scanned if explanation.index is not None else 0,
                "totalDocsExamined": explanation.fetched,
            },
            "ok": 1.0,
        }

    async def close(self) -> None:
        """Give up what was not read."""
        self._closed = True
        self._documents.clear()
        if self._parts is not None:
            await self._parts.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def __getitem__(self, index: object) -> NoReturn:
        raise IndexError(f"{type(self).__name__} does not support indexing")

    # -- reading -------------------------------------------------------------------------------------------------------

    async def _fetch(self) -> bool:
        """Fetch the next documents; False where there are no more."""
        if self._closed:
            return False
        if self._parts is None:
            self._parts = self._read()
        try:
            async with self._time:
                part = await anext(self._parts, None)
                if part is not None and len(part) < (self._question.batch_size or BATCH_SIZE):
                    # As a rule this was all. To know it now lets `alive` say so, and costs no request.
                    more = await anext(self._parts, None)
                    part += more or []
                    self._closed = more is None
        except BaseException:
            # After a failure, or when the reader was cancelled, the place in the answer is lost.
            self._closed = True
            raise
        if part is None:
            self._closed = True
            return False
        self._documents.extend(part)
        self._retrieved += len(part)
        return True

    async def _find(self) -> Find:
        """What the store is asked."""
        question = self._question
        if question.skip < 0:
            raise InvalidQuery("skip must be 0 or more", server_code=NEGATIVE)
        return Find(
            filter=read_filter(question.filter),
            sort=read_sort(question.sort),
            skip=question.skip,
            limit=abs(question.limit) or None,
            batch_size=question.batch_size or BATCH_SIZE,
            hint=await index_name(self._collection.database, self._collection.name, question.hint),
        )

    async def _read(self) -> AsyncGenerator[list[dict[str, Any]], None]:
        name = self._collection.name
        with pymongo_errors(name):
            find = await self._find()
            project: Callable[[Mapping[str, Any]], dict[str, Any]] | None
            project = compile_projection(self._question.projection, find.filter)
            left = find.limit
            async with aclosing(self._collection.database.find(name, find)) as chunks:
                async for chunk in chunks:
                    documents = decode_all(chunk.documents)
                    yield documents if project is None else [project(document) for document in documents]
                    if left is not None:
                        left -= len(documents)
                        if left <= 0:
                            return
