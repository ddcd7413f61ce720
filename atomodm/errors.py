"""Every error and warning that atomodm raises, under one root.

An error says what happened, where (model, field path, store) and what to do. It never carries a stored value or a
credential. ``code`` is stable across releases and is what a program should test; ``retryable`` says whether the same
call may succeed when it is made again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self


class AtomodmError(Exception):
    """Root of all errors raised by atomodm.

    Parameters
    ----------
    message : str
        What happened and what to do about it.
    model : str, optional
        The ``__model__`` of the model concerned.
    path : str, optional
        The dotted path of the field concerned, from the document's root.
    store : str, optional
        The store's URL, without credentials.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str = "",
        *,
        model: str | None = None,
        path: str | None = None,
        store: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.model = model
        self.path = path
        self.store = store

    def __str__(self) -> str:
        places = (("model", self.model), ("field", self.path), ("store", self.store))
        where = ", ".join(f"{label} {text}" for label, text in places if text is not None)
        return f"{self.message} ({where})" if where else self.message


# -- defining models ---------------------------------------------------------------------------------------------------


class ModelDefinitionError(AtomodmError, TypeError):
    """A model class declares something that cannot work; raised when the class is made or first used."""

    code = "model.definition"


class ModelNotRegistered(AtomodmError, KeyError):
    """A stored ``__model__`` tag names no registered model."""

    code = "model.unknown"


class WrongModel(AtomodmError, ValueError):
    """A state or a reference names a model that does not fit the class or member it is meant for."""

    code = "model.mismatch"


# -- values ------------------------------------------------------------------------------------------------------------


class ValueNotStorable(AtomodmError, ValueError):
    """A value is outside the portable value domain; ``path`` says where it is."""

    code = "value.not_storable"


class IntegerOutOfRange(ValueNotStorable):
    """An integer does not fit in 64 signed bits."""

    code = "value.integer_range"


class InvalidText(ValueNotStorable):
    """A string holds a lone surrogate, or a key holds a NUL character."""

    code = "value.text"


class NestingTooDeep(ValueNotStorable):
    """A document is nested deeper than 100 levels, or contains itself."""

    code = "value.depth"


class DocumentTooLarge(ValueNotStorable):
    """An encoded document is larger than 16 MB."""

    code = "value.size"


class ProcessorDoesNotExist(ValueNotStorable):
    """No converter is registered for a value's type or for a stored type name."""

    code = "value.processor"


class FlattenProcessorDoesNotExist(ProcessorDoesNotExist):
    """No converter turns a value of this type into its stored form."""

    code = "value.processor.flatten"


class UnflattenProcessorDoesNotExist(ProcessorDoesNotExist):
    """No converter restores a stored value with this ``__py__`` name."""

    code = "value.processor.unflatten"


# -- restoring ---------------------------------------------------------------------------------------------------------


class RestoreError(AtomodmError):
    """A stored value was refused by its member while restoring, and ``__on_error__`` is ``"raise"``.

    Attributes
    ----------
    field : str
        The member's name.
    cls : type
        The model class.
    exc : Exception
        What the member raised.
    """

    code = "restore.field"

    def __init__(self, field: str, cls: type, exc: Exception) -> None:
        self.field = field
        self.cls = cls
        self.exc = exc
        super().__init__(
            f"the stored value was refused with {type(exc).__name__}; migrate the document, or set __on_error__",
            model=getattr(cls, "__model__", cls.__name__),
            path=field,
        )


class ObserverError(AtomodmError):
    """Observers raised while a load was announced; the objects are loaded and clean nevertheless.

    Attributes
    ----------
    errors : tuple of Exception
        What the observers raised, in order.
    """

    code = "restore.observer"

    def __init__(self, errors: Sequence[Exception], *, model: str | None = None, path: str | None = None) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(
            f"{len(self.errors)} observer(s) raised while a load was announced, the first {type(first).__name__}",
            model=model,
            path=path,
        )


class NotLoaded(AtomodmError):
    """An unset member of an unloaded object was read; ``await obj.load()`` first."""

    code = "restore.not_loaded"


class DoesNotExist(AtomodmError, LookupError):
    """The document asked for is not in the store."""

    code = "query.does_not_exist"


class MultipleObjectsReturned(AtomodmError, LookupError):
    """A query that must give one object found several."""

    code = "query.multiple"


class InvalidQuery(AtomodmError, ValueError):
    """A lookup, filter, sort or slice that has no meaning here.

    Attributes
    ----------
    server_code : int
        The code with which a MongoDB server refuses the same.
    """

    code = "query.invalid"
    server_code: int = 2

    def __init__(
        self,
        message: str = "",
        *,
        server_code: int | None = None,
        model: str | None = None,
        path: str | None = None,
        store: str | None = None,
    ) -> None:
        super().__init__(message, model=model, path=path, store=store)
        if server_code is not None:
            # A plain number: programs print it, and compare it with what pymongo gives them.
            self.server_code = int(server_code)


class InvalidUpdate(InvalidQuery):
    """An update that has no meaning, or none for the document that it is applied to."""

    code = "update.invalid"


