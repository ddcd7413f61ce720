"""``$push`` with its modifiers ``$each``, ``$position``, ``$sort`` and ``$slice``, in which order they work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ...errors import describe_type
from ..keys import NULL_KEY, descending, encode_key
from ..paths import MISSING, array_index, as_document
from .codes import invalid_update
from .numbers import is_number, whole_number
from .places import no_array
from .tree import Context, Leaf

PUSH_MODIFIERS: Final = ("$each", "$position", "$sort", "$slice")


class Push(Leaf):
    """Adds elements to an array, which is made where there is none."""

    __slots__ = ("_falling", "_items", "_key", "_position", "_slice")

    def __init__(self, name: str, path: str, operand: Any) -> None:
        super().__init__(name, path)
        self._items: list[Any] = [operand]
        self._position: int | None = None
        self._slice: int | None = None
        self._key: Callable[[Any], bytes] | None = None
        self._falling = False
        if isinstance(operand, dict) and "$each" in operand:
            self._read(operand)

    def _read(self, modifiers: dict[str, Any]) -> None:
        for modifier in modifiers:
            if modifier not in PUSH_MODIFIERS:
                raise invalid_update(f"{self.operator} has no modifier {modifier}", path=self.path)
        self._items = modifiers["$each"]
        if type(self._items) is not list:
            message = f"$each of {self.operator} takes an array, not {describe_type(self._items)}"
            raise invalid_update(message, path=self.path)
        if "$position" in modifiers:
            self._position = self._whole("$position", modifiers["$position"])
        if "$slice" in modifiers:
            self._slice = self._whole("$slice", modifiers["$slice"])
        if "$sort" in modifiers:
            self._read_sort(modifiers["$sort"])

    def _whole(self, modifier: str, value: Any) -> int:
        number = whole_number(value)
        if number is None:
            raise invalid_update(f"{modifier} of {self.operator} takes an integer", path=self.path)
        return number

    def _read_sort(self, sort: Any) -> None:
        if isinstance(sort, dict):
            if not sort:
                raise invalid_update(f"$sort of {self.operator} needs a field", path=self.path)
            self._key = _sorting([(path.split("."), self._direction(way)) for path, way in sort.items()])
            if any("" in path.split(".") for path in sort):
                raise invalid_update(f"$sort of {self.operator} has an empty field name", path=self.path)
        else:
            self._falling = self._direction(sort) < 0
            self._key = encode_key

    def _direction(self, value: Any) -> int:
        direction = whole_number(value) if is_number(value) else None
        if direction not in (1, -1):
            raise invalid_update(f"$sort of {self.operator} takes 1 or -1, alone or by field", path=self.path)
        return direction

    def change(self, old: Any, context: Context) -> Any:
        if type(old) is not list:
            raise no_array(old, self.operator, self.path)
        new = old.copy()
        if self._position is None:
            new.extend(self._items)
        else:
            position = self._position if self._position >= 0 else max(0, len(old) + self._position)
            new[position:position] = self._items
        if self._key is not None:
            # Reversed like this, equal elements still keep their order.
            new.sort(key=self._key, reverse=self._falling)
        if self._slice is not None:
            if self._slice >= 0:
                del new[self._slice :]
            else:
                del new[: self._slice]
        return new

    def create(self, context: Context) -> Any:
        return self.change([], context)


def _sorting(fields: list[tuple[list[str], int]]) -> Callable[[Any], bytes]:
    """Make the key of elements sorted by fields; an element that is no document has none of them."""

    def key(element: Any) -> bytes:
        parts = []
        for path, direction in fields:
            value = _value_at(element, path)
            part = NULL_KEY if value is MISSING else encode_key(value)
            parts.append(part if direction > 0 else descending(part))
        return b"".join(parts)

    return key


def _value_at(element: Any, path: list[str]) -> Any:
    place: Any = as_document(element)
    for part in path:
        if type(place) is list:
            position = array_index(part)
            place = place[position] if position is not None and position < len(place) else MISSING
        else:
            fields = as_document(place)
            place = MISSING if fields is None else fields.get(part, MISSING)
    return place
