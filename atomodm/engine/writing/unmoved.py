"""Writes guarded operations, and leaves out those whose documents others have changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from ...contract.operations import Batch, Operation, Outcome
from ...errors import RevisionMismatch

Guarded = TypeVar("Guarded", bound=Operation)


async def write_unmoved(
    write: Callable[[Batch], Awaitable[Outcome]], operations: Sequence[Guarded]
) -> tuple[Sequence[int], list[Guarded]]:
    """Write, as one batch, those operations whose documents nobody has changed meanwhile.

    Parameters
    ----------
    write : callable
        Applies a batch.
    operations : sequence of Operation

    Returns
    -------
    sequence of int, list of Operation
        Revisions of the documents that were written, and the operations that were left out.
    """
    moved: list[Guarded] = []
    while operations:
        try:
            outcome = await write(Batch(operations))
        except RevisionMismatch as error:
            lost = set(error.positions)
            moved += [operations[position] for position in sorted(lost)]
            operations = [item for position, item in enumerate(operations) if position not in lost]
        else:
            return outcome.revisions, moved
    return (), moved
