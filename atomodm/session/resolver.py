"""Which stored path the name in a lookup means, and how an operand is stored there."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any

from ..errors import InvalidQuery, describe_type
from ..model import FieldSpec, Model, ModelSpec, spec_of
from ..model.expiry import EXPIRES
from ..model.types import (
    ANY,
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
from ..query.lookups import LOOKUPS, Resolved
from ..serializer import FlattenScope, Form
from ..serializer.converters import BSON_NATIVE, plain_form
from ..serializer.expressions import Choice
from ..serializer.identifiers import document_id
from ..serializer.instants import as_date
from ..serializer.values import flatten_any, in_stored_order

#: When a document expires, as lookups name it.
_EXPIRES = "_expires"
_ARRAYS = (ListType, SetType, TupleType, FixedTupleType)


class ModelResolver:
    """Resolves lookup names for one model: declared members first, then what is inside them.

    A member's name is its Python name; the path is made of stored names. Behind a reference only its id can be asked
    for (``author``, ``author___id``, or the referenced model's primary key): a query sees one collection.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        # Names of one segment, as most are; there are as many as the model has.
        self._known: dict[str, Resolved] = {}

    def resolve(self, segments: Sequence[str]) -> Resolved:
        """Find the stored path for the segments of a lookup.

        Raises
        ------
        InvalidQuery
            A name is unknown; the message lists those that are alike.
        """
        first, *rest = segments
        if rest:
            return self._resolve(first, rest)
        known = self._known.get(first)
        if known is None:
            known = self._known[first] = self._resolve(first, rest)
        return known

    def _resolve(self, first: str, rest: Sequence[str]) -> Resolved:
        if first in ("_id", "pk"):
            key = self._spec.primary_key
            return self._inside("_id", key.type if key is not None else ANY, rest, is_id=True)
        if first == _EXPIRES and first not in self._spec.by_name and not self._spec.embedded:
            return self._inside(EXPIRES, ScalarType((datetime,)), rest)
        field = self._field(self._spec, first, "")
        return self._inside(field.stored_name, field.type, rest)

    def _field(self, spec: ModelSpec, name: str, path: str) -> FieldSpec:
        field = spec.by_name.get(name)
        if field is None:
            raise self._unknown(name, path, ["_id", *spec.by_name] if not spec.embedded else spec.by_name)
        return field

    def _inside(self, path: str, kind: FieldType, rest: Sequence[str], *, is_id: bool = False) -> Resolved:
        """Follow the segments behind a member."""
        is_array = isinstance(kind, _ARRAYS)
        while rest:
            name = rest[0]
            inner = _item_of(kind) if isinstance(kind, _ARRAYS) else kind
            if isinstance(kind, _ARRAYS) and name.isdigit():
                path, kind, rest = f"{path}.{name}", inner, rest[1:]
            elif isinstance(inner, ModelType):
                if inner.embedded and name in spec_of(inner.model).by_name:
                    field = self._field(spec_of(inner.model), name, path)
                    path, kind, rest = f"{path}.{field.stored_name}", field.type, rest[1:]
                elif not inner.embedded and name in _id_names(inner.model):
                    return self._found(f"{path}._id", ANY, rest[1:], is_array)
                elif not inner.embedded and name in spec_of(inner.model).by_name:
                    raise InvalidQuery(
                        f"{name!r} is in another collection: of what is referred to only the id can be asked for, as "
                        f"{' or '.join(_id_names(inner.model))}",
                        model=self._spec.tag,
                        path=path,
                    )
                else:
                    break
            elif isinstance(inner, AnyType | DictType) and not is_id:
                if len(rest) == 1 and name in LOOKUPS:
                    break
                if "." in name or "\0" in name:
                    raise InvalidQuery(
                        "a key with a dot or a NUL character cannot be asked for; compare the dict that has it",
                        model=self._spec.tag,
                        path=path,
                    )
                path, kind, rest = f"{path}.{name}", inner.value if isinstance(inner, DictType) else ANY, rest[1:]
            else:
                break
            is_array = isinstance(kind, _ARRAYS)
        if rest and rest[0] not in LOOKUPS:
            raise self._unknown(rest[0], path, self._candidates(kind))
        reference = _item_of(kind) if isinstance(kind, _ARRAYS) else kind
        if isinstance(reference, ModelType) and not reference.embedded and list(rest) not in (["exists"], ["isnull"]):
            return self._found(f"{path}._id", reference, rest, is_array)
        return self._found(path, kind, rest, is_array)

    def _found(self, path: str, kind: FieldType, rest: Sequence[str], is_array: bool) -> Resolved:
        return Resolved(path=path, rest=tuple(rest), encode=_encoder(kind), is_array=is_array)

    def _candidates(self, kind: FieldType) -> Iterable[str]:
        inner = _item_of(kind) if isinstance(kind, _ARRAYS) else kind
        if isinstance(inner, ModelType):
            names = spec_of(inner.model).by_name if inner.embedded else _id_names(inner.model)
            return [*names, *LOOKUPS]
        return LOOKUPS

    def _unknown(self, name: str, path: str, names: Iterable[str]) -> InvalidQuery:
        names = list(names)
        close = difflib.get_close_matches(name, names, 3)
        help = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(names)}"
        return InvalidQuery(f"there is no {name!r} here; {help}", model=self._spec.tag, path=path or None)


