"""The document that an upsert starts from: what its filter says that it must be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..nodes import AllOf, And, Compare, In, Node, Operator
from ..paths import MISSING
from ..server_codes import ServerCode
from .codes import invalid_update
from .places import set_at


def upsert_document(node: Node) -> dict[str, Any]:
    """Give the fields that an upsert by operators takes from its filter.

    These are its conditions of equality, also a ``$in`` or ``$all`` of one value, alone or joined by ``$and``; not
    those inside of ``$or``, ``$nor``, ``$not`` or ``$elemMatch``. Dotted paths become documents in one another.

    Parameters
    ----------
    node : Node
        What `atomodm.query.parse_filter` made of the filter.

    Returns
    -------
    dict
        The id first if there is one, then the fields in lexicographic order.

    Raises
    ------
    InvalidUpdate
        Two conditions are about one field, or about a field and a part of it.
    """
    equalities: dict[str, Any] = {}
    for path, value in _equalities(node):
        if path in equalities:
            raise _ambiguous(path)
        equalities[path] = value
    document: dict[str, Any] = {}
    for path in sorted(equalities):
        parts = path.split(".")
        if any(".".join(parts[:depth]) in equalities for depth in range(1, len(parts))):
            raise _ambiguous(path)
        set_at(document, path, equalities[path])
    _id = document.pop("_id", MISSING)
    return document if _id is MISSING else {"_id": _id, **document}


def upsert_id(node: Node) -> Any:
    """Give the id that an upsert by a replacement takes from its filter, which is all that it takes; `MISSING` if none.

    Raises
    ------
    InvalidUpdate
        Two conditions are about the id, or one is about a field of it: the id would not be known exactly.
    """
    id: Any = MISSING
    for path, value in _equalities(node):
        if path.startswith("_id."):
            raise invalid_update(
                "the filter has to say the whole id; an upsert by a replacement cannot take a field of it from there",
                path=path,
                code=ServerCode.NOT_EXACT_VALUE_FIELD,
            )
        if path == "_id":
            if id is not MISSING:
                raise _ambiguous(path)
            id = value
    return id


def _equalities(node: Node) -> Iterator[tuple[str, Any]]:
    match node:
        case And(children):
            for child in children:
                yield from _equalities(child)
        case Compare(path, Operator.EQ, value) | In(path, (value,)):
            yield path, value
        case AllOf(path, values):
            for value in values:
                yield path, value


def _ambiguous(path: str) -> Exception:
    return invalid_update(
        "the filter says twice what this field is; an upsert cannot take it from there",
        path=path,
        code=ServerCode.NOT_SINGLE_VALUE_FIELD,
    )
