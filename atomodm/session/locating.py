"""Finding the value that cannot be stored, when it is known that some value of an object cannot.

Flattening keeps no record of where it is, which would cost every save. Here parts of a value are flattened on their
own, from the outside in, until the one is found that fails by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bson import ObjectId

from ..encoding import check_values
from ..errors import AtomodmError, NestingTooDeep, ValueNotStorable, describe_type
from ..model import FieldSpec, Model, spec_of
from ..serializer import FlattenScope, Form, generated_for

#: Gives the stored form of a value, in a scope of its own.
Flatten = Callable[[Any], Any]

_LONGEST_PATH = 80


def first_failure(obj: Any) -> AtomodmError | None:
    """The error, with model and path, for the first value of an object that cannot be stored; None where all can."""
    spec = spec_of(type(obj))
    muted = obj.set_notifications_enabled(False)
    try:
        for field in spec.fields:
            found = failure_of_member(obj, field)
            if found is not None:
                return found
    finally:
        obj.set_notifications_enabled(muted)
    return None


def failure_of_member(obj: Any, field: FieldSpec) -> AtomodmError | None:
    """The error, with model and path, for what cannot be stored of one member; None where all can."""
    try:
        value = getattr(obj, field.name)
    except Exception as error:
        parts: list[str] = []
        found = _typed(error, f"the member has no value ({type(error).__name__})")
    else:
        failure = _failure_in(value, _flatten_of(type(obj), field), frozenset({id(obj)}), _LONGEST_PATH)
        if failure is None:
            return None
        parts, found = failure
    found.model = spec_of(type(obj)).tag
    path = ".".join([field.name, *parts]).encode("utf-8", "replace").decode()
    found.path = path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}…"
    return found


def _flatten_of(model: Any, field: FieldSpec) -> Flatten:
    flatten = generated_for(spec_of(model).model).flatten_fields[field.name]
    return lambda value: flatten(value, FlattenScope(Form.DOCUMENT, _any_id))


def _any_id(obj: Any) -> ObjectId:
    """Stands for the id that a new object will get."""
    return ObjectId()


def _failure_in(
    value: Any, flatten: Flatten, around: frozenset[int], room: int
) -> tuple[list[str], AtomodmError] | None:
    """Where in a value the failure is, and the error; None where the value can be stored.

    Parameters
    ----------
    around : frozenset of int
        What the value is inside of: a value that contains itself has no end.
    room : int
        Characters of the path that can still be shown; the search goes no deeper.
    """
    try:
        check_values(flatten(value), depth=1)
        return None
    except Exception as error:
        found = _typed(error, f"a {describe_type(value)} cannot be flattened ({type(error).__name__})")
    if id(value) not in around and room > 0:
        for part, inner, flatten_inner in _readable_parts(value, flatten):
            deeper = _failure_in(inner, flatten_inner, around | {id(value)}, room - len(part) - 1)
            if deeper is not None:
                return [part, *deeper[0]], deeper[1]
    return [found.path] if isinstance(value, Model) and found.path is not None else [], found


def _typed(error: Exception, message: str) -> AtomodmError:
    if isinstance(error, AtomodmError):
        return error.with_traceback(None)  # whose frames, of every level, would wait for the garbage collector
    return NestingTooDeep(message) if isinstance(error, RecursionError) else ValueNotStorable(message)


def _readable_parts(value: Any, flatten: Flatten) -> list[tuple[str, Any, Flatten]]:
    """As `_parts`; none of what cannot even be read, as bytes that claim to be a document."""
    try:
        return list(_parts(value, flatten))
    except Exception:
        return []


def _parts(value: Any, flatten: Flatten) -> Iterator[tuple[str, Any, Flatten]]:
    """What a value is made of: the name of each part, the part, and how it is flattened where it stands."""
    if isinstance(value, Model):
        for field in spec_of(type(value)).fields:
            yield field.name, getattr(value, field.name), _flatten_of(type(value), field)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield "(key)", key, lambda part: flatten({part: None})
            yield str(key), item, _in_dict(flatten, key)
    elif isinstance(value, list | set | frozenset):
        kind = list if isinstance(value, list) else type(value)
        for position, item in enumerate(value):
            yield str(position), item, lambda part: flatten(kind([part]))
    elif isinstance(value, tuple):
        for position, item in enumerate(value):
            yield str(position), item, _in_tuple(flatten, position, len(value))


def _in_dict(flatten: Flatten, key: Any) -> Flatten:
    return lambda part: flatten({key: part})


def _in_tuple(flatten: Flatten, position: int, length: int) -> Flatten:
    """Tuples may have a type for each position: the part keeps its own."""
    before, after = (None,) * position, (None,) * (length - position - 1)
    return lambda part: flatten((*before, part, *after))
