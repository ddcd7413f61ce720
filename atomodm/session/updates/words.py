"""The words that end a name in an update, one for each of MongoDB's operators."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from ...model.types import AnyType, ListType, SetType, TupleType
from ...query.updates import PUSH_MODIFIERS
from ...serializer.expressions import is_datetime
from ...serializer.instants import as_date, is_exact, note_of
from .places import Place, find_place
from .values import described, stored_addend, stored_factor, stored_value, types_at

#: An operator, the path that it changes, and its operand.
Edit = tuple[str, str, Any]
#: Gives what a word with an operand stands for at a place.
Word = Callable[[Place, Any], Iterable[Edit]]

_BITWISE: Final = ("and", "or", "xor")


# -- fields ------------------------------------------------------------------------------------------------------------


def _set(place: Place, value: Any) -> Iterator[Edit]:
    yield "$set", place.path, stored_value(place, value)
    if place.is_member:
        yield from (("$unset", f"{place.prefix}{alias}", "") for alias in place.field.aliases)
    if _has_note(place):
        if isinstance(value, datetime) and not is_exact(value):
            yield "$set", _note_path(place, place.field.stored_name), note_of(value)
            notes: Iterable[str] = place.field.aliases
        else:
            notes = (place.field.stored_name, *place.field.aliases)
        yield from (("$unset", _note_path(place, name), "") for name in notes)


def _unset(place: Place, flag: Any) -> Iterator[Edit]:
    _check_true(place, flag)
    if not place.is_member and place.path.rpartition(".")[2].isdigit() and not isinstance(place.kind, AnyType):
        raise place.misuse("would make an element of an array None; use pull or pop")
    if place.is_member and place.field.required:
        raise place.error("the member is required: it cannot be removed")
    yield "$unset", place.path, ""
    if place.is_member:
        yield from (("$unset", f"{place.prefix}{alias}", "") for alias in place.field.aliases)
    if _has_note(place):
        for name in (place.field.stored_name, *place.field.aliases):
            yield "$unset", _note_path(place, name), ""


def _has_note(place: Place) -> bool:
    """Whether what a Date lacks of the member is stored beside it."""
    return place.is_member and is_datetime(place.kind) and not place.is_converted


def _note_path(place: Place, name: str) -> str:
    return f"{place.prefix}__dt__.{name}"


def _increase(place: Place, value: Any) -> Iterator[Edit]:
    yield "$inc", place.path, stored_addend(place, value)


def _multiply(place: Place, value: Any) -> Iterator[Edit]:
    yield "$mul", place.path, stored_factor(place, value)


def _bound(operator: str) -> Word:
    def keep(place: Place, value: Any) -> Iterator[Edit]:
        if types_at(place) == () or place.is_converted:
            raise place.misuse("compares numbers, texts, dates and the like, which are not what is here")
        if value is None:
            raise place.misuse("takes a value to compare with, not None")
        # As in queries, what a date of the store lacks does not count.
        stored = as_date(value) if isinstance(value, datetime) else stored_value(place, value)
        if isinstance(stored, dict | list):
            raise place.error(f"{described(value)} is not stored as what can be compared")
        yield operator, place.path, stored

    return keep


def _current_date(place: Place, flag: Any) -> Iterator[Edit]:
    _check_true(place, flag)
    types = types_at(place)
    if place.is_converted or not (types is None or datetime in types):
        raise place.misuse("sets the time as a datetime, which is not what is here")
    yield "$currentDate", place.path, True
    if _has_note(place):
        yield "$unset", _note_path(place, place.field.stored_name), ""


def _rename(place: Place, name: Any) -> Iterator[Edit]:
    if not isinstance(name, str):
        raise place.misuse(f"takes the name of another place, not {described(name)}")
    target = find_place(place.model, name, ())
    if target.kind != place.kind or place.is_converted or target.is_converted or is_datetime(place.kind):
        raise place.misuse("moves a value to another place that holds and stores the same type, no datetime")
    if place.is_member and place.field.required:
        raise place.error("the member is required: it cannot be removed")
    yield "$rename", place.path, target.path


def _bits(place: Place, operand: Any) -> Iterator[Edit]:
    types = types_at(place)
    if place.is_converted or not (types is None or (types and all(issubclass(kind, int) for kind in types))):
        raise place.misuse("changes integers only, which are not what is here")
    if not isinstance(operand, Mapping) or not operand or not set(operand) <= set(_BITWISE):
        raise place.misuse(f"takes a mapping with {', '.join(_BITWISE)} and integers")
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in operand.values()):
        raise place.misuse("takes integers")
    yield "$bit", place.path, {name: int(value) for name, value in operand.items()}


def _check_true(place: Place, flag: Any) -> None:
    if flag is not True:
        raise place.misuse(f"takes True, not {described(flag)}")


# -- arrays ------------------------------------------------------------------------------------------------------------


def _elements(place: Place, *, ordered: bool = False) -> Place:
    """The place of elements of the array that is here.

    Parameters
    ----------
    place : Place
    ordered : bool
        Whether the order of the elements has to mean something.
    """
    if place.is_converted or not isinstance(place.kind, ListType | TupleType | SetType | AnyType):
        raise place.misuse("changes arrays only, which are not what is here")
    if ordered and isinstance(place.kind, SetType):
        raise place.misuse("is for what has an order; for a set use add_to_set and pull")
    return place.element()


def _push(place: Place, operand: Any) -> Iterator[Edit]:
    element = _elements(place, ordered=True)
    yield "$push", place.path, _each(element, operand, PUSH_MODIFIERS)


def _add_to_set(place: Place, operand: Any) -> Iterator[Edit]:
    yield "$addToSet", place.path, _each(_elements(place), operand, ("$each",))


def _each(element: Place, operand: Any, modifiers: Collection[object]) -> dict[str, Any]:
    """The operand with modifiers: one element, or a mapping with ``$each`` and other modifiers."""
    if not isinstance(operand, Mapping) or next(iter(operand), None) not in modifiers:
        return {"$each": [stored_value(element, operand)]}
    items = operand.get("$each")
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise element.error(f"$each takes several elements, not {described(items)}")
    return {**operand, "$each": [stored_value(element, item) for item in items]}


def _pull(place: Place, operand: Any) -> Iterator[Edit]:
    element = _elements(place)
    if not isinstance(operand, Mapping):
        yield "$pull", place.path, stored_value(element, operand)
    elif not str(next(iter(operand), "")).startswith("$"):
        # Conditions on the fields of elements, by their stored names.
        yield "$pull", place.path, dict(operand)
    else:
        # Of a condition the operands need not be what the member takes: a beginning of what is there, for example.
        yield "$pull", place.path, {name: _compared(element, value) for name, value in operand.items()}


def _compared(element: Place, value: Any) -> Any:
    """The stored form of what elements are compared with."""
    if isinstance(value, list | tuple | set | frozenset):
        return [_compared(element, item) for item in value]
    if isinstance(value, Mapping):
        return {name: _compared(element, item) for name, item in value.items()}
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return stored_value(replace(element, inside=None), value)


def _pull_all(place: Place, operand: Any) -> Iterator[Edit]:
    element = _elements(place)
    if isinstance(operand, str | bytes | Mapping) or not isinstance(operand, Iterable):
        raise place.misuse(f"takes several elements, not {described(operand)}")
    yield "$pullAll", place.path, [stored_value(element, item) for item in operand]


def _pop(place: Place, end: Any) -> Iterator[Edit]:
    _elements(place, ordered=True)
    if type(end) is not int or end not in (1, -1):
        raise place.misuse("takes 1 for the last or -1 for the first element")
    yield "$pop", place.path, end


#: All words. A name without one of them sets the member.
WORDS: Final[Mapping[str, Word]] = {
    "set": _set,
    "unset": _unset,
    "inc": _increase,
    "mul": _multiply,
    "min": _bound("$min"),
    "max": _bound("$max"),
    "current_date": _current_date,
    "rename": _rename,
    "bit": _bits,
    "push": _push,
    "add_to_set": _add_to_set,
    "pull": _pull,
    "pull_all": _pull_all,
    "pop": _pop,
}
