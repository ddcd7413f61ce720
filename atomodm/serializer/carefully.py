"""Restoring member by member: for documents of other versions, and for values that members refuse."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from atom.catom import DefaultValue

from ..errors import AtomodmError, RestoreError
from ..model import FieldSpec, Model, ModelSpec
from ..model.types import ModelType
from .scope import FlattenScope, Form, RestoreScope
from .values import unflatten_any

log = logging.getLogger("atomodm")


def restore_carefully(
    obj: Any,
    document: dict[str, Any],
    scope: RestoreScope,
    spec: ModelSpec,
    restorers: Iterable[tuple[FieldSpec, Any]],
) -> None:
    """Set each member for which there is something stored; what is refused follows ``__on_error__``.

    A member without stored value, or whose stored value was refused, keeps its default, which is not written back
    until the member is set.

    Raises
    ------
    RestoreError
        A member refused its value and the model's ``__on_error__`` is ``"raise"``.
    """
    absent: list[FieldSpec] = []
    for field, restore in restorers:
        key = stored_key(field, document)
        if key is None:
            absent.append(field)
            continue
        try:
            set_member(obj, field, restore(document[key], scope))
        except Exception as error:
            refuse(spec, field.name, error)
            absent.append(field)
    restore_extras(obj, document, scope, spec)
    if absent:
        assume_defaults(obj, absent, spec)


def stored_key(field: FieldSpec, document: dict[str, Any]) -> str | None:
    """The key under which a document has a member: its stored name, else the first of its aliases."""
    if field.stored_name in document:
        return field.stored_name
    return next((alias for alias in field.aliases if alias in document), None)


def set_member(obj: Any, field: FieldSpec, value: Any) -> None:
    """Set a member, a read-only one too, which nothing stored leaves open to be set once."""
    if not field.write_once:
        setattr(obj, field.name, value)
    elif value is None:
        field.member.del_slot(obj)
    else:
        field.member.set_slot(obj, field.member.do_full_validate(obj, None, value))


def refuse(spec: ModelSpec, name: str, error: Exception) -> None:
    """Do with a refused value what the model's ``__on_error__`` says; the value itself is never shown."""
    policy = spec.model.__on_error__
    if policy == "raise":
        raise RestoreError(name, spec.model, error) from (error if isinstance(error, AtomodmError) else None)
    if policy == "log":
        reason = str(error) if isinstance(error, AtomodmError) else type(error).__name__
        log.warning("Error loading state: %s.%s was refused: %s", spec.tag, name, reason)


def restore_extras(obj: Any, document: dict[str, Any], scope: RestoreScope, spec: ModelSpec) -> None:
    """Set members that are not stored from keys of their names, as computed fields of a pipeline come."""
    for name in spec.extra_members:
        if name in document and name not in spec.by_stored_name:
            try:
                setattr(obj, name, unflatten_any(document[name], scope))
            except Exception as error:
                refuse(spec, name, error)


def assume_defaults(obj: Any, fields: Iterable[FieldSpec], spec: ModelSpec) -> None:
    """Remember the defaults of members that the document lacks, so that they do not count as edits.

    A default that is another object is left to be made when it is read, and a read-only member without default is
    left open.
    """
    tracking = Model.__track__(obj)
    assumed = tracking.assumed = dict(tracking.assumed or {})
    for field in fields:
        makes_object = (
            isinstance(field.type, ModelType)
            and not field.type.embedded
            and field.member.default_value_mode[0] not in (DefaultValue.NoOp, DefaultValue.Static)
        )
        try:
            value = None if makes_object or field.opens_unset else getattr(obj, field.name)
            flatten = spec.model.__atomodm_generated__.flatten_fields[field.name]
            assumed[field.stored_name] = flatten(value, FlattenScope(Form.DOCUMENT))
        except Exception as error:  # a default is the program's own code
            log.debug("the default of %s.%s cannot be stored: %s", spec.tag, field.name, type(error).__name__)
