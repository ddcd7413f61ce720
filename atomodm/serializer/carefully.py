"""Restoring member by member: for documents of other versions, and for values that members refuse."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from atom.catom import DefaultValue

from ..encoding import decode, encode, same
from ..errors import AtomodmError, RestoreError
from ..model import FieldSpec, Model, ModelSpec, spec_of
from ..model.tracking import Tracking
from ..model.types import ModelType
from .instants import with_notes_of
from .scope import FlattenScope, Form, RestoreScope
from .values import as_stored, unflatten_any

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


def before_of(obj: Any) -> dict[str, Any]:
    """Stored values that count as unchanged whatever the document has there, less those that were set since."""
    tracking = obj.__tracking__
    if tracking is None or tracking.assumed is None:
        return {}
    by_name = spec_of(type(obj)).by_name
    edited = {by_name[name].stored_name for name in tracking.dirty if name in by_name}
    return {key: value for key, value in tracking.assumed.items() if key not in edited}


def keep_rest(obj: Any, state: dict[str, Any], spec: ModelSpec) -> None:
    """Have an embedded object remember the state it was restored from, where its members do not take all of it.

    A document's own rest stays in the store, because saving writes differences; an embedded object is written whole.
    """
    tracking: Tracking | None = obj.__tracking__
    if tracking is not None:
        tracking.dirty = frozenset()
    if state.keys() <= spec.keys and (tracking is None or tracking.assumed is None):
        return
    tracking = Model.__track__(obj)
    tracking.kept = as_stored(state)
    # What embeds objects is written: the document may mention them by their numbers elsewhere.
    tracking.assumed = {key: value for key, value in (tracking.assumed or {}).items() if not _embeds(value)}


def _embeds(stored: Any) -> bool:
    if stored.__class__ is dict:
        return ("__model__" in stored and "_id" not in stored) or any(map(_embeds, stored.values()))
    return stored.__class__ is list and any(map(_embeds, stored))


def put_back_rest(obj: Any, state: dict[str, Any]) -> None:
    """Put into the state of an embedded object what `keep_rest` remembered.

    That is what its model does not know, and the stored value, or the lack of one, that a member's default stands for
    as long as nobody sets the member.
    """
    tracking = obj.__tracking__
    if tracking is None or tracking.kept is None:
        return
    spec, kept = spec_of(type(obj)), tracking.kept
    before = before_of(obj)
    tracking.assumed = {key: value for key, value in before.items() if key in state and same(state[key], value)}
    names = [] if spec.options.unknown == "drop" else [key for key in kept if key not in spec.keys]
    for key in tracking.assumed:
        del state[key]
        stored = stored_key(spec.by_stored_name[key], kept)
        if stored is not None:
            names.append(stored)
    state.update((name, kept[name]) for name in names if name not in state)
    state.update(with_notes_of(kept.get("__dt__"), state, names))


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
            # As it would be stored: what is flattened may share containers with the object.
            assumed.update(decode(encode({field.stored_name: flatten(value, FlattenScope(Form.DOCUMENT))})))
        except Exception as error:  # a default is the program's own code
            log.debug("the default of %s.%s cannot be stored: %s", spec.tag, field.name, type(error).__name__)
