"""Operators that treat an array as a set or a stack: ``$addToSet``, ``$pop``, ``$pull`` and ``$pullAll``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bson import DBRef, Regex

from ...errors import InvalidQuery, describe_type
from ..evaluator import compile_filter
from ..filters import parse_filter
from ..keys import encode_key
from ..nodes import Compare, Node, Operator, conjunction
from ..paths import MISSING, as_document
from ..server_codes import ServerCode
from .codes import invalid_update
from .numbers import whole_number
from .places import no_array
from .tree import Context, Leaf

#: Names with a dollar that a condition on documents may start with; others are operators on the element itself.
_LOGIC = ("$and", "$or", "$nor", "$comment")
_REFERENCE = ("$ref", "$id", "$db")


class AddToSet(Leaf):
    """Adds the elements to an array that it does not have; equal is what MongoDB compares as equal."""

    __slots__ = ("_items",)

    def __init__(self, name: str, path: str, operand: Any) -> None:
        super().__init__(name, path)
        items: Any = [operand]
        if isinstance(operand, dict) and next(iter(operand), None) == "$each":
            items = operand["$each"]
            if type(items) is not list:
                raise invalid_update(
                    f"$each of {name} takes an array, not {describe_type(items)}",
                    path=path,
                    code=ServerCode.TYPE_MISMATCH,
                )
            if len(operand) > 1:
                raise invalid_update(f"{name} has no modifier but $each", path=path)
        # By their keys, each once.
        self._items: dict[bytes, Any] = {}
        for item in items:
            self._items.setdefault(encode_key(item), item)

    def change(self, old: Any, context: Context) -> Any:
        if type(old) is not list:
            raise no_array(old, self.operator, self.path)
        present = set(map(encode_key, old))
        added = [item for key, item in self._items.items() if key not in present]
        return old + added if added else old

    def create(self, context: Context) -> Any:
        return list(self._items.values())


class _Taking(Leaf):
    """Takes elements out of an array, and does nothing where there is none."""

    __slots__ = ()

    def create(self, context: Context) -> Any:
        return MISSING


class Pop(_Taking):
    """Takes out the first or the last element."""

    __slots__ = ("_first",)

    def __init__(self, name: str, path: str, operand: Any) -> None:
        super().__init__(name, path)
        direction = whole_number(operand)
        if direction not in (1, -1):
            raise invalid_update(
                f"{name} takes 1 for the last or -1 for the first element", path=path, code=ServerCode.FAILED_TO_PARSE
            )
        self._first = direction == -1

    def change(self, old: Any, context: Context) -> Any:
        if type(old) is not list:
            raise no_array(old, self.operator, self.path, ServerCode.TYPE_MISMATCH)
        return old[1:] if self._first else old[:-1]


class Pull(_Taking):
    """Takes out the elements that match a condition."""

    __slots__ = ("_matches",)

    def __init__(self, name: str, path: str, operand: Any) -> None:
        super().__init__(name, path)
        try:
            self._matches = _condition(operand, path)
        except InvalidQuery as error:
            message = f"the condition of {name} is refused: {error.message}"
            raise invalid_update(message, path=path, code=error.server_code) from None

    def change(self, old: Any, context: Context) -> Any:
        if type(old) is not list:
            raise no_array(old, self.operator, self.path)
        matches = self._matches
        return [element for element in old if not matches(element)]


class PullAll(_Taking):
    """Takes out all elements that equal one of some values."""

    __slots__ = ("_keys",)

    def __init__(self, name: str, path: str, operand: Any) -> None:
        super().__init__(name, path)
        if type(operand) is not list:
            raise invalid_update(f"{name} takes an array, not {describe_type(operand)}", path=path)
        self._keys = frozenset(map(encode_key, operand))

    def change(self, old: Any, context: Context) -> Any:
        if type(old) is not list:
            raise no_array(old, self.operator, self.path)
        keys = self._keys
        return [element for element in old if encode_key(element) not in keys]


# -- conditions of $pull -----------------------------------------------------------------------------------------------


def _condition(operand: Any, path: str) -> Callable[[Any], bool]:
    """Make the test of elements: by operators, by the fields that documents have, or for equality."""
    fields = operand.as_doc() if isinstance(operand, DBRef) else operand
    if isinstance(fields, Mapping):
        first = next(iter(fields), "")
        if first.startswith("$") and first not in _LOGIC and first not in _REFERENCE:
            return _on_element(fields, path)
        return _on_document(fields)
    if isinstance(operand, Regex):
        return _on_element(operand, path)
    key = encode_key(operand)
    return lambda element: encode_key(element) == key


def _on_element(condition: Any, path: str) -> Callable[[Any], bool]:
    # The element takes the place of the field, so that operators mean there what they mean in every filter.
    name = path.rpartition(".")[2]
    if name.startswith("$"):
        name = "element"
    matches = compile_filter(parse_filter({name: condition}))
    return lambda element: matches({name: element})


def _on_document(fields: Mapping[str, Any]) -> Callable[[Any], bool]:
    # A filter names no field with a dollar, except those of references.
    nodes: list[Node] = [Compare(name, Operator.EQ, fields[name]) for name in _REFERENCE if name in fields]
    nodes.append(parse_filter({name: value for name, value in fields.items() if name not in _REFERENCE}))
    matches = compile_filter(conjunction(nodes))

    def test(element: Any) -> bool:
        document = as_document(element)
        return document is not None and matches(document)

    return test
