"""Our errors as PyMongo's, with the server's codes and without values, for the collection API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import InvalidDocument
from pymongo.errors import DocumentTooLarge, DuplicateKeyError, OperationFailure

from .. import errors

#: The server's codes.
BAD_VALUE = 2
IMMUTABLE_FIELD = 66
DUPLICATE_KEY = 11000


@contextmanager
def pymongo_errors(collection: str) -> Iterator[None]:
    """Raise PyMongo's error where `collection` raises ours and PyMongo has one for it."""
    try:
        yield
    except errors.DuplicateKey as error:
        message = f"E11000 duplicate key error collection: {collection} index: {error.index}"
        details = {
            "index": error.position,
            "code": DUPLICATE_KEY,
            "errmsg": message,
            "keyPattern": dict.fromkeys(error.fields, 1),
        }
        raise DuplicateKeyError(message, DUPLICATE_KEY, details) from None
    except errors.InvalidQuery as error:
        details = {"code": BAD_VALUE, "codeName": "BadValue", "errmsg": str(error)}
        raise OperationFailure(str(error), BAD_VALUE, details) from None
    except errors.DocumentTooLarge as error:
        raise DocumentTooLarge(str(error)) from None
    except errors.ValueNotStorable as error:
        raise InvalidDocument(str(error)) from None
