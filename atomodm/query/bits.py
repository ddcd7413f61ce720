"""Bits of numbers and binary data: which ones a condition names, and how they are in a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from bson import Binary

from ..errors import InvalidQuery, describe_type
from .nodes import Bits, BitTest
from .numbers import integer, is_number

_SIGN = 63
_MAX_POSITION = 2**31 - 1
#: Bytes of a mask; each of its bits becomes a position.
_MAX_MASK = 65_536
#: The server's code for what is not read as a number, beside the usual one.
_FAILED_TO_PARSE = 9


def parse_bits(path: str, how: BitTest, operand: Any, *, shown: str | None) -> Bits:
    """Read the operand of ``$bitsAllSet`` and its like.

    Parameters
    ----------
    path : str
    how : BitTest
    operand : number, bytes, UUID or list of int
        A mask, or positions counted from the lowest bit.
    shown : str or None
        The path for messages.

    Raises
    ------
    InvalidQuery
        It is none of these, or a number that is negative or not whole.
    """
    if isinstance(operand, UUID):
        operand = operand.bytes
    if isinstance(operand, bytes | Binary):
        if len(operand) > _MAX_MASK:
            raise InvalidQuery(f"{how.value} takes binary data of at most {_MAX_MASK:,} bytes", path=shown)
        positions = [
            8 * place + bit for place, byte in enumerate(operand) if byte for bit in range(8) if byte >> bit & 1
        ]
    elif is_number(operand):
        mask = integer(operand)
        if mask is None or mask < 0:
            raise InvalidQuery(
                f"{how.value} takes a whole number that is not negative",
                path=shown,
                server_code=_FAILED_TO_PARSE,
            )
        positions = [bit for bit in range(_SIGN) if mask >> bit & 1]
    elif isinstance(operand, list | tuple):
        positions = [_position(how, item, shown) for item in operand]
    else:
        raise InvalidQuery(
            f"{how.value} takes a number, binary data or a list of positions, not {describe_type(operand)}", path=shown
        )
    return Bits(path, how, tuple(sorted(set(positions))))


def _position(how: BitTest, value: Any, shown: str | None) -> int:
    position = integer(value)
    if position is None or not 0 <= position <= _MAX_POSITION:
        raise InvalidQuery(f"{how.value} takes positions from 0 to {_MAX_POSITION:,}", path=shown)
    return position


def bits_test(how: BitTest, positions: Sequence[int]) -> Callable[[Any], bool]:
    """Make the function that says whether the bits of a value are as `how` asks."""
    wanted = how in (BitTest.ALL_SET, BitTest.ANY_SET)
    every = how in (BitTest.ALL_SET, BitTest.ALL_CLEAR)
    # Past its 64 bits a number goes on with its sign, which is its highest bit.
    mask = 0
    for position in positions:
        mask |= 1 << min(position, _SIGN)

    def test(value: Any) -> bool:
        if isinstance(value, UUID):
            value = value.bytes
        if isinstance(value, bytes):
            found = (_bit(value, position) is wanted for position in positions)
            return all(found) if every else any(found)
        number = integer(value)
        if number is None:
            return False
        bits = number & mask if wanted else ~number & mask
        return bits == mask if every else bits != 0

    return test


def _bit(data: bytes, position: int) -> bool:
    place = position >> 3
    return place < len(data) and bool(data[place] >> (position & 7) & 1)
