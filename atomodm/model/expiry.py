"""When documents expire: what a program may ask for, and where a document has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ..encoding import decode

#: The field of a document that says when it expires.
EXPIRES: Final = "__expires__"
#: The field that says how long a document lives by itself: milliseconds as an integer, null for good.
OWN_TTL: Final = "__ttl__"
#: Seconds that a document can live at most.
LONGEST: Final = 2**31 - 1

_MARK: Final = EXPIRES.encode() + b"\0"


def time_to_live(value: Any) -> timedelta | None:
    """The time that seconds or a `timedelta` stand for, to the millisecond; None for what stands for no time."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    # What is no number compares as false.
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST:
        return None
    return timedelta(milliseconds=max(1, round(seconds * 1000)))


def may_expire(data: bytes | None) -> bool:
    """Whether a document might say when it expires, found at little cost."""
    return data is not None and _MARK in data


def expires_at(data: bytes | None) -> datetime | None:
    """When a document expires, in UTC; None where it does not say so."""
    if data is None or not may_expire(data):
        return None
    at = decode(data).get(EXPIRES)
    return at.replace(tzinfo=UTC) if isinstance(at, datetime) else None
