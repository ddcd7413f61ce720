"""``$inc``, ``$mul`` and ``$bit``: arithmetic with the result types of MongoDB's servers.

Integers stay 32 bits wide where both sides and the result are, else they take 64; what does not fit in 64 is refused.
A double makes a double of the other side, and a Decimal128 a Decimal128: of a double then 15 digits count.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from decimal import Context as DecimalContext
from decimal import Decimal
from typing import Any, Final

from bson import Decimal128, Int64
from bson.decimal128 import create_decimal128_context

from ...errors import describe_type
from ..server_codes import ServerCode
from .codes import invalid_update
from .tree import Context, Leaf

_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1

_DECIMALS: Final = create_decimal128_context()
#: Digits that a double is good for.
_DOUBLE_DIGITS: Final = 15
_ROUNDING: Final = DecimalContext(prec=_DOUBLE_DIGITS)


def is_number(value: Any) -> bool:
    """Whether `value` is a number of any BSON type."""
    kind = type(value)
    return kind is int or kind is float or kind is Int64 or kind is Decimal128


def whole_number(value: Any) -> int | None:
    """Give `value` as an integer of 64 bits if it is a whole number of any type."""
    if not is_number(value):
        return None
    number = value.to_decimal() if type(value) is Decimal128 else value
    finite = number.is_finite() if isinstance(number, Decimal) else math.isfinite(number)
    if not finite or not _INT64_MIN <= number <= _INT64_MAX or number != int(number):
        return None
    return int(number)


def _is_small(value: int) -> bool:
    """Whether an integer is stored in 32 bits."""
    return type(value) is int and _INT32_MIN <= value <= _INT32_MAX


def fit(result: int, small: bool) -> int:
    """Give an integer the type that it is stored with.

    Parameters
    ----------
    result : int
    small : bool
        Whether everything that it was computed from has 32 bits.

    Raises
    ------
    OverflowError
        It does not fit in 64 bits.
    """
    if small and _INT32_MIN <= result <= _INT32_MAX:
        return result
    if _INT64_MIN <= result <= _INT64_MAX:
        return Int64(result)
    raise OverflowError


def to_decimal(value: Any) -> Decimal:
    """Give a number as the decimal that arithmetic with Decimal128 takes for it."""
    if type(value) is Decimal128:
        return value.to_decimal()
    if type(value) is not float:
        return Decimal(int(value))
    exact = Decimal(value)
    if not value or not math.isfinite(value):
        return exact
    rounded = _ROUNDING.plus(exact)
    # Zeros at the end count as digits, as servers have it.
    return rounded.quantize(Decimal((0, (1,), rounded.adjusted() - _DOUBLE_DIGITS + 1)), context=_DECIMALS)


class Arithmetic(Leaf):
    """Adds to a number, or multiplies it; what is missing counts as zero.

    Parameters
    ----------
    name, path : str
    operand : int or float or Decimal128
    """

    __slots__ = ("_compute", "_compute_decimals", "_operand")

    def __init__(self, name: str, path: str, operand: Any) -> None:
        super().__init__(name, path)
        if not is_number(operand):
            raise invalid_update(
                f"{name} takes a number, not {describe_type(operand)}", path=path, code=ServerCode.TYPE_MISMATCH
            )
        self._operand = operand
        adds = name == "$inc"
        self._compute: Callable[[Any, Any], Any] = operator.add if adds else operator.mul
        self._compute_decimals = _DECIMALS.add if adds else _DECIMALS.multiply

    def change(self, old: Any, context: Context) -> Any:
        if not is_number(old):
            raise invalid_update(
                f"{self.operator} changes numbers only, not {describe_type(old)}",
                path=self.path,
                code=ServerCode.TYPE_MISMATCH,
            )
        return self._result(old, self._operand)

    def create(self, context: Context) -> Any:
        return self._operand if self.operator == "$inc" else self._result(self._operand, 0)

    def _result(self, one: Any, other: Any) -> Any:
        kind, other_kind = type(one), type(other)
        if kind is Decimal128 or other_kind is Decimal128:
            return Decimal128(self._compute_decimals(to_decimal(one), to_decimal(other)))
        if kind is float or other_kind is float:
            return self._compute(float(one), float(other))
        try:
            return fit(self._compute(int(one), int(other)), _is_small(one) and _is_small(other))
        except OverflowError:
            raise invalid_update(f"{self.operator} gives an integer past 64 bits", path=self.path) from None


_BITWISE: Mapping[str, Callable[[int, int], int]] = {
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
}


class Bits(Leaf):
    """Combines an integer with others bit by bit, one after the other; what is missing counts as zero."""

    __slots__ = ("_steps",)

    def __init__(self, name: str, path: str, operand: Any) -> None:
        super().__init__(name, path)
        if not isinstance(operand, dict) or not operand:
            raise invalid_update(f"{name} takes a document with {', '.join(_BITWISE)} and integers", path=path)
        self._steps: list[tuple[Callable[[int, int], int], int]] = []
        for key, value in operand.items():
            if key not in _BITWISE:
                raise invalid_update(f"{name} knows {', '.join(_BITWISE)} and nothing else", path=path)
            if type(value) is not int and type(value) is not Int64:
                raise invalid_update(f"{name} takes integers, not {describe_type(value)}", path=path)
            self._steps.append((_BITWISE[key], value))

    def change(self, old: Any, context: Context) -> Any:
        if type(old) is not int and type(old) is not Int64:
            raise invalid_update(f"{self.operator} changes integers only, not {describe_type(old)}", path=self.path)
        value: int = old
        for combine, operand in self._steps:
            value = fit(combine(int(value), int(operand)), _is_small(value) and _is_small(operand))
        return value

    def create(self, context: Context) -> Any:
        return self.change(0, context)
