"""The change log: which documents changed, never their content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

#: A place in a store's change log: plain data that BSON can hold, the same from all handles of the store. What is in it
#: is the store's business: pass it to `Store.changes`, and compare it with nothing.
Position: TypeAlias = int | Mapping[str, Any]


class ChangeKind(Enum):
    """What happened to a document or a collection."""

    PUT = "put"
    DELETE = "delete"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEntry:
    """One change of one document.

    Attributes
    ----------
    position : int
        Place in its log, ascending; also the revision of the document after a put. A store may have several logs, each
        with positions of its own: `ChangePage.position` is where to go on.
    transaction : int
        Position of the first entry of the same batch.
    size : int
        Entries in that batch.
    origin : bytes
        Who wrote it, as in `Batch.origin`.
    operation_id : bytes
        `Batch.operation_id`.
    collection : str
    kind : ChangeKind
    id : object
        The document's ``_id``; None for a dropped collection.
    revision : int
        The document's new revision; 0 for a delete or a drop.
    """

    position: int
    transaction: int
    size: int
    origin: bytes
    operation_id: bytes
    collection: str
    kind: ChangeKind
    id: Any
    revision: int


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A part of the change log.

    Attributes
    ----------
    entries : sequence of ChangeEntry
        Whole transactions, oldest first.
    position : Position
        After the last of them: what comes then is yet to be read.
    """

    entries: Sequence[ChangeEntry]
    position: Position
