"""Several writes in one call."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice, takewhile
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.errors import InvalidOperation

from ...breathing import Breather
from ...contract.operations import Insert
from ...errors import AtomodmError, InvalidQuery, describe_type
from .arguments import check_replacement, check_update, refuse
from .batches import write_batches
from .faults import bulk_error, write_fault
from .known import KnownStatements, Statement, known_id
from .statements import DeleteStatement, Updated, UpdateStatement, read_insert
from .writer import DocumentWriter


class _Kind(IntEnum):
    """The order in which an unordered bulk write does things, as PyMongo's."""

    INSERT = 0
    UPDATE = 1
    DELETE = 2


@dataclass(frozen=True, slots=True)
class _Request:
    """One write: what the caller asked for, in the words of the protocol, and what that is here.

    Attributes
    ----------
    position : int
        Its place among the requests.
    asked : mapping
        For ``writeErrors``.
    work : Insert, UpdateStatement, DeleteStatement or InvalidQuery
        Where it is an error, there was no sense in it: it fails at its turn, as on a server.
    """

    position: int
    kind: _Kind
    asked: Mapping[str, Any]
    work: Insert | UpdateStatement | DeleteStatement | InvalidQuery


class BulkWrite:
    """Collects the requests of one bulk write, and does them.

    PyMongo's request classes add themselves: they call `add_insert`, `add_update`, `add_replace` or `add_delete`.

    Parameters
    ----------
    writer : DocumentWriter
    collection : str
    ordered : bool
        Whether the first failure ends it.
    """

    def __init__(self, writer: DocumentWriter, collection: str, *, ordered: bool) -> None:
        #: Ids of the documents that were added; RawBSONDocuments keep theirs to themselves, as with PyMongo.
        self.inserted_ids: list[Any] = []
        self._writer = writer
        self._collection = collection
        self._ordered = ordered
        self._requests: list[_Request] = []
        self._breather = Breather()
        self._known = KnownStatements(writer)
        self._result: dict[str, Any] = {
            "writeErrors": [],
            "writeConcernErrors": [],
            "nInserted": 0,
            "nUpserted": 0,
            "nMatched": 0,
            "nModified": 0,
            "nRemoved": 0,
            "upserted": [],
        }

    # -- collecting ----------------------------------------------------------------------------------------------------

    async def breathe(self) -> None:
        """Give the event loop its turn while requests are added."""
        await self._breather.breathe()

    def add_insert(self, document: Any) -> None:
        """Insert a document."""
        check_document(document)
        work: Insert | InvalidQuery
        try:
            work = read_insert(self._collection, document)
        except InvalidQuery as fault:
            work = fault
        if not isinstance(document, RawBSONDocument):
            self.inserted_ids.append(document["_id"])
        self._add(_Kind.INSERT, document, work)

    def add_update(
        self,
        selector: Mapping[str, Any],
        update: Any,
        multi: bool,
        upsert: bool | None,
        collation: Any = None,
        array_filters: Any = None,
        hint: Any = None,
        sort: Any = None,
    ) -> None:
        """Update one document, or all that match."""
        check_update(update)
        refuse(collation=collation)
        asked = {"q": selector, "u": update, "multi": multi, "upsert": bool(upsert)}
        options = {"arrayFilters": array_filters, "hint": hint, "sort": sort}
        self._add_update(asked, options, many=multi)

    def add_replace(
        self,
        selector: Mapping[str, Any],
        replacement: Any,
        upsert: bool | None,
        collation: Any = None,
        hint: Any = None,
        sort: Any = None,
    ) -> None:
        """Replace one document."""
        check_replacement(replacement)
        refuse(collation=collation)
        asked = {"q": selector, "u": replacement, "multi": False, "upsert": bool(upsert)}
        self._add_update(asked, {"hint": hint, "sort": sort}, replaces=True)

    def _add_update(
        self, asked: dict[str, Any], options: dict[str, Any], *, many: bool = False, replaces: bool = False
    ) -> None:
        work: UpdateStatement | InvalidQuery
        try:
            work = UpdateStatement.read(
                asked["q"],
                asked["u"],
                many=many,
                upsert=asked["upsert"],
                array_filters=options.get("arrayFilters"),
                hint=options["hint"],
                sort=options["sort"],
                replaces=replaces,
            )
        except InvalidQuery as fault:
            work = fault
        given = {name: value for name, value in options.items() if value is not None}
        self._add(_Kind.UPDATE, {**asked, **given}, work)

    def add_delete(self, selector: Mapping[str, Any], limit: int, collation: Any = None, hint: Any = None) -> None:
        """Delete one document, or with a `limit` of 0 all that match."""
        refuse(collation=collation)
        work: DeleteStatement | InvalidQuery
        try:
            work = DeleteStatement.read(selector, many=limit == 0, hint=hint)
        except InvalidQuery as fault:
            work = fault
        self._add(_Kind.DELETE, {"q": selector, "limit": limit} | ({} if hint is None else {"hint": hint}), work)

    def _add(
        self, kind: _Kind, asked: Mapping[str, Any], work: Insert | UpdateStatement | DeleteStatement | InvalidQuery
    ) -> None:
        self._requests.append(_Request(len(self._requests), kind, asked, work))

    # -- doing ---------------------------------------------------------------------------------------------------------

    async def run(self) -> dict[str, Any]:
        """Do what was added, and give PyMongo's account of it.

        Raises
        ------
        pymongo.errors.InvalidOperation
            Nothing was added.
        pymongo.errors.BulkWriteError
        """
        if not self._requests:
            raise InvalidOperation("No operations to execute")
        requests = self._requests if self._ordered else sorted(self._requests, key=lambda request: request.kind)
        start = 0
        while start < len(requests) and not self._is_over:
            run = await self._run_at(requests, start)
            if isinstance(run[0].work, Insert):
                await self._insert(run)
            elif len(run) > 1:
                start += await self._do_known(run)
                continue
            else:
                await self._do(run[0])
            start += len(run)
        for name in ("writeErrors", "upserted"):
            self._result[name].sort(key=lambda entry: entry["index"])
        if self._result["writeErrors"]:
            raise bulk_error(self._result, len(self._requests))
        return self._result

    @property
    def _is_over(self) -> bool:
        return self._ordered and bool(self._result["writeErrors"])

    async def _run_at(self, requests: Sequence[_Request], start: int) -> Sequence[_Request]:
        """The requests from `start` on that can be done together: one or more."""
        if isinstance(requests[start].work, Insert):
            inserts = takewhile(lambda request: isinstance(request.work, Insert), islice(requests, start, None))
            return list(inserts)
        ids: set[bytes] = set()
        for request in islice(requests, start, start + self._known.together):
            id = known_id(request.work)
            if id is None or id in ids:
                break
            ids.add(id)
            await self._breather.breathe()
        return requests[start : start + max(1, len(ids))]

    async def _insert(self, requests: Sequence[_Request]) -> None:
        operations = [request.work for request in requests if isinstance(request.work, Insert)]
        written = await write_batches(self._writer.store, operations, ordered=self._ordered)
        self._result["nInserted"] += len(written.revisions)
        for position, error in written.refused:
            self._fail(requests[position], error)

    async def _do_known(self, requests: Sequence[_Request]) -> int:
        """Do requests together, as far as nothing comes in between; gives how many are done."""
        done = await self._known.do([request.work for request in requests if isinstance(request.work, Statement)])
        for request, step in zip(requests, done, strict=False):
            if step is not None:
                self._count(request, step)
            elif not self._is_over:
                await self._do(request)
        return len(done)

    async def _do(self, request: _Request) -> None:
        try:
            match request.work:
                case UpdateStatement() as statement:
                    self._count(request, await statement.run(self._writer))
                case DeleteStatement() as statement:
                    totals = await statement.run(self._writer)
                    self._count(request, Updated(totals.matched, totals.modified))
                case InvalidQuery() as fault:
                    self._fail(request, fault)
        except AtomodmError as error:
            self._fail(request, error)

    def _count(self, request: _Request, updated: Updated) -> None:
        result = self._result
        if request.kind is _Kind.DELETE:
            result["nRemoved"] += updated.modified
            return
        result["nMatched"] += updated.matched
        result["nModified"] += updated.modified
        if updated.upserted is not None:
            result["nUpserted"] += 1
            result["upserted"].append({"index": request.position, "_id": updated.upserted["_id"]})

    def _fail(self, request: _Request, error: AtomodmError) -> None:
        fault = write_fault(error, self._collection, request.position)
        if fault is None:
            raise error
        self._result["writeErrors"].append({**fault, "op": request.asked})


def check_document(document: Any) -> None:
    """Raise TypeError unless `document` can be inserted."""
    if not isinstance(document, MutableMapping | RawBSONDocument):
        raise TypeError(f"document must be a mutable mapping, not {describe_type(document)}")
