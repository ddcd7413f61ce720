"""The portable part of a collection's API: PyMongo's own names, arguments and results.

On MongoDB the driver's collection is such a collection as it is. On the other stores ours behaves like it, down to
PyMongo's result and error classes, so that a program that handles MongoDB's errors handles theirs. Methods take exactly
what those of PyMongo's ``AsyncCollection`` take; what is not described works on MongoDB only, and is refused by name
elsewhere when it is set. `comment` has no meaning elsewhere.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, Protocol, Self

from bson.raw_bson import RawBSONDocument
from pymongo import IndexModel
from pymongo.results import BulkWriteResult, DeleteResult, InsertManyResult, InsertOneResult, UpdateResult

#: A document as it is read.
Document = dict[str, Any]
#: What describes a collection or an index.
Description = MutableMapping[str, Any]


class Cursor(Protocol):
    """The answer to a find, which is asked when it is first read."""

    @property
    def alive(self) -> bool:
        """Whether there may be more documents."""

    @property
    def retrieved(self) -> int:
        """How many documents were fetched."""

    @property
    def collection(self) -> Any:
        """The collection that is asked."""

    def sort(self, key_or_list: Any, direction: int | str | None = None) -> Self:
        """Order the documents by one path and direction, or by several."""

    def skip(self, skip: int) -> Self:
        """Leave out the first `skip` documents."""

    def limit(self, limit: int) -> Self:
        """Give `limit` documents at most; 0 means all."""

    def batch_size(self, batch_size: int) -> Self:
        """Read so many documents at a time."""

    def hint(self, index: Any) -> Self:
        """Use this index, given by its name or its keys."""

    def max_time_ms(self, max_time_ms: int | None) -> Self:
        """Raise ``ExecutionTimeout`` when it takes longer than so many milliseconds."""

    def comment(self, comment: Any) -> Self:
        """A remark for the log of a server."""

    def allow_disk_use(self, allow_disk_use: bool) -> Self:
        """Let a server use its disk for sorting."""

    def clone(self) -> Self:
        """A cursor with the same options that nothing was read from yet."""

    async def rewind(self) -> Cursor:
        """Start again from the first document."""

    def __aiter__(self) -> AsyncIterator[Document]: ...

    async def __anext__(self) -> Document: ...

    async def next(self) -> Document:
        """The next document.

        Raises
        ------
        StopAsyncIteration
            There is none.
        """

    async def to_list(self, length: int | None = None) -> list[Document]:
        """The remaining documents, at most `length` of them."""

    async def distinct(self, key: str) -> list[Any]:
        """The distinct values of a path in all documents that match."""

    async def explain(self) -> Document:
        """How the find is answered."""

    async def close(self) -> None:
        """Give up what was not read."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None: ...


