"""Documents as bytes: BSON with one portable value domain, and keys under which ids are looked up.

Every store keeps documents as BSON and accepts exactly the same values. What is outside the domain is refused here,
before anything is written, with an error that names the field path and never the value.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any

import bson
from bson import CodecOptions, Int64, ObjectId
from bson.binary import UuidRepresentation
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError, InvalidDocument

from .errors import (
    DocumentTooLarge,
    FlattenProcessorDoesNotExist,
    IntegerOutOfRange,
    InvalidText,
    NestingTooDeep,
    StoreCorrupt,
    ValueNotStorable,
    describe_type,
)

#: How every store reads and writes BSON: naive UTC dates, standard UUIDs, dates past year 9999 kept as they are.
CODEC_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    document_class=dict,
    tz_aware=False,
    uuid_representation=UuidRepresentation.STANDARD,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)

#: Levels of nesting that a MongoDB server accepts.
MAX_DEPTH = 100
#: Bytes of one document that a MongoDB server accepts.
MAX_SIZE = 16 * 1024 * 1024
# Bytes that a document with too many levels takes at least.
_SHALLOW = 8 * MAX_DEPTH

# Types of which two values are stored alike exactly when they are equal.
_EQUAL_ALIKE = frozenset({str, int, bool, bytes, ObjectId})
# Items up to which a container is compared piece by piece, which then costs less than encoding it twice.
_SHORT = 8

# What decoding bytes that are no document ends in.
_DAMAGE = (BSONError, ValueError, TypeError, OverflowError, RecursionError)

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


def encode(document: Mapping[str, Any]) -> bytes:
    """Encode a document as BSON.

    Parameters
    ----------
    document : mapping
        Field names to values that BSON has types for.

    Returns
    -------
    bytes

    Raises
    ------
    ValueNotStorable
        A value is outside the portable domain; the subclass says why and ``path`` says where.
    """
    try:
        data = bson.encode(document, False, CODEC_OPTIONS)
    except (InvalidDocument, OverflowError, UnicodeError, RecursionError, ValueError, TypeError) as error:
        check_values(document)
        raise ValueNotStorable(f"BSON refuses this document ({type(error).__name__})") from None
    if len(data) <= _SHALLOW:
        return data
    if len(data) > MAX_SIZE:
        raise DocumentTooLarge(f"the document takes {len(data):,} bytes, the limit is {MAX_SIZE:,}")
    if _may_be_deep(data):
        check_values(document)
    return data


def _may_be_deep(data: bytes) -> bool:
    """Whether a document may have too many levels, which BSON itself takes: each costs 8 bytes and a mark at least."""
    return data.count(b"\x03") + data.count(b"\x04") >= MAX_DEPTH


def same(one: Any, other: Any) -> bool:
    """Whether two values are stored alike: 1, True and 1.0 are not, nor are two dicts of different order."""
    if one is other:
        return True
    kind = one.__class__
    if kind is other.__class__:
        if kind in _EQUAL_ALIKE:
            return bool(one == other)
        if (kind is float or kind is datetime) and one == other and one != 0:  # zeros have a sign
            return True
        if (kind is list or kind is dict) and len(one) == len(other) <= _SHORT:
            if kind is list:
                return all(map(same, one, other))
            return list(one) == list(other) and all(map(same, one.values(), other.values()))
    return bson.encode({"": one}, False, CODEC_OPTIONS) == bson.encode({"": other}, False, CODEC_OPTIONS)


def decode(data: bytes) -> dict[str, Any]:
    """Decode one stored document.

    Raises
    ------
    StoreCorrupt
        It is damaged.
    """
    try:
        return bson.decode(data, CODEC_OPTIONS)
    except _DAMAGE:
        raise _damaged() from None


def decode_all(documents: Sequence[bytes]) -> list[dict[str, Any]]:
    """Decode many stored documents in one call into C, as `decode`."""
    try:
        return bson.decode_all(b"".join(documents), CODEC_OPTIONS)
    except _DAMAGE:
        raise _damaged() from None


def _damaged() -> StoreCorrupt:
    # What BSON says may show parts of the document.
    return StoreCorrupt("a stored document is damaged; check() of its store says which one")


def check_values(document: Any, path: str = "", depth: int = 0) -> None:
    """Raise the typed error for the first value in `document` that is outside the portable domain.

    Parameters
    ----------
    document : object
        A document, or a value of one.
    path : str
        Where `document` stands in its own document.
    depth : int
        The level of nesting at which it stands.
    """
    if depth > MAX_DEPTH:
        raise NestingTooDeep(f"nested deeper than {MAX_DEPTH} levels, or containing itself", path=_shorten(path))
    if isinstance(document, Mapping):
        for key, value in document.items():
            if not isinstance(key, str):
                raise ValueNotStorable(
                    f"a key is {describe_type(key)}; keys of documents are strings", path=path or None
                )
            _check_text(key, path)
            if "\0" in key:
                raise InvalidText("a key holds a NUL character", path=path or None)
            check_values(value, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(document, list | tuple):
        for position, value in enumerate(document):
            check_values(value, f"{path}.{position}", depth + 1)
    elif isinstance(document, str):
        _check_text(document, path)
    elif isinstance(document, int):
        if not _INT_MIN <= document <= _INT_MAX:
            raise IntegerOutOfRange("an integer does not fit in 64 bits", path=path or None)
    else:
        _check_scalar(document, path)


def _check_text(text: str, path: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidText(
            "text holds a lone surrogate", path=path.encode("utf-8", "replace").decode() or None
        ) from None


def _check_scalar(value: Any, path: str) -> None:
    try:
        bson.encode({"": value}, False, CODEC_OPTIONS)
    except InvalidDocument:
        raise FlattenProcessorDoesNotExist(
            f"no converter is registered for {describe_type(value)}", path=path or None
        ) from None
    except (OverflowError, UnicodeError, ValueError, TypeError) as error:
        raise ValueNotStorable(
            f"a {describe_type(value)} cannot be encoded ({type(error).__name__})", path=path or None
        ) from None


def _shorten(path: str, limit: int = 80) -> str:
    return path if len(path) <= limit else f"{path[:limit]}…"


def id_key(_id: Any) -> Hashable:
    """A key that is equal exactly for equal ids, as stores compare them.

    Numbers compare by value whatever their type; an ObjectId, a string, bytes and a boolean never equal one another.
    ``ObjectId.__hash__`` is Python code, so its bytes stand for it.
    """
    kind = type(_id)
    if kind is ObjectId:
        return _id.binary  # type: ignore[no-any-return]
    if kind is str or kind is int or kind is Int64:
        return _id  # type: ignore[no-any-return]
    if kind is float and _id == _id:
        return _id  # type: ignore[no-any-return]
    return kind.__name__, encode({"": _id})
