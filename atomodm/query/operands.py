"""Values that a query compares with: the same domain as stored values, and a copy that nobody else can change."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from ..encoding import read_back
from ..errors import InvalidQuery, ValueNotStorable


def stored_operand(value: Any, what: str, *, path: str | None = None, model: str | None = None) -> Any:
    """Give `value` as it would be read back from a store.

    Tuples become lists, aware datetimes naive ones in UTC, patterns of Python ``bson.Regex``, and so on.

    Parameters
    ----------
    value : object
    what : str
        The operator or lookup, for messages.
    path, model : str, optional
        For messages.

    Raises
    ------
    InvalidQuery
        No stored value can be like this.
    """
    if _is_plain(value):
        return value
    try:
        return read_back({"": value})[""]
    except ValueNotStorable as error:
        # Only the error's code: its message has the path inside of the operand, which may be the asker's data.
        raise InvalidQuery(
            f"{what} has an operand that cannot be stored ({error.code})", path=path, model=model
        ) from None


def _is_plain(value: Any) -> bool:
    """Whether reading back what was stored gives the value itself; most operands are like this."""
    kind = type(value)
    if kind is str:
        return bool(value.isascii())
    if kind is int:
        return bool(-(2**31) <= value < 2**31)  # larger ones come back as `bson.Int64`
    return kind is ObjectId or kind is bool or kind is float
