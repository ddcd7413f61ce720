"""The portable part of a collection's API: PyMongo's own names, arguments and results.

On MongoDB the driver's collection is such a collection as it is. On the other stores ours behaves like it, down to
PyMongo's result and error classes, so that a program that handles MongoDB's errors handles theirs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol, Self

from pymongo.results import DeleteResult, InsertOneResult, UpdateResult

#: Paths and directions, as ``sort`` takes them: ``"age"``, ``[("age", -1)]`` or ``{"age": -1}``.
Sort = str | Sequence[str | tuple[str, int]] | Mapping[str, int]


class Cursor(Protocol):
    """The answer to a find, which is asked when it is first read."""

    def sort(self, key_or_list: Any, direction: Any = None) -> Self:
        """Order the documents by one path and direction, or by several."""

    def skip(self, skip: int) -> Self:
        """Leave out the first `skip` documents."""

    def limit(self, limit: int) -> Self:
        """Give `limit` documents at most; 0 means all."""

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]: ...

    async def to_list(self, length: int | None = None) -> list[dict[str, Any]]:
        """The remaining documents, at most `length` of them."""

    async def close(self) -> None:
        """Give up what was not read."""


class Collection(Protocol):
    """A named set of documents. Options outside of the portable set are refused by name."""

    @property
    def name(self) -> str:
        """The collection's name."""

    def find(
        self,
        filter: Mapping[str, Any] | None = None,
        projection: Any = None,
        skip: int = 0,
        limit: int = 0,
        *,
        sort: Any = None,
        **options: Any,
    ) -> Cursor:
        """The documents that match."""

    async def find_one(
        self,
        filter: Any = None,
        projection: Any = None,
        skip: int = 0,
        *,
        sort: Any = None,
        **options: Any,
    ) -> dict[str, Any] | None:
        """The first document that matches; what is no filter document is an ``_id``."""

    async def insert_one(self, document: dict[str, Any]) -> InsertOneResult:
        """Insert a document, and give it an ``_id`` where it has none.

        Raises
        ------
        pymongo.errors.DuplicateKeyError
        """

    async def replace_one(
        self, filter: Mapping[str, Any], replacement: Mapping[str, Any], upsert: bool = False
    ) -> UpdateResult:
        """Replace the first document that matches; with `upsert`, insert the replacement where none does.

        Raises
        ------
        pymongo.errors.DuplicateKeyError
        """

    async def delete_one(self, filter: Mapping[str, Any]) -> DeleteResult:
        """Delete the first document that matches."""

    async def delete_many(self, filter: Mapping[str, Any]) -> DeleteResult:
        """Delete the documents that match, one by one as far as others are concerned."""

    async def count_documents(self, filter: Mapping[str, Any], *, skip: int = 0, limit: int = 0) -> int:
        """Count the documents that match; a limit of 0 means all."""

    async def drop(self) -> None:
        """Remove the collection with its indexes."""
