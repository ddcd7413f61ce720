"""The id of an object as documents have it."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from ..encoding import decode
from ..model import spec_of
from .converters import plain_form

_NATIVE = frozenset({ObjectId, str, int, type(None)})


def stored_form(_id: Any) -> Any:
    """The stored form of an id, or of a primary key of a type that BSON lacks."""
    if _id is None or type(_id) in _NATIVE:
        return _id
    form = plain_form(type(_id))
    return _id if form is None else form.flatten(_id)


def stored_id(obj: Any) -> Any:
    """The id that an object's document would have now; None where it is not set."""
    return stored_form(obj._id)


def document_id(obj: Any) -> Any:
    """The id of an object's document, also while its primary key has an unsaved edit."""
    if obj.__snapshot__ is not None and spec_of(type(obj)).primary_key is not None:
        return decode(obj.__snapshot__)["_id"]
    return stored_id(obj)


def restored_id(model: Any, stored: Any) -> Any:
    """What the ``_id`` of an instance of `model` is set to for a stored id."""
    key = spec_of(model).primary_key
    if key is None or not isinstance(form_type := getattr(key.type, "types", None), tuple) or len(form_type) != 1:
        return stored
    form = plain_form(form_type[0])
    return stored if form is None else form.restore(stored)
