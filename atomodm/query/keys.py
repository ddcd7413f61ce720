"""Byte keys in MongoDB's comparison order: one comparison for indexes, filters and sorting.

``encode_key(a) < encode_key(b)`` exactly when MongoDB sorts `a` before `b`, and the keys are the same exactly when it
compares them as equal. No key is a proper prefix of another one, so keys can be joined: ``encode_key(value) +
encode_key(_id)`` sorts by value and then by id.

The first byte is the type bracket, in the order of MongoDB's manual ("Comparison/Sort Order"). Then:

numbers
    The magnitude's nearest double towards zero, big-endian, then 0, or 1 and the exact rest in units of that double's
    last place as decimal exponent and digits. Negative numbers are the complement of their magnitude. So integers,
    doubles and Decimal128 are compared by their exact values. NaN of any kind is one value below all numbers.
strings
    UTF-8, ended by a zero byte; bytes 0 and 1 inside are written as 1 1 and 1 2.
documents
    For each field a byte for the type, the name, the value; then a zero byte. A document that another one starts with
    comes first.
arrays
    The elements, then a zero byte. (MongoDB compares arrays as documents whose names are the positions.)
binary data
    Length, subtype, bytes.
dates
    Milliseconds since 1970, offset to be positive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from struct import Struct
from typing import Any, Final
from uuid import UUID

from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from ..errors import ValueNotStorable, describe_type
from .number_keys import NAN, NEGATIVE, POSITIVE, encode_decimal128, encode_float, encode_int

# First bytes; 0 ends arrays and documents, and numbers have 4 to 6, see `number_keys`.
_MIN_KEY = 1
_UNDEFINED = 2
_NULL = 3
_STRING = 8
_DOCUMENT = 10
_ARRAY = 12
_BINARY = 14
_OBJECT_ID = 16
_BOOLEAN = 18
_DATE = 20
_TIMESTAMP = 22
_REGEX = 24
_CODE = 26
_SCOPED_CODE = 28
_MAX_KEY = 254

#: Below and above every key.
LOWEST: Final = b""
HIGHEST: Final = b"\xff"

#: What an empty array is indexed and sorted as: below null.
UNDEFINED_KEY: Final = bytes([_UNDEFINED])
#: The key of None, which stands for a missing value in indexes and in sorting too.
NULL_KEY: Final = bytes([_NULL])

_COMPLEMENT: Final = bytes(range(255, -1, -1))
_pack_date = Struct(">BQ").pack
_pack_pair = Struct(">BII").pack
_pack_binary = Struct(">BIB").pack

_TRUE_KEY, _FALSE_KEY = bytes([_BOOLEAN, 1]), bytes([_BOOLEAN, 0])
_MIN_KEY_KEY, _MAX_KEY_KEY = bytes([_MIN_KEY]), bytes([_MAX_KEY])
_STRING_BYTE, _DOCUMENT_BYTE, _ARRAY_BYTE = bytes([_STRING]), bytes([_DOCUMENT]), bytes([_ARRAY])
_OBJECT_ID_BYTE = bytes([_OBJECT_ID])

_MILLISECONDS_OFFSET = 2**63
_EPOCH = datetime(1970, 1, 1)
_AWARE_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_OPTIONS = ((re.I, "i"), (re.L, "l"), (re.M, "m"), (re.S, "s"), (re.U, "u"), (re.X, "x"))


def encode_key(value: Any) -> bytes:
    """Give the key of a value.

    Parameters
    ----------
    value : object
        Anything that BSON has a type for. Aware datetimes are converted to UTC, naive ones are UTC; below a
        millisecond they are cut off.

    Returns
    -------
    bytes

    Raises
    ------
    ValueNotStorable
        BSON has no type for the value; `IntegerOutOfRange` for an integer past 64 bits.
    """
    return (_ENCODERS.get(type(value)) or _encoder_of(value))(value)


def descending(key: bytes) -> bytes:
    """Give a key that sorts the other way round; of keys that are no prefix of each other, as those of `encode_key`."""
    return key.translate(_COMPLEMENT)


def bracket(value: Any) -> tuple[bytes, bytes]:
    """Give the range of keys that a comparison with `value` can match: the values of its type bracket.

    NaN is comparable only to itself, MinKey and MaxKey are comparable to everything.

    Returns
    -------
    low, high : bytes
        All keys with ``low <= key < high``.
    """
    first = encode_key(value)[0]
    if first in (_MIN_KEY, _MAX_KEY):
        return LOWEST, HIGHEST
    if first in (NEGATIVE, POSITIVE):
        return bytes([NEGATIVE]), bytes([POSITIVE + 1])
    return bytes([first]), bytes([first + 1])


def text_prefix_range(prefix: str) -> tuple[bytes, bytes]:
    """Give the range of the keys of all strings that start with `prefix`, as ``low <= key < high``."""
    low = _encode_str(prefix)[:-1]
    # No byte of UTF-8 is 255.
    return low, low + b"\xff"


def type_bracket(value: Any) -> int:
    """Give a number that is the same for values that MongoDB compares with one another, in the brackets' order."""
    return _BRACKETS.get(type(value)) or _BRACKET_BYTES[encode_key(value)[0]][0]


def is_nan(value: Any) -> bool:
    """Whether `value` is a number that is none."""
    return (isinstance(value, float) and value != value) or (
        isinstance(value, Decimal128) and bool(value.to_decimal().is_nan())
    )


def regex_options(flags: int) -> str:
    """Name the flags of Python's ``re`` as MongoDB does."""
    return "".join(letter for flag, letter in _OPTIONS if flags & flag)


