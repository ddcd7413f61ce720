"""Which names collections can have: those that PyMongo accepts, so that a name works on every store."""

from __future__ import annotations

from ..errors import InvalidQuery
from ..query.server_codes import ServerCode


def name_fault(name: str) -> str | None:
    """What is wrong with a collection's name; None when nothing is."""
    if not name:
        return "collection names cannot be empty"
    if ".." in name or name[0] == "." or name[-1] == ".":
        return "collection names must not start or end with '.', or have two of them in a row"
    if "$" in name:
        return "collection names must not contain '$'"
    if "\0" in name:
        return "collection names must not contain the null character"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "collection names must not contain lone surrogates"
    return None


def check_name(name: str) -> None:
    """Raise unless a collection can have this name.

    Raises
    ------
    InvalidQuery
    """
    if (fault := name_fault(name)) is not None:
        raise InvalidQuery(fault, server_code=ServerCode.INVALID_NAMESPACE)
