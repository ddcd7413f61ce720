"""`NoSQLModel`: a document."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Self

from atom.api import Value
from pymongo.results import DeleteResult, UpdateResult

from ..errors import InvalidUpdate, MainModelWarning, describe_type
from ..identity import ObjectCache
from ..manager.manager import NoSQLModelManager
from ..model import Model, spec_of
from ..model.expiry import LONGEST, time_to_live
from ..query.changes import Changes
from ..serializer import NoSQLModelSerializer
from ..session import OnConflict, Save, SaveResult, expiring
from ..session import objects as lifecycle
from ..session.deleting import delete
from ..session.indexes import prepare_collection
from ..session.saving import DEFAULT_TIMEOUT
from ..session.updates import compile_update, update_object


class NoSQLModel(Model, use_annotations=False):
    """An object that is a document of a database.

    Within one process a document is one object. Edits are noticed; `save` writes what changed, of this object and of
    the new and changed objects it refers to.
    """

    #: The document's id; None until the first save. One value with the member tagged ``primary_key``, if there is one.
    _id = Value()

    serializer: ClassVar[NoSQLModelSerializer] = NoSQLModelSerializer.instance()
    objects: ClassVar[NoSQLModelManager] = NoSQLModelManager.instance()

    __atomodm_embedded__: ClassVar[bool] = False

    class Meta:
        abstract = True

    @classmethod
    async def restore(cls, state: dict[str, Any], force: bool = False) -> Self:
        """Make the object of a state, with everything it refers to, or find it in the cache.

        Parameters
        ----------
        state : dict
            A document, as `find_one` gives it, or what ``__getstate__`` gave.
        force : bool
            Have the state overwrite an object that is loaded, edits included; otherwise it comes back untouched.

        Raises
        ------
        WrongModel
            The state belongs to a model that is no subclass of this one; a `ValueError` too.
        ModelNotRegistered
            The state's ``__model__`` is unknown; a `KeyError` too.
        """
        obj: Self = await lifecycle.restore(cls, state, force)
        return obj

    async def load(self) -> None:
        """Fill the object from its document, in place, with everything it refers to.

        Does nothing for a loaded object and for one without ``_id``. When the document is gone, ``__restored__``
        stays False.
        """
        if not self.__restored__ and self._id is not None:
            cache = self._cache()
            await prepare_collection(cache, spec_of(type(self)).model)
            await lifecycle.load(self, cache)

    async def refresh(self) -> None:
        """Fetch the document and everything it refers to, whatever is known; unsaved edits stay.

        Raises
        ------
        DoesNotExist
            The document is gone, or the object never had one.
        """
        cache = self._cache()
        await prepare_collection(cache, spec_of(type(self)).model)
        await lifecycle.refresh(self, cache)

    def revert(self) -> None:
        """Give up unsaved edits: the members take their last loaded or saved values, observers told."""
        lifecycle.revert(self)

    async def save(
        self,
        *,
        graph: bool = True,
        replace: bool = False,
        atomic: bool | None = None,
        on_conflict: OnConflict = "raise",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> SaveResult:
        """Write what changed, of this object and of new and changed objects it refers to.

        That is one batch where the store is atomic over all of them.

        Parameters
        ----------
        graph : bool
            False writes this object only.
        replace : bool
            Write the whole document, whatever is stored.
        atomic : bool, optional
            True refuses what the store cannot apply all or nothing; False allows several batches.
        on_conflict : "raise", "local", "remote" or callable
            What to do where somebody else changed what this save changes: raise `Conflict`, keep ours, take theirs,
            or store what ``f(obj, disagreement)`` gives.
        timeout : float
            Seconds to go on trying while others change the same documents.

        Returns
        -------
        pymongo.results.InsertOneResult or UpdateResult
            For a new document, or a changed one.

        Raises
        ------
        ValueNotStorable
            Some value cannot be stored; nothing was written.
        Conflict, DuplicateKey, DeletedObject, RevisionMismatch, OutcomeUnknown
            See there. The object stays as it was, still dirty.
        PartlyApplied
            A store that is not atomic over all of the objects has written a part of them when one of these came up.
        """
        results = await save_all(
            [self], graph=graph, replace=replace, atomic=atomic, on_conflict=on_conflict, timeout=timeout
        )
        return results[0]

    async def update(self, operators: Mapping[str, Any] | None = None, /, **values: Any) -> UpdateResult:
        """Change the document in one atomic step in the store, whatever its revision; the object has the new values.

        Many tasks and processes may update one document at a time: no change is lost. Other unsaved edits of the object
        stay; an edit at a path that is updated is given up for what is stored there now. An object that was not
        loaded is.

        Parameters
        ----------
        operators : mapping, optional
            Operators of MongoDB's language with stored names, ``{"$inc": {"age": 1}}``; their values are stored as
            they are.
        **values : object
            ``name=value`` sets a member; a word after it does something else, ``age__inc=1``.

        Raises
        ------
        InvalidUpdate
            A name or a word is unknown, an operand makes no sense, or the document holds what the update cannot be
            applied to. Nothing was written.
        DoesNotExist
            The document is gone, or the object never had one.
        DuplicateKey, RevisionMismatch, OutcomeUnknown
            See there. The object stays as it was.
        """
        spec = spec_of(type(self))
        update = compile_update(spec, operators, values)
        cache = self._cache()
        await prepare_collection(cache, spec.model)
        return await update_object(self, cache, update)

    async def expire(self, seconds: float | timedelta | None) -> None:
        """Have the document expire so long after now; nothing else is written, and edits stay as they are.

        The time becomes the document's own: where ``Meta.ttl`` has saves renew it, they renew this one. See
        ``__state__.expires``.

        Parameters
        ----------
        seconds : float, timedelta or None
            To the millisecond; None keeps the document for good.

        Raises
        ------
        InvalidUpdate
            It is no such time; at most 2,147,483,647 seconds are.
        DoesNotExist
            The document is gone, or the object never had one.
        """
        ttl = None if seconds is None else time_to_live(seconds)
        if ttl is None and seconds is not None:
            raise InvalidUpdate(
                f"expire() takes None, a timedelta, or seconds above 0 up to {LONGEST}; this {describe_type(seconds)} "
                "is none of them",
                model=self.__model__,
            )
        await lifecycle.settled(self)
        cache = self._cache()
        await prepare_collection(cache, spec_of(type(self)).model)
        await expiring.prepare_expiry(cache)
        await expiring.expire(self, cache, ttl)

    async def delete(self, *, atomic: bool | None = None) -> DeleteResult | None:
        """Delete the document; None for an object that has none.

        The object leaves the cache and loses its ``_id`` (a declared primary key stays). Saving it inserts it again.

        Parameters
        ----------
        atomic : bool, optional
            As for `save`, where ``on_delete`` says that more goes with it: True raises `UnsupportedOperation` where the
            store cannot do it all or nothing; False allows several batches, in which documents go before those they
            refer to; unless it is given, the store does what it can.

        Raises
        ------
        DeletionRefused
            Others refer to it through a member tagged ``on_delete="deny"``.
        BatchTooLarge
            More goes with it than the store can do at once, and `atomic` is not False.
        PartlyApplied
            What goes with it was deleted in part.
        """
        await lifecycle.settled(self)
        if self._id is None:
            return None
        cache = self._cache()
        await prepare_collection(cache, spec_of(type(self)).model)
        return await delete([self], cache, atomic)

    def __pending_changes__(self) -> Changes:
        return lifecycle.pending_changes(self)

    def __changed_members__(self) -> set[str]:
        return lifecycle.changed_members(self)

    def _cache(self) -> ObjectCache:
        """The cache that the object belongs to, for life once it has a document."""
        home: ObjectCache | None = self.__home__
        if home is None and self.__tracking__ is not None:
            home = self.__tracking__.former_home
        return home if home is not None else _find_cache(self)


def _find_cache(obj: NoSQLModel) -> ObjectCache:
    cache: ObjectCache = type(obj).objects.cache
    return cache


async def _prepare(cache: ObjectCache, model: Any) -> None:
    if model not in cache.prepared:
        if (
            model.__module__ == "__main__"
            and model.__model__.startswith("__main__.")
            and cache.store.capabilities.durable
        ):
            warnings.warn(
                f"{model.__model__} is saved under the name of a script; set __model__ or Meta.app_label, so that "
                "other programs find the model",
                MainModelWarning,
                stacklevel=6,
            )
        await prepare_collection(cache, model)


async def save_all(
    objects: Iterable[NoSQLModel],
    *,
    graph: bool = True,
    replace: bool = False,
    atomic: bool | None = None,
    on_conflict: OnConflict = "raise",
    timeout: float = DEFAULT_TIMEOUT,
) -> list[SaveResult]:
    """Save several objects, and what they refer to, in one batch where the store is atomic over all of them.

    Takes the arguments of `NoSQLModel.save` and raises what it raises.

    Returns
    -------
    list of pymongo.results.InsertOneResult or UpdateResult
        In the order of `objects`.
    """
    roots = list(objects)
    if not roots:
        return []
    save = Save(
        roots,
        _find_cache,
        _prepare,
        graph=graph,
        replace=replace,
        on_conflict=on_conflict,
        atomic=atomic,
        timeout=timeout,
    )
    return await save.run()
