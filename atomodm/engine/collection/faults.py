"""Our errors as PyMongo's, with the server's codes and without values, for the collection API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from bson.errors import InvalidDocument
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    OperationFailure,
)

from ... import errors
from ...query.server_codes import ServerCode, code_name

#: Codes that servers have no names for.
LIMIT_NOT_POSITIVE: Final = 15958
SORT_DIRECTION: Final = 15975
UPDATED_TOO_LARGE: Final = 17419
NEGATIVE: Final = 51024
SKIP_NEGATIVE: Final = 5107200


def fault_document(error: errors.AtomodmError, collection: str) -> dict[str, Any] | None:
    """What a server would answer where `collection` raises `error`; None where it is no answer of a server.

    Returns
    -------
    dict or None
        ``code``, ``errmsg`` and, for a duplicate, ``keyPattern``. The values (a server's ``keyValue``) are left out.
    """
    match error:
        case errors.DuplicateKey():
            return {
                "code": int(ServerCode.DUPLICATE_KEY),
                "errmsg": f"E11000 duplicate key error collection: {collection} index: {error.index}",
                "keyPattern": dict(zip(error.fields, error.directions, strict=True)),
            }
        case errors.RevisionMismatch():
            message = "others changed the document again and again; try once more"
            return {"code": int(ServerCode.WRITE_CONFLICT), "errmsg": message}
        case errors.StaleCatalogue():
            return {"code": int(ServerCode.QUERY_PLAN_KILLED), "errmsg": error.message}
        case errors.AtomodmError() if isinstance(code := getattr(error, "server_code", None), int):
            return {"code": code, "errmsg": str(error)}
        case _:
            return None


def write_fault(error: errors.AtomodmError, collection: str, position: int = 0) -> dict[str, Any] | None:
    """As `fault_document`, with the position of the write that failed, as in ``writeErrors``."""
    fault = fault_document(error, collection)
    return None if fault is None else {"index": position, **fault}


def bulk_error(result: dict[str, Any], requests: int) -> BulkWriteError:
    """The error for a bulk write that failed in part.

    Its ``details`` have the operations that failed, as PyMongo's have. Its message does not show them.
    """
    error = BulkWriteError(result)
    failed: Sequence[Mapping[str, Any]] = result["writeErrors"]
    first = failed[0]
    error.args = (
        f"batch op errors occurred: {len(failed)} of {requests} operations failed, "
        f"the first at index {first['index']}: {first['errmsg']}",
    )
    return error


@contextmanager
def pymongo_errors(collection: str, failure: type[OperationFailure] = OperationFailure) -> Iterator[None]:
    """Raise PyMongo's error where `collection` raises ours and PyMongo has one for it.

    Parameters
    ----------
    collection : str
    failure : type
        The class for what a server refuses: ``WriteError`` for writes, ``OperationFailure`` for commands.
    """
    try:
        yield
    except errors.AtomodmError as error:
        translated = pymongo_error(error, collection, failure)
        if translated is None:
            raise
        raise translated from None


def pymongo_error(error: errors.AtomodmError, collection: str, failure: type[OperationFailure]) -> Exception | None:
    """PyMongo's error for one of ours; None where it has none."""
    fault = fault_document(error, collection)
    if fault is not None:
        code = fault["code"]
        if failure is OperationFailure:
            fault = {"ok": 0.0, **fault, "codeName": code_name(code)}
        else:
            fault = {"index": 0, **fault}
        kind = DuplicateKeyError if code == ServerCode.DUPLICATE_KEY else failure
        return kind(fault["errmsg"], code, fault)
    match error:
        case errors.DocumentTooLarge():
            return DocumentTooLarge(str(error))
        case errors.ValueNotStorable():
            return InvalidDocument(str(error))
        case errors.OutcomeUnknown():
            return AutoReconnect(str(error))
        case errors.StoreUnavailable():
            return ConnectionFailure(str(error))
    return None
