"""What differs between two stored forms of a document, as small as it can be said."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import bson

from ..encoding import CODEC_OPTIONS, same
from ..model import ModelSpec, spec_of
from ..model.expiry import EXPIRES, OWN_TTL
from ..model.types import FieldType, ListType, ModelType, SetType, TupleType
from ..query.changes import Changes
from ..serializer.instants import with_notes_of
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
        if old.__class__ is dict and new.__class__ is dict and _descends(old, new):
            for key in old:
                if (
                    key not in new
                    and not (key == "__ref__" and _is_foreign(old[key]))
                    and not _is_no_note(key, old[key])
                ):
                    self.unset.append(f"{path}.{key}")
            for key, value in new.items():
                if key in old:
                    self.compare(f"{path}.{key}", old[key], value)
                else:
                    self.set[f"{path}.{key}"] = value
        elif old.__class__ is list and new.__class__ is list:
            self._compare_lists(path, old, new)
        else:
            self.set[path] = new

    def _compare_lists(self, path: str, old: list[Any], new: list[Any]) -> None:
        is_set = self._spec is not None and len(old) == len(new) and _holds_set(self._spec, path)
        if is_set and same(in_stored_order(old), in_stored_order(new)):
            return
        if len(new) > len(old) and (same(old, new[: len(old)]) or all(map(_unchanged, old, new))):
            self.push[path] = new[len(old) :]
            return
        changed = [position for position, pair in enumerate(zip(old, new, strict=False)) if not _unchanged(*pair)]
        if len(new) != len(old) or len(changed) > max(1, len(new) // 2):
            self.set[path] = new
            return
        for position in changed:
            self.compare(f"{path}.{position}", old[position], new[position])


def _unchanged(old: Any, new: Any) -> bool:
    """Whether there is nothing to write to turn one value into the other."""
    if same(old, new):
        return True
    difference = Difference()
    difference.compare("", old, new)
    return not difference.changes()


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


def diff_members(
    names: Set[str], base: Mapping[str, Any], document: Mapping[str, Any], snapshot: bytes
) -> Changes | None:
    """What a save changes where only some members differ; None where that is not so. Gives what `diff_documents` does.

    Encoding says at once whether all else is the same, which costs a fraction of comparing member by member.

    Parameters
    ----------
    names : set of str
        Stored names of those members.
    base, document : mapping
        As for `diff_documents`.
    snapshot : bytes
        `base` as it is stored.
    """
    if not names or not (names <= base.keys() and names <= document.keys()):
        return None
    changed = [name for name in document if name in names]
    former = {**document, **{name: base[name] for name in changed}}
    if bson.encode(former, False, CODEC_OPTIONS) != snapshot:
        return None
    difference = Difference()
    for name in changed:
        difference.compare(name, base[name], document[name])
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
        elif key != "__dt__" or value:
            difference.set[key] = value
    for key in _EXPIRY:
        difference.set.pop(key, None)
    if "__dt__" not in base and base.keys() <= document.keys():
        return difference.changes()  # nothing is gone, and nothing is there that the model does not know
    ours = {"__dt__", *spec.by_stored_name}
    if not _is_foreign(base.get("__ref__")):
        ours.add("__ref__")
    for field in spec.fields:
        ours.update(field.aliases)
    kept.update(key for key in base if _is_no_note(key, base[key]) or (key not in ours and not _drops(spec, key)))
    if "__dt__" in base:
        document = with_notes_of(base["__dt__"], document, kept)
        if "__dt__" in document:
            difference.compare("__dt__", base["__dt__"], document["__dt__"])
    difference.unset += [key for key in base if key not in document and key not in kept]
    return difference.changes()


def _is_no_note(key: str, stored: Any) -> bool:
    """Whether a field is what updates have left of notes beside dates: nothing is gained by removing it."""
    return key == "__dt__" and stored == {}


def _holds_set(spec: ModelSpec, path: str) -> bool:
    """Whether what is at a path is a set, which an update adds to at the end and a save puts in order."""
    kind: FieldType = ModelType(spec.model, embedded=True)
    for part in path.split("."):
        if isinstance(kind, ListType | TupleType) and part.isdigit():
            kind = kind.item
        elif isinstance(kind, ModelType) and kind.embedded:
            field = spec_of(kind.model).by_stored_name.get(part)
            if field is None:
                return False
            kind = field.type
        else:
            return False
    return isinstance(kind, SetType)


def _drops(spec: ModelSpec, key: str) -> bool:
    return spec.options.unknown == "drop" and key not in ("_id", "__model__", "__rev__", *_EXPIRY)
