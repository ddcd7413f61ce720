"""`Model`: an atom object that can be flattened, restored and watched for changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from atom.api import Atom, Bool, Value

from .expiry import expires_at
from .meta import ModelMeta
from .options import Options
from .spec import spec_of
from .state import ObjectState
from .tracking import Tracking

if TYPE_CHECKING:
    from ..query.changes import Changes


class Model(Atom, metaclass=ModelMeta, enable_weakrefs=True, use_annotations=False):
    """An atom object whose stored members can be flattened into plain data and restored from it.

    A member is stored unless its name starts with an underscore, it is a Property, or it is tagged ``store=False``.
    This base has no database; see `JSONModel` for values inside documents and `NoSQLModel` for documents.
    """

    #: Names the class in documents and references; ``module.ClassName`` unless the class body says otherwise.
    __model__: ClassVar[str]
    #: Names of the stored members.
    __fields__: ClassVar[list[str]]
    #: What happens when a member refuses a stored value: ``"log"``, ``"ignore"`` or ``"raise"`` (`RestoreError`).
    __on_error__: ClassVar[str] = "log"
    #: ``class Meta``, read.
    __options__: ClassVar[Options]
    #: Whether instances are stored inside the documents that hold them.
    __atomodm_embedded__: ClassVar[bool] = True
    #: Converts instances to and from plain data; the base's own raises NotImplementedError.
    serializer: ClassVar[Any]
    #: The way to the database; the base's own raises NotImplementedError.
    objects: ClassVar[Any]

    class Meta:
        abstract = True

    #: Whether the object was restored, loaded or saved; can be observed and set.
    __restored__ = Bool().tag(store=False)
    # The object cache that knows this object; None for an object without document.
    __home__ = Value()
    # The document as it was last read or written, BSON bytes: what edits are compared with.
    __snapshot__ = Value()
    # The revision at which the document was then.
    __revision__ = Value()
    # The `Tracking`, once there is something to track.
    __tracking__ = Value()

    @property
    def __state__(self) -> ObjectState:
        """How the object stands to its document, an atom object to bind to; made at first use."""
        tracking = self.__track__()
        if tracking.state is None:
            tracking.state = ObjectState(self)
            self.__update_state__()
        return tracking.state

    def __getstate__(self, scope: Any = None) -> dict[str, Any]:
        """Flatten into plain data; may be overridden, for example to add keys.

        Parameters
        ----------
        scope : object
            Carries the objects of one flatten; pass on what you were given.

        Returns
        -------
        dict
            The stored members, ``__model__``, ``__ref__``, and ``_id`` where it is set.
        """
        state: dict[str, Any] = self.serializer.get_state(self, scope)
        return state

    async def __restorestate__(self, state: dict[str, Any], scope: Any = None) -> None:
        """Set the members from plain data; may be overridden, for example to migrate old documents."""
        await self.serializer.restore_state(self, state, scope)

    @classmethod
    async def restore(cls, state: dict[str, Any], force: bool = False) -> Self:
        """Make an object from plain data, as `__getstate__` gives it.

        Raises
        ------
        WrongModel
            The state belongs to a model that is no subclass of this one.
        ModelNotRegistered
            The state's ``__model__`` is unknown.
        """
        obj: Self = await cls.serializer.restore_object(cls, state, force)
        return obj

    async def load(self) -> None:
        """Not available without a database."""
        raise NotImplementedError(f"{self.__model__} has no database")

    async def save(self) -> Any:
        """Not available without a database."""
        raise NotImplementedError(f"{self.__model__} has no database")

    async def delete(self) -> Any:
        """Not available without a database."""
        raise NotImplementedError(f"{self.__model__} has no database")

    # -- tracking edits ----------------------------------------------------------------------------------------------

    def __track__(self) -> Tracking:
        """The object's tracking, made now where it is missing."""
        tracking: Tracking | None = self.__tracking__
        if tracking is None:
            tracking = self.__tracking__ = Tracking()
        return tracking

    def __changed__(self, change: dict[str, Any]) -> None:
        """Note an edit that atom's observers signal; the static observer of every stored member."""
        home = self.__home__
        if home is None and (self.__tracking__ is None or self.__tracking__.writes_all):
            return
        name = change["name"]
        if change["type"] == "container" and type(self).members()[name].get_slot(self) is not change["value"]:
            return  # a list that was replaced still notifies for its former owner
        tracking: Tracking = self.__tracking__ or self.__track__()
        if tracking.in_flight is not None:
            tracking.during |= {name}
        if name not in tracking.dirty:
            tracking.dirty |= {name}
            if home is not None:
                home.hold(self)
            if tracking.state is not None:
                self.__update_state__()

    def __mark_dirty__(self, names: Iterable[str]) -> None:
        """Make `names` the members with unsaved changes."""
        tracking = self.__track__()
        tracking.dirty = frozenset(names)
        if self.__home__ is not None:
            (self.__home__.hold if tracking.dirty else self.__home__.release)(self)
        self.__update_state__()

    def __update_state__(self) -> None:
        """Bring ``__state__`` up to date where somebody asked for it."""
        tracking: Tracking | None = self.__tracking__
        state = tracking.state if tracking is not None else None
        if tracking is None or state is None:
            return
        persistent = self.__home__ is not None
        state.persistent = persistent
        state.revision = self.__revision__
        state.expires = expires_at(self.__snapshot__)
        state.saving = tracking.in_flight is not None
        state.dirty_fields = tracking.dirty if persistent else frozenset(spec_of(type(self)).by_name)
        state.dirty = bool(tracking.dirty) or not persistent

    def __pending_changes__(self) -> Changes:
        """What saving this object alone would write."""
        raise NotImplementedError(f"{self.__model__} has no database")

    def __changed_members__(self) -> set[str]:
        """Names of the members that differ from the document."""
        raise NotImplementedError(f"{self.__model__} has no database")
