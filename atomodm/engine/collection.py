"""A collection with PyMongo's API, over any store of ours."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from bson import ObjectId
from pymongo.errors import InvalidName, WriteError
from pymongo.results import DeleteResult, InsertOneResult, UpdateResult

from ..contract.operations import Batch, Delete, Insert, Update
from ..contract.store import Find, Store
from ..encoding import decode, decode_all, encode
from ..errors import DuplicateKey, RevisionMismatch, UnsupportedOperation, describe_type
from ..query.changes import Changes
from ..query.filters import parse_filter
from ..query.keys import encode_key
from ..query.nodes import ALL, And, Compare, Node, Operator
from .cursor import EngineCursor
from .names import name_fault
from .pymongo_errors import IMMUTABLE_FIELD, pymongo_errors

#: Documents deleted in one batch.
DELETED_TOGETHER = 1000


class EngineCollection:
    """A named set of documents.

    Parameters
    ----------
    store : Store
    name : str

    Raises
    ------
    pymongo.errors.InvalidName
        No collection can have that name.
    """

    def __init__(self, store: Store, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"a collection's name is a string, not {describe_type(name)}")
        if (fault := name_fault(name)) is not None:
            raise InvalidName(fault)
        self._store = store
        self._name = name

    @property
    def name(self) -> str:
        """The collection's name."""
        return self._name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r} of {self._store!r}>"

    # -- reading -------------------------------------------------------------------------------------------------------

    def find(
        self,
        filter: Mapping[str, Any] | None = None,
        projection: Any = None,
        skip: int = 0,
        limit: int = 0,
        *,
        sort: Any = None,
        batch_size: int = 0,
        **options: Any,
    ) -> EngineCursor:
        """The documents that match, as an async cursor.

        Raises
        ------
        UnsupportedOperation
            An option is set that works on MongoDB only.
        """
        _refuse({"projection": projection, **options})
        with pymongo_errors(self._name):
            node = _parse(filter)
        cursor = EngineCursor(self._store, self._name, Find(filter=node, batch_size=batch_size or 128))
        cursor.skip(skip).limit(limit)
        return cursor if sort is None else cursor.sort(sort)

    async def find_one(
        self, filter: Any = None, projection: Any = None, skip: int = 0, *, sort: Any = None, **options: Any
    ) -> dict[str, Any] | None:
        """The first document that matches; what is no filter document is an ``_id``."""
        if filter is not None and not isinstance(filter, Mapping):
            filter = {"_id": filter}
        options.pop("limit", None)
        async for document in self.find(filter, projection, skip, 1, sort=sort, **options):
            return document
        return None

    async def count_documents(self, filter: Mapping[str, Any], *, skip: int = 0, limit: int = 0, **options: Any) -> int:
        """Count the documents that match; a limit of 0 means all."""
        _refuse(options)
        with pymongo_errors(self._name):
            number = await self._store.count(self._name, _parse(filter))
        number = max(0, number - skip)
        return min(number, limit) if limit else number

    # -- writing -------------------------------------------------------------------------------------------------------

    async def insert_one(self, document: MutableMapping[str, Any], **options: Any) -> InsertOneResult:
        """Insert a document, and give it an ``_id`` where it has none.

        Raises
        ------
        pymongo.errors.DuplicateKeyError
        """
        _refuse(options)
        if not isinstance(document, MutableMapping):
            raise TypeError(f"document must be a mutable mapping, not {describe_type(document)}")
        if "_id" not in document:
            document["_id"] = ObjectId()
        with pymongo_errors(self._name):
            await self._store.write(Batch([self._insert(document)]))
        return InsertOneResult(document["_id"], acknowledged=True)

    def _insert(self, document: Mapping[str, Any]) -> Insert:
        # As on a server, the id comes first.
        return Insert(self._name, document["_id"], encode({"_id": document["_id"], **document}))

    async def replace_one(
        self, filter: Mapping[str, Any], replacement: Mapping[str, Any], upsert: bool = False, **options: Any
    ) -> UpdateResult:
        """Replace the first document that matches; with `upsert`, insert the replacement where none does.

        Raises
        ------
        pymongo.errors.DuplicateKeyError, pymongo.errors.WriteError
        """
        _refuse(options)
        if not isinstance(replacement, Mapping):
            raise TypeError(f"replacement must be a mapping, not {describe_type(replacement)}")
        if next(iter(replacement), "").startswith("$"):
            raise ValueError("replacement can not include $ operators")
        with pymongo_errors(self._name):
            node = _parse(filter)
            while True:
                found = await self._first(node)
                try:
                    if found is not None:
                        return await self._replace(*found, replacement)
                    if not upsert:
                        return UpdateResult({"n": 0, "nModified": 0, "updatedExisting": False}, acknowledged=True)
                    return await self._upsert(node, replacement)
                except RevisionMismatch:
                    continue
                except DuplicateKey:
                    # Somebody may have inserted what did not match a moment ago; then it is replaced.
                    if found is not None or await self._first(node) is None:
                        raise
        raise AssertionError("unreachable")

    async def _first(self, node: Node) -> tuple[int, bytes] | None:
        async for chunk in self._store.find(self._name, Find(filter=node, limit=1)):
            return chunk.revisions[0], chunk.documents[0]
        return None

    async def _replace(self, revision: int, previous: bytes, replacement: Mapping[str, Any]) -> UpdateResult:
        old = decode(previous)
        if "_id" in replacement and encode_key(replacement["_id"]) != encode_key(old["_id"]):
            message = "the (immutable) field '_id' would be altered by the replacement"
            details = {"index": 0, "code": IMMUTABLE_FIELD, "errmsg": message}
            raise WriteError(message, IMMUTABLE_FIELD, details)
        new = {"_id": old["_id"], **{name: value for name, value in replacement.items() if name != "_id"}}
        document = encode(new)
        modified = document != previous
        if modified:
            changes = Changes(
                set={name: value for name, value in new.items() if name != "_id"},
                unset=[name for name in old if name not in new],
            )
            await self._store.write(Batch([Update(self._name, old["_id"], revision, changes, document, previous)]))
        return UpdateResult({"n": 1, "nModified": int(modified), "updatedExisting": True}, acknowledged=True)

    async def _upsert(self, node: Node, replacement: Mapping[str, Any]) -> UpdateResult:
        document = dict(replacement)
        if "_id" not in document:
            document["_id"] = _id_of(node)
        await self._store.write(Batch([self._insert(document)]))
        raw = {"n": 1, "nModified": 0, "updatedExisting": False, "upserted": document["_id"]}
        return UpdateResult(raw, acknowledged=True)

    async def delete_one(self, filter: Mapping[str, Any], **options: Any) -> DeleteResult:
        """Delete the first document that matches."""
        _refuse(options)
        with pymongo_errors(self._name):
            node = _parse(filter)
            while (found := await self._first(node)) is not None:
                revision, document = found
                try:
                    await self._store.write(Batch([Delete(self._name, decode(document)["_id"], revision)]))
                except RevisionMismatch:
                    continue
                return DeleteResult({"n": 1}, acknowledged=True)
        return DeleteResult({"n": 0}, acknowledged=True)

    async def delete_many(self, filter: Mapping[str, Any], **options: Any) -> DeleteResult:
        """Delete the documents that match.

        Many documents go in several batches: as on MongoDB, others may see some of them gone before the rest.
        """
        _refuse(options)
        deleted = 0
        with pymongo_errors(self._name):
            find = Find(filter=_parse(filter), batch_size=DELETED_TOGETHER)
            changed = True
            while changed:
                changed = False
                async for chunk in self._store.find(self._name, find):
                    ids = [document["_id"] for document in decode_all(chunk.documents)]
                    operations = [
                        Delete(self._name, id, revision) for id, revision in zip(ids, chunk.revisions, strict=True)
                    ]
                    number = await self._delete(operations)
                    deleted += number
                    # Who was changed meanwhile may match still: look once more.
                    changed = changed or number < len(operations)
        return DeleteResult({"n": deleted}, acknowledged=True)

    async def _delete(self, operations: list[Delete]) -> int:
        """Delete those of the documents that nobody changed meanwhile, and give their number."""
        while operations:
            try:
                await self._store.write(Batch(operations))
            except RevisionMismatch as error:
                moved = set(error.positions)
                operations = [item for position, item in enumerate(operations) if position not in moved]
            else:
                break
        return len(operations)

    async def drop(self, **options: Any) -> None:
        """Remove the collection with its indexes."""
        _refuse(options)
        await self._store.drop(self._name)


def _refuse(options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        # PyMongo's defaults ask for nothing.
        if value is not None and value is not False:
            raise UnsupportedOperation(f"the option {name!r} works on MongoDB only")


def _parse(filter: Any) -> Node:
    if filter is None:
        return ALL
    if not isinstance(filter, Mapping):
        raise TypeError(f"filter must be a mapping, not {describe_type(filter)}")
    return parse_filter(filter)


def _id_of(node: Node) -> Any:
    """The id that a filter asks for, or a new one."""
    for condition in node.children if isinstance(node, And) else (node,):
        if isinstance(condition, Compare) and condition.path == "_id" and condition.operator is Operator.EQ:
            return condition.value
    return ObjectId()
