"""Numbers and flags as operands: of any of BSON's types, read as a server reads them."""

from __future__ import annotations

import math
from typing import Any, Final

from bson import Decimal128

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
#: Decimal digits before the point of the largest integer of 64 bits.
_INT64_DIGITS = 19


def is_number(value: Any) -> bool:
    """Whether BSON has `value` as a number; a boolean is none."""
    return isinstance(value, int | float | Decimal128) and not isinstance(value, bool)


def truncated(value: Any) -> int | None:
    """Give a number without its fraction; None for what is no number, and for what does not fit in 64 bits."""
    if not is_number(value):
        return None
    if isinstance(value, Decimal128):
        number = value.to_decimal()
        # The zeros of a large exponent are not written out.
        if not number.is_finite() or number.adjusted() >= _INT64_DIGITS:
            return None
        whole = int(number)
    else:
        if not math.isfinite(value):
            return None
        whole = int(value)
    return whole if INT64_MIN <= whole <= INT64_MAX else None


def integer(value: Any) -> int | None:
    """Give a number that is a whole one of 64 bits; None for all others and for what is no number."""
    whole = truncated(value)
    if whole is None:
        return None
    exact = value.to_decimal() if isinstance(value, Decimal128) else value
    return whole if exact == whole else None


def is_true(value: Any) -> bool:
    """Whether a server takes `value` for true: all but false, zero and null are."""
    if value is None:
        return False
    if isinstance(value, Decimal128):
        number = value.to_decimal()
        return bool(number.is_nan() or number)
    return bool(value) if isinstance(value, int | float) else True
