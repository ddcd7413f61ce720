"""Bulk writes to documents that are known by their ids: read together, and written in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...contract.indexes import IndexSpec
from ...contract.operations import Insert
from ...errors import InvalidQuery
from ...query.keys import encode_key
from ...query.paths import MISSING
from .batches import Guarded, write_batches
from .changes import UpdateByOperators, check_id
from .found import FoundDocument, encode_changed
from .selection import Selection, only_id
from .statements import DeleteStatement, Updated, UpdateStatement
from .writer import DocumentWriter

#: Requests that are done together; their documents are in memory at once.
TOGETHER = 100

Statement = UpdateStatement | DeleteStatement


@dataclass(frozen=True, slots=True)
class _Step:
    """One request: the operation that it comes to, if any, and what it will have done."""

    id: bytes
    operation: Guarded | None
    updated: Updated


def known_id(statement: object, unique: Sequence[IndexSpec]) -> bytes | None:
    """The key of the only document that a request is about; None where it must be done on its own.

    So must be whatever may meet a unique index: whether a value is free there depends on the requests before.
    """
    if not isinstance(statement, Statement) or statement.hint is not None:
        return None
    id = only_id(statement.node)
    if id is MISSING or (isinstance(statement, UpdateStatement) and _meets(statement, unique)):
        return None
    return encode_key(id)


def _meets(statement: UpdateStatement, unique: Sequence[IndexSpec]) -> bool:
    if not unique:
        return False
    if statement.upsert or not isinstance(statement.change, UpdateByOperators):
        return True
    # What a partial index asks for decides, too, whether a document is in it: any change may meet it. Of paths only
    # the first names are compared, for the others may be positions in arrays.
    changed = {path.partition(".")[0] for path in statement.change.paths}
    return any(
        spec.partial is not None or not changed.isdisjoint(path.partition(".")[0] for path, _ in spec.fields)
        for spec in unique
    )


async def do_known(writer: DocumentWriter, statements: Sequence[Statement]) -> list[Updated | None]:
    """Do requests on different documents, as far as nothing comes in between.

    Parameters
    ----------
    writer : DocumentWriter
    statements : sequence of UpdateStatement or DeleteStatement
        Each with a `known_id`, all different.

    Returns
    -------
    list of Updated or None
        What was done, from the first request to one that must be done before any others, or to the last. None stands
        for requests that are still to be done, each on its own.
    """
    ids = [only_id(statement.node) for statement in statements]
    chunk = await writer.store.get(writer.collection, ids)
    found = [FoundDocument.read(*row) for row in zip(chunk.revisions, chunk.documents, strict=True)]
    documents = {encode_key(document.id): document for document in found}
    steps: list[_Step] = []
    for id, statement in zip(ids, statements, strict=True):
        step = _step(writer.collection, statement, documents.get(encode_key(id)))
        if step is None:
            break
        steps.append(step)
    operations = [step.operation for step in steps if step.operation is not None]
    written = await write_batches(writer.store, operations)
    if written.refused:
        refused = operations[written.refused[0][0]]
        steps = steps[: next(place for place, step in enumerate(steps) if step.operation is refused)]
    moved = {encode_key(id) for id in written.moved}
    done = [None if step.id in moved else step.updated for step in steps]
    return done if len(done) == len(statements) else [*done, None]


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
            return _Step(key, operation, Updated(0, 0, upserted=new))
        if found is None or not Selection.of(statement.node).matches(found.document):
            return None if upserts else _Step(key, None, Updated(0, 0))
        after = statement.change.changed(found.document) if isinstance(statement, UpdateStatement) else None
        change = found.operation(collection, after)
    except InvalidQuery:
        return None
    return _Step(key, change, Updated(1, int(change is not None)))