def _encode_none(value: None) -> bytes:
    return NULL_KEY


def _encode_bool(value: bool) -> bytes:
    return _TRUE_KEY if value else _FALSE_KEY


def _encode_str(value: str) -> bytes:
    if "\0" in value or "\1" in value:
        return _STRING_BYTE + _escape(_utf8(value)) + b"\0"
    try:
        return _STRING_BYTE + value.encode() + b"\0"
    except UnicodeEncodeError:
        return _STRING_BYTE + _utf8(value) + b"\0"


def _utf8(text: str) -> bytes:
    # Lone surrogates cannot be stored; a key for them makes comparing with them possible, and false.
    return text.encode("utf-8", "surrogatepass")


def _escape(data: bytes) -> bytes:
    return data.replace(b"\1", b"\1\2").replace(b"\0", b"\1\1")


def _encode_document(value: Mapping[str, Any]) -> bytes:
    parts = [_DOCUMENT_BYTE]
    for name, item in value.items():
        key = encode_key(item)
        parts.append(_BRACKET_BYTES[key[0]])
        parts.append(_escape(_utf8(name)))
        parts.append(b"\0")
        parts.append(key)
    parts.append(b"\0")
    return b"".join(parts)


def _encode_array(value: list[Any] | tuple[Any, ...]) -> bytes:
    return _ARRAY_BYTE + b"".join(map(encode_key, value)) + b"\0"


def _encode_bytes(value: bytes) -> bytes:
    return _pack_binary(_BINARY, len(value), 0) + value


def _encode_binary(value: Binary) -> bytes:
    if value.subtype == 2:
        # The old generic subtype holds its length once more, and servers compare that as data.
        return _pack_binary(_BINARY, len(value) + 4, 2) + len(value).to_bytes(4, "little") + value
    return _pack_binary(_BINARY, len(value), value.subtype) + value


def _encode_uuid(value: UUID) -> bytes:
    return _pack_binary(_BINARY, 16, 4) + value.bytes


def _encode_object_id(value: ObjectId) -> bytes:
    return _OBJECT_ID_BYTE + value.binary


def _encode_datetime(value: datetime) -> bytes:
    since = value - (_EPOCH if value.tzinfo is None else _AWARE_EPOCH)
    milliseconds = since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
    return _pack_date(_DATE, milliseconds + _MILLISECONDS_OFFSET)


def _encode_datetime_ms(value: DatetimeMS) -> bytes:
    return _pack_date(_DATE, int(value) + _MILLISECONDS_OFFSET)


def _encode_timestamp(value: Timestamp) -> bytes:
    return _pack_pair(_TIMESTAMP, value.time, value.inc)


def _encode_regex(value: Regex[Any] | re.Pattern[Any]) -> bytes:
    pattern = _utf8(value.pattern) if isinstance(value.pattern, str) else value.pattern
    return bytes([_REGEX]) + _escape(pattern) + b"\0" + regex_options(value.flags).encode() + b"\0"


def _encode_code(value: Code) -> bytes:
    text = _escape(_utf8(str(value))) + b"\0"
    if value.scope is None:
        return bytes([_CODE]) + text
    return bytes([_SCOPED_CODE]) + text + _encode_document(value.scope)


def _encode_dbref(value: DBRef) -> bytes:
    return _encode_document(value.as_doc())


def _encode_min_key(value: MinKey) -> bytes:
    return _MIN_KEY_KEY


def _encode_max_key(value: MaxKey) -> bytes:
    return _MAX_KEY_KEY


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    str: _encode_str,
    int: encode_int,
    Int64: encode_int,
    float: encode_float,
    bool: _encode_bool,
    type(None): _encode_none,
    ObjectId: _encode_object_id,
    datetime: _encode_datetime,
    dict: _encode_document,
    list: _encode_array,
    tuple: _encode_array,
    bytes: _encode_bytes,
    Binary: _encode_binary,
    UUID: _encode_uuid,
    Decimal128: encode_decimal128,
    DatetimeMS: _encode_datetime_ms,
    Timestamp: _encode_timestamp,
    Regex: _encode_regex,
    re.Pattern: _encode_regex,
    Code: _encode_code,
    DBRef: _encode_dbref,
    MinKey: _encode_min_key,
    MaxKey: _encode_max_key,
}


def _encoder_of(value: Any) -> Callable[[Any], bytes]:
    """Find the encoder for an instance of a subclass of a known type."""
    for base in type(value).__mro__:
        encoder = _ENCODERS.get(base)
        if encoder is not None:
            return encoder
    if isinstance(value, Mapping):
        return _encode_document
    raise ValueNotStorable(f"BSON has no type for {describe_type(value)}")


#: By the first byte of a key, the byte that stands for its bracket.
_BRACKET_BYTES = [bytes([POSITIVE if first in (NAN, NEGATIVE) else first]) for first in range(256)]
_BRACKETS: dict[type, int] = {
    str: _STRING,
    int: POSITIVE,
    Int64: POSITIVE,
    float: POSITIVE,
    Decimal128: POSITIVE,
    bool: _BOOLEAN,
    type(None): _NULL,
    ObjectId: _OBJECT_ID,
    datetime: _DATE,
    DatetimeMS: _DATE,
    dict: _DOCUMENT,
    DBRef: _DOCUMENT,
    list: _ARRAY,
    tuple: _ARRAY,
    bytes: _BINARY,
    Binary: _BINARY,
    UUID: _BINARY,
}
