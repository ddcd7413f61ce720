"""The document that an object flattens to now, with errors that name the member."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bson import ObjectId

from ..encoding import decode, encode
from ..errors import AtomodmError
from ..model import ModelSpec, spec_of
from ..query.changes import Changes
from ..serializer import FlattenScope, generated_for, hooks_of
from ..serializer.carefully import before_of
from .diff import diff_documents, diff_members
from .locating import failure_of_member, first_failure

#: Types of which values that were encoded are read back the same.
_READ_AS_WRITTEN = frozenset({str, int, float, bool, bytes, type(None), ObjectId})


def flatten_document(obj: Any, _id: Any, scope: FlattenScope) -> bytes:
    """Flatten and encode an object.

    Parameters
    ----------
    obj : NoSQLModel
        A loaded or new object.
    _id : object
        The id its document has or gets.
    scope : FlattenScope
        Begun for this document; has it and the references afterwards.

    Returns
    -------
    bytes
        The document as BSON.

    Raises
    ------
    ValueNotStorable
        Some value cannot be stored; ``path`` names the member.
    """
    try:
        document = scope.document = _flattener(type(obj))(obj, _id, scope)
        if scope.mentions:
            document["__ref__"] = 0  # without it atom-db takes no number in the document for one
        return encode(document)
    except Exception as error:
        located = first_failure(obj)
        if located is not None:
            raise located from (None if isinstance(error, AtomodmError) else error)
        if isinstance(error, AtomodmError):
            error.model = error.model or spec_of(type(obj)).tag
        raise


def _flattener(kind: Any) -> Callable[[Any, Any, FlattenScope], dict[str, Any]]:
    """What gives the document of an object of a class, found once."""
    flatten: Callable[[Any, Any, FlattenScope], dict[str, Any]] | None = kind.__dict__.get("__atomodm_flatten__")
    if flatten is None:
        model = spec_of(kind).model
        flatten = _own_state if hooks_of(model).getstate else generated_for(model).flatten
        kind.__atomodm_flatten__ = flatten
    return flatten


def _own_state(obj: Any, _id: Any, scope: FlattenScope) -> dict[str, Any]:
    """What an overridden ``__getstate__`` gives, as a document."""
    state = dict(obj.__getstate__(scope))
    if state.get("__ref__") == 0:
        del state["__ref__"]
    state.pop("_id", None)
    state.setdefault("__model__", obj.__model__)
    return {"_id": _id, **state}


def provisional_id(obj: Any) -> Any:
    """The id by which a document may refer to an object that has none: a deleted one's former, a new one's future."""
    tracking = obj.__tracking__ or obj.__track__()
    if tracking.former_id is not None:
        return tracking.former_id
    if tracking.reserved_id is None:
        tracking.reserved_id = ObjectId()
    return tracking.reserved_id


def changes_of(obj: Any, data: bytes) -> Changes:
    """What differs between an object's document now, given as bytes, and as it last read or wrote it."""
    return changes_and_base(obj, data)[0]


def changes_and_base(
    obj: Any, data: bytes, document: Mapping[str, Any] | None = None
) -> tuple[Changes, dict[str, Any] | None]:
    """As `changes_of`, with the document that the changes are to be applied to; None where that would give `data`.

    Parameters
    ----------
    obj : NoSQLModel
    data : bytes
    document : mapping, optional
        What `data` was encoded from, where it is at hand.
    """
    before = before_of(obj)
    if data == obj.__snapshot__ and not before:
        return Changes(), None
    spec, base = spec_of(type(obj)), decode(obj.__snapshot__)
    if not before and (names := _signalled(obj, spec)):
        # Mostly, what observers signalled is all that changed.
        members = _stored_form({name: value for name, value in (document or decode(data)).items() if name in names})
        changes = diff_members(spec, members, base, data)
        if changes is not None:
            replaced = not changes.unset and not changes.push and changes.set.keys() == members.keys()
            return changes, None if replaced else base
    return diff_documents(spec, base, decode(data), before), base


def _signalled(obj: Any, spec: ModelSpec) -> set[str]:
    """Stored names of the members that observers signalled."""
    tracking = obj.__tracking__
    if tracking is None:
        return set()
    return {spec.by_name[name].stored_name for name in tracking.dirty if name in spec.by_name}


def _stored_form(members: dict[str, Any]) -> dict[str, Any]:
    """Members of a document that was encoded, as they are read back."""
    return members if _READ_AS_WRITTEN.issuperset(map(type, members.values())) else decode(encode(members))


def set_members_of(obj: Any, scope: FlattenScope) -> Changes:
    """What was set of an unloaded object, and nothing else."""
    spec = spec_of(type(obj))
    generated = generated_for(spec.model)
    names = obj.__tracking__.dirty if obj.__tracking__ is not None else ()
    changed = {}
    for field in spec.fields:
        if field.name in names:
            failure = failure_of_member(obj, field)
            if failure is not None:
                raise failure
            changed[field.stored_name] = generated.flatten_fields[field.name](getattr(obj, field.name), scope)
    return Changes(set=changed)


def members_at(spec: ModelSpec, changes: Changes) -> set[str]:
    """Names of the members that changed paths belong to."""
    names = set()
    for path in changes.paths():
        first, _, rest = path.partition(".")
        if first == "__dt__":
            first = rest.partition(".")[0]
        field = spec.by_stored_name.get(first)
        if field is not None:
            names.add(field.name)
    return names
