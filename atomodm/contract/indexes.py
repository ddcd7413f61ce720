"""The indexes that a store is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Called with documents done and documents in all while an index is built.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSpec:
    """An index over one stored path or several.

    Attributes
    ----------
    name : str
        Unique in its collection, by default as MongoDB names it, ``"age_1"``.
    fields : sequence of (str, int)
        Stored paths and directions.
    unique : bool
        Two documents may not have equal values there.
    sparse : bool
        Documents that lack all of the paths have no entry, so that several may lack them although `unique`.
    partial : mapping or None
        A filter in MongoDB's language; documents that do not match it have no entry.
    expire_after : int or None
        Seconds after the date at the path, the only one, when a document is gone: it is never given out again, and
        removed some time later. Of an array the earliest date counts; what has no date stays.
    """

    name: str
    fields: Sequence[tuple[str, int]]
    unique: bool = False
    sparse: bool = False
    partial: Mapping[str, Any] | None = None
    expire_after: int | None = None
