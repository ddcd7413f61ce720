"""Values of every BSON type and small documents, for property tests."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from hypothesis import strategies as st

_LARGEST = "9.999999999999999999999999999999999E+6144"

#: Values that stand close to each other, or are equal though they are written differently.
INTERESTING: list[Any] = [
    MinKey(),
    None,
    float("nan"),
    -float("nan"),
    Decimal128("NaN"),
    Decimal128("-NaN"),
    Decimal128("sNaN"),
    float("-inf"),
    Decimal128("-Infinity"),
    Decimal128(f"-{_LARGEST}"),
    -1.7976931348623157e308,
    -(2**63),
    Int64(-(2**63)),
    -(2**63) + 1,
    float(-(2**63)),
    -(2**53) - 1,
    -(2**53),
    -1.5,
    -1,
    Decimal128("-1.00"),
    Decimal128("-0.1"),
    -0.1,
    -5e-324,
    Decimal128("-1E-6176"),
    0,
    0.0,
    -0.0,
    Int64(0),
    Decimal128("-0"),
    Decimal128("0E+6111"),
    Decimal128("1E-6176"),
    Decimal128("1E-400"),
    5e-324,
    Decimal128("4.9E-324"),
    2.2250738585072014e-308,
    0.1,
    Decimal128("0.1"),
    Decimal128("0.10"),
    Decimal128("0.1000000000000000055511151231257827"),
    Decimal128("0.1000000000000000055511151231257828"),
    0.30000000000000004,
    Decimal128("0.3"),
    1,
    1.0,
    Int64(1),
    Decimal128("1"),
    Decimal128("1.000"),
    2**31,
    2**53 - 1,
    2**53,
    float(2**53),
    2**53 + 1,
    Decimal128("9007199254740993"),
    Decimal128("9007199254740992.5"),
    Decimal128("9007199254740992.75"),
    2**53 + 2,
    2**63 - 1,
    2**63 - 2,
    float(2**63),
    Decimal128("9223372036854775807.5"),
    Decimal128("9223372036854775808"),
    Decimal128("10000000000000000000000000000000001"[:34]),
    1e300,
    Decimal128("1E+300"),
    1.7976931348623157e308,
    Decimal128("1.8E+308"),
    Decimal128("1.7E+309"),
    Decimal128(_LARGEST),
    float("inf"),
    Decimal128("Infinity"),
    "",
    "\0",
    "\0\0",
    "\0\1",
    "\1",
    "\1\1",
    "\1\2",
    "\2",
    "a",
    "a\0",
    "a\0b",
    "a\1",
    "ab",
    "b",
    "B",
    "ß",
    "\u017f",
    "\u07ff",
    "\uffff",
    "\U0001f600",
    {},
    {"a": None},
    {"a": 1},
    {"a": 1.0},
    {"a": -1},
    {"b": -2},
    {"a": 1, "b": 2},
    {"b": 2, "a": 1},
    {"a": "x"},
    {"b": 1},
    {"": 1},
    {"a": {"a": 1}},
    {"a": [1]},
    DBRef("people", 1),
    {"$ref": "people", "$id": 1},
    [],
    [None],
    [1],
    [1.0],
    [1, 2],
    [-1, 5],
    [2],
    [[]],
    [[1]],
    [{}],
    ["a"],
    b"",
    b"\0",
    b"a",
    b"ab",
    b"b",
    Binary(b"a", 128),
    Binary(b"a", 2),
    Binary(b"01234"),
    UUID(int=0),
    UUID(int=2**128 - 1),
    Binary(UUID(int=0).bytes, 4),
    Binary(UUID(int=0).bytes, 3),
    ObjectId("0" * 24),
    ObjectId("f" * 24),
    False,
    True,
    DatetimeMS(-(2**63)),
    DatetimeMS(2**63 - 1),
    datetime(1, 1, 1),
    datetime(1969, 12, 31, 23, 59, 59, 999_000),
    datetime(1969, 12, 31, 23, 59, 59, 999_999),
    datetime(1970, 1, 1),
    DatetimeMS(0),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
    datetime(2026, 1, 1, 12, 0, 0, 1000),
    Timestamp(0, 0),
    Timestamp(0, 1),
    Timestamp(1, 0),
    Timestamp(2**32 - 1, 2**32 - 1),
    Regex("a"),
    Regex("a", "i"),
    Regex("ab"),
    re.compile("a", re.IGNORECASE),
    Code("a"),
    Code("ab"),
    Code("a", {}),
    Code("a", {"x": 1}),
    MaxKey(),
]

_decimals = st.builds(
    lambda sign, digits, exponent: Decimal128(f"{sign}{digits}E{exponent}"),
    st.sampled_from(["", "-"]),
    st.integers(0, 10**34 - 1),
    st.integers(-6176, 6111) | st.integers(-34, 5),
)
_integers = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5) | st.integers(2**53 - 3, 2**53 + 3)
numbers = _integers | st.floats() | _decimals | st.integers(-3, 3).map(float) | _integers.map(Int64)
_texts = st.text(st.sampled_from("\0\1\2abB\x7f\u0080\uffff\U00010000"), max_size=4) | st.text(max_size=5)
_dates = st.datetimes().map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
scalars = (
    st.sampled_from([item for item in INTERESTING if not isinstance(item, dict | list)])
    | numbers
    | _texts
    | st.binary(max_size=4)
    | st.builds(Binary, st.binary(max_size=3), st.sampled_from([0, 3, 5, 128]))
    | _dates
    | st.booleans()
    | st.none()
)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.text(st.sampled_from("ab\1"), max_size=2)
    return st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)


#: Values of every BSON type.
values = st.recursive(scalars | st.sampled_from(INTERESTING), _containers, max_leaves=6)

#: Few values, so that documents and operands often meet.
few_values = st.recursive(
    st.sampled_from(
        [
            None,
            0,
            1,
            1.0,
            Int64(2),
            Decimal128("1.5"),
            float("nan"),
            "",
            "a",
            "ab",
            "b",
            "A",
            True,
            datetime(2026, 1, 1),
            ObjectId("0" * 24),
            Regex("a"),
            MinKey(),
            MaxKey(),
        ]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0"]), inner, max_size=2),
    max_leaves=6,
)

#: Small documents whose fields are few, with arrays and documents nested in one another.
documents = st.dictionaries(st.sampled_from(["a", "b", "0"]), few_values, max_size=3)

#: Paths that lead into them, or nowhere.
paths = st.sampled_from(["a", "b", "a.b", "a.a", "a.0", "a.0.b", "a.b.0", "a.0.0", "a.b.a", "0", "a.1", "c", "a.c"])
