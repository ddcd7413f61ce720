"""Bulk writes to documents that are known by their ids: read together, and written in one batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...breathing import Breather
from ...contract.indexes import IndexSpec
from ...contract.operations import Insert
from ...errors import InvalidIndexKey, InvalidQuery
from ...query.filters import parse_filter
from ...query.keys import encode_key
from ...query.paths import MISSING
from ..indexing.index_keys import compile_entries
from . import batches
from .batches import Guarded, write_batches
from .changes import check_id
from .found import FoundDocument, encode_changed
from .selection import Selection, only_id
from .statements import DeleteStatement, Updated, UpdateStatement
from .writer import DocumentWriter

#: Requests that are done together before it is known how large their documents are, which are all in memory at once.
FIRST_TOGETHER = 500
#: How many times as many are done next where nothing came in between.
GROWTH = 8

Statement = UpdateStatement | DeleteStatement


@dataclass(frozen=True, slots=True)
class _Step:
    """One request: the operation that it comes to, if any, and what it will have done."""

    id: bytes
    operation: Guarded | None
    updated: Updated
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


def known_id(statement: object) -> bytes | None:
    """The key of the only document that a request is about; None where it must be done on its own."""
    if not isinstance(statement, Statement) or statement.hint is not None:
        return None
    id = only_id(statement.node)
    return None if id is MISSING else encode_key(id)


class KnownStatements:
    """Does requests on documents that are known by their ids, many together.

    Parameters
    ----------
    writer : DocumentWriter

    Attributes
    ----------
    together : int
        Requests to be done next: as many as go in one batch, and fewer where documents are large or where requests
        that must be done alone come in between.
    """

    def __init__(self, writer: DocumentWriter) -> None:
        self._writer = writer
        self._most = min(batches.TOGETHER, writer.store.capabilities.max_batch or batches.TOGETHER)
        self.together = min(FIRST_TOGETHER, self._most)
        self._unique: Sequence[IndexSpec] | None = None
        self._breather = Breather()

    async def do(self, statements: Sequence[Statement]) -> list[Updated | None]:
        """Do requests on different documents, as far as nothing comes in between.

        Parameters
        ----------
        statements : sequence of UpdateStatement or DeleteStatement
            Each with a `known_id`, all different.

        Returns
        -------
        list of Updated or None
            What was done, from the first request to one that must be done before any others, or to the last. None
            stands for requests that are still to be done, each on its own.
        """
        steps = await self._steps(statements)
        operations = [step.operation for step in steps if step.operation is not None]
        written = await write_batches(self._writer.store, operations)
        if written.refused:
            refused = operations[written.refused[0][0]]
            steps = steps[: next(place for place, step in enumerate(steps) if step.operation is refused)]
        moved = {encode_key(id) for id in written.moved}
        done = [None if step.id in moved else step.updated for step in steps]
        if len(done) == len(statements):
            self.together = max(1, min(GROWTH * self.together, self._most))
            return done
        # What comes after is read again: no more than was of use.
        self.together = max(1, len(done))
        return [*done, None]

    async def _steps(self, statements: Sequence[Statement]) -> list[_Step]:
        """What requests come to, up to one of which only doing it alone tells what it does."""
        collection = self._writer.collection
        ids = [only_id(statement.node) for statement in statements]
        chunk = await self._writer.store.get(collection, ids)
        size = sum(map(len, chunk.documents)) // max(1, len(ids))
        self._most = max(1, min(self._most, batches.BYTES_TOGETHER // max(1, size)))
        documents: dict[bytes, FoundDocument] = {}
        for revision, data in zip(chunk.revisions, chunk.documents, strict=True):
            found = FoundDocument.read(revision, data)
            documents[encode_key(found.id)] = found
            await self._breather.breathe()
        claims = _Claims(await self._unique_indexes())
        steps: list[_Step] = []
        for id, statement in zip(ids, statements, strict=True):
            step = _step(collection, statement, documents.get(encode_key(id)))
            if step is None or not claims.admit(step):
                break
            steps.append(step)
            await self._breather.breathe()
        return steps

    async def _unique_indexes(self) -> Sequence[IndexSpec]:
        if self._unique is None:
            specs = await self._writer.store.list_indexes(self._writer.collection)
            self._unique = [spec for spec in specs if spec.unique]
        return self._unique


class _Claims:
    """The values that requests done together take in unique indexes.

    In one batch, all values become free before any is taken. One after the other, a request that comes first does not
    get what a later one sets free, and of two that want one value the first gets it.

    Parameters
    ----------
    unique : iterable of IndexSpec
    """

    def __init__(self, unique: Iterable[IndexSpec]) -> None:
        self._entries = [
            compile_entries(spec, None if spec.partial is None else parse_filter(spec.partial)) for spec in unique
        ]
        self._taken: set[tuple[int, bytes]] = set()

    def admit(self, step: _Step) -> bool:
        """Whether a request may go with those before it."""
        if step.operation is None or not self._entries:
            return True
        try:
            before, after = self._values(step.before), self._values(step.after)
        except InvalidIndexKey:
            return False
        if not self._taken.isdisjoint(before ^ after):
            return False
        self._taken |= after - before
        return True

    def _values(self, document: Mapping[str, Any] | None) -> set[tuple[int, bytes]]:
        if document is None:
            return set()
        return {(number, key) for number, entries in enumerate(self._entries) for key in entries(document)[0]}


def _step(collection: str, statement: Statement, found: FoundDocument | None) -> _Step | None:
    """What a request comes to; None where it is an error, or somebody else may decide about it."""
    id = only_id(statement.node)
    key = encode_key(id)
    upserts = isinstance(statement, UpdateStatement) and statement.upsert
    try:
        if found is None and isinstance(statement, UpdateStatement) and upserts:
            new = statement.change.inserted()
            check_id(new["_id"])
            operation = Insert(collection, new["_id"], encode_changed(new))
            return _Step(key, operation, Updated(0, 0, upserted=new), after=new)
        if found is None or not Selection.of(statement.node).matches(found.document):
            return None if upserts else _Step(key, None, Updated(0, 0))
        after = statement.change.changed(found.document) if isinstance(statement, UpdateStatement) else None
        change = found.operation(collection, after)
    except InvalidQuery:
        return None
    return _Step(key, change, Updated(1, int(change is not None)), found.document, after)