# -- saving ------------------------------------------------------------------------------------------------------------


class SaveError(AtomodmError):
    """Root of what a save can end with other than done."""

    code = "save"


class Conflict(SaveError):
    """Somebody else changed what this save changes as well.

    Attributes
    ----------
    paths : tuple of str
        The stored paths on which both disagree. The values are on the object: ``obj.__state__.conflict``.
    """

    code = "save.conflict"

    def __init__(
        self, message: str, *, paths: Iterable[str] = (), model: str | None = None, store: str | None = None
    ) -> None:
        self.paths = tuple(paths)
        super().__init__(message, model=model, path=", ".join(self.paths) or None, store=store)


class DeletedObject(SaveError):
    """A changed reference names an object that was deleted; save that object itself to insert it again."""

    code = "save.deleted"


class DeletionRefused(SaveError):
    """Other documents refer to the one to be deleted, through a member tagged ``on_delete="deny"``."""

    code = "save.deletion"


class PrimaryKeyChanged(SaveError):
    """The primary key of an object that has a document was set to another value."""

    code = "save.primary_key"


class DuplicateKey(SaveError):
    """A unique index, or the primary key, already has this value.

    Attributes
    ----------
    index : str
        The index's name; ``"_id_"`` for the primary key.
    fields : tuple of str
        The stored paths of the index.
    directions : tuple of int
        Their directions, 1 or -1.
    position : int
        Position of the refused operation in its batch.
    """

    code = "save.duplicate"

    def __init__(
        self,
        message: str,
        *,
        index: str,
        fields: Iterable[str],
        directions: Iterable[int] | None = None,
        position: int = 0,
        model: str | None = None,
        store: str | None = None,
    ) -> None:
        self.index = index
        self.fields = tuple(fields)
        self.directions = (1,) * len(self.fields) if directions is None else tuple(directions)
        self.position = position
        super().__init__(message, model=model, path=", ".join(self.fields) or None, store=store)


class InvalidIndexKey(SaveError, ValueError):
    """A document cannot be in an index: several of the index's paths lead through different arrays.

    Attributes
    ----------
    index : str
        The index's name.
    paths : tuple of str
        The stored paths of the index that lead through arrays.
    server_code : int
        The code with which a MongoDB server refuses the same.
    """

    code = "save.index_key"
    server_code: int = 171

    def __init__(self, message: str, *, index: str, paths: Iterable[str], store: str | None = None) -> None:
        self.index = index
        self.paths = tuple(paths)
        super().__init__(message, path=", ".join(self.paths) or None, store=store)


class RevisionMismatch(SaveError):
    """Documents are not at the revision that a batch expects; nothing was written.

    Attributes
    ----------
    positions : tuple of int
        Positions of the operations concerned in the batch.
    """

    code = "save.revision"
    retryable = True

    def __init__(self, positions: Iterable[int], *, store: str | None = None) -> None:
        self.positions = tuple(positions)
        super().__init__(f"{len(self.positions)} document(s) changed since they were read", store=store)


class BatchTooLarge(SaveError):
    """A batch is larger than its store can apply at once; save, or delete, with ``atomic=False`` or in parts."""

    code = "save.batch_size"


class OutcomeUnknown(SaveError):
    """The connection was lost after a write was sent: it may have been applied or not. Read before writing again."""

    code = "save.unknown"


class PartlyApplied(SaveError):
    """A save or delete stopped in the middle, in a store that is not atomic over it; doing it again completes it.

    It is also an error of the class of what stopped it, where that is one of ours: ``except DuplicateKey`` means the
    same whatever a store is atomic over.

    Parameters
    ----------
    cause : Exception
        What stopped it.
    applied, unlinked, unapplied : sequence of objects
        See the attributes.

    Attributes
    ----------
    cause : Exception
        What stopped it; ``__cause__`` too.
    applied : tuple of objects
        Those whose documents were written, or deleted: they are clean, but for edits made meanwhile.
    unlinked : tuple of objects
        Those whose new documents were written without references that close a cycle: these members are dirty.
    unapplied : tuple of objects
        Those that are as they were, new or dirty. Where `cause` is an `OutcomeUnknown`, the store may have some of
        them all the same.
    """

    code = "save.partial"

    def __new__(cls, cause: Exception, **objects: Sequence[Any]) -> Self:
        """Make an error of the class of `cause` too."""
        made: Self = super().__new__(_with_class_of(cls, type(cause)))
        return made

    def __init__(
        self, cause: Exception, *, applied: Sequence[Any], unlinked: Sequence[Any] = (), unapplied: Sequence[Any] = ()
    ) -> None:
        self.__dict__.update(vars(cause))  # what an error of that class tells
        self.cause = self.__cause__ = cause
        self.applied = tuple(applied)
        self.unlinked = tuple(unlinked)
        self.unapplied = tuple(unapplied)
        parts = (("done", self.applied), ("done without some references", self.unlinked), ("not done", self.unapplied))
        told = "; ".join(f"{label}: {_counted(objects)}" for label, objects in parts if objects)
        known = cause if isinstance(cause, AtomodmError) else AtomodmError(type(cause).__name__)
        AtomodmError.__init__(
            self,
            f"{known.message}; it came after a part had been applied ({told}); do the same again to complete it",
            model=known.model,
            path=known.path,
            store=known.store,
        )


