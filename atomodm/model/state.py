"""``obj.__state__``: an atom object that tells a view how its object stands to the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from atom.api import Atom, Bool, Value

if TYPE_CHECKING:
    from ..query.changes import Changes
    from .base import Model


class ObjectState(Atom):
    """How an object stands to its document; every member can be observed.

    Notes
    -----
    ``dirty_fields`` has what observers signalled at once. In-place changes of containers that do not notify, and of
    embedded models, are found when the object is saved or when `refresh` is called.
    """

    #: There is something to save.
    dirty = Bool()
    #: Names of the members with unsaved changes, a frozenset of str.
    dirty_fields = Value(frozenset())
    #: The object has a document in a store.
    persistent = Bool()
    #: The document is being fetched.
    loading = Bool()
    #: A save is under way.
    saving = Bool()
    #: The document may have changed without the object having followed.
    stale = Bool()
    #: Path to (base, local, remote) of the last save that ended in a conflict, else None.
    conflict = Value()
    #: What the last load or save raised, else None.
    error = Value()
    #: The document's revision; compare for equality only.
    revision = Value()
    #: When the document expires, a datetime in UTC, as it was last read or written; None for never.
    expires = Value()

    _object = Value()

    def __init__(self, obj: Model) -> None:
        super().__init__(_object=ref(obj))

    def changes(self) -> Changes:
        """What saving this object alone would write now, in-place changes included.

        Raises
        ------
        ValueNotStorable
            The object holds a value that cannot be stored.
        """
        changes: Changes = self._target().__pending_changes__()
        return changes

    def refresh(self) -> None:
        """Bring ``dirty`` and ``dirty_fields`` up to date with in-place changes that nothing signalled."""
        obj = self._target()
        obj.__mark_dirty__(obj.__changed_members__())

    def _target(self) -> Any:
        obj = self._object()
        if obj is None:
            raise ReferenceError("the object of this state is gone")
        return obj
