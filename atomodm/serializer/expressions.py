"""How a value of each type is converted, as expressions of generated code.

Decided once for each member: a value that needs no conversion leaves no trace in the generated functions.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum as PythonEnum
from typing import Any

from ..errors import ValueNotStorable
from ..model.names import is_name
from ..model.types import (
    AnyType,
    ChoiceType,
    DictType,
    FieldType,
    FixedTupleType,
    ListType,
    ModelType,
    ScalarType,
    SetType,
    TupleType,
)
from .converters import BSON_NATIVE, JSON_NATIVE, plain_form
from .inline import flatten_inline, unflatten_inline
from .scope import Form
from .source import Source
from .values import flatten_any, flatten_model, flatten_pairs, in_stored_order, unflatten_any, unflatten_model


def native_types(form: Form) -> frozenset[type]:
    """The types that need no conversion in a form."""
    return BSON_NATIVE if form is Form.DOCUMENT else JSON_NATIVE


def is_native(kind: FieldType, form: Form) -> bool:
    """Whether all values of a type are stored and restored as they are."""
    return isinstance(kind, ScalarType) and set(kind.types) <= native_types(form)


def is_datetime(kind: FieldType) -> bool:
    """Whether a member holds datetimes, whose lost parts go under ``__dt__``."""
    return isinstance(kind, ScalarType) and kind.types == (datetime,)


def flatten_expression(source: Source, kind: FieldType, value: str, form: Form, level: int = 0) -> str:
    """The expression that flattens the variable `value`, which may be None."""
    if is_native(kind, form):
        return value
    source.bind("_flatten_any", flatten_any)
    anything = f"_flatten_any({value}, scope)"
    optional = f"None if {value} is None else "
    item = f"item{level + 1}"

    def each(inner: FieldType) -> str:
        expression = flatten_expression(source, inner, item, form, level + 1)
        return f"[*{value}]" if expression == item else f"[{expression} for {item} in {value}]"

    match kind:
        case AnyType():
            native = source.bind(f"_{form.value}_native", native_types(form))
            return f"{value} if {value}.__class__ in {native} else {anything}"
        case ScalarType(types=(single,)) if (plain := plain_form(single)) is not None:
            if form is Form.JSON and not issubclass(single, PythonEnum):
                return anything
            return f"{optional}{_bind_new(source, '_plain', plain.flatten)}({value})"
        case ScalarType():
            return anything
        case ChoiceType(items=items):
            return f"{_bind_new(source, '_choice', Choice(items).flatten)}({value})"
        case ModelType(model=model, embedded=embedded):
            if embedded and not model.__atomodm_embedded__:
                return f"{optional}{source.bind('_flatten_inline', flatten_inline)}({value}, scope)"
            return f"{optional}{source.bind('_flatten_model', flatten_model)}({value}, scope)"
        case ListType(item=inner) | TupleType(item=inner):
            return f"{optional}{each(inner)}"
        case SetType(item=inner):
            return f"{optional}{source.bind('_in_stored_order', in_stored_order)}({each(inner)})"
        case FixedTupleType(items=inners):
            parts = [
                flatten_expression(source, inner, f"{value}[{i}]", form, level + 1) for i, inner in enumerate(inners)
            ]
            return f"{optional}[{', '.join(_parenthesise(part) for part in parts)}]"
        case DictType(key=key, value=inner):
            if key == ScalarType((str,)):
                expression = flatten_expression(source, inner, item, form, level + 1)
                if expression == item:
                    return f"{optional}{{**{value}}}"
                return f"{optional}{{key: {expression} for key, {item} in {value}.items()}}"
            if isinstance(key, AnyType):
                return anything
            key_expression = flatten_expression(source, key, f"key{level + 1}", form, level + 1)
            expression = flatten_expression(source, inner, item, form, level + 1)
            source.bind("_flatten_pairs", flatten_pairs)
            pair = f"[{_parenthesise(key_expression)}, {_parenthesise(expression)}]"
            return f"{optional}_flatten_pairs({pair} for key{level + 1}, {item} in {value}.items())"


def is_encoded_as_is(kind: FieldType, form: Form) -> bool:
    """Whether BSON takes a member's container of native values as it stands.

    The flattened document then shares the container with the object, see `ModelSerializer.get_state`.
    """
    if isinstance(kind, ListType):
        return is_native(kind.item, form)
    return isinstance(kind, DictType) and kind.key == ScalarType((str,)) and is_native(kind.value, form)


def restore_expression(source: Source, kind: FieldType, value: str, level: int = 0) -> str:
    """The expression that restores the variable `value`, which may be None, from either form."""
    if is_native(kind, Form.JSON):
        return value
    anything = f"{source.bind('_unflatten_any', unflatten_any)}({value}, scope)"
    native = source.bind("_native", BSON_NATIVE)
    unless_native = f"{value} if {value}.__class__ in {native} else {anything}"
    optional = f"None if {value} is None else "
    item = f"item{level + 1}"

    def each(inner: FieldType) -> str:
        expression = restore_expression(source, inner, item, level + 1)
        return f"[{expression} for {item} in {value}]"

    match kind:
        case AnyType():
            return unless_native
        case ScalarType(types=(single,)) if (plain := plain_form(single)) is not None:
            return f"{optional}{_bind_new(source, '_restore', plain.restore)}({_parenthesise(unless_native)})"
        case ScalarType():
            return unless_native
        case ChoiceType(items=items):
            return f"{_bind_new(source, '_choice', Choice(items).restore)}({value})"
        case ModelType(model=model, embedded=embedded):
            bound = _bind_new(source, f"_class_{model.__name__}" if is_name(model.__name__) else "_class", model)
            if embedded and not model.__atomodm_embedded__:
                return f"{source.bind('_unflatten_inline', unflatten_inline)}({value}, scope, {bound})"
            return f"{source.bind('_unflatten_model', unflatten_model)}({value}, scope, {bound})"
        case ListType(item=inner):
            if is_native(inner, Form.JSON):
                return value
            return f"{value} if {value}.__class__ is not list else {each(inner)}"
        case TupleType(item=inner):
            return f"tuple({each(inner)}) if {value}.__class__ is list else {anything}"
        case SetType(item=inner, factory=factory):
            return f"{factory.__name__}({each(inner)}) if {value}.__class__ is list else {anything}"
        case FixedTupleType(items=inners):
            parts = [restore_expression(source, inner, f"{value}[{i}]", level + 1) for i, inner in enumerate(inners)]
            together = ", ".join(_parenthesise(part) for part in parts)
            return f"({together},) if {value}.__class__ is list and len({value}) == {len(inners)} else {anything}"
        case DictType(key=key, value=inner):
            if key == ScalarType((str,)):
                expression = restore_expression(source, inner, item, level + 1)
                if expression == item:
                    return value
                each_item = f"{{key: {expression} for key, {item} in {value}.items()}}"
                return f"{value} if {value}.__class__ is not dict else {each_item}"
            if isinstance(key, AnyType):
                return unless_native
            pairs = f"{value}['items'] if {value}.get('__py__') == 'dict' else {value}.items()"
            keys = restore_expression(source, key, f"key{level + 1}", level + 1)
            values = restore_expression(source, inner, item, level + 1)
            return (
                f"{value} if {value}.__class__ is not dict else "
                f"{{({keys}): ({values}) for key{level + 1}, {item} in ({pairs})}}"
            )


def _parenthesise(expression: str) -> str:
    return f"({expression})" if " " in expression else expression


def _bind_new(source: Source, name: str, value: Any) -> str:
    """Bind a constant under `name`, or under a numbered one where the name means something else already."""
    candidate, number = name, 1
    while candidate in source.namespace and source.namespace[candidate] is not value:
        number += 1
        candidate = f"{name}{number}"
    return source.bind(candidate, value)


class Choice:
    """The items of an ``Enum`` member and what is stored for each.

    A class is stored by its qualified name, a member of an `enum.Enum` by its value, where these are unambiguous.
    """

    def __init__(self, items: tuple[Any, ...]) -> None:
        self.items = items
        self.stored = [_choice_key(item) for item in items]
        if len({(type(key), key) for key in self.stored}) < len(items):
            raise ValueNotStorable("two items of an Enum member would be stored alike")

    def flatten(self, value: Any) -> Any:
        """What is stored for an item."""
        for item, stored in zip(self.items, self.stored, strict=True):
            if item is value or (type(item) is type(value) and item == value):
                return stored
        raise ValueNotStorable("the value is none of the member's items")

    def restore(self, stored: Any) -> Any:
        """The item for which something was stored."""
        for item, key in zip(self.items, self.stored, strict=True):
            if type(key) is type(stored) and key == stored:
                return item
        raise ValueError("the stored value is none of the member's items")


def _choice_key(item: Any) -> Any:
    if isinstance(item, type):
        return f"{item.__module__}.{item.__qualname__}"
    if isinstance(item, PythonEnum):
        item = item.value
    if type(item) in BSON_NATIVE:
        return item
    return repr(item)
