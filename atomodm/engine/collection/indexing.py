"""The indexes of a collection."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from typing import Any

from pymongo import IndexModel

from ...contract.indexes import IndexSpec
from ...errors import InvalidQuery, describe_type
from ...query.nodes import ALL
from .arguments import check_list, refuse
from .base import CollectionBase
from .faults import pymongo_errors
from .index_models import ID_INDEX, index_document, index_spec
from .list_cursor import ListCursor
from .selection import Selection


class Indexing(CollectionBase):
    """The part of a collection's API that is about indexes."""

    async def create_index(
        self, keys: Any, session: Any | None = None, comment: Any | None = None, **kwargs: Any
    ) -> str:
        """Create an index, and build it over the documents that are there.

        Parameters
        ----------
        keys : str, sequence or mapping
            A path, or paths with directions.
        name : str, optional
            By default as MongoDB names it, ``"age_1"``.
        unique, sparse : bool, optional
        partialFilterExpression : mapping, optional
        expireAfterSeconds : int, optional

        Returns
        -------
        str
            The index's name.

        Raises
        ------
        pymongo.errors.OperationFailure
            There is another index of this name, or one with these keys and other options.
        pymongo.errors.DuplicateKeyError
            The documents that are there have equal values.
        """
        refuse(session=session, maxTimeMS=kwargs.pop("maxTimeMS", None))
        return (await self._create([IndexModel(keys, **kwargs)]))[0]

    async def create_indexes(
        self, indexes: Sequence[IndexModel], session: Any | None = None, comment: Any | None = None, **kwargs: Any
    ) -> list[str]:
        """Create several indexes, and give their names; as `create_index`."""
        check_list("indexes", indexes)
        refuse(session=session, **kwargs)
        return await self._create(indexes)

    async def _create(self, indexes: Sequence[IndexModel]) -> list[str]:
        with pymongo_errors(self._name):
            if not indexes:
                raise InvalidQuery("there are no indexes to create")
            specs = [index_spec(model) for model in indexes]
            wanted = [spec for spec in specs if not _is_id_index(spec)]
            if wanted:
                await self._store.ensure_indexes(self._name, wanted)
        return [ID_INDEX.name if _is_id_index(spec) else spec.name for spec in specs]

    async def drop_index(
        self, index_or_name: Any, session: Any | None = None, comment: Any | None = None, **kwargs: Any
    ) -> None:
        """Remove an index, given by its name or by its keys.

        Raises
        ------
        pymongo.errors.OperationFailure
            There is no such index, or it is the one on ``_id``.
        """
        refuse(session=session, **kwargs)
        name = index_or_name
        if isinstance(name, list):
            name = IndexModel(name).document["name"]
        if not isinstance(name, str):
            raise TypeError(f"index_or_name must be a string or a list, not {describe_type(name)}")
        # As for PyMongo, an index of a collection that does not exist is none to complain about.
        if await self._exists():
            with pymongo_errors(self._name):
                await self._store.drop_indexes(self._name, None if name == "*" else [name])

    async def drop_indexes(self, session: Any | None = None, comment: Any | None = None, **kwargs: Any) -> None:
        """Remove all indexes but the one on ``_id``."""
        refuse(session=session, **kwargs)
        with pymongo_errors(self._name):
            await self._store.drop_indexes(self._name, None)

    async def list_indexes(self, session: Any | None = None, comment: Any | None = None) -> ListCursor:
        """The indexes, as documents; none where the collection does not exist."""
        refuse(session=session)
        specs = await self._specs()
        return ListCursor(index_document(spec) for spec in specs)

    async def index_information(
        self, session: Any | None = None, comment: Any | None = None
    ) -> MutableMapping[str, Any]:
        """The indexes by name, with their keys as pairs of path and direction."""
        refuse(session=session)
        information: dict[str, Any] = {}
        for spec in await self._specs():
            document = index_document(spec)
            del document["name"]
            information[spec.name] = {**document, "key": list(document["key"].items())}
        return information

    async def _specs(self) -> list[IndexSpec]:
        with pymongo_errors(self._name):
            specs = await self._store.list_indexes(self._name)
            return [ID_INDEX, *specs] if specs or await self._exists() else []

    async def _exists(self) -> bool:
        """Whether the collection has documents or indexes."""
        with pymongo_errors(self._name):
            if await self._store.list_indexes(self._name):
                return True
            return await self._writer.exists(Selection.of(ALL))


def _is_id_index(spec: IndexSpec) -> bool:
    """Whether this is the index that is there anyway, whose name cannot be chosen."""
    return replace(spec, name=ID_INDEX.name, fields=tuple(spec.fields)) == ID_INDEX
