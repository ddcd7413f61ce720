"""What differs between two stored forms of a document, as small as it can be said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import bson

from ..encoding import CODEC_OPTIONS, same
from ..model import ModelSpec, spec_of
from ..model.expiry import EXPIRES, OWN_TTL
from ..model.types import DictType, FieldType, ListType, ModelType, SetType, TupleType
from ..query.changes import Changes
from ..serializer.instants import is_exact, note_of, with_note, with_notes_of
from ..serializer.values import MARKS, in_stored_order

#: What says when a document expires: writes set it, and it is nobody's change.
_EXPIRY = (EXPIRES, OWN_TTL)
#: More ``__ref__`` numbers of ours than a document has room for.
_OURS = 1_000_000


class Difference:
    """Collects the changes from one stored form to another.

    Parameters
    ----------
    spec : ModelSpec, optional
        The model: where it has sets, the order of elements is no difference.
    """

    def __init__(self, spec: ModelSpec | None = None) -> None:
        self._spec = spec
        self.set: dict[str, Any] = {}
        self.unset: list[str] = []
        self.push: dict[str, list[Any]] = {}

    def changes(self) -> Changes:
        """What was collected."""
        return Changes(set=self.set, unset=tuple(self.unset), push=self.push)

    def compare(self, path: str, old: Any, new: Any) -> None:
        """Add what turns `old` into `new` at `path`."""
        if same(old, new) or _is_same_reference(old, new):
            return
        new = self._without_assumed_tag(path, old, new)
        if old.__class__ is dict and new.__class__ is dict and _descends(old, new):
            notes = "__dt__" if "__model__" in old else None
            for key in old:
                if key not in new and key != notes and not (key == "__ref__" and _is_foreign(old[key])):
                    self.unset.append(f"{path}.{key}")
            for key, value in new.items():
                if key == notes:
                    continue
                if key in old:
                    self.compare(f"{path}.{key}", old[key], value)
                else:
                    self.set[f"{path}.{key}"] = value
            if notes is not None:
                self.compare_notes(f"{path}.", old, new)
        elif old.__class__ is list and new.__class__ is list:
            self._compare_lists(path, old, new)
        else:
            self.set[path] = new

    def compare_notes(self, prefix: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Add what turns the notes beside the dates of one state into those of another, each for itself.

        Those who change different dates are to meet nowhere, the ones who write the first note or remove the last one
        either.

        Parameters
        ----------
        prefix : str
            The path of the states, with a dot; empty for that of a document.
        """
        before, now = old.get("__dt__", {}), new.get("__dt__", {})
        if before.__class__ is not dict:
            self.set[f"{prefix}__dt__"] = now
            return
        self.unset += [
            f"{prefix}__dt__.{name}"
            for name, note in before.items()
            if name not in now and not _is_known_to(name, note, None, old, new)
        ]
        for name, note in now.items():
            stored = before.get(name)
            if not same(stored, note) and not _is_known_to(name, stored, note, old, new):
                self.set[f"{prefix}__dt__.{name}"] = note

    def _without_assumed_tag(self, path: str, old: Any, new: Any) -> Any:
        """An embedded object without its tag where there is none in the store, and the member says the same."""
        if old.__class__ is not dict or new.__class__ is not dict or self._spec is None:
            return new
        if "__model__" in old or "__model__" not in new:
            return new
        kind = _kind_at(self._spec, path)
        if isinstance(kind, ModelType) and kind.embedded and spec_of(kind.model).tag == new["__model__"]:
            return {key: value for key, value in new.items() if key != "__model__"}
        return new

    def _compare_lists(self, path: str, old: list[Any], new: list[Any]) -> None:
        is_set = self._spec is not None and len(old) == len(new) and isinstance(_kind_at(self._spec, path), SetType)
        if is_set and same(in_stored_order(old), in_stored_order(new)):
            return
        if len(new) > len(old) and (
            same(old, new[: len(old)]) or next(self._changed_positions(path, old, new), None) is None
        ):
            self.push[path] = new[len(old) :]
            return
        changed = list(self._changed_positions(path, old, new)) if len(new) == len(old) else None
        if changed is None or len(changed) > max(1, len(new) // 2):
            self.set[path] = new
            return
        for position in changed:
            self.compare(f"{path}.{position}", old[position], new[position])

    def _changed_positions(self, path: str, old: list[Any], new: list[Any]) -> Iterator[int]:
        """The positions at which there is something to write to turn one list into the other."""
        for position, (was, now) in enumerate(zip(old, new, strict=False)):
            if same(was, now):
                continue
            if was.__class__ is now.__class__ and was.__class__ in (dict, list):
                difference = Difference(self._spec)
                difference.compare(f"{path}.{position}", was, now)
                if not difference.changes():
                    continue
            yield position


def _is_same_reference(old: Any, new: Any) -> bool:
    """Whether two references are the same but for a number that atom-db has put beside one."""
    if old.__class__ is not dict or new.__class__ is not dict or "_id" not in old or "__ref__" in new:
        return False
    return _is_foreign(old.get("__ref__")) and {**old, "__ref__": None} == {**new, "__ref__": None}


def _is_foreign(number: Any) -> bool:
    """Whether atom-db has given a ``__ref__``: one that nothing refers to does no harm, unlike a small one of ours."""
    return isinstance(number, bytes) or (isinstance(number, int) and number > _OURS)


def _descends(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Whether a difference can be said key by key: no reference or ``__py__`` form, no odd key.

    The order of the keys must be kept too, except in the state of a model, where it means nothing.
    """
    if "__py__" in old or "__py__" in new or "_id" in old or "_id" in new:
        return False
    if not MARKS.isdisjoint(old) and old.get("__model__") != new.get("__model__"):
        return False
    added = [key for key in new if key not in old]
    removed = [key for key in old if key not in new]
    if any(not key or "." in key or key.startswith("$") for key in (*old, *added)):
        return False
    return "__model__" in old or [key for key in old if key not in removed] + added == list(new)


def diff_members(spec: ModelSpec, members: Mapping[str, Any], base: Mapping[str, Any], data: bytes) -> Changes | None:
    """What a save changes where only some members differ; None where that is not so. Gives what `diff_documents` does.

    Encoding says at once whether all else is the same, which costs a fraction of comparing member by member.

    Parameters
    ----------
    spec : ModelSpec
    members : mapping
        Those members: stored names and what they are now.
    base : mapping
        As for `diff_documents`.
    data : bytes
        What the object flattens to now.
    """
    if not members or not members.keys() <= base.keys():
        return None
    if bson.encode({**base, **members}, False, CODEC_OPTIONS) != data:
        return None
    difference = Difference(spec)
    for name, value in members.items():
        difference.compare(name, base[name], value)
    return difference.changes()


def diff_documents(
    spec: ModelSpec, base: Mapping[str, Any], document: Mapping[str, Any], before: Mapping[str, Any]
) -> Changes:
    """What a save changes in a stored document, but for when it expires.

    Parameters
    ----------
    spec : ModelSpec
        The model: keys that it does not know are kept, or dropped where ``Meta.unknown`` says so.
    base : mapping
        The document as it was last read or written.
    document : mapping
        What the object flattens to now.
    before : mapping
        Stored values that count as unchanged although `base` has others or none, see `Tracking.assumed`.
    """
    difference = Difference(spec)
    kept: set[str] = set()
    for key, value in document.items():
        if key in before:
            if same(before[key], value):
                field = spec.by_stored_name.get(key)
                kept.update((key, *(field.aliases if field is not None else ())))
                continue
            difference.set[key] = value
        elif key in base:
            if key != "__dt__" and not same(base[key], value):
                difference.compare(key, base[key], value)
        elif key != "__dt__":
            difference.set[key] = value
    for key in _EXPIRY:
        difference.set.pop(key, None)
    if "__dt__" not in base and base.keys() <= document.keys():
        if "__dt__" in document:
            difference.compare_notes("", base, document)
        return difference.changes()  # nothing is gone, and nothing is there that the model does not know
    ours = {"__dt__", *spec.by_stored_name}
    if not _is_foreign(base.get("__ref__")):
        ours.add("__ref__")
    for field in spec.fields:
        ours.update(field.aliases)
    kept.update(key for key in base if key not in ours and not _drops(spec, key))
    if "__dt__" in base:
        document = with_notes_of(base["__dt__"], document, kept)
    difference.compare_notes("", base, document)
    # Nothing is gained by removing what is left when the last note has gone.
    difference.unset += [key for key in base if key not in document and key not in kept and key != "__dt__"]
    return difference.changes()


def _is_known_to(name: str, stored: Any, note: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a note says nothing that is not known from the stored one: an update has changed the date beside it."""
    date = old.get(name)
    if not isinstance(date, datetime) or stored.__class__ is not dict or not same(date, new.get(name)):
        return False
    try:
        value = with_note(date, stored)
        return same(None if is_exact(value) else note_of(value), note)
    except Exception:  # a note that no program of ours wrote, or a zone that is unknown here
        return False


def _kind_at(spec: ModelSpec, path: str) -> FieldType | None:
    """What a model has at a stored path; None where it says nothing of it."""
    kind: FieldType = ModelType(spec.model, embedded=True)
    for part in path.split("."):
        if isinstance(kind, ListType | TupleType) and part.isdigit():
            kind = kind.item
        elif isinstance(kind, DictType):
            kind = kind.value
        elif isinstance(kind, ModelType) and kind.embedded:
            field = spec_of(kind.model).by_stored_name.get(part)
            if field is None:
                return None
            kind = field.type
        else:
            return None
    return kind


def _drops(spec: ModelSpec, key: str) -> bool:
    return spec.options.unknown == "drop" and key not in ("_id", "__model__", "__rev__", *_EXPIRY)
