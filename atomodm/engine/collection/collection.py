"""A collection with PyMongo's API, over any store on the engine."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from .arguments import check_flag, refuse
from .base import CollectionBase, check_collection_name
from .faults import pymongo_errors
from .finding_and_modifying import FindingAndModifying
from .indexing import Indexing
from .reading import Reading
from .writing import Writing


class EngineCollection(Reading, Writing, FindingAndModifying, Indexing, CollectionBase):
    """A named set of documents, with the portable part of PyMongo's API.

    Methods take exactly what PyMongo's take, and give its results and errors. What is outside of the portable set
    (`session`, `collation`, `let` and the like) is refused by name when it is set.
    """

    async def drop(
        self,
        session: Any | None = None,
        comment: Any | None = None,
        encrypted_fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Remove the collection with its indexes."""
        refuse(session=session, encrypted_fields=encrypted_fields)
        with pymongo_errors(self._name):
            await self._store.drop(self._name)

    async def rename(
        self, new_name: str, session: Any | None = None, comment: Any | None = None, **kwargs: Any
    ) -> MutableMapping[str, Any]:
        """Give the collection another name, with its documents and indexes.

        Parameters
        ----------
        new_name : str
        dropTarget : bool, optional
            Remove a collection that has this name.

        Raises
        ------
        pymongo.errors.OperationFailure
            There is no such collection, or there is one of the new name.
        pymongo.errors.InvalidName
            No collection can have that name.
        """
        drop_target = kwargs.pop("dropTarget", False)
        check_flag("dropTarget", drop_target)
        refuse(session=session, **kwargs)
        check_collection_name(new_name)
        with pymongo_errors(self._name):
            await self._store.rename(self._name, new_name, drop_target=drop_target)
        return {"ok": 1.0}
