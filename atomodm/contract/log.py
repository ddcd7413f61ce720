"""The change log: which documents changed, never their content."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any


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
        Place in the log; also the revision of the document after a put.
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
