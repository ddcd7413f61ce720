"""What a store is asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..query.nodes import ALL, Node


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some documents of an answer: revisions and BSON bytes, position by position."""

    revisions: Sequence[int]
    documents: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Find:
    """A question to one collection.

    Attributes
    ----------
    filter : Node
        Which documents.
    sort : sequence of (str, int)
        Stored paths and directions, 1 or -1; documents that tie come in the order of their ids.
    skip, limit : int, int or None
        Which part of the answer.
    batch_size : int or None
        Documents in a `Chunk`; None lets the store choose, which begins with few and gives more at a time later.
    hint : str or None
        The name of the index to scan, ``"_id_"`` for the order of ids; None lets the store choose. As on a MongoDB
        server, a sparse or partial index is scanned even when it lacks documents that match, which are then not found.
    """

    filter: Node = ALL
    sort: Sequence[tuple[str, int]] = ()
    skip: int = 0
    limit: int | None = None
    batch_size: int | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How a find was answered: the numbers are those of a real run.

    Attributes
    ----------
    collection : str
    index : str or None
        The index that was scanned; None for a scan of the whole collection. Of several the names, with commas.
    bounds : str
        The scanned part of the index, readable; field values are shown because the asker supplied them.
    sorted_by_index : bool
        The order came from the index and not from sorting.
    scanned : int
        Index entries, or documents where there is no index, that were looked at.
    fetched : int
        Documents that were read.
    returned : int
        Documents in the answer.
    residual : str or None
        What was left to the evaluator on each document.
    access : str
        How it was got at: by a ``"scan"``, a ``"lookup"`` of ids, an ``"intersection"`` of scans, a ``"union"`` of them
        one after the other, or a ``"merge"`` of scans that are each in the order asked for.
    backward : bool
        The scan went from the highest key to the lowest.
    parts : tuple of Explanation
        Those of a union, a merge or an intersection.
    """

    collection: str
    index: str | None
    bounds: str
    sorted_by_index: bool
    scanned: int
    fetched: int
    returned: int
    residual: str | None
    access: str = "scan"
    backward: bool = False
    parts: tuple[Explanation, ...] = ()
