"""Operators on fields: ``$set``, ``$setOnInsert``, ``$unset``, ``$min``, ``$max``, ``$currentDate`` and ``$rename``."""

from __future__ import annotations

from typing import Any

from bson import Int64, Timestamp

from ...errors import describe_type
from ..keys import encode_key
from ..paths import MISSING, as_document
from .codes import invalid_update
from .places import EPOCH, get_item, not_viable, position_of
from .tree import Context, Leaf

#: Types whose values Python compares with one another as MongoDB does, except for NaN.
_PLAIN_NUMBERS = frozenset({int, Int64, float})


class Set(Leaf):
    """Sets a value."""

    __slots__ = ("_value",)

    def __init__(self, name: str, path: str, operand: Any) -> None:
        super().__init__(name, path)
        self._value = operand

    def change(self, old: Any, context: Context) -> Any:
        return self._value

    def create(self, context: Context) -> Any:
        return self._value


class Unset(Leaf):
    """Removes what is there, if it is; the operand has no meaning."""

    __slots__ = ()

    def __init__(self, name: str, path: str, operand: Any) -> None:
        super().__init__(name, path)

    def change(self, old: Any, context: Context) -> Any:
        return MISSING

    def create(self, context: Context) -> Any:
        return MISSING

    def refuse(self, place: Any, context: Context) -> None:
        # What cannot be there is not there.
        return


class Extreme(Leaf):
    """Keeps the smaller or the larger of two values, in MongoDB's order of all types."""

    __slots__ = ("_key", "_larger", "_number", "_value")

    def __init__(self, name: str, path: str, operand: Any) -> None:
        super().__init__(name, path)
        self._value = operand
        self._larger = name == "$max"
        self._key = encode_key(operand)
        self._number = type(operand) in _PLAIN_NUMBERS and operand == operand

    def change(self, old: Any, context: Context) -> Any:
        if self._number and type(old) in _PLAIN_NUMBERS and old == old:
            better = self._value > old if self._larger else self._value < old
        else:
            key = encode_key(old)
            better = self._key > key if self._larger else self._key < key
        return self._value if better else old

    def create(self, context: Context) -> Any:
        return self._value


class CurrentDate(Leaf):
    """Sets the time of the update, as a date or as a timestamp."""

    __slots__ = ("_as_timestamp",)

    def __init__(self, name: str, path: str, operand: Any) -> None:
        super().__init__(name, path)
        kind = operand.get("$type") if isinstance(operand, dict) and set(operand) == {"$type"} else None
        # Servers take false for true.
        if type(operand) is not bool and kind not in ("date", "timestamp"):
            raise invalid_update(f"{name} takes true, or a document with $type: 'date' or 'timestamp'", path=path)
        self._as_timestamp = kind == "timestamp"

    def change(self, old: Any, context: Context) -> Any:
        if not self._as_timestamp:
            return context.now
        since = context.now - EPOCH
        # The increment of a timestamp orders those of one second; it starts at 1.
        return Timestamp(since.days * 86_400 + since.seconds, since.microseconds // 1000 + 1)

    def create(self, context: Context) -> Any:
        return self.change(MISSING, context)


class Rename(Leaf):
    """Takes over the value of another field, which an `Unset` at the other path removes.

    Parameters
    ----------
    name, path : str
    source : str
        The path of the other field.
    """

    __slots__ = ("_parents", "_source")

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source
        self._parents = path.split(".")[:-1]

    def change(self, old: Any, context: Context) -> Any:
        value = self._find(context.document)
        return old if value is MISSING else value

    def create(self, context: Context) -> Any:
        return self._find(context.document)

    def refuse(self, place: Any, context: Context) -> None:
        if self._find(context.document) is not MISSING:
            super().refuse(place, context)

    def _find(self, document: dict[str, Any]) -> Any:
        """Give the source's value, if both paths may be renamed in this document."""
        place: Any = document
        through_array = False
        for part in self._source.split("."):
            if type(place) is list:
                through_array = True
                if position_of(part) is None:
                    raise not_viable(place, self.operator, self._source)
                place = get_item(place, part)
            else:
                fields = as_document(place)
                if fields is None:
                    raise not_viable(place, self.operator, self._source)
                place = fields.get(part, MISSING)
            if place is MISSING:
                return MISSING
        if through_array:
            raise invalid_update(f"{self.operator} cannot take an element of an array", path=self._source)
        self._check_target(document)
        return place

    def _check_target(self, document: dict[str, Any]) -> None:
        place: Any = document
        for part in self._parents:
            place = get_item(place, part)
            if type(place) is list:
                raise invalid_update(f"{self.operator} cannot make an element of an array", path=self.path)


def rename_target(name: str, source: str, target: Any) -> str:
    """Check the operand of ``$rename``, which is the field's new path."""
    if type(target) is not str:
        raise invalid_update(f"{name} takes the new name as a string, not {describe_type(target)}", path=source)
    if "\0" in target:
        raise invalid_update(f"{name} takes no name with a NUL character", path=source)
    for path in (source, target):
        if any(part == "$" or part.startswith("$[") for part in path.split(".")):
            raise invalid_update(f"{name} takes no positional parts", path=path)
    if source == target:
        raise invalid_update(f"{name} needs two names that differ", path=source)
    if target.startswith(source + ".") or source.startswith(target + "."):
        raise invalid_update(f"{name} cannot move a field into itself, nor out of what it replaces", path=source)
    return target
