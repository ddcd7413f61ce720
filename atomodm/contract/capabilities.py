"""What a store can do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Atomicity(Enum):
    """The widest set of documents that one batch changes together or not at all."""

    DOCUMENT = "document"
    COLLECTION = "collection"
    STORE = "store"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a store can do; an operation it lacks raises `UnsupportedOperation`.

    Attributes
    ----------
    atomic : Atomicity
        What a batch is atomic over; one that goes beyond is refused.
    durable : bool
        Documents outlive the process.
    shared : bool
        Other processes may open the same data.
    change_log : bool
        `Store.changes` works.
    check, backup, vacuum, rename : bool
        These methods of `Store` work.
    max_batch : int or None
        Documents in one batch.
    max_batch_bytes : int or None
        Bytes of documents in one batch.
    """

    atomic: Atomicity
    durable: bool
    shared: bool
    change_log: bool
    max_batch: int | None = None
    max_batch_bytes: int | None = None
    check: bool = False
    backup: bool = False
    vacuum: bool = False
    rename: bool = True
