"""Values that BSON or JSON has no type for: how each is stored and restored.

A value in an untyped place is stored as ``{"__py__": name, …}``; `COERCERS` restores such a form by its name. A
declared member of one of these types takes the plain form that queries can use, see `PLAIN_FORMS`.
"""

from __future__ import annotations

import pathlib
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from enum import Enum as PythonEnum
from enum import EnumMeta, Flag
from typing import Any, TypeVar
from uuid import UUID

from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from ..errors import FlattenProcessorDoesNotExist, ModelDefinitionError, ValueNotStorable, describe_type
from .hooks import is_async
from .instants import fields_of, fits, microseconds, parts_from, time_from, time_of_day

T = TypeVar("T")

#: Types that JSON gives back as they are.
JSON_NATIVE = frozenset({type(None), bool, int, float, str})
#: Types that BSON gives back as they are.
BSON_NATIVE = JSON_NATIVE | {
    bytes, UUID, ObjectId, Int64, Decimal128, Binary, Regex, Timestamp, Code, MinKey, MaxKey, DBRef, DatetimeMS,
}  # fmt: skip

#: Gives the body of a ``__py__`` form for a value.
FlattenValue = Callable[[Any], dict[str, Any]]
#: Gives a value for a ``__py__`` form and the scope of the restore.
Coercer = Callable[[dict[str, Any], Any], Any]


class Coercers(dict[str, Coercer]):
    """``__py__`` names to ``f(value, scope)``, sync or async; writable."""

    def has_async(self) -> bool:
        """Whether some coercer must be awaited."""
        return any(is_async(coercer) for coercer in self.values())

    def is_async(self, name: Any) -> bool:
        """Whether there is a coercer of this name that must be awaited."""
        return isinstance(name, str) and name in self and is_async(self[name])


@dataclass(frozen=True, slots=True)
class PlainForm:
    """How a declared member of one type is stored: both functions take and give a value that is not None."""

    flatten: Callable[[Any], Any]
    restore: Callable[[Any], Any]


COERCERS = Coercers()
_FLATTENERS: dict[type, tuple[str, FlattenValue]] = {}
_RESOLVED: dict[type, tuple[str, FlattenValue] | None] = {}


def register_type(
    python_type: type[T], *, name: str | None = None, flatten: Callable[[T], Any], unflatten: Callable[[Any], T]
) -> None:
    """Teach all stores a type of your own, subclasses included.

    Parameters
    ----------
    python_type : type
        The type of the values.
    name : str, optional
        What stored values name it by; ``module.QualifiedName`` by default. Keep it when the class moves.
    flatten : callable
        Gives for a value something that can be stored.
    unflatten : callable
        Gives the value back.

    Examples
    --------
    >>> from fractions import Fraction
    >>> register_type(Fraction, flatten=str, unflatten=Fraction)
    """
    if not isinstance(python_type, type):
        raise ModelDefinitionError("register_type takes a class")
    label = name or f"{python_type.__module__}.{python_type.__qualname__}"
    _register(python_type, label, lambda value: {"value": flatten(value)}, lambda form, scope: unflatten(form["value"]))


def _register(python_type: type, name: str, flatten: FlattenValue, coerce: Coercer) -> None:
    _FLATTENERS[python_type] = (name, flatten)
    _RESOLVED.clear()
    COERCERS[name] = coerce


def flattener_of(kind: type) -> tuple[str, FlattenValue] | None:
    """The ``__py__`` name and function for values of type `kind`, by its bases; None where nothing is registered."""
    if kind not in _RESOLVED:
        _RESOLVED[kind] = next((_FLATTENERS[base] for base in kind.__mro__ if base in _FLATTENERS), None)
    return _RESOLVED[kind]


def py_form(value: Any, path: str | None = None) -> dict[str, Any]:
    """The ``__py__`` form of a value.

    Raises
    ------
    FlattenProcessorDoesNotExist
        No converter is registered for its type.
    """
    found = flattener_of(type(value))
    if found is None:
        raise FlattenProcessorDoesNotExist(
            f"no converter is registered for {describe_type(value)}; see atomodm.register_type", path=path
        )
    name, flatten = found
    return {"__py__": name, **flatten(value)}


# -- enums and paths ---------------------------------------------------------------------------------------------------


def _flatten_enum(value: PythonEnum) -> dict[str, Any]:
    kind = type(value)
    body: dict[str, Any] = {"type": f"{kind.__module__}.{kind.__qualname__}"}
    if isinstance(value, Flag):
        return {**body, "value": value.value}
    return {**body, "name": value.name}


def _restore_enum(form: dict[str, Any], scope: Any) -> Any:
    """Find an enum among the modules that are imported already: stored data never imports anything."""
    parts = form["type"].split(".")
    for length in range(len(parts) - 1, 0, -1):
        place: Any = sys.modules.get(".".join(parts[:length]))
        if place is None:
            continue
        for part in parts[length:]:
            place = vars(place).get(part) if hasattr(place, "__dict__") else None
        if isinstance(place, EnumMeta):
            return (
                place(form["value"]) if "value" in form and issubclass(place, Flag) else place.__members__[form["name"]]
            )
    raise ValueError("the enum is not defined in any imported module")


