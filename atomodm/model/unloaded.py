"""Unloaded objects: references whose documents were not fetched.

An unloaded object is an instance of a subclass made for the purpose, in which reading a member that is not set raises
`NotLoaded` where the model itself would give the default. Loading turns the instance into one of the model in place,
so that neither loaded objects nor their reads cost anything for it.
"""

from __future__ import annotations

from typing import Any

from atom.api import Delegator, Property
from atom.catom import DefaultValue

from ..errors import NotLoaded
from .meta import ModelMeta
from .spec import spec_of

_REFUSE = "__refuse_unloaded__"


def unloaded_class(model: Any) -> Any:
    """The class that unloaded instances of `model` have."""
    ghost = model.__dict__.get("__atomodm_unloaded__")
    if ghost is None:
        ghost = _make(model)
        model.__atomodm_unloaded__ = ghost
    return ghost


def is_unloaded(obj: Any) -> bool:
    """Whether reading unset members of `obj` raises `NotLoaded`."""
    return "__atomodm_loaded__" in type(obj).__dict__


def mark_loaded(obj: Any) -> None:
    """Make an unloaded object an ordinary instance of its model."""
    loaded = type(obj).__dict__.get("__atomodm_loaded__")
    if loaded is not None:
        obj.__class__ = loaded


def mark_unloaded(obj: Any) -> None:
    """Make reads of unset members of `obj` raise `NotLoaded`."""
    obj.__restored__ = False
    if not is_unloaded(obj):
        obj.__class__ = unloaded_class(type(obj))


def _make(model: Any) -> Any:
    namespace: dict[str, Any] = {
        "__module__": model.__module__,
        "__qualname__": model.__qualname__,
        "__doc__": model.__doc__,
        "__slots__": (),
        "__atomodm_loaded__": model,
        "__atomodm_spec__": spec_of(model),
        _REFUSE: _refuse,
    }
    for field in spec_of(model).fields:
        if field.stored_name != "_id" and not isinstance(field.member, Property | Delegator):
            member = field.member.clone()
            member.set_default_value_mode(DefaultValue.ObjectMethod_Name, _REFUSE)
            namespace[field.name] = member
    return ModelMeta(model.__name__, (model,), namespace, ghost=True)


def _refuse(self: Any, name: str) -> Any:
    raise NotLoaded("the object is not loaded; await its load() first", model=self.__model__, path=name)
