"""`NoSQLModel`: a document."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, ClassVar, Self

from atom.api import Value
from pymongo.results import DeleteResult

from ..errors import MainModelWarning
from ..identity import ObjectCache
from ..manager.manager import NoSQLModelManager
from ..model import Model, spec_of
from ..query.changes import Changes
from ..serializer import NoSQLModelSerializer
from ..session import OnConflict, Save, SaveResult
from ..session import objects as lifecycle
from ..session.indexes import prepare_collection
from ..session.saving import DEFAULT_TIMEOUT


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
        """Write what changed, of this object and of new and changed objects it refers to, in one batch.

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
        """
        results = await save_all(
            [self], graph=graph, replace=replace, atomic=atomic, on_conflict=on_conflict, timeout=timeout
        )
        return results[0]

    async def delete(self) -> DeleteResult | None:
        """Delete the document; None for an object that has none.

        The object leaves the cache and loses its ``_id`` (a declared primary key stays). Saving it inserts it again.

        Raises
        ------
        DeletionRefused
            Others refer to it through a member tagged ``on_delete="deny"``.
        """
        await lifecycle.settled(self)
        if self._id is None:
            return None
        cache = self._cache()
        await prepare_collection(cache, spec_of(type(self)).model)
        return await lifecycle.delete([self], cache)

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
    """Save several objects, and what they refer to, in one batch.

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