def _id_names(model: Any) -> tuple[str, ...]:
    """The names by which a referenced document's id may be asked for."""
    key = spec_of(model).primary_key
    return ("_id", "pk") if key is None else ("_id", "pk", key.name)


def _item_of(kind: FieldType) -> FieldType:
    if isinstance(kind, ListType | SetType | TupleType):
        return kind.item
    return ANY


def _encoder(kind: FieldType) -> Callable[[Any], Any]:
    """How one operand is stored at a place of a type."""
    return lambda value: encode_operand(kind, value)


def encode_operand(kind: FieldType, value: Any) -> Any:
    """The stored form of an operand.

    Parameters
    ----------
    kind : FieldType
        What the place holds; an operand may be an element of an array there.
    value : object

    Raises
    ------
    InvalidQuery
        An unsaved object stands for a reference.
    """
    if kind is ANY and type(value) in BSON_NATIVE:
        return value
    if isinstance(value, Model):
        return _encode_model(kind, value)
    if isinstance(kind, _ARRAYS):
        if isinstance(value, list | tuple | set | frozenset):
            items = [encode_operand(_item_of(kind), item) for item in value]
            return in_stored_order(items) if isinstance(kind, SetType) else items
        return encode_operand(_item_of(kind), value)
    if isinstance(kind, ModelType) and not kind.embedded and isinstance(value, dict) and "_id" in value:
        return value["_id"]
    if isinstance(kind, ChoiceType):
        return Choice(kind.items).flatten(value)
    if isinstance(kind, ScalarType) and isinstance(value, kind.types):
        form = plain_form(type(value) if type(value) in kind.types else kind.types[0])
        if form is not None:
            return form.flatten(value)
    if isinstance(value, datetime):
        return as_date(value)
    if isinstance(value, date) and isinstance(kind, ScalarType) and datetime in kind.types:
        # A day stands for its first moment.
        return datetime(value.year, value.month, value.day)
    return flatten_any(value, FlattenScope(Form.DOCUMENT))


def _encode_model(kind: FieldType, value: Any) -> Any:
    spec = spec_of(type(value))
    if spec.embedded:
        return value.serializer.flatten_object(value, FlattenScope(Form.DOCUMENT))
    if value._id is None:
        raise InvalidQuery(
            f"an object that was never saved stands for a reference; save it first ({describe_type(value)})"
        )
    return document_id(value)
