"""Changing one document and getting it, in one atomic step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymongo import ReturnDocument

from ...errors import describe_type
from ...query.projection import compile_projection
from .arguments import (
    check_flag,
    check_list,
    check_mapping,
    check_replacement,
    check_update,
    read_projection,
    refuse,
    several_keys,
)
from .base import CollectionBase
from .faults import pymongo_errors
from .statements import DeleteStatement, UpdateStatement


class FindingAndModifying(CollectionBase):
    """The ``find_one_and_…`` part of a collection's API."""

    async def find_one_and_delete(
        self,
        filter: Mapping[str, Any],
        projection: Mapping[str, Any] | Iterable[str] | None = None,
        sort: Any | None = None,
        hint: Any | None = None,
        session: Any | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> dict[str, Any] | None:
        """Delete the first document that matches, and give it; None where none does."""
        check_mapping("filter", filter)
        refuse(session=session, let=let, **kwargs)
        fields = read_projection(projection)
        if sort is not None:
            several_keys(sort)
        with pymongo_errors(self._name):
            statement = DeleteStatement.read(filter, sort=sort, hint=hint)
            project = compile_projection(fields, statement.node)
            found = await statement.take(self._writer)
            return found if found is None or project is None else project(found)

    async def find_one_and_replace(
        self,
        filter: Mapping[str, Any],
        replacement: Mapping[str, Any],
        projection: Mapping[str, Any] | Iterable[str] | None = None,
        sort: Any | None = None,
        upsert: bool = False,
        return_document: bool = ReturnDocument.BEFORE,
        hint: Any | None = None,
        session: Any | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> dict[str, Any] | None:
        """Replace the first document that matches, and give it as it was before or as it is after.

        With `upsert`, insert the replacement where none does: before that there is None.
        """
        check_replacement(replacement)
        refuse(session=session, let=let, **kwargs)
        options = {"upsert": upsert, "sort": sort, "hint": hint, "replaces": True}
        return await self._find_and_modify(filter, replacement, projection, return_document, options)

    async def find_one_and_update(
        self,
        filter: Mapping[str, Any],
        update: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        projection: Mapping[str, Any] | Iterable[str] | None = None,
        sort: Any | None = None,
        upsert: bool = False,
        return_document: bool = ReturnDocument.BEFORE,
        array_filters: Sequence[Mapping[str, Any]] | None = None,
        hint: Any | None = None,
        session: Any | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> dict[str, Any] | None:
        """Update the first document that matches, and give it as it was before or as it is after.

        With `upsert`, insert a document where none does: before that there is None.
        """
        check_update(update)
        if array_filters is not None:
            check_list("array_filters", array_filters)
        refuse(session=session, let=let, **kwargs)
        options = {"upsert": upsert, "array_filters": array_filters, "sort": sort, "hint": hint}
        return await self._find_and_modify(filter, update, projection, return_document, options)

    async def _find_and_modify(
        self,
        filter: Mapping[str, Any],
        update: Any,
        projection: Any,
        return_document: object,
        options: Mapping[str, Any],
    ) -> dict[str, Any] | None:
        check_mapping("filter", filter)
        if not isinstance(return_document, bool):
            kind = describe_type(return_document)
            raise TypeError(f"return_document is ReturnDocument.BEFORE or ReturnDocument.AFTER, not {kind}")
        check_flag("upsert", options["upsert"])
        fields = read_projection(projection)
        if options["sort"] is not None:
            several_keys(options["sort"])
        with pymongo_errors(self._name):
            statement = UpdateStatement.read(filter, update, **options)
            project = compile_projection(fields, statement.node)
            updated = await statement.run(self._writer)
            found: dict[str, Any] | None = None
            if return_document is ReturnDocument.AFTER and updated.upserted is not None:
                found = updated.upserted
            elif updated.changed is not None:
                found = updated.changed.after if return_document is ReturnDocument.AFTER else updated.changed.before
            return found if found is None or project is None else project(found)
