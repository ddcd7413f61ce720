"""Documents as bytes: BSON with one portable value domain, and keys under which ids are looked up.

Every store keeps documents as BSON and accepts exactly the same values. What is outside the domain is refused here,
before anything is written, with an error that names the field path and never the value.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import bson
from bson import Code, CodecOptions, DBRef, Decimal128, Int64, ObjectId, Regex
from bson.binary import UuidRepresentation
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError, InvalidDocument
from bson.raw_bson import RawBSONDocument

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
# The mark of a document inside of another one.
_DOCUMENT = b"\x03"
# Bytes that a document with too many levels takes at least.
_SHALLOW = 8 * MAX_DEPTH

# Types of which two values are stored alike exactly when they are equal.
_EQUAL_ALIKE = frozenset({str, int, bool, bytes, ObjectId})
# Items up to which a container is compared piece by piece, which then costs less than encoding it twice.
_SHORT = 8

# Types of values that hold no others.
_PLAIN = frozenset({str, int, float, bool, type(None), bytes, datetime, ObjectId, Int64, Decimal128})

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
    if _may_be_deep(data) and _leads_deep(document.values(), 1):
        check_values(document)
    return data


def encode_given(document: Mapping[str, Any]) -> bytes:
    """Encode a document that may hold others which are bytes already, which BSON takes without looking at them.

    Raises
    ------
    ValueNotStorable
        As `encode`, or such bytes are no sound BSON.
    """
    data = encode(document)
    if _DOCUMENT in data and _holds_bytes(document.values()):
        check_values(document)
    return data


def read_back(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give a document as it would be read back from a store: a copy, with values as stores give them.

    Raises
    ------
    ValueNotStorable
        As `encode_given`.
    """
    data = encode(document)
    try:
        return bson.decode(data, CODEC_OPTIONS)
    except _DAMAGE:
        check_values(document)
        raise _unsound() from None


def _may_be_deep(data: bytes) -> bool:
    """Whether a document may have too many levels, which BSON itself takes: each costs 8 bytes and a mark at least."""
    return data.count(b"\x03") + data.count(b"\x04") >= MAX_DEPTH


def _leads_deep(values: Iterable[Any], level: int) -> bool:
    """Whether there is a value among them that others may be in, below the last level."""
    for value in values:
        kind = type(value)
        if kind in _PLAIN:
            continue
        if level >= MAX_DEPTH:
            return True
        inner = value.values() if kind is dict else value if kind is list else _values_in(value)
        if _leads_deep(inner, level + 1):
            return True
    return False


def _holds_bytes(values: Iterable[Any]) -> bool:
    """Whether there is a document among them that is bytes already."""
    for value in values:
        kind = type(value)
        if kind in _PLAIN:
            continue
        if kind is dict:
            inner = value.values()
        elif kind is list:
            inner = value
        elif kind is RawBSONDocument:
            return True
        else:
            inner = _values_in(value)
        if _holds_bytes(inner):
            return True
    return False


def _values_in(value: Any) -> Iterable[Any]:
    if isinstance(value, DBRef):
        return value.as_doc().values()
    if isinstance(value, Code):
        return () if value.scope is None else value.scope.values()
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


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
        if kind is float and one != other and one == one:  # of what is no number there are several forms
            return False
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
    if isinstance(document, RawBSONDocument):
        document = _decode_given(document, path)
    elif isinstance(document, DBRef):
        document = document.as_doc()
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
        if isinstance(document, Code) and document.scope is not None:
            check_values(document.scope, f"{path}.$scope", depth + 1)
    elif isinstance(document, int):
        if not _INT_MIN <= document <= _INT_MAX:
            raise IntegerOutOfRange("an integer does not fit in 64 bits", path=path or None)
    else:
        _check_scalar(document, path)


def _decode_given(document: RawBSONDocument, path: str) -> dict[str, Any]:
    try:
        return bson.decode(document.raw, CODEC_OPTIONS)
    except _DAMAGE:
        raise _unsound(path) from None


def _unsound(path: str = "") -> ValueNotStorable:
    return ValueNotStorable("the bytes of a document are no sound BSON", path=path or None)


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
        if isinstance(value, Regex | re.Pattern):
            raise InvalidText("a regular expression holds a NUL character", path=path or None) from None
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
