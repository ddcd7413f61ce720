"""The writes that can be asked of a collection, read and ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from ...contract.operations import Insert
from ...encoding import encode_given, read_back
from ...errors import DuplicateKey
from ...query.nodes import Node
from ..writing.patience import Patience
from .arguments import read_filter, read_hint, read_sort, several_keys
from .changes import DocumentChange, ReplacementBy, UpdateByOperators, check_id
from .many import Totals, change_many
from .writer import Changed, DocumentWriter


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did.

    Attributes
    ----------
    matched, modified : int
        Documents that matched, and those that became different ones.
    upserted : dict or None
        The document that was inserted, because none matched.
    changed : Changed or None
        The document that was changed, of an update of one.
    """

    matched: int
    modified: int
    upserted: dict[str, Any] | None = None
    changed: Changed | None = None

    def raw_result(self) -> dict[str, Any]:
        """As a server gives it, the way PyMongo hands it on."""
        if self.upserted is not None:
            return {
                "n": 1,
                "nModified": 0,
                "upserted": self.upserted["_id"],
                "ok": 1.0,
                "updatedExisting": False,
            }
        return {"n": self.matched, "nModified": self.modified, "ok": 1.0, "updatedExisting": self.matched > 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """Which documents a write is about, in the words of its caller."""

    node: Node
    many: bool = False
    sort: tuple[tuple[str, int], ...] = ()
    hint: str | dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateStatement(_Chosen):
    """Change the documents that match, or the first one; with `upsert`, insert one where none does."""

    change: DocumentChange
    upsert: bool = False

    @classmethod
    def read(
        cls,
        filter: Mapping[str, Any],
        update: Mapping[str, Any],
        *,
        many: bool = False,
        upsert: bool = False,
        array_filters: Any = None,
        hint: Any = None,
        sort: Any = None,
        replaces: bool = False,
    ) -> UpdateStatement:
        """Read the arguments of an update.

        Raises
        ------
        TypeError, ValueError
        InvalidQuery, ValueNotStorable
        """
        node = read_filter(filter)
        change = ReplacementBy(node, update) if replaces else UpdateByOperators(node, update, array_filters)
        order = read_sort(several_keys(sort)) if sort else ()
        return cls(node=node, many=many, sort=order, hint=read_hint(hint), change=change, upsert=bool(upsert))

    async def run(self, writer: DocumentWriter) -> Updated:
        """Do it.

        Raises
        ------
        InvalidQuery, DuplicateKey, RevisionMismatch
        """
        selection = await writer.selection(self.node, self.sort, self.hint)
        patience = Patience()
        while True:
            if self.many:
                totals = await change_many(writer, selection, self.change.changed)
                if totals.matched or not self.upsert:
                    return Updated(totals.matched, totals.modified)
            else:
                changed = await writer.change_one(selection, self.change.changed)
                if changed is not None:
                    return Updated(1, int(changed.modified), changed=changed)
                if not self.upsert:
                    return Updated(0, 0)
            try:
                return Updated(0, 0, upserted=await writer.upsert(self.change.inserted()))
            except DuplicateKey as error:
                # Somebody may have inserted what did not match a moment ago: then it is updated, as servers do.
                if not await writer.exists(selection):
                    raise
                await patience.wait(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteStatement(_Chosen):
    """Remove the documents that match, or the first one."""

    @classmethod
    def read(
        cls, filter: Mapping[str, Any], *, many: bool = False, hint: Any = None, sort: Any = None
    ) -> DeleteStatement:
        """Read the arguments of a delete.

        Raises
        ------
        TypeError, ValueError
        InvalidQuery
        """
        order = read_sort(several_keys(sort)) if sort else ()
        return cls(node=read_filter(filter), many=many, sort=order, hint=read_hint(hint))

    async def run(self, writer: DocumentWriter) -> Totals:
        """Do it, and say how many there were."""
        selection = await writer.selection(self.node, self.sort, self.hint)
        if self.many:
            return await change_many(writer, selection, _removed)
        return Totals() if await writer.change_one(selection, _removed) is None else Totals(1, 1)

    async def take(self, writer: DocumentWriter) -> dict[str, Any] | None:
        """Remove the first document, and give it."""
        selection = await writer.selection(self.node, self.sort, self.hint)
        changed = await writer.change_one(selection, _removed)
        return None if changed is None else changed.before


def read_insert(collection: str, document: Any) -> Insert:
    """Give `document` an ``_id`` where it has none, and make the operation that inserts it.

    Raises
    ------
    InvalidQuery, ValueNotStorable
    """
    if isinstance(document, RawBSONDocument):
        document = read_back(document)
    if "_id" not in document:
        document["_id"] = ObjectId()
    # As on a server, the id comes first.
    first = next(iter(document)) == "_id"
    data = encode_given(document if first else {"_id": document["_id"], **document})
    check_id(document["_id"])
    return Insert(collection, document["_id"], data)


def _removed(document: dict[str, Any]) -> None:
    return None
