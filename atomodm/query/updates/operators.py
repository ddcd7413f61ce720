"""An update that has been read: what it may change, and applying it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from bson import Regex

from ...encoding import same
from ...errors import describe_type
from ..paths import MISSING, as_document
from ..server_codes import ServerCode
from .codes import invalid_update
from .tree import Context, Fields, leaves

_ID: Final = "_id"
_REFERENCE: Final = ("$ref", "$id", "$db")


class UpdateOperators:
    """The operators of an update; made by `parse_update`.

    Parameters
    ----------
    document : dict
        The update as it is written in MongoDB's language.
    updating, inserting : Fields
        What is done to a document that exists, and to one that is about to be inserted.

    Attributes
    ----------
    document : dict
        As given.
    paths : tuple of str
        The stored paths that it may change, without positional parts: ``"a.$[].b"`` is ``"a.b"``.
    is_positional : bool
        Whether it changes an element that the filter has matched.
    """

    __slots__ = ("_checked", "_inserting", "_updating", "_with_id", "document", "is_positional", "paths")

    def __init__(self, document: dict[str, Any], updating: Fields, inserting: Fields) -> None:
        self.document = document
        self._updating = updating
        self._inserting = inserting
        paths = [leaf.path for leaf in leaves(inserting)]
        self.paths = tuple(dict.fromkeys(_stored_path(path) for path in paths))
        self.is_positional = any("$" in path.split(".") for path in paths if "$" in path)
        names = inserting.children
        self._with_id = _ID in names
        #: Names that a document cannot be given by an update; it can have them from its insert.
        self._checked = tuple(name for name in names if name.startswith("$"))

    def __repr__(self) -> str:
        # Without operands, which are somebody's data.
        return f"<UpdateOperators {', '.join(f'{leaf.operator} {leaf.path}' for leaf in leaves(self._inserting))}>"

    def apply(
        self,
        document: dict[str, Any],
        *,
        position: int | None = None,
        inserting: bool = False,
        now: datetime,
    ) -> dict[str, Any]:
        """Give `document` as it is after the update.

        Parameters
        ----------
        document : dict
            Decoded; it stays as it is. The new one shares with it what the update does not change, and values with
            the update: change neither in place.
        position : int, optional
            The position of the element that the filter matched, which the positional ``$`` stands for.
        inserting : bool
            Whether the document is one that an upsert inserts; only then ``$setOnInsert`` counts.
        now : datetime
            What ``$currentDate`` sets: naive, in UTC, of whole milliseconds.

        Returns
        -------
        dict

        Raises
        ------
        InvalidUpdate
            The update does not fit the document.
        """
        root = self._inserting if inserting else self._updating
        new: dict[str, Any] = root.change(document, Context(document, position, now))
        if self._with_id:
            new = _check_id(document, new)
        if self._checked and not inserting:
            self._check_names(document, new)
        return new

    def _check_names(self, document: dict[str, Any], new: dict[str, Any]) -> None:
        for name in self._checked:
            before = document.get(name, MISSING)
            if name in new and (before is MISSING or not same(before, new[name])):
                reference = name in _REFERENCE
                raise invalid_update(
                    "a document cannot be given a field whose name starts with a dollar",
                    path=name,
                    code=ServerCode.INVALID_DBREF if reference else ServerCode.DOLLAR_PREFIXED_FIELD_NAME,
                )


def _stored_path(path: str) -> str:
    if "$" not in path:
        return path
    return ".".join(part for part in path.split(".") if part != "$" and not part.startswith("$["))


def _check_id(document: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Refuse a changed id, and give the new document with its id in front."""
    before, after = document.get(_ID, MISSING), new.get(_ID, MISSING)
    if before is not MISSING:
        if after is MISSING or not same(before, after):
            raise invalid_update(
                "an update cannot change the id of a document", path=_ID, code=ServerCode.IMMUTABLE_FIELD
            )
        return new
    if after is MISSING:
        return new
    if isinstance(after, list | Regex):
        raise invalid_update(f"an id cannot be {describe_type(after)}", path=_ID, code=ServerCode.INVALID_ID_FIELD)
    fields = as_document(after)
    if type(fields) is dict and any(name.startswith("$") for name in fields):
        raise invalid_update(
            "an id cannot have a field whose name starts with a dollar",
            path=_ID,
            code=ServerCode.DOLLAR_PREFIXED_FIELD_NAME,
        )
    return {_ID: after, **new}