class CommandCursor(Protocol):
    """A short answer, such as a list of indexes."""

    @property
    def alive(self) -> bool:
        """Whether there are more entries."""

    def __aiter__(self) -> AsyncIterator[Description]: ...

    async def __anext__(self) -> Description: ...

    async def next(self) -> Description:
        """The next entry.

        Raises
        ------
        StopAsyncIteration
            There is none.
        """

    async def to_list(self, length: int | None = None) -> list[Description]:
        """The remaining entries, at most `length` of them."""

    async def close(self) -> None:
        """Give up what was not read."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None: ...


class Collection(Protocol):
    """A named set of documents."""

    @property
    def name(self) -> str:
        """The collection's name."""

    @property
    def full_name(self) -> str:
        """The name of the database and the collection's, with a dot between them."""

    @property
    def database(self) -> Any:
        """The store; on MongoDB its database."""

    # -- reading -------------------------------------------------------------------------------------------------------

    def find(self, *args: Any, **kwargs: Any) -> Cursor:
        """The documents that match: ``find(filter=None, projection=None, skip=0, limit=0, …, sort=None, …)``.

        Further options are `batch_size`, `hint` and `max_time_ms`.
        """

    async def find_one(self, filter: Any | None = None, *args: Any, **kwargs: Any) -> Document | None:
        """The first document that matches, with the options of `find`; what is no filter document is an ``_id``."""

    async def count_documents(
        self, filter: Mapping[str, Any], session: Any | None = None, comment: Any | None = None, **kwargs: Any
    ) -> int:
        """Count the documents that match; options are `skip`, `limit`, `hint` and `maxTimeMS`."""

    async def estimated_document_count(self, comment: Any | None = None, **kwargs: Any) -> int:
        """Count all documents, as exactly as it can be done at once."""

    async def distinct(
        self,
        key: str,
        filter: Mapping[str, Any] | None = None,
        session: Any | None = None,
        comment: Any | None = None,
        hint: Any | None = None,
        **kwargs: Any,
    ) -> list[Any]:
        """The distinct values of a path in the documents that match; elements of arrays count each."""

    # -- writing -------------------------------------------------------------------------------------------------------

    async def insert_one(
        self,
        document: Document | RawBSONDocument,
        bypass_document_validation: bool | None = None,
        session: Any | None = None,
        comment: Any | None = None,
    ) -> InsertOneResult:
        """Insert a document, and give it an ``_id`` where it has none.

        Raises
        ------
        pymongo.errors.DuplicateKeyError
        """

    async def insert_many(
        self,
        documents: Iterable[Document | RawBSONDocument],
        ordered: bool = True,
        bypass_document_validation: bool | None = None,
        session: Any | None = None,
        comment: Any | None = None,
    ) -> InsertManyResult:
        """Insert documents; if `ordered`, up to the first that cannot be inserted, else all that can.

        Raises
        ------
        pymongo.errors.BulkWriteError
        """

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

        Raises
        ------
        pymongo.errors.WriteError, pymongo.errors.DuplicateKeyError
        """

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
        """Apply update operators to the documents that match, one by one as far as others are concerned.

        Raises
        ------
        pymongo.errors.WriteError, pymongo.errors.DuplicateKeyError
        """

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

    async def delete_many(
        self,
        filter: Mapping[str, Any],
        collation: Any | None = None,
        hint: Any | None = None,
        session: Any | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
    ) -> DeleteResult:
        """Delete the documents that match, one by one as far as others are concerned."""

    async def bulk_write(
        self,
        requests: Sequence[Any],
        ordered: bool = True,
        bypass_document_validation: bool | None = None,
        session: Any | None = None,
        comment: Any | None = None,
        let: Mapping[str, Any] | None = None,
    ) -> BulkWriteResult:
        """Do several writes, given as PyMongo's ``InsertOne``, ``UpdateMany`` and so on.

        Raises
        ------
        pymongo.errors.BulkWriteError
        """

    # -- changing one document and getting it --------------------------------------------------------------------------

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
    ) -> Document | None:
        """Delete the first document that matches, and give it."""

    async def find_one_and_replace(
        self,
        filter: Mapping[str, Any],
        replacement: Mapping[str, Any],
        projection: Mapping[str, Any] | Iterable[str] | None = None,
        sort: Any | None = None,
        upsert: bool = False,
        return_document: bool = False,
        hint: Any | None = None,
        session: Any | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> Document | None:
        """Replace the first document that matches, and give it as it was before or as it is after."""

    async def find_one_and_update(
        self,
        filter: Mapping[str, Any],
        update: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        projection: Mapping[str, Any] | Iterable[str] | None = None,
        sort: Any | None = None,
        upsert: bool = False,
        return_document: bool = False,
        array_filters: Sequence[Mapping[str, Any]] | None = None,
        hint: Any | None = None,
        session: Any | None = None,
        let: Mapping[str, Any] | None = None,
        comment: Any | None = None,
        **kwargs: Any,
    ) -> Document | None:
        """Update the first document that matches, and give it as it was before or as it is after."""

    # -- indexes, and the collection as a whole ------------------------------------------------------------------------

    async def create_index(
        self, keys: Any, session: Any | None = None, comment: Any | None = None, **kwargs: Any
    ) -> str:
        """Create an index, and give its name.

        Options are `name`, `unique`, `sparse`, `partialFilterExpression` and `expireAfterSeconds`.

        Raises
        ------
        pymongo.errors.OperationFailure, pymongo.errors.DuplicateKeyError
        """

    async def create_indexes(
        self, indexes: Sequence[IndexModel], session: Any | None = None, comment: Any | None = None, **kwargs: Any
    ) -> list[str]:
        """Create several indexes, and give their names."""

    async def drop_index(
        self, index_or_name: Any, session: Any | None = None, comment: Any | None = None, **kwargs: Any
    ) -> None:
        """Remove an index.

        Raises
        ------
        pymongo.errors.OperationFailure
        """

    async def drop_indexes(self, session: Any | None = None, comment: Any | None = None, **kwargs: Any) -> None:
        """Remove all indexes but the one on ``_id``."""

    async def list_indexes(self, session: Any | None = None, comment: Any | None = None) -> CommandCursor:
        """The indexes, as documents."""

    async def index_information(self, session: Any | None = None, comment: Any | None = None) -> Description:
        """The indexes by name."""

    async def drop(
        self,
        session: Any | None = None,
        comment: Any | None = None,
        encrypted_fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Remove the collection with its indexes."""

    async def rename(
        self, new_name: str, session: Any | None = None, comment: Any | None = None, **kwargs: Any
    ) -> Description:
        """Give the collection another name; with ``dropTarget=True`` in the place of one that has it.

        Raises
        ------
        pymongo.errors.OperationFailure
        """
