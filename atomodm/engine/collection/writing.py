"""Writing a collection: inserts, updates, replacements and deletes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.errors import WriteError
from pymongo.results import BulkWriteResult, DeleteResult, InsertManyResult, InsertOneResult, UpdateResult

from ...contract.operations import Batch
from ...errors import describe_type
from .arguments import check_flag, check_list, check_mapping, check_replacement, check_update, refuse
from .base import CollectionBase
from .bulk import BulkWrite, check_document
from .faults import pymongo_errors
from .statements import DeleteStatement, UpdateStatement, read_insert


class Writing(CollectionBase):
    """The writing part of a collection's API.

    Options of PyMongo that are not described work on MongoDB only, and are refused by name when they are set; `comment`
    has no meaning here.
    """

    async def insert_one(
        self,
        document: MutableMapping[str, Any] | RawBSONDocument,
        bypass_document_validation: bool | None = None,
        session: Any | None = None,
        comment: Any | None = None,
    ) -> InsertOneResult:
        """Insert a document, and give it an ``_id`` where it has none.

        Raises
        ------
        pymongo.errors.DuplicateKeyError
            Another document has the same ``_id``, or an equal value in a unique index.
        bson.errors.InvalidDocument
            A value cannot be stored.
        """
        check_document(document)
        refuse(bypass_document_validation=bypass_document_validation, session=session)
        with pymongo_errors(self._name, WriteError):
            operation = read_insert(self._name, document)
            await self._store.write(Batch([operation]))
        return InsertOneResult(None if isinstance(document, RawBSONDocument) else operation.id, acknowledged=True)

    async def insert_many(
        self,
        documents: Iterable[MutableMapping[str, Any] | RawBSONDocument],
        ordered: bool = True,
        bypass_document_validation: bool | None = None,
        session: Any | None = None,
        comment: Any | None = None,
    ) -> InsertManyResult:
        """Insert documents, in as few batches as it takes, and give each an ``_id`` where it has none.

        Parameters
        ----------
        documents : iterable
        ordered : bool
            Stop at the first document that cannot be inserted. Otherwise all others are inserted.

        Raises
        ------
        pymongo.errors.BulkWriteError
            Some were not inserted; ``details["writeErrors"]`` says which and why.
        bson.errors.InvalidDocument
            A value cannot be stored; nothing was written.
        """
        if not _is_list_of_documents(documents):
            raise TypeError("documents must be a non-empty list")
        refuse(bypass_document_validation=bypass_document_validation, session=session)
        bulk = BulkWrite(self._writer, self._name, ordered=bool(ordered))
        with pymongo_errors(self._name, WriteError):
            for document in documents:
                bulk.add_insert(document)
                await bulk.breathe()
            await bulk.run()
        return InsertManyResult(bulk.inserted_ids, acknowledged=True)

    async def replace_one(
        self,
        filter: Mapping[str, Any],
        replacement: Mapping[str, Any],
        upsert: bool = False,
        bypass_document_validation: bool | None = None,
        collation: Any | None = None,
        hint: Any | None = None,
        session: Any | None = None,
        let: Mapping[str, Any] | None = None,
        sort: Mapping[str, Any] | None = None,
        comment: Any | None = None,
    ) -> UpdateResult:
        """Replace the first document that matches; with `upsert`, insert the replacement where none does.

        Raises
        ------
        pymongo.errors.WriteError, pymongo.errors.DuplicateKeyError
        """
        check_mapping("filter", filter)
        check_replacement(replacement)
        refuse(bypass_document_validation=bypass_document_validation, collation=collation, session=session, let=let)
        if sort is not None:
            check_mapping("sort", sort)
        return await self._update(filter, replacement, upsert=upsert, hint=hint, sort=sort, replaces=True)

    async def update_one(
        self,
        filter: Mapping[str, Any],
        update: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        upsert: bool = False,
        bypass_document_validation: bool | None = None,
        collation: Any | None = None,
        array_filters: Sequence[Mapping[str, Any]] | None = None,
        hint: Any | None = None,
        session: Any | None = None,
        let: Mapping[str, Any] | None = None,
        sort: Mapping[str, Any] | None = None,
        comment: Any | None = None,
    ) -> UpdateResult:
        """Apply update operators to the first document that matches; with `upsert`, insert one where none does.

        Many tasks and processes may update one document at a time: no change is lost.

        Raises
        ------
        pymongo.errors.WriteError, pymongo.errors.DuplicateKeyError
        """
        check_mapping("filter", filter)
        check_update(update)
        if array_filters is not None:
            check_list("array_filters", array_filters)
        refuse(bypass_document_validation=bypass_document_validation, collation=collation, session=session, let=let)
        if sort is not None:
            check_mapping("sort", sort)
        return await self._update(filter, update, upsert=upsert, array_filters=array_filters, hint=hint, sort=sort)

    async def update_many(
        self,
        filter: Mapping[str, Any],
        update: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        upsert: bool = False,
        array_filters: Sequence[Mapping[str, Any]] | None = None,
        bypass_document_validation: bool | None = None,
        collation: Any | None = None,
        hint: Any | None = None,
        session: Any | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
    ) -> UpdateResult:
        """Apply update operators to all documents that match, each in one atomic step and none of them twice.

        As on MongoDB, others may see some of them updated before the rest.

        Raises
        ------
        pymongo.errors.WriteError, pymongo.errors.DuplicateKeyError
            The documents before the one concerned are updated.
        """
        check_mapping("filter", filter)
        check_update(update)
        if array_filters is not None:
            check_list("array_filters", array_filters)
        refuse(bypass_document_validation=bypass_document_validation, collation=collation, session=session, let=let)
        return await self._update(filter, update, upsert=upsert, array_filters=array_filters, hint=hint, many=True)

    async def _update(self, filter: Mapping[str, Any], update: Any, *, upsert: bool, **options: Any) -> UpdateResult:
        check_flag("upsert", upsert)
        with pymongo_errors(self._name, WriteError):
            statement = UpdateStatement.read(filter, update, upsert=upsert, **options)
            updated = await statement.run(self._writer)
        return UpdateResult(updated.raw_result(), acknowledged=True)

    async def delete_one(
        self,
        filter: Mapping[str, Any],
        collation: Any | None = None,
        hint: Any | None = None,
        session: Any | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
    ) -> DeleteResult:
        """Delete the first document that matches."""
        refuse(collation=collation, session=session, let=let)
        return await self._delete(filter, hint, many=False)

    async def delete_many(
        self,
        filter: Mapping[str, Any],
        collation: Any | None = None,
        hint: Any | None = None,
        session: Any | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
    ) -> DeleteResult:
        """Delete the documents that match.

        Many documents go in several batches: as on MongoDB, others may see some of them gone before the rest.
        """
        refuse(collation=collation, session=session, let=let)
        return await self._delete(filter, hint, many=True)

    async def _delete(self, filter: Mapping[str, Any], hint: Any, *, many: bool) -> DeleteResult:
        with pymongo_errors(self._name, WriteError):
            totals = await DeleteStatement.read(filter, many=many, hint=hint).run(self._writer)
        return DeleteResult({"n": totals.modified, "ok": 1.0}, acknowledged=True)

    async def bulk_write(
        self,
        requests: Sequence[Any],
        ordered: bool = True,
        bypass_document_validation: bool | None = None,
        session: Any | None = None,
        comment: Any | None = None,
        let: Mapping[str, Any] | None = None,
    ) -> BulkWriteResult:
        """Do several writes.

        Parameters
        ----------
        requests : list
            PyMongo's ``InsertOne``, ``UpdateOne``, ``UpdateMany``, ``ReplaceOne``, ``DeleteOne`` and ``DeleteMany``.
        ordered : bool
            Do them one after the other, and stop at the first that fails. Otherwise all are tried: the inserts, then
            the updates, then the deletes.

        Raises
        ------
        pymongo.errors.BulkWriteError
            Some failed; ``details["writeErrors"]`` says which and why.
        """
        check_list("requests", requests)
        refuse(bypass_document_validation=bypass_document_validation, session=session, let=let)
        bulk = BulkWrite(self._writer, self._name, ordered=bool(ordered))
        with pymongo_errors(self._name, WriteError):
            for request in requests:
                add = getattr(request, "_add_to_bulk", None)
                if add is None:
                    raise TypeError(f"{describe_type(request)} is not a valid request")
                add(bulk)
                await bulk.breathe()
            return BulkWriteResult(await bulk.run(), acknowledged=True)


def _is_list_of_documents(documents: Any) -> bool:
    return isinstance(documents, Iterable) and not isinstance(documents, Mapping) and bool(documents)
