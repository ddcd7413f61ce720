"""Ranges of byte keys: what a scan of an index reads.

Bounds are keys, beginnings of keys, and their successors. No key is the beginning of another one, so that a bound cuts
the keys that are stored in two, and can be turned for keys that sort the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from .keys import HIGHEST, LOWEST, descending

#: All keys with ``low <= key < high``; the same bounds hold for keys that other keys were appended to.
Range = tuple[bytes, bytes]

#: All keys.
EVERYTHING: Final[Range] = (LOWEST, HIGHEST)


class Point(NamedTuple):
    """The range of one key, which a range that looks alike may not be."""

    low: bytes
    high: bytes


def point(key: bytes) -> Point:
    """Give the range of one key."""
    return Point(key, key + HIGHEST)


def is_point(bounds: Range) -> bool:
    """Whether a range is that of one key, made by `point`."""
    return type(bounds) is Point


def successor(beginning: bytes) -> bytes:
    """Give the lowest bytes that come after everything that starts with `beginning`."""
    rest = beginning.rstrip(b"\xff")
    return rest[:-1] + bytes([rest[-1] + 1])


def contains(ranges: Sequence[Range], key: bytes) -> bool:
    """Whether `key` is in one of `ranges`."""
    return any(low <= key < high for low, high in ranges)


def covers(ranges: Sequence[Range], others: Sequence[Range]) -> bool:
    """Whether every key of `others` is in `ranges`."""
    return all(any(low <= start and end <= high for low, high in ranges) for start, end in others)


def intersect(one: Sequence[Range], other: Sequence[Range]) -> tuple[Range, ...]:
    """The ranges of keys that are in both; all ascending and disjoint."""
    found: list[Range] = []
    mine, theirs = 0, 0
    while mine < len(one) and theirs < len(other):
        both = max(one[mine][0], other[theirs][0]), min(one[mine][1], other[theirs][1])
        if both[0] < both[1]:
            # A point stays one.
            found.append(next((bounds for bounds in (one[mine], other[theirs]) if bounds == both), both))
        if one[mine][1] < other[theirs][1]:
            mine += 1
        else:
            theirs += 1
    return tuple(found)


def unite(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Ascending, disjoint ranges of the keys that are in one of `ranges` or more."""
    found: list[Range] = []
    for bounds in sorted(ranges):
        if not found or bounds[0] >= found[-1][1]:
            found.append(bounds)
        elif bounds != found[-1]:
            found[-1] = (found[-1][0], max(found[-1][1], bounds[1]))
    return tuple(found)


def turned(ranges: Sequence[Range]) -> tuple[Range, ...]:
    """The ranges of the same values where keys sort the other way round, by `atomodm.query.keys.descending`."""
    return tuple(
        point(descending(bounds[0])) if is_point(bounds) else (_turned(bounds[1]), _turned(bounds[0]))
        for bounds in reversed(ranges)
    )


def _turned(bound: bytes) -> bytes:
    if bound == LOWEST:
        return HIGHEST
    # What was at or above the bound is now at or below its complement, all that starts with it included.
    return successor(descending(bound))
