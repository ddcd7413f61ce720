"""Filling objects from documents: new ones, unloaded ones, and those that somebody else's write overtook."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from ..encoding import decode, encode, same
from ..errors import WrongModel
from ..model import FieldSpec, ModelSpec, spec_of
from ..model.unloaded import mark_loaded, mark_unloaded
from ..query.changes import Changes, overlap
from ..query.paths import MISSING
from ..query.updates.places import get_item, set_at, unset_at
from ..serializer import FlattenScope, Form, RestoreScope, generated_for
from ..serializer.awaiting import prepare_document
from ..serializer.carefully import assume_defaults, before_of, restore_carefully, stored_key
from ..serializer.identifiers import stored_id
from ..serializer.scope import number_of
from .announce import Announcements, observed, values_of
from .diff import diff_documents
from .documents import changes_of, flatten_document, members_at, provisional_id
from .merge import includes, list_root, merge


def check_fits(obj: Any, model: Any) -> None:
    """Raise `WrongModel` unless a document of `model` can fill `obj`, whose class a reference chose."""
    if spec_of(type(obj)).model is not model:
        raise WrongModel(
            f"the document is of {model.__model__}, but an object of another model was made for a reference to it",
            model=obj.__model__,
        )


def fill(
    obj: Any, document: dict[str, Any], data: bytes, revision: int, scope: RestoreScope, told: Announcements
) -> None:
    """Fill an unloaded object, or a handle, in place; members that were set before keep their values.

    Parameters
    ----------
    obj : NoSQLModel
        The object, with its ``__home__``.
    document, data : dict, bytes
        What is stored, decoded and as bytes.
    revision : int
        The document's revision.
    scope : RestoreScope
        Finds references.
    told : Announcements
        Takes what observers are to be told.
    """
    spec = spec_of(type(obj))
    edited = edits_of(obj)
    mark_loaded(obj)
    before = values_of(obj) if observed(obj) else None
    muted = obj.set_notifications_enabled(False)
    try:
        _forget_assumptions(obj)
        scope.enter(document, obj)
        generated_for(spec.model).restore(obj, document, scope)
        for name, value in edited.items():
            setattr(obj, name, value)
        settle(obj, data, revision)
    except BaseException:
        mark_unloaded(obj)
        raise
    finally:
        obj.set_notifications_enabled(muted)
    obj.__update_state__()
    if before is not None:
        told.add_changes(obj, before)


def edits_of(obj: Any) -> dict[str, Any]:
    """The members that were set since the object was last loaded or saved, with their values."""
    return {} if obj.__tracking__ is None else {name: getattr(obj, name) for name in obj.__tracking__.dirty}


def _forget_assumptions(obj: Any) -> None:
    if obj.__tracking__ is not None:
        obj.__tracking__.assumed = None


def _assume_less(obj: Any, document: dict[str, Any], fields: Iterable[FieldSpec]) -> None:
    """Forget what was assumed for members that a document is about to set, and where it has just that."""
    tracking = obj.__tracking__
    if tracking is None or tracking.assumed is None:
        return
    taken = {field.stored_name for field in fields}
    tracking.assumed = {
        name: value
        for name, value in tracking.assumed.items()
        if name not in taken and not (name in document and same(document[name], value))
    } or None


def settle(obj: Any, data: bytes, revision: int) -> None:
    """Make stored bytes the base that edits are compared with."""
    obj.__restored__ = True
    obj.__snapshot__ = data
    obj.__revision__ = revision


async def refresh(
    obj: Any,
    data: bytes,
    revision: int,
    scope: RestoreScope,
    told: Announcements,
    decided: Collection[str] = (),
) -> None:
    """Let an object follow its document: members without edits take what is stored, edits stay.

    Where an edit and the new document disagree, the base stays too, so that saving meets the conflict.

    Parameters
    ----------
    obj : NoSQLModel
    data, revision : bytes, int
        The document and its revision.
    scope : RestoreScope
    told : Announcements
    decided : collection of str
        Stored paths at which edits are given up.
    """
    spec = spec_of(type(obj))
    remote = decode(data)
    local_data = flatten_document(obj, stored_id(obj), FlattenScope(Form.DOCUMENT, provisional_id))
    local = decode(local_data)
    if not changes_of(obj, local_data):
        # Members that are the same keep their values: somebody may hold an embedded object, or a list, of them.
        names = differing(spec, local, remote, set())
        if not await take_awaiting(obj, remote, names, scope, told, local_data):
            return await refresh(obj, data, revision, scope, told, decided)
        no_longer_stale(obj)
        return settle_quietly(obj, data, revision)
    base, before = base_for(obj, remote), before_of(obj)
    given_up = _edits_at(decided, base, diff_documents(spec, base, local, before)) if decided else ()
    kept = _with_paths_of(base, local, given_up) if given_up else local
    merged = merge(spec, base, kept, remote, before)
    unsettled = {found.path for found in merged.disagreements}
    names = differing(spec, local, merged.document, unsettled)
    if not await take_awaiting(obj, merged.document, names, scope, told, local_data):
        return await refresh(obj, data, revision, scope, told, decided)
    if unsettled:
        # The rest of the base follows: of what nobody edited here nothing is to be in conflict later.
        left = members_at(spec, Changes(unset=tuple(unsettled)))
        former = [key for name in left for key in _keys_of(spec.by_name[name])]
        settle_quietly(obj, encode(_with_paths_of(base, remote, former)), obj.__revision__)
        obj.__state__.stale = True
    else:
        no_longer_stale(obj)
        settle_quietly(obj, data, revision)
    if given_up:
        obj.__mark_dirty__(obj.__changed_members__() & obj.__tracking__.dirty)
    return None


def _edits_at(paths: Collection[str], base: dict[str, Any], edits: Changes) -> set[str]:
    """The paths of edits that meet some paths; what is in a list meets all that is in it."""
    met = {list_root(base, path) for path in paths}
    roots = {list_root(base, path) for path in edits.paths()}
    return {root for root in roots if any(overlap(root, path) for path in met)}


def _keys_of(field: FieldSpec) -> Iterator[str]:
    """The paths at which a document has a member."""
    for key in (field.stored_name, *field.aliases):
        yield key
        yield f"__dt__.{key}"


def _with_paths_of(base: dict[str, Any], other: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """The document `other` with what `base` has at some paths."""
    document = copy.deepcopy(other)
    for path in paths:
        value: Any = base
        for part in path.split("."):
            value = get_item(value, part)
        if value is MISSING:
            unset_at(document, path)
        else:
            set_at(document, path, value)
    return document


def base_for(obj: Any, remote: dict[str, Any]) -> dict[str, Any]:
    """The document that an object's edits started from, as far as `remote` is concerned.

    That is what the object last read or wrote; or what a save sent whose outcome was not known, where `remote` shows
    that it was written.
    """
    base = decode(obj.__snapshot__)
    for data in reversed(() if obj.__tracking__ is None else obj.__tracking__.uncertain):
        sent = decode(data)
        if includes(spec_of(type(obj)), base, sent, remote):
            return sent
    return base


def settle_quietly(obj: Any, data: bytes, revision: int) -> None:
    """`settle` without telling observers, and with the state brought up to date."""
    muted = obj.set_notifications_enabled(False)
    try:
        settle(obj, data, revision)
    finally:
        obj.set_notifications_enabled(muted)
    obj.__update_state__()


def no_longer_stale(obj: Any) -> None:
    """Note that an object has what is stored."""
    tracking = obj.__tracking__
    if tracking is not None and tracking.state is not None:
        tracking.state.stale = False


def differing(spec: Any, local: dict[str, Any], merged: dict[str, Any], without: set[str]) -> set[str]:
    """Names of the members for which two documents differ, less those at or above paths `without`."""
    names = members_at(spec, diff_documents(spec, local, merged, {}))
    sharing = {field.name for field in spec.fields if has_number(merged.get(field.stored_name))}
    if not sharing.isdisjoint(names):
        names |= sharing  # only together do they go on sharing their embedded objects
    return names - members_at(spec, Changes(unset=tuple(without)))


def has_number(stored: Any) -> bool:
    """Whether a stored value has an embedded object that the document mentions by its number, or a mention."""
    if stored.__class__ is dict:
        return number_of(stored) is not None or any(map(has_number, stored.values()))
    return stored.__class__ is list and any(map(has_number, stored))


async def take_awaiting(
    obj: Any,
    document: dict[str, Any],
    names: set[str] | None,
    scope: RestoreScope,
    told: Announcements,
    local: bytes,
) -> bool:
    """`take`, after what must be awaited was; False, and nothing is taken, when `obj` is not `local` any more then."""
    scope.enter(document, obj)
    prepared = await prepare_document(spec_of(type(obj)).model, document, scope)
    if prepared is not document:
        now = flatten_document(obj, stored_id(obj), FlattenScope(Form.DOCUMENT, provisional_id))
        if now != local:
            return False
    take(obj, prepared, names, scope, told)
    return True


def take(obj: Any, document: dict[str, Any], names: set[str] | None, scope: RestoreScope, told: Announcements) -> None:
    """Set some or all members from a document, and have observers told.

    Parameters
    ----------
    names : set of str or None
        The members to set; None for all.
    """
    spec = spec_of(type(obj))
    generated = generated_for(spec.model)
    before = values_of(obj)
    assumed = None if obj.__tracking__ is None else obj.__tracking__.assumed
    muted = obj.set_notifications_enabled(False)
    try:
        scope.enter(document, obj)
        gone = _reset_removed(obj, spec, document, names)
        if names is None:
            _forget_assumptions(obj)
            generated.restore(obj, document, scope)
        else:
            chosen = [(field, restore) for field, restore in generated.restorers if field.name in names]
            present = [(field, restore) for field, restore in chosen if stored_key(field, document) is not None]
            # What a member refuses is assumed anew: it stays in the store until somebody sets the member.
            _assume_less(obj, document, [field for field, _ in present])
            restore_carefully(obj, document, scope, spec, present)
            if gone:
                assume_defaults(obj, gone, spec)
    except BaseException:
        for field in spec.fields:
            if before[field.name] is None:
                field.member.del_slot(obj)
            else:
                field.member.set_slot(obj, before[field.name])
        if obj.__tracking__ is not None:
            obj.__tracking__.assumed = assumed
        raise
    finally:
        obj.set_notifications_enabled(muted)
    if observed(obj):
        told.add_changes(obj, before)


def _reset_removed(obj: Any, spec: ModelSpec, document: dict[str, Any], names: set[str] | None) -> list[FieldSpec]:
    """Leave members that have gone from the document, some or all, to their defaults; gives these members."""
    absent = [
        field
        for field in spec.fields
        if (names is None or field.name in names) and field.settable and stored_key(field, document) is None
    ]
    if not absent or obj.__snapshot__ is None:
        return []
    former = decode(obj.__snapshot__)
    edited = edits_of(obj)
    gone = [field for field in absent if field.name in edited or stored_key(field, former) is not None]
    for field in gone:
        field.member.del_slot(obj)
    return gone