#: The classes that were made for classes of causes.
_PARTLY_APPLIED: dict[type[Exception], Any] = {}


def _with_class_of(partly: Any, cause: type[Exception]) -> Any:
    if issubclass(cause, PartlyApplied):
        return cause
    if not issubclass(cause, AtomodmError) or issubclass(partly, cause):
        return partly
    if cause not in _PARTLY_APPLIED:
        name = f"{partly.__name__}[{cause.__name__}]"
        _PARTLY_APPLIED[cause] = type(name, (partly, cause), {"__module__": partly.__module__})
    return _PARTLY_APPLIED[cause]


def _counted(objects: Sequence[Any]) -> str:
    """How many objects there are of which models."""
    counts = Counter(str(obj.__model__) for obj in objects)
    return ", ".join(f"{count} {model}" for model, count in sorted(counts.items()))


# -- stores ------------------------------------------------------------------------------------------------------------


class StoreError(AtomodmError):
    """Root of what goes wrong in or around a store."""

    code = "store"


class NoDatabase(StoreError, OSError):
    """No database has been set for a manager."""

    code = "store.none"


class InvalidURL(StoreError, ValueError):
    """A store URL cannot be read, or names a scheme that nothing is registered for."""

    code = "store.url"


class DriverMissing(StoreError, ImportError):
    """A store's driver is not installed; the message names the extra to install."""

    code = "store.driver"


class UnsupportedHandle(StoreError, TypeError):
    """A database handle of a kind that no store accepts was assigned."""

    code = "store.handle"


class UnsupportedOperation(StoreError, NotImplementedError):
    """The store lacks the capability that an operation needs."""

    code = "store.unsupported"


class StoreClosed(StoreError):
    """The store is closed, or was never opened."""

    code = "store.closed"


class StoreUnavailable(StoreError):
    """The store cannot be reached or opened now; nothing was written."""

    code = "store.unavailable"
    retryable = True


class StoreBusy(StoreUnavailable):
    """Another process held the store's lock past the timeout."""

    code = "store.busy"


class StoreFull(StoreUnavailable):
    """The store has no room left; nothing was written."""

    code = "store.full"


class StoreReadOnly(StoreUnavailable):
    """The server is a replica that takes no writes; nothing was written."""

    code = "store.read_only"
    retryable = False


class AccessDenied(StoreUnavailable):
    """The server does not accept the credentials, or the user may not do what was asked; nothing was written."""

    code = "store.access"
    retryable = False


class StoreUnsuitable(StoreUnavailable):
    """The server is too old, or set up in a way in which documents would be lost; the message names the setting."""

    code = "store.unsuitable"
    retryable = False


class StoreCorrupt(StoreError):
    """The store's file or keys are not what this version writes."""

    code = "store.corrupt"


class SchemaTooNew(StoreError):
    """The store was written by a newer version of atomodm, whose layout this one does not know."""

    code = "store.schema"


class BackupRefused(StoreError):
    """A backup would take the place of something that is no former backup."""

    code = "store.backup"


class StaleCatalogue(StoreError):
    """The index catalogue changed since index entries were computed; the engine reloads it and retries."""

    code = "store.catalogue"
    retryable = True


class IndexConflict(StoreError):
    """An index cannot be created beside those that exist, or its options do not go together, or it does not exist.

    Attributes
    ----------
    server_code : int
        The code with which a MongoDB server refuses the same.
    """

    code = "store.index"
    server_code: int = 85

    def __init__(self, message: str = "", *, server_code: int | None = None, store: str | None = None) -> None:
        super().__init__(message, store=store)
        if server_code is not None:
            self.server_code = int(server_code)


class NamespaceConflict(StoreError):
    """A collection that an operation names is missing, or one is in its way.

    Attributes
    ----------
    server_code : int
        The code with which a MongoDB server refuses the same.
    """

    code = "store.namespace"

    def __init__(self, message: str, *, server_code: int, store: str | None = None) -> None:
        self.server_code = int(server_code)
        super().__init__(message, store=store)


class TokenLost(StoreError):
    """The change log was trimmed past the position asked for; read everything again."""

    code = "store.token_lost"


class WrongLoop(StoreError, RuntimeError):
    """A store was used from another event loop or thread than the one that opened it."""

    code = "store.loop"


class ContextError(StoreError, RuntimeError):
    """Databases connected with ``connect()`` were closed out of order."""

    code = "store.context"


# -- warnings ----------------------------------------------------------------------------------------------------------


class AtomodmWarning(UserWarning):
    """Root of atomodm's warnings."""


class UnsavedChangesWarning(AtomodmWarning):
    """A store was closed while objects had unsaved changes."""


class MainModelWarning(AtomodmWarning):
    """A model of ``__main__`` is saved to a store that other programs can open; its name would not be found by them."""


def describe_type(value: Any) -> str:
    """Name the type of `value` for an error message, never the value."""
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
