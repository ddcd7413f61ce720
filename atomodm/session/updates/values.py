"""The operands of an update: taken by the member that they are for, and in their stored form."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from enum import Enum as PythonEnum
from typing import Any, Final

from bson import Decimal128, Int64

from ...errors import AtomodmError, DeletedObject, InvalidUpdate, ValueNotStorable, describe_type
from ...model.types import AnyType, ScalarType
from ...serializer import FlattenScope, Form, generated_for
from ...serializer.converters import plain_form
from ...serializer.elements import element_flattener
from .places import Place

_NONE: Final = type(None)


def stored_value(place: Place, value: Any) -> Any:
    """Check a value against the member that it is for, and give its stored form, as saving the object would.

    Raises
    ------
    InvalidUpdate
        The member does not take the value, or it refers to an object that was never saved.
    ValueNotStorable, DeletedObject
    """
    if place.is_member and place.field.required and value is None:
        raise place.error("the member is required: it cannot be set to None")
    return _flattened(place, _taken(place, value))


def _taken(place: Place, value: Any) -> Any:
    """The value as the member would hold it, which may be another one, as a float for an integer."""
    if place.inside is None:
        return value
    # The program's own checks are given an object that is nobody's.
    nobody = place.owner.__new__(place.owner)
    nobody.set_notifications_enabled(False)
    try:
        return place.unwrap(place.field.member.do_full_validate(nobody, None, place.wrap(value)))
    except AtomodmError:
        raise
    except Exception as error:  # what a check of the program's says may show the value
        raise place.error(f"the member {place.field.name} does not take {described(value)} ({_name(error)})") from None


def _flattened(place: Place, value: Any) -> Any:
    if place.is_member:
        flatten = generated_for(place.owner).flatten_fields[place.field.name]
    else:
        flatten = element_flattener(place.kind)
    scope = FlattenScope(Form.DOCUMENT, _refuse_new)
    try:
        stored = flatten(value, scope)
    except AtomodmError as error:
        error.model, error.path = error.model or place.model.tag, error.path or place.path
        raise
    except Exception as error:  # a converter is the program's own code
        raise place.error(f"{described(value)} cannot be flattened ({_name(error)})") from None
    if scope.mentions:
        raise place.error("the value has one embedded object twice, which has a meaning in a whole document only")
    return stored


def _refuse_new(obj: Any) -> Any:
    """Refuse a reference to an object without an id."""
    tracking = obj.__tracking__
    if tracking is not None and tracking.deleted:
        raise DeletedObject("the value names a deleted object; save that object to insert it again")
    raise InvalidUpdate("the value refers to an object that was never saved; save that first")


def described(value: Any) -> str:
    return "None" if value is None else f"a value of type {describe_type(value)}"


def _name(error: Exception) -> str:
    return type(error).__name__


# -- numbers -----------------------------------------------------------------------------------------------------------


def stored_addend(place: Place, value: Any) -> Any:
    """The stored form of what is added to a number: of a duration another one, else as for `stored_factor`."""
    if types_at(place) == (timedelta,) and not place.is_converted:
        if not isinstance(value, timedelta):
            raise place.misuse(f"takes a duration here, not {described(value)}")
        stored = stored_value(place, value)
        if not isinstance(stored, int):
            raise place.error("the duration does not fit in 64 bits of microseconds")
        return stored
    return stored_factor(place, value)


def stored_factor(place: Place, value: Any) -> Any:
    """The stored form of a number that goes with the numbers at a place.

    Integers take integers, floats take both; a Decimal takes Decimals and integers, because a float would not say
    which decimal number it is meant for.
    """
    types = types_at(place)
    for kinds, takes, convert in _NUMBERS:
        if types and set(types) <= kinds and not place.is_converted:
            if isinstance(value, takes) and not isinstance(value, bool | PythonEnum):
                try:
                    return convert(value)
                except ValueNotStorable as error:
                    error.model, error.path = place.model.tag, place.path
                    raise
            names = " or ".join(kind.__name__ for kind in takes)
            raise place.misuse(f"takes {names} here, not {described(value)}")
    if types is None and not place.is_converted:
        if isinstance(value, int | float | Decimal | Decimal128) and not isinstance(value, bool | PythonEnum):
            return _decimal(value) if isinstance(value, Decimal) else value
        raise place.misuse(f"takes a number, not {described(value)}")
    raise place.misuse("changes numbers only, which are not what is here")


def types_at(place: Place) -> tuple[type, ...] | None:
    """The types of what is at a place; None where it may be anything, and an empty tuple where it is no scalar."""
    if isinstance(place.kind, AnyType):
        return None
    if not isinstance(place.kind, ScalarType):
        return ()
    return tuple(kind for kind in place.kind.types if kind is not _NONE)


def _decimal(value: Any) -> Any:
    form = plain_form(Decimal)
    assert form is not None
    return form.flatten(Decimal(value))


def _same(value: Any) -> Any:
    return value


#: Types at a place, what numbers there go with, and how these are stored.
_NUMBERS: Final[tuple[tuple[frozenset[type], tuple[type, ...], Callable[[Any], Any]], ...]] = (
    (frozenset({int, Int64}), (int,), _same),
    (frozenset({timedelta}), (int,), _same),
    (frozenset({float}), (int, float), float),
    (frozenset({int, float}), (int, float), _same),
    (frozenset({Decimal}), (int, Decimal), _decimal),
)
