"""A document that was found, and the operation that changes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...contract.operations import Delete, Update
from ...encoding import decode, encode
from ...errors import DocumentTooLarge, InvalidUpdate, ValueNotStorable
from ...query.changes import Changes
from ...query.paths import MISSING
from ...query.server_codes import ServerCode
from .faults import UPDATED_TOO_LARGE

#: Gives what a document becomes; None removes it. It leaves the document as it is.
Change = Callable[[dict[str, Any]], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A document as it was read.

    Attributes
    ----------
    revision : int
    data : bytes
    document : dict
        `data` decoded.
    """

    revision: int
    data: bytes
    document: dict[str, Any]

    @classmethod
    def read(cls, revision: int, data: bytes) -> FoundDocument:
        """Decode a document."""
        return cls(revision, data, decode(data))

    @property
    def id(self) -> Any:
        """The document's ``_id``."""
        return self.document["_id"]

    def operation(self, collection: str, after: dict[str, Any] | None) -> Update | Delete | None:
        """The operation that makes the document what it is `after`, or removes it; None where there is no difference.

        Raises
        ------
        InvalidUpdate
            The document has become too large, or too deep.
        """
        if after is None:
            return Delete(collection, self.id, self.revision, seen=(self.revision, self.data))
        data = encode_changed(after)
        if data == self.data:
            return None
        return Update(collection, self.id, self.revision, _difference(self.document, after), data, self.data)


def encode_changed(document: dict[str, Any]) -> bytes:
    """Encode what an update made of a document.

    Raises
    ------
    InvalidUpdate
        It has become too large, or too deep.
    """
    try:
        return encode(document)
    except DocumentTooLarge as error:
        raise InvalidUpdate(f"after the update, {error.message}", server_code=UPDATED_TOO_LARGE) from None
    except ValueNotStorable as error:
        message = f"after the update, the document cannot be stored: {error.message}"
        raise InvalidUpdate(message, path=error.path, server_code=ServerCode.OVERFLOW) from None


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """What differs, by whole fields: an update shares with the document what it leaves as it is."""
    return Changes(
        set={name: value for name, value in after.items() if before.get(name, MISSING) is not value},
        unset=[name for name in before if name not in after],
    )
