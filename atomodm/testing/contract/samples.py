"""Values, texts and names for the tests of stores: every type, odd texts, and what cannot be stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.raw_bson import RawBSONDocument

#: Ids of every type that an id can have, each compared as different from the others.
IDS: list[Any] = [
    MinKey(),
    None,
    float("nan"),
    float("-inf"),
    -(2**63),
    -1.5,
    0,
    Int64(1),
    2**53,
    2**53 + 1,
    Decimal128("9007199254740993.5"),
    2**63 - 1,
    float("inf"),
    "",
    "a",
    "a\0b",
    "ä",
    "\U0001f600",
    "x" * 5000,
    {},
    {"a": 1},
    {"a": {"b": [1, 2]}},
    {"b": 0},
    b"",
    b"\0",
    Binary(b"abc", 128),
    UUID(int=5),
    ObjectId("5f0000000000000000000000"),
    ObjectId("5f0000000000000000000001"),
    False,
    True,
    datetime(1900, 1, 1),
    datetime(2026, 1, 2, 3, 4, 5, 678000),
    Timestamp(1, 2),
    DBRef("people", 1),
    Code("x = 1"),
    MaxKey(),
]

#: With what only documents can hold.
VALUES: list[Any] = [*IDS, [], [1], [[1, 2], "x"], Regex("a.*", "i")]

#: Values that others are equal to though they are written differently, and the edges of every type.
EXACT: list[Any] = [
    *VALUES,
    1,
    Int64(0),
    1.0,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    -float("nan"),
    2**31 - 1,
    2**31,
    -(2**31) - 1,
    Int64(2**31 - 1),
    Decimal128("1"),
    Decimal128("1.000"),
    Decimal128("-0"),
    Decimal128("0E+6111"),
    Decimal128("1E-6176"),
    Decimal128("9.999999999999999999999999999999999E+6144"),
    Decimal128("NaN"),
    Decimal128("-NaN"),
    Decimal128("sNaN"),
    Decimal128("-Infinity"),
    *(Binary(b"0123456789abcdef", subtype) for subtype in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 127, 128, 255)),
    Binary(b"", 2),
    datetime(1, 1, 1),
    datetime(9999, 12, 31, 23, 59, 59, 999000),
    datetime(1969, 12, 31, 23, 59, 59, 999000),
    DatetimeMS(2**63 - 1),
    DatetimeMS(-(2**63)),
    Timestamp(0, 0),
    Timestamp(2**32 - 1, 2**32 - 1),
    Regex("", ""),
    Regex("^ä\n", "imsx"),
    Code(""),
    Code("x", {}),
    Code("x", {"y": [Int64(1)]}),
    DBRef("people", ObjectId("5f0000000000000000000000"), "other", note={"a": 1}),
    {"$ref": 1},
    {"": {"": [{}]}},
    {"b": 1, "a": 2},
    [None, [], [[]], {}],
]

#: Texts that programs trip over.
TEXTS = [
    "",
    " ",
    "\t\r\n",
    "\0",
    "a\0b\0",
    "\1",
    "\x1b[31mred",
    "\x7f\x80\x9f",
    "\xad\u200b\u2060\ufeff",
    "\u202eright to left\u202c",
    "\u2028\u2029",
    "é",
    "e\u0301",
    "ﬀ ß ẞ İ \u0131 \u017f \u212a",
    "Z\u0351\u036b\u0343a\u0363\u035blgo",
    "田中さんにあげて下さい",
    "مُنَاقَشَةُ",
    "👩\u200d👩\u200d👧\u200d👦",
    "\U0001f1e9\U0001f1ea",
    "\ud7ff\ue000\ufffd\ufffe\uffff",
    "\U00010000\U0010ffff",
    "null",
    "undefined",
    "NaN",
    "true",
    "-1e400",
    "0x10",
    "1;DROP TABLE documents",
    "' OR 1=1 --",
    '"; exec(open("x")) #',
    "`$(touch x)`",
    "%s%n{0}{}",
    "../../etc/passwd\\..\\",
    "<script>alert(1)</script>",
    "__proto__",
    "__model__",
    "_id",
    "$where",
    "$",
    "$$ROOT",
    "a.b",
    ".",
    "..",
    "a.$.b",
    "0",
    "-0",
    "{collection}",
    "*",
    "x" * 10_000,
]


class Outside(NamedTuple):
    """A field's value that cannot be stored."""

    #: For the test's name.
    why: str
    #: Makes it; some contain themselves.
    make: Callable[[], Any]
    #: Where in it the reason is, as far as the error says.
    path: str


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"b": value}
    return value


def _list_in_itself() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def _document_in_itself() -> Any:
    value: dict[str, Any] = {}
    value["b"] = value
    return {"b": [value]}


#: What BSON takes for a document as it is: its text ends nowhere.
UNSOUND = RawBSONDocument(b"\x0d\0\0\0\x02a\0\xff\xff\xff\x7f\0\0")

OUTSIDE = [
    Outside("an integer past 64 bits", lambda: [1, {"b": 2**63}], ".1.b"),
    Outside("an integer below 64 bits", lambda: {"b": -(2**63) - 1}, ".b"),
    Outside("a lone surrogate", lambda: {"b": ["text \ud800"]}, ".b.0"),
    Outside("a lone surrogate in a key", lambda: {"b": {"\udfff": 1}}, ".b"),
    Outside("NUL in a key", lambda: {"b": {"c\0d": 1}}, ".b"),
    Outside("a key that is no text", lambda: {"b": {5: 1}}, ".b"),
    Outside("a value without a type", lambda: [0, object()], ".1"),
    Outside("bytes that are no document", lambda: [{"b": UNSOUND}], ".0.b"),
    Outside("a decimal of Python", lambda: {"b": Decimal("1.5")}, ".b"),
    Outside("a hundred levels and more", lambda: _nested(101), ".b.b.b"),
    Outside("thousands of levels", lambda: _nested(5000), ".b.b.b"),
    Outside("a list in itself", _list_in_itself, ".0.0"),
    Outside("a document in itself", _document_in_itself, ".b.0.b"),
]
