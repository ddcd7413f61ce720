"""Byte keys of numbers: integers, doubles and Decimal128 in one order, by their exact values.

`atomodm.query.keys` says how the keys look.
"""

from __future__ import annotations

import math
from decimal import Decimal
from struct import Struct
from typing import Final

from bson import Decimal128

from ..errors import IntegerOutOfRange

#: First bytes of keys. A key needs no further byte for the sign.
NAN: Final = 4
NEGATIVE: Final = 5
POSITIVE: Final = 6

_COMPLEMENT = bytes(range(255, -1, -1))
_pack_number = Struct(">Bdx").pack
_pack_magnitude = Struct(">d").pack
_pack_rest = Struct(">BH").pack

_NAN_KEY, _NEGATIVE_BYTE, _POSITIVE_BYTE = bytes([NAN]), bytes([NEGATIVE]), bytes([POSITIVE])
_ZERO_KEY = _pack_number(POSITIVE, 0.0)

#: Doubles hold all integers up to here.
_EXACT = 2**53
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


def encode_int(value: int) -> bytes:
    """Give the key of an integer of 64 bits."""
    if 0 <= value <= _EXACT:
        return _pack_number(POSITIVE, value)
    if -_EXACT <= value < 0:
        return _NEGATIVE_BYTE + _pack_number(0, -value)[1:].translate(_COMPLEMENT)
    return _encode_large_int(value)


def encode_float(value: float) -> bytes:
    """Give the key of a double."""
    if value >= 0.0:
        # Adding zero turns -0.0 into 0.0.
        return _pack_number(POSITIVE, value + 0.0)
    if value < 0.0:
        return _NEGATIVE_BYTE + _pack_number(0, -value)[1:].translate(_COMPLEMENT)
    return _NAN_KEY


def _encode_large_int(value: int) -> bytes:
    if not _INT_MIN <= value <= _INT_MAX:
        raise IntegerOutOfRange("an integer does not fit in 64 bits")
    return _encode_exact(value < 0, abs(value), 0, float(abs(value)))


def encode_decimal128(value: Decimal128) -> bytes:
    """Give the key of a decimal number of BSON."""
    number = value.to_decimal()
    if number.is_nan():
        return _NAN_KEY
    if number.is_infinite():
        return encode_float(float(number))
    if not number:
        return _ZERO_KEY
    negative, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    integer = int("".join(map(str, digits)))
    if exponent > 0:
        integer *= 10**exponent
        exponent = 0
    return _encode_exact(bool(negative), integer, -exponent, abs(float(number)))


def _encode_exact(negative: bool, integer: int, point: int, double: float) -> bytes:
    """Encode a number that is not zero and that a double may not hold exactly.

    Parameters
    ----------
    negative : bool
    integer, point : int
        The magnitude is ``integer / 10 ** point``.
    double : float
        The double nearest to it, or infinity.
    """
    if double == math.inf:
        double = math.nextafter(double, 0.0)
    rest, scale = _subtract(integer, point, double)
    if rest < 0:
        double = math.nextafter(double, 0.0)
        rest, scale = _subtract(integer, point, double)
    key = _pack_magnitude(double)
    if rest:
        # By way of Decimal, which has no limit on the length of integers that it writes.
        digits = str(Decimal(rest))
        key += _pack_rest(1, 0x8000 + len(digits) - scale) + digits.rstrip("0").encode()
    key += b"\0"
    return _NEGATIVE_BYTE + key.translate(_COMPLEMENT) if negative else _POSITIVE_BYTE + key


def _subtract(integer: int, point: int, double: float) -> tuple[int, int]:
    """Give ``integer / 10 ** point - double`` in units of the double's last place, as an integer and its own point.

    The unit is a power of two, and dividing by one is exact in decimals: multiply by as many fives and move the point.
    """
    unit = math.ulp(double)
    units = int(double / unit)
    exponent = math.frexp(unit)[1] - 1
    if exponent < 0:
        return (integer << -exponent) - units * 10**point, point
    return (integer - (units << exponent) * 10**point) * 5**exponent, point + exponent
