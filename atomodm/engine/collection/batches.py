"""Writes guarded operations in as few batches as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...contract.capabilities import Atomicity
from ...contract.operations import Delete, Insert, Update
from ...contract.store import Store
from ...errors import BatchTooLarge, DuplicateKey, InvalidIndexKey
from ..writing.unmoved import write_unmoved

#: Operations, and bytes of documents, that are written together.
TOGETHER = 5000
BYTES_TOGETHER = 8 * 1024 * 1024

#: Batches that are refused one after the other before they become small.
PATIENCE = 3

#: Operations that need no reading before they are written.
Guarded = Insert | Update | Delete


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a sequence of operations.

    Attributes
    ----------
    revisions : list of int
        Those of the documents that were written; 0 for removed ones.
    moved : list
        Ids of the documents that others had changed, so that they were not written.
    refused : list of (int, error)
        Positions of the operations that a unique index, or another one, does not allow.
    """

    revisions: list[int]
    moved: list[Any]
    refused: list[tuple[int, DuplicateKey | InvalidIndexKey]]


async def write_batches(store: Store, operations: Sequence[Guarded], *, ordered: bool = True) -> Written:
    """Write operations on different documents.

    Parameters
    ----------
    store : Store
    operations : sequence of Insert, Update or Delete
    ordered : bool
        Stop at the first that is refused.
    """
    written = Written([], [], [])
    start, most, limit, refusals = 0, len(operations), len(operations), 0
    while start < len(operations):
        part = _fitting(store, operations[start : start + most])
        try:
            revisions, moved = await write_unmoved(store.write, part)
        except BatchTooLarge:
            if len(part) == 1:
                raise
            # Each of these documents has many index entries, and so may the next ones.
            most = limit = len(part) // 2
            continue
        except (DuplicateKey, InvalidIndexKey) as error:
            # What stands before the operation in question goes first; then that one, alone, to be sure. Where each
            # takes the value of the next, that is refused as well, for the one before, and so on.
            refusals += 1
            few = max(1, len(part) // 8)
            most = max(1, error.position) if isinstance(error, DuplicateKey) else few
            if refusals > PATIENCE:
                most = min(most, few)
            if len(part) > 1:
                continue
            written.refused.append((start, error))
            if ordered:
                break
        else:
            refusals = 0
            written.revisions.extend(revisions)
            written.moved.extend(operation.id for operation in moved)
        start += len(part)
        # Where many are refused, small batches fail cheaply; where few are, batches grow soon.
        most = min(8 * most, limit)
    return written


def _fitting(store: Store, operations: Sequence[Guarded]) -> Sequence[Guarded]:
    """Those of the first operations that go in one batch."""
    capabilities = store.capabilities
    together = 1 if capabilities.atomic is Atomicity.DOCUMENT else TOGETHER
    operations = operations[: min(together, capabilities.max_batch or together)]
    left = min(BYTES_TOGETHER, capabilities.max_batch_bytes or BYTES_TOGETHER)
    for number, operation in enumerate(operations):
        left -= 0 if isinstance(operation, Delete) else len(operation.document)
        if left < 0:
            return operations[: max(1, number)]
    return operations
