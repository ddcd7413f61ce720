"""MongoDB's comparison order, written down once more and with nothing of the keys' code."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, MaxKey, MinKey, ObjectId, Regex, Timestamp

_LETTERS = {re.I: "i", re.L: "l", re.M: "m", re.S: "s", re.U: "u", re.X: "x"}


def compare(one: Any, other: Any) -> int:
    """Give -1, 0 or 1 as MongoDB sorts `one` before, with or after `other`."""
    rank, other_rank = _rank(one), _rank(other)
    if rank != other_rank:
        return _order(rank, other_rank)
    match rank:
        case "2 number":
            return _compare_numbers(one, other)
        case "4 document":
            return _compare_fields(_fields(one), _fields(other))
        case "5 array":
            return _compare_fields([("", item) for item in one], [("", item) for item in other])
        case _:
            return _order(_scalar(one), _scalar(other))


def _rank(value: Any) -> str:
    if isinstance(value, MinKey):
        return "0 lowest"
    if value is None:
        return "1 null"
    if isinstance(value, bool):
        return "8 boolean"
    if isinstance(value, int | float | Decimal128):
        return "2 number"
    if isinstance(value, Code):
        return "c code" if value.scope is None else "d scoped code"
    if isinstance(value, str):
        return "3 string"
    if isinstance(value, Mapping | DBRef):
        return "4 document"
    if isinstance(value, list | tuple):
        return "5 array"
    if isinstance(value, bytes | UUID):
        return "6 binary"
    if isinstance(value, ObjectId):
        return "7 id"
    if isinstance(value, datetime | DatetimeMS):
        return "9 date"
    if isinstance(value, Timestamp):
        return "a timestamp"
    if isinstance(value, Regex | re.Pattern):
        return "b expression"
    assert isinstance(value, MaxKey)
    return "z highest"


def _order(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def _compare_numbers(one: Any, other: Any) -> int:
    exact, other_exact = _exact(one), _exact(other)
    return _order(exact, other_exact)


def _exact(number: Any) -> tuple[int, Fraction]:
    if isinstance(number, Decimal128):
        number = number.to_decimal()
        if number.is_nan():
            return -2, Fraction(0)
    if isinstance(number, float) and math.isnan(number):
        return -2, Fraction(0)
    if number.is_infinite() if isinstance(number, Decimal) else math.isinf(number):
        return (1 if number > 0 else -1), Fraction(0)
    return 0, Fraction(number)


def _fields(document: Any) -> list[tuple[str, Any]]:
    return list((document.as_doc() if isinstance(document, DBRef) else document).items())


def _compare_fields(one: list[tuple[str, Any]], other: list[tuple[str, Any]]) -> int:
    for (name, value), (other_name, other_value) in zip(one, other, strict=False):
        by_field = (
            _order(_rank(value), _rank(other_value))
            or _order(name.encode(), other_name.encode())
            or compare(value, other_value)
        )
        if by_field:
            return by_field
    return _order(len(one), len(other))


def _scalar(value: Any) -> Any:
    match value:
        case MinKey() | MaxKey() | None:
            return 0
        case Code():
            return str(value).encode(), _OrderedScope(value.scope)
        case str():
            return value.encode()
        case UUID():
            return 16, 4, value.bytes
        case Binary() if value.subtype == 2:
            return len(value) + 4, 2, len(value).to_bytes(4, "little") + bytes(value)
        case Binary():
            return len(value), value.subtype, bytes(value)
        case bytes():
            return len(value), 0, value
        case ObjectId():
            return value.binary
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        case DatetimeMS():
            return int(value)
        case Timestamp():
            return value.time, value.inc
        case Regex() | re.Pattern():
            return value.pattern.encode(), "".join(letter for flag, letter in _LETTERS.items() if value.flags & flag)
        case _:
            return value


class _OrderedScope:
    def __init__(self, scope: Mapping[str, Any] | None) -> None:
        self.scope = scope or {}

    def __lt__(self, other: _OrderedScope) -> bool:
        return compare(self.scope, other.scope) < 0

    def __gt__(self, other: _OrderedScope) -> bool:
        return compare(self.scope, other.scope) > 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _OrderedScope) and compare(self.scope, other.scope) == 0

    __hash__ = None  # type: ignore[assignment]
