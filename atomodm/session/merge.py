"""Three-way merge of stored documents: what somebody else wrote, and what this object changes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import bson

from ..encoding import CODEC_OPTIONS, same
from ..model import ModelSpec
from ..model.types import SetType
from ..query.changes import Changes, overlap
from ..serializer.values import in_stored_order
from .diff import diff_documents

#: The key of a document that stands for itself where an object in it refers back to it; a state always has it.
_NUMBER = "__ref__"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Both changed one stored path.

    Attributes
    ----------
    path : str
        The stored path that this side changed; for a change inside a list, the list's.
    base, local, remote : object
        What is stored there: when it was last read, here, and there; None where there is nothing.
    """

    path: str
    base: Any
    local: Any
    remote: Any


#: Decides a conflict: ``f(obj, disagreement)`` gives the value to store at ``disagreement.path``.
Decide = Callable[[Any, Disagreement], Any]


@dataclass(frozen=True, slots=True)
class Merge:
    """The outcome of a merge.

    Attributes
    ----------
    document : dict
        The remote document with this side's changes, without those that disagree.
    disagreements : tuple of Disagreement
    """

    document: dict[str, Any]
    disagreements: tuple[Disagreement, ...]


def merge(
    spec: ModelSpec,
    base: dict[str, Any],
    local: dict[str, Any],
    remote: dict[str, Any],
    before: Mapping[str, Any],
) -> Merge:
    """Merge `local`'s changes since `base` into `remote`.

    Two changes disagree when one path is a prefix of the other. Appends to one list are joined, theirs first; sets
    are joined by element; any other two changes of one list disagree. So do two changes to the same value: both may
    have counted from what they read.
    """
    ours = diff_documents(spec, base, local, before)
    theirs = _all_changes(spec, base, remote)
    their_roots = {path: list_root(base, path) for path in theirs.paths()}
    merged = copy.deepcopy(remote)
    disagreements: list[Disagreement] = []
    apply_set: dict[str, Any] = {}
    apply_unset: list[str] = []
    apply_push: dict[str, list[Any]] = {}
    for path in ours.paths():
        root = list_root(base, path)
        touching = [other for other, other_root in their_roots.items() if overlap(root, other_root)]
        if not touching:
            pass
        elif path == _NUMBER:
            # A mark that the document's own values refer to: one that nothing refers to any more does no harm.
            if path not in ours.set:
                continue
        elif root in _set_paths(spec) and all(their_roots[other] == root for other in touching):
            apply_set[root] = _merge_sets(base.get(root, []), local.get(root, []), remote.get(root, []))
            continue
        elif path in ours.push and touching == [path] and path in theirs.push:
            pass  # both append: theirs is in the remote array already
        else:
            values = (value_at(document, root) for document in (base, local, remote))
            disagreements.append(Disagreement(root, *values))
            continue
        if path in ours.set:
            apply_set[path] = ours.set[path]
        elif path in ours.push:
            apply_push[path] = list(ours.push[path])
        else:
            apply_unset.append(path)
    Changes(set=apply_set, unset=apply_unset, push=apply_push).apply(merged)
    return Merge(merged, tuple({found.path: found for found in disagreements}.values()))


def includes(spec: ModelSpec, base: dict[str, Any], sent: dict[str, Any], remote: dict[str, Any]) -> bool:
    """Whether a stored document has all changes that lead from `base` to `sent`, whatever was changed after them."""
    changes = diff_documents(spec, base, sent, {})
    return all(
        same(value_at(sent, path), value_at(remote, path)[: len(value_at(sent, path))])
        if path in changes.push and isinstance(value_at(remote, path), list)
        else same(value_at(sent, path), value_at(remote, path))
        for path in changes.paths()
    )


def disagreements_of_state(
    spec: ModelSpec,
    state: dict[str, Any],
    local: dict[str, Any],
    remote: dict[str, Any],
    known: Sequence[Disagreement],
) -> tuple[Disagreement, ...]:
    """Where the state that an object was restored from, and still has, is not what is stored.

    Whether the program wrote that into the state, or somebody else into the store, cannot be told.
    """
    return tuple(
        Disagreement(path, None, value_at(local, path), value_at(remote, path))
        for path in _all_changes(spec, state, remote).paths()
        if path != _NUMBER
        and not same(value_at(local, path), value_at(remote, path))
        and not any(overlap(path, found.path) for found in known)
    )


def resolve(
    obj: Any,
    merged: dict[str, Any],
    disagreements: Sequence[Disagreement],
    decision: Literal["local", "remote"] | Decide,
) -> dict[str, Any]:
    """Put into a merged document what was decided about each disagreement."""
    if decision == "remote":
        return merged
    chosen = {found.path: found.local if decision == "local" else decision(obj, found) for found in disagreements}
    return Changes(set=chosen).apply(merged)


def _all_changes(spec: ModelSpec, base: dict[str, Any], remote: dict[str, Any]) -> Changes:
    """What changed between two stored documents, unknown fields included."""
    changes = diff_documents(spec, base, remote, {})
    gone = [key for key in base if key not in remote and key not in changes.unset and key != "__dt__"]
    return Changes(set=changes.set, unset=(*changes.unset, *gone), push=changes.push)


def _set_paths(spec: ModelSpec) -> frozenset[str]:
    return frozenset(field.stored_name for field in spec.fields if isinstance(field.type, SetType))


def _merge_sets(base: list[Any], local: list[Any], remote: list[Any]) -> list[Any]:
    before, ours, merged = _by_bytes(base), _by_bytes(local), _by_bytes(remote)
    for key in before.keys() - ours.keys():
        merged.pop(key, None)
    merged.update((key, ours[key]) for key in ours.keys() - before.keys())
    return in_stored_order(list(merged.values()))


def _by_bytes(items: list[Any]) -> dict[bytes, Any]:
    return {bson.encode({"": item}, False, CODEC_OPTIONS): item for item in items}


def list_root(base: Mapping[str, Any], path: str) -> str:
    """The path up to the first list that it runs into; the path itself where it meets none."""
    place: Any = base
    walked: list[str] = []
    for part in path.split("."):
        if isinstance(place, list):
            return ".".join(walked)
        place = place.get(part) if isinstance(place, Mapping) else None
        walked.append(part)
    return path


def value_at(document: Any, path: str) -> Any:
    """What a document has at a dotted path; None where there is nothing."""
    for place in _walk(document, path):
        document = place
    return document


def _walk(document: Any, path: str) -> Iterator[Any]:
    for part in path.split("."):
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            document = None
        yield document
