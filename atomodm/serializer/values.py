"""Values in untyped places: flattened and restored by their own types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum as PythonEnum
from typing import Any

import bson

from ..encoding import CODEC_OPTIONS
from ..errors import (
    NestingTooDeep,
    UnflattenProcessorDoesNotExist,
    ValueNotStorable,
    WrongModel,
    describe_type,
)
from ..model import REGISTRY, Model, spec_of
from .converters import BSON_NATIVE, COERCERS, JSON_NATIVE, flattener_of, py_form
from .instants import is_exact
from .scope import MAX_DEPTH, FlattenScope, Form, RestoreScope, number_of

#: Keys by which restored data is recognised as ours; user data that has them is wrapped.
MARKS = frozenset({"__model__", "__py__", "__ref__"})

#: Where a value stands: the place of its container and its key or position there.
Place = tuple["Place | None", Any]


def path_of(place: Place | None) -> str | None:
    """The dotted path of a place."""
    parts: list[str] = []
    while place is not None:
        place, part = place
        parts.append(str(part).encode("utf-8", "replace").decode())
    return ".".join(reversed(parts)) or None


class Resolved:
    """A value that was awaited, or why it was refused, in the place of its stored form until the members are set."""

    __slots__ = ("_error", "_value", "stored")

    def __init__(self, stored: Any, value: Any = None, error: Exception | None = None) -> None:
        self.stored = stored
        self._value = value
        self._error = error

    @property
    def value(self) -> Any:
        """The value; raises what awaiting it raised."""
        if self._error is not None:
            raise self._error
        return self._value


def as_stored(prepared: Any) -> Any:
    """The stored form of a value in which some parts were awaited."""
    kind = prepared.__class__
    if kind is dict:
        return {key: as_stored(item) for key, item in prepared.items()}
    if kind is list:
        return [as_stored(item) for item in prepared]
    return prepared.stored if kind is Resolved else prepared


def flatten_any(value: Any, scope: FlattenScope, place: Place | None = None, depth: int = 0) -> Any:
    """Flatten a value by its type.

    Raises
    ------
    FlattenProcessorDoesNotExist
        Nothing is registered for its type.
    NestingTooDeep
        It is nested deeper than 100 levels, or contains itself.
    """
    kind = value.__class__
    if kind in JSON_NATIVE or (kind in BSON_NATIVE and scope.form is Form.DOCUMENT):
        return value
    if isinstance(value, Model):
        return flatten_model(value, scope)
    if depth > MAX_DEPTH:
        path = path_of(place)
        raise NestingTooDeep(f"nested deeper than {MAX_DEPTH} levels, or containing itself", path=path and path[:80])
    if isinstance(value, dict | Mapping):
        return _flatten_mapping(value, scope, place, depth)
    if isinstance(value, list):
        return [flatten_any(item, scope, (place, position), depth + 1) for position, item in enumerate(value)]
    if isinstance(value, tuple | set | frozenset):
        return _flatten_collection(value, scope, place, depth)
    if isinstance(value, datetime) and scope.form is Form.DOCUMENT and is_exact(value):
        return value
    if _is_subclass_of_native(value, scope.form):
        return value
    form = py_form(value, path_of(place))
    return {key: flatten_any(item, scope, (place, key), depth + 1) for key, item in form.items()}


def _is_subclass_of_native(value: Any, form: Form) -> bool:
    """Whether a value is of a subclass of a type that is stored as it is, and nothing else is registered for it."""
    if isinstance(value, PythonEnum) or flattener_of(value.__class__) is not None:
        return False
    return isinstance(value, tuple(BSON_NATIVE if form is Form.DOCUMENT else JSON_NATIVE))


def _flatten_mapping(value: Mapping[Any, Any], scope: FlattenScope, place: Place | None, depth: int) -> dict[str, Any]:
    if any(type(key) is not str for key in value) or not MARKS.isdisjoint(value):
        return flatten_pairs(
            (
                [
                    flatten_any(key, scope, (place, "(key)"), depth + 1),
                    flatten_any(item, scope, (place, key), depth + 1),
                ]
                for key, item in value.items()
            )
        )
    return {key: flatten_any(item, scope, (place, key), depth + 1) for key, item in value.items()}


def flatten_pairs(pairs: Iterable[list[Any]]) -> dict[str, Any]:
    """The form of a dict whose keys are no texts, or look like ours."""
    return {"__py__": "dict", "items": list(pairs)}


def _flatten_collection(
    value: tuple[Any, ...] | set[Any] | frozenset[Any], scope: FlattenScope, place: Place | None, depth: int
) -> dict[str, Any]:
    items = [flatten_any(item, scope, (place, position), depth + 1) for position, item in enumerate(value)]
    if isinstance(value, tuple):
        return {"__py__": "tuple", "values": items}
    name = "frozenset" if isinstance(value, frozenset) else "set"
    return {"__py__": name, "values": in_stored_order(items)}


def in_stored_order(items: list[Any]) -> list[Any]:
    """The flattened items of a set in the order of their bytes, so that equal sets give equal documents."""
    if len(items) < 2:
        return items
    try:
        return sorted(items, key=_encoded)
    except (OverflowError, UnicodeError, ValueError, bson.errors.InvalidDocument):
        return items  # what cannot be encoded is reported with its path when the document is


def _encoded(item: Any) -> bytes:
    return bson.encode({"": item}, False, CODEC_OPTIONS)


def flatten_model(obj: Any, scope: FlattenScope) -> Any:
    """Flatten a model where another one holds it: a reference to a document, or an embedded value."""
    return obj.serializer.flatten_object(obj, scope)


def unflatten_any(stored: Any, scope: RestoreScope) -> Any:
    """Restore a value from an untyped place.

    Raises
    ------
    UnflattenProcessorDoesNotExist
        A ``__py__`` form has a name that nothing is registered for.
    """
    kind = stored.__class__
    if kind is dict:
        if MARKS.isdisjoint(stored):
            return {key: unflatten_any(item, scope) for key, item in stored.items()}
        if "__py__" in stored:
            return unflatten_form(stored, scope)
        return unflatten_model(stored, scope)
    if kind is list:
        return [unflatten_any(item, scope) for item in stored]
    if kind is Resolved:
        return stored.value
    return stored


def unflatten_form(form: dict[str, Any], scope: RestoreScope) -> Any:
    """Restore a ``__py__`` form."""
    name = form["__py__"]
    coercer = COERCERS.get(name) if isinstance(name, str) else None
    if coercer is not None:
        body = {key: unflatten_any(item, scope) for key, item in form.items() if key != "__py__"}
        return coercer(body, scope)
    if name == "dict" and "items" in form:
        return {unflatten_any(key, scope): unflatten_any(item, scope) for key, item in form["items"]}
    if name in ("set", "atomset"):
        return {unflatten_any(item, scope) for item in form["values"]}
    if name == "frozenset":
        return frozenset(unflatten_any(item, scope) for item in form["values"])
    if name == "tuple":
        return tuple([unflatten_any(item, scope) for item in form["values"]])
    raise UnflattenProcessorDoesNotExist(
        "a stored value has a '__py__' name that no coercer is registered for; see atomodm.register_type"
    )


def unflatten_model(state: Any, scope: RestoreScope, expected: type | None = None) -> Any:
    """Restore what a member holds of a model: a reference, an embedded value, or another mention of one.

    Parameters
    ----------
    state : object
        The stored form.
    scope : RestoreScope
        The restore that is under way.
    expected : type, optional
        The class that the member declares.

    Raises
    ------
    ModelNotRegistered, WrongModel
        The state's model is unknown, or does not fit the member.
    """
    if state is None:
        return None
    if state.__class__ is not dict:
        if state.__class__ is Resolved:
            return state.value
        raise WrongModel(f"a model's state is {describe_type(state)}, not a document")
    model: Any = REGISTRY[state["__model__"]] if "__model__" in state else expected
    if model is None:
        raise WrongModel("a stored '__ref__' does not say which model it means")
    if expected is not None and not issubclass(model, expected):
        raise WrongModel(
            f"the member holds {expected.__name__}, the stored model is another one", model=model.__model__
        )
    number = number_of(state)
    if number is not None and number in scope:
        found = scope[number]
        if expected is not None and not isinstance(found, expected):
            raise WrongModel(f"the member holds {expected.__name__}, '__ref__' names another model")
        return found
    if "_id" in state and not model.__atomodm_embedded__ and state["_id"] is not None:
        obj = scope.resolver.object_for(model, state["_id"])
        if number is not None:
            scope[number] = obj
        return obj
    if is_mention(state):
        definition = definition_of(state, scope)
        if definition is not state:
            return unflatten_model(definition, scope, expected)
    return model.serializer.restore_embedded(model, state, scope)


def is_mention(state: dict[str, Any]) -> bool:
    """Whether a state says only by its number which object of the document it means."""
    return number_of(state) is not None and state.keys() <= MARKS


def definition_of(mention: dict[str, Any], scope: RestoreScope) -> dict[str, Any]:
    """The state, elsewhere in the document, of an object that is mentioned before it is defined.

    The state of a model without members looks like a mention, and is its own definition.
    """
    places: list[Any] = [scope.root]
    while places:
        place = places.pop()
        if place.__class__ is dict:
            if place.get("__ref__") == mention["__ref__"] and not place.keys() <= MARKS:
                return place
            places.extend(place.values())
        elif place.__class__ is list:
            places.extend(place)
    model = REGISTRY.get(mention["__model__"]) if "__model__" in mention else None
    if model is not None and not spec_of(model).fields:
        return mention
    raise WrongModel("a stored '__ref__' means no object of its document")


def check_required(value: Any, model: Any, name: str) -> None:
    """Raise `ValueNotStorable` where a member tagged ``required`` has no value."""
    if value is None:
        raise ValueNotStorable("the member is required and has no value", model=model.__model__, path=name)
