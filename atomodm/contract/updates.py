"""What updates by operators are given, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Documents that a caller has, by id: the revision and the bytes that it last read or wrote; None for a document that
#: it wants without having anything of it. A store looks here when it comes to a document, so it may be a view that
#: changes.
Held = Mapping[Any, tuple[int, bytes] | None]
#: Gives, for a document before an update, the fields that are set besides, in the same step.
Besides = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class UpdatedDocument:
    """A document that an update has matched.

    Attributes
    ----------
    id : object
    before : int or None
        The revision to which the update was applied; None where the store does not tell.
    revision : int
        The document's revision after it.
    document : bytes
        The document after it.
    """

    id: Any
    before: int | None
    revision: int
    document: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class UpdateOutcome:
    """What an update did.

    Attributes
    ----------
    matched, modified : int
        Documents that matched, and those of them that became different ones.
    documents : sequence of UpdatedDocument
        Those that matched and that the caller held at another revision.
    """

    matched: int
    modified: int
    documents: Sequence[UpdatedDocument] = ()
