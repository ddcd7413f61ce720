"""The codes with which a MongoDB server refuses updates, and errors that carry them."""

from __future__ import annotations

from enum import IntEnum

from ...errors import InvalidUpdate


class ServerCode(IntEnum):
    """Codes of MongoDB's servers, under the names that they have there."""

    BAD_VALUE = 2
    FAILED_TO_PARSE = 9
    TYPE_MISMATCH = 14
    PATH_NOT_VIABLE = 28
    CANNOT_BACKFILL_ARRAY = 34
    CONFLICTING_UPDATE_OPERATORS = 40
    DOLLAR_PREFIXED_FIELD_NAME = 52
    INVALID_ID_FIELD = 53
    NOT_SINGLE_VALUE_FIELD = 54
    INVALID_DBREF = 55
    EMPTY_FIELD_NAME = 56
    IMMUTABLE_FIELD = 66
    NOT_EXACT_VALUE_FIELD = 111


def invalid_update(message: str, *, path: str | None = None, code: int = ServerCode.BAD_VALUE) -> InvalidUpdate:
    """Make the error for an update that is refused.

    Parameters
    ----------
    message : str
        What is wrong; it names operators and types, never values.
    path : str, optional
        The path as the update has it.
    code : int
        As a MongoDB server gives it.
    """
    # A plain number: programs print it, and compare it with what pymongo gives them.
    return InvalidUpdate(message, path=path, server_code=int(code))
