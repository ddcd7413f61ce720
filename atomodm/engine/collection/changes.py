"""What an update or a replacement makes of a document, and what an upsert inserts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from bson import ObjectId, Regex

from ...contract.updates import Besides
from ...encoding import read_back
from ...errors import InvalidQuery, InvalidUpdate, describe_type
from ...query.keys import encode_key
from ...query.nodes import Node
from ...query.paths import MISSING
from ...query.positions import compile_position
from ...query.server_codes import ServerCode
from ...query.updates import UpdateOperators, parse_update, upsert_document, upsert_id


class DocumentChange(Protocol):
    """Makes new documents of old ones, which stay as they are."""

    def changed(self, document: dict[str, Any]) -> dict[str, Any]:
        """What `document` becomes.

        Raises
        ------
        InvalidUpdate
        """

    def inserted(self) -> dict[str, Any]:
        """The document that an upsert inserts, with an ``_id``.

        Raises
        ------
        InvalidUpdate
        """


class UpdateByOperators:
    """An update by operators.

    Parameters
    ----------
    node : Node
        The filter.
    update : mapping or UpdateOperators
    array_filters : sequence of mapping, optional
        Unless the update has been read already.
    now : datetime, optional
        What the current date is, naive and in whole milliseconds; this computer's time unless it is given.
    besides : callable, optional
        Gives for a document fields that are set as well.

    Raises
    ------
    InvalidUpdate, ValueNotStorable
    """

    def __init__(
        self,
        node: Node,
        update: Mapping[str, Any] | UpdateOperators,
        array_filters: Sequence[Mapping[str, Any]] | None = None,
        *,
        now: datetime | None = None,
        besides: Besides | None = None,
    ) -> None:
        self._node = node
        self._operators = update if isinstance(update, UpdateOperators) else parse_update(update, array_filters)
        self._position = compile_position(node) if self._operators.is_positional else None
        # One time for all documents of an update, as on a server.
        self._now = now or _now()
        self._besides = besides

    @property
    def paths(self) -> Sequence[str]:
        """The stored paths that may change."""
        return self._operators.paths

    def changed(self, document: dict[str, Any]) -> dict[str, Any]:
        """What `document` becomes."""
        position = None if self._position is None else self._position(document)
        changed = self._operators.apply(document, position=position, now=self._now)
        return changed if self._besides is None else {**changed, **self._besides(document)}

    def inserted(self) -> dict[str, Any]:
        """The document that an upsert inserts: what the filter says, and then the operators."""
        document = self._operators.apply(upsert_document(self._node), inserting=True, now=self._now)
        return document if "_id" in document else {"_id": ObjectId(), **document}


class ReplacementBy:
    """A whole new document in the place of another one, whose id stays.

    Parameters
    ----------
    node : Node
        The filter.
    replacement : mapping

    Raises
    ------
    InvalidUpdate, ValueNotStorable
    """

    def __init__(self, node: Node, replacement: Mapping[str, Any]) -> None:
        for name in replacement:
            if str(name).startswith("$"):
                message = "a document to replace with has no fields whose names start with a dollar"
                raise InvalidUpdate(message, path=name, server_code=ServerCode.DOLLAR_PREFIXED_FIELD_NAME)
        self._node = node
        # As stored, and a copy that nobody else can change.
        self._fields = read_back(replacement)
        self._id = self._fields.pop("_id", MISSING)

    def changed(self, document: dict[str, Any]) -> dict[str, Any]:
        """What `document` becomes."""
        self._check_id(document["_id"])
        return {"_id": document["_id"], **self._fields}

    def inserted(self) -> dict[str, Any]:
        """The document that an upsert inserts."""
        wanted = upsert_id(self._node)
        if wanted is not MISSING:
            self._check_id(wanted)
            return {"_id": wanted, **self._fields}
        return {"_id": ObjectId() if self._id is MISSING else self._id, **self._fields}

    def _check_id(self, id: Any) -> None:
        if self._id is not MISSING and encode_key(self._id) != encode_key(id):
            message = "the (immutable) field '_id' would be altered by the replacement"
            raise InvalidUpdate(message, path="_id", server_code=ServerCode.IMMUTABLE_FIELD)


def check_id(id: Any) -> None:
    """Raise unless `id` can be a document's ``_id``.

    Raises
    ------
    InvalidQuery
    """
    if isinstance(id, list | tuple | Regex | re.Pattern):
        raise InvalidQuery(f"an id cannot be {describe_type(id)}", path="_id", server_code=ServerCode.BAD_VALUE)
    if isinstance(id, Mapping) and any(isinstance(name, str) and name.startswith("$") for name in id):
        message = "an id cannot have a field whose name starts with a dollar"
        raise InvalidQuery(message, path="_id", server_code=ServerCode.DOLLAR_PREFIXED_FIELD_NAME)


def _now() -> datetime:
    """The time, as a date of BSON has it."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
