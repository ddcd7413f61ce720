"""What an object remembers about its own changes between two saves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .state import ObjectState


_NOTHING: frozenset[str] = frozenset()


class Tracking:
    """The changes of one object, made when the first one is signalled.

    Attributes
    ----------
    dirty : frozenset of str
        Members that observers signalled since the last save or load.
    during : frozenset of str
        Members that observers signalled since the save that is under way took its snapshot.
    in_flight : asyncio.Future or None
        Done when the save that is under way has ended.
    reserved_id : object
        The id given by a save that did not end, so that trying again writes the same document.
    uncertain : tuple of bytes
        The documents that such saves sent: one of them may have been written all the same.
    unfinished : tuple of objects
        What the last save of the object was to write as well and did not, though it wrote a part.
    former_id, former_home, former_snapshot : object
        Where a deleted object was, and its document.
    assumed : dict
        Stored values that stand for fields the base document lacks or whose stored value was refused: as long as the
        member still has this value, nothing is written for it.
    kept : dict or None
        The state that an embedded object was restored from, where its members do not take all of it.
    state : ObjectState or None
        What views observe, made on demand.
    """

    __slots__ = (
        "assumed",
        "dirty",
        "during",
        "former_home",
        "former_id",
        "former_snapshot",
        "in_flight",
        "kept",
        "reserved_id",
        "state",
        "uncertain",
        "unfinished",
    )

    def __init__(self) -> None:
        self.dirty: frozenset[str] = _NOTHING
        self.during: frozenset[str] = _NOTHING
        self.in_flight: asyncio.Future[None] | None = None
        self.reserved_id: Any = None
        self.uncertain: tuple[bytes, ...] = ()
        self.unfinished: tuple[Any, ...] = ()
        self.former_id: Any = None
        self.former_home: Any = None
        self.former_snapshot: bytes | None = None
        self.assumed: dict[str, Any] | None = None
        self.kept: dict[str, Any] | None = None
        self.state: ObjectState | None = None

    @property
    def writes_all(self) -> bool:
        """Whether edits of an object without document need no note, because everything is to be written anyway."""
        return self.in_flight is None and self.kept is None

    @property
    def deleted(self) -> bool:
        """Whether the object's document was deleted, and the object not saved since."""
        return self.former_home is not None
