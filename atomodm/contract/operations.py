"""What a batch asks of a store, and what the store answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..query.changes import Changes


@dataclass(slots=True)  # not frozen, which takes seven times as long to make: a batch has thousands of operations
class Insert:
    """Write a document whose id must not exist yet; otherwise `DuplicateKey` on ``_id_``."""

    collection: str
    id: Any
    document: bytes = field(repr=False)


@dataclass(slots=True)
class Update:
    """Change a document that is at `revision`; otherwise `RevisionMismatch`.

    Attributes
    ----------
    revision : int
        The revision that `previous` was read at.
    changes : Changes
        What differs.
    document : bytes
        The whole new document: `previous` with `changes` applied.
    previous : bytes
        The whole document as it was read.
    """

    collection: str
    id: Any
    revision: int
    changes: Changes = field(repr=False)
    document: bytes = field(repr=False)
    previous: bytes = field(repr=False)


@dataclass(slots=True)
class Patch:
    """Apply `changes` to a document of which nothing else is known; `RevisionMismatch` when it does not exist."""

    collection: str
    id: Any
    changes: Changes = field(repr=False)


@dataclass(slots=True)
class Replace:
    """Write a whole document, whatever is there."""

    collection: str
    id: Any
    document: bytes = field(repr=False)


@dataclass(slots=True)
class Delete:
    """Remove a document; absent is fine. With a `revision`, `RevisionMismatch` when it is at another one.

    Attributes
    ----------
    seen : (int, bytes) or None
        A revision and the whole document as it was read at it, where the caller knows them: as long as the document is
        at that revision, the store need not read it.
    """

    collection: str
    id: Any
    revision: int | None = None
    seen: tuple[int, bytes] | None = field(default=None, repr=False)


Operation = Insert | Update | Patch | Replace | Delete


@dataclass(frozen=True, slots=True)
class Batch:
    """Operations that are applied together or not at all, at most one for each document.

    A document that has expired is absent, whether or not it was removed already.

    Attributes
    ----------
    operations : sequence of Operation
        Of documents that the store is atomic over, see `Capabilities.atomic`; their order means nothing.
    operation_id : bytes
        Names this batch: a store that has it in its log does not apply it again.
    origin : bytes
        Names the process and store handle that wrote it, so that its own echo can be told from others' changes.
    """

    operations: Sequence[Operation]
    operation_id: bytes = field(default_factory=lambda: os.urandom(16))
    origin: bytes = b""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of each operation of a batch, in its order.

    Attributes
    ----------
    revisions : sequence of int
        The documents' revisions after the batch; 0 for a deleted one.
    existed : sequence of bool
        Whether the document was there before.
    """

    revisions: Sequence[int]
    existed: Sequence[bool]