def _flatten_path(value: pathlib.PurePath) -> dict[str, Any]:
    kind = "path" if isinstance(value, pathlib.Path) else type(value).__name__
    return {"kind": kind, "path": str(value)}


_PATHS: dict[str, type[pathlib.PurePath]] = {
    "path": pathlib.Path,
    "PurePosixPath": pathlib.PurePosixPath,
    "PureWindowsPath": pathlib.PureWindowsPath,
}

_register(PythonEnum, "enum", _flatten_enum, _restore_enum)
_register(pathlib.PurePath, "path", _flatten_path, lambda form, scope: _PATHS[form["kind"]](form["path"]))

# -- the standard library's values, under the names that atom-db uses where it has them --------------------------------

_register(date, "datetime.date", fields_of, lambda form, scope: date(**parts_from(form)))
_register(time, "datetime.time", fields_of, lambda form, scope: time(**parts_from(form)))
_register(datetime, "datetime.datetime", fields_of, lambda form, scope: datetime(**parts_from(form)))
_register(
    timedelta,
    "datetime.timedelta",
    lambda value: {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds},
    lambda form, scope: timedelta(form["days"], form["seconds"], form["microseconds"]),
)
_register(
    bytes,
    "bytes",
    lambda value: {"bytes": b64encode(value).decode()},
    lambda form, scope: b64decode(form["bytes"]),
)
_register(
    bytearray,
    "bytearray",
    lambda value: {"bytes": b64encode(value).decode()},
    lambda form, scope: bytearray(b64decode(form["bytes"])),
)
_register(Decimal, "decimal", lambda value: {"value": str(value)}, lambda form, scope: Decimal(form["value"]))
_register(UUID, "uuid", lambda value: {"id": str(value)}, lambda form, scope: UUID(form["id"]))
_register(ObjectId, "objectid", lambda value: {"id": str(value)}, lambda form, scope: ObjectId(form["id"]))
_register(
    complex,
    "complex",
    lambda value: {"real": value.real, "imag": value.imag},
    lambda form, scope: complex(form["real"], form["imag"]),
)

# -- plain forms of declared members -----------------------------------------------------------------------------------

_DECIMAL128 = Context(prec=34, Emin=-6143, Emax=6144, clamp=1, traps=[Inexact, InvalidOperation, Overflow])


def _decimal128(value: Decimal) -> Decimal128:
    try:
        stored = Decimal128(value)
    except (Inexact, InvalidOperation, Overflow):
        raise ValueNotStorable("a Decimal has more than 34 digits, or an exponent outside Decimal128's") from None
    return stored


def _restore_date(stored: Any) -> Any:
    return stored.date() if isinstance(stored, datetime) else stored


def _restore_int_as(make: Callable[[int], Any]) -> Callable[[Any], Any]:
    return lambda stored: make(stored) if isinstance(stored, int) else stored


#: Declared types to their plain forms. Types that are not here are stored as they are where BSON can, else as
#: ``__py__`` forms. What a plain form cannot hold (an aware time, a duration past 64 bits) is stored as its form too.
PLAIN_FORMS: dict[type, PlainForm] = {
    date: PlainForm(lambda value: datetime(value.year, value.month, value.day), _restore_date),
    time: PlainForm(
        lambda value: py_form(value) if value.tzinfo or value.fold else Int64(time_of_day(value)),
        _restore_int_as(time_from),
    ),
    timedelta: PlainForm(
        lambda value: Int64(microseconds(value)) if fits(value) else py_form(value),
        _restore_int_as(lambda stored: timedelta(microseconds=stored)),
    ),
    Decimal: PlainForm(_decimal128, lambda stored: stored.to_decimal() if isinstance(stored, Decimal128) else stored),
}


_FORMS: dict[type, PlainForm | None] = {}


def plain_form(kind: type) -> PlainForm | None:
    """The plain form of a declared type; None where it has none."""
    if kind not in _FORMS:
        _FORMS[kind] = _find_form(kind)
    return _FORMS[kind]


def _find_form(kind: type) -> PlainForm | None:
    if kind in PLAIN_FORMS:
        return PLAIN_FORMS[kind]
    if issubclass(kind, PythonEnum):
        return _enum_form(kind)
    if issubclass(kind, pathlib.PurePath):
        return PlainForm(str, lambda stored: kind(stored) if isinstance(stored, str) else stored)
    return None


def _enum_form(kind: type[PythonEnum]) -> PlainForm | None:
    if not all(type(item.value) in BSON_NATIVE for item in kind):
        return None
    return PlainForm(lambda value: value.value, lambda stored: stored if isinstance(stored, kind) else kind(stored))
