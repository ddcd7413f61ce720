"""Errors of updates, with the codes of MongoDB's servers."""

from __future__ import annotations

from ...errors import InvalidUpdate
from ..server_codes import ServerCode


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
    return InvalidUpdate(message, path=path, server_code=code)
