"""Where a path leads in a document that is changed, by MongoDB's rules for updates.

A part of a path names a field of a document, or is the position of an element of an array. Other than in filters, a
path does not go on in each element of an array. What is missing on the way is made: documents, and None for the
elements below a new one.

The functions here change what they are given. They are what an update and a partial save have in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from ...errors import InvalidUpdate, describe_type
from ..paths import MISSING
from ..server_codes import ServerCode
from .codes import invalid_update

#: Elements that may be made at once, so that an array gets an element far behind its end.
MAX_PADDING: Final = 1_500_000

#: What dates count from, naive as they are decoded.
EPOCH: Final = datetime(1970, 1, 1)

_MAX_POSITION: Final = 2**32


def position_of(part: str) -> int | None:
    """Give the position in an array that a part of a path names, or None; ``"01"`` is 1 here, as servers take it."""
    if part.isascii() and part.isdigit() and len(part) < 20:
        position = int(part)
        return position if position < _MAX_POSITION else None
    return None


def get_item(place: Any, part: str) -> Any:
    """Give what a part of a path names in a document or an array, or `MISSING`."""
    if isinstance(place, dict):
        return place.get(part, MISSING)
    if isinstance(place, list):
        position = position_of(part)
        if position is not None and position < len(place):
            return place[position]
    return MISSING


def put_item(place: Any, part: str, value: Any, operator: str, path: str) -> None:
    """Set a field of a document or an element of an array.

    Parameters
    ----------
    place : object
        What the field is to be in.
    part : str
        The field's name, or the element's position.
    value : object
    operator, path : str
        Of the whole update, for messages.

    Raises
    ------
    InvalidUpdate
        `place` cannot have such a field, or too many elements would have to be made.
    """
    if isinstance(place, dict):
        place[part] = value
        return
    position = position_of(part) if isinstance(place, list) else None
    if position is None:
        raise not_viable(place, operator, path)
    missing = position - len(place)
    if missing < 0:
        place[position] = value
        return
    if missing > MAX_PADDING:
        raise invalid_update(
            f"{operator} would have to make more than {MAX_PADDING:,} elements of an array",
            path=path,
            code=ServerCode.CANNOT_BACKFILL_ARRAY,
        )
    place.extend([None] * missing)
    place.append(value)


def remove_item(place: Any, part: str) -> None:
    """Remove a field of a document; an element of an array becomes None, so that the others stay where they are."""
    if isinstance(place, dict):
        place.pop(part, None)
    elif isinstance(place, list):
        position = position_of(part)
        if position is not None and position < len(place):
            place[position] = None


def not_viable(place: Any, operator: str, path: str) -> InvalidUpdate:
    """Make the error for a path that goes on where there is neither a document nor an array with such a position."""
    return invalid_update(
        f"{operator} cannot make a field inside of {describe_type(place)}",
        path=path,
        code=ServerCode.PATH_NOT_VIABLE,
    )


# -- whole paths -------------------------------------------------------------------------------------------------------


def set_at(document: dict[str, Any], path: str, value: Any) -> None:
    """Set what stands at a dotted path, in place."""
    if "." not in path:
        document[path] = value
        return
    *parents, last = path.split(".")
    put_item(_make_way(document, parents, "$set", path), last, value, "$set", path)


def unset_at(document: dict[str, Any], path: str) -> None:
    """Remove what stands at a dotted path, in place; nothing where the path leads nowhere."""
    *parents, last = path.split(".")
    place: Any = document
    for part in parents:
        place = get_item(place, part)
    remove_item(place, last)


def push_at(document: dict[str, Any], path: str, items: Sequence[Any]) -> None:
    """Append to the array at a dotted path, in place; a missing one is made."""
    *parents, last = path.split(".")
    place = _make_way(document, parents, "$push", path)
    array = get_item(place, last)
    if isinstance(array, list):
        array.extend(items)
    elif array is MISSING:
        put_item(place, last, list(items), "$push", path)
    else:
        raise no_array(array, "$push", path)


def _make_way(document: dict[str, Any], parents: Sequence[str], operator: str, path: str) -> Any:
    place: Any = document
    for part in parents:
        child = get_item(place, part)
        if child is MISSING:
            child = {}
            put_item(place, part, child, operator, path)
        place = child
    return place


def no_array(value: Any, operator: str, path: str, code: ServerCode = ServerCode.BAD_VALUE) -> InvalidUpdate:
    """Make the error for an operator on arrays that meets something else."""
    return invalid_update(f"{operator} needs an array, not {describe_type(value)}", path=path, code=code)
