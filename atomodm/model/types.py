"""The type of a stored member as a small tree: the one description of a value's shape that serializers read.

Nobody above this module inspects atom members. The tree says what a member may hold, not how it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum as PythonEnum
from typing import Any

from atom.api import (
    Coerced,
    ContainerList,
    DefaultDict,
    Delegator,
    Dict,
    Enum,
    FixedTuple,
    ForwardInstance,
    ForwardTyped,
    Instance,
    List,
    Member,
    Property,
    Set,
    Tuple,
    Typed,
)
from atom.catom import Validate


@dataclass(frozen=True, slots=True)
class AnyType:
    """Any value: decided by each value's own type."""


@dataclass(frozen=True, slots=True)
class ScalarType:
    """A value of one of some types that are neither containers nor models."""

    types: tuple[type, ...]


@dataclass(frozen=True, slots=True)
class ChoiceType:
    """One of fixed items, some of which BSON has no type for."""

    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ModelType:
    """An instance of a model class: a reference to a document, or an embedded value."""

    model: Any
    embedded: bool


@dataclass(frozen=True, slots=True)
class ListType:
    """A list."""

    item: FieldType


@dataclass(frozen=True, slots=True)
class SetType:
    """A set or frozenset."""

    item: FieldType
    factory: type


@dataclass(frozen=True, slots=True)
class TupleType:
    """A tuple of any length."""

    item: FieldType


@dataclass(frozen=True, slots=True)
class FixedTupleType:
    """A tuple with a type for each position."""

    items: tuple[FieldType, ...]


@dataclass(frozen=True, slots=True)
class DictType:
    """A dict."""

    key: FieldType
    value: FieldType


FieldType = AnyType | ScalarType | ChoiceType | ModelType | ListType | SetType | TupleType | FixedTupleType | DictType

ANY = AnyType()

_SCALARS: dict[Validate, ScalarType] = {
    Validate.Bool: ScalarType((bool,)),
    Validate.Int: ScalarType((int,)),
    Validate.IntPromote: ScalarType((int,)),
    Validate.Float: ScalarType((float,)),
    Validate.FloatPromote: ScalarType((float,)),
    Validate.Str: ScalarType((str,)),
    Validate.StrPromote: ScalarType((str,)),
    Validate.Bytes: ScalarType((bytes,)),
    Validate.BytesPromote: ScalarType((bytes,)),
    Validate.Range: ScalarType((int,)),
    Validate.FloatRange: ScalarType((float,)),
    # Not in atom's type stubs.
    Validate["FloatRangePromote"]: ScalarType((float,)),
}

_PLAIN_CHOICES = (bool, int, float, str, type(None))


def is_model(candidate: Any) -> bool:
    """Whether `candidate` is a model class."""
    return isinstance(candidate, type) and hasattr(candidate, "__atomodm_embedded__")


def takes_none(member: Member[Any, Any]) -> bool:
    """Whether a member may be without a value although it holds one object, or is no such member at all."""
    inside: Any = member
    if isinstance(member, ForwardTyped | ForwardInstance):
        return inside.optional is not False
    return member.validate_mode[0] not in (Validate.Instance, Validate.Typed)


def field_type(member: Member[Any, Any], *, embed: bool = False) -> FieldType:
    """Describe what `member` may hold, resolving forward references.

    Parameters
    ----------
    member : Member
        An atom member.
    embed : bool
        Whether document models are stored inline, as the tag ``embed=True`` says.

    Raises
    ------
    NameError
        A forward reference cannot be resolved yet.
    """
    inside: Any = member  # atom's stubs leave out what members say of their items
    if isinstance(member, Delegator):
        return field_type(inside.delegate, embed=embed)
    if isinstance(member, Property):
        return ANY
    if isinstance(member, List | ContainerList):
        return ListType(_item_type(inside.item, embed))
    if isinstance(member, Set):
        return SetType(_item_type(inside.item, embed), set)
    if isinstance(member, Dict | DefaultDict):
        key, value = inside.validate_mode[1][:2] if isinstance(inside.validate_mode[1], tuple) else (None, None)
        return DictType(_item_type(key, embed), _item_type(value, embed))
    if isinstance(member, FixedTuple):
        return FixedTupleType(tuple(_item_type(item, embed) for item in inside.items))
    if isinstance(member, Tuple):
        return TupleType(_item_type(inside.item, embed))
    if isinstance(member, Enum):
        return _choice_type(inside.items)
    if isinstance(member, ForwardTyped | ForwardInstance):
        return _types_type(inside.resolve(), embed)
    if isinstance(member, Coerced):
        return _types_type(inside.validate_mode[1][0], embed) if inside.validate_mode[0] is Validate.Coerced else ANY
    if isinstance(member, Typed | Instance) or member.validate_mode[0] is Validate.Instance:
        return _types_type(inside.validate_mode[1], embed)
    return _SCALARS.get(inside.validate_mode[0], ANY)


def _item_type(member: Member[Any, Any] | None, embed: bool) -> FieldType:
    return ANY if member is None else field_type(member, embed=embed)


def _choice_type(items: tuple[Any, ...]) -> FieldType:
    if all(type(item) in _PLAIN_CHOICES for item in items):
        return ScalarType(tuple(dict.fromkeys(type(item) for item in items)))
    return ChoiceType(tuple(items))


def _types_type(types: Any, embed: bool) -> FieldType:
    """Describe what an ``Instance`` or ``Typed`` of `types` may hold."""
    alternatives = types if isinstance(types, tuple) else (types,)
    if not all(isinstance(kind, type) for kind in alternatives):
        return ANY
    if len(alternatives) > 1:
        scalar = all(not is_model(kind) and not _is_container(kind) and kind is not object for kind in alternatives)
        return ScalarType(alternatives) if scalar else ANY
    (kind,) = alternatives
    if is_model(kind):
        return ModelType(kind, embed or kind.__atomodm_embedded__)
    if kind is list:
        return ListType(ANY)
    if kind in (set, frozenset):
        return SetType(ANY, kind)
    if kind is tuple:
        return TupleType(ANY)
    if kind is object or _is_container(kind):
        return ANY
    return ScalarType((kind,))


def _is_container(kind: type) -> bool:
    return issubclass(kind, list | dict | set | frozenset | tuple) and not issubclass(kind, PythonEnum)
