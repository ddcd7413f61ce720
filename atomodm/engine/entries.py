"""The index entries that a change of a document removes and adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..query.changes import overlap
from .catalogue import Index
from .driver import CollectionChanges

#: Keys of a document's entries, by index number.
Keys = Mapping[int, list[bytes]]


def affected(indexes: Iterable[Index], paths: Iterable[str]) -> list[Index]:
    """The indexes whose entries may differ when `paths` of a document change.

    An index that is being built may lack entries of the unchanged document, so it always counts.
    """
    plain = [_without_positions(path) for path in paths]
    return [
        index
        for index in indexes
        if not index.complete or any(overlap(_without_positions(index.path), path) for path in plain)
    ]


def _without_positions(path: str) -> str:
    # ``a.b`` stands for ``a.0.b`` too where a is an array.
    if not any(map(str.isdigit, path)):
        return path
    return ".".join(part for part in path.split(".") if not part.isdigit())


def document_keys(indexes: Iterable[Index], document: Mapping[str, Any]) -> Keys:
    """The keys of a document in each of `indexes`."""
    return {index.number: index.keys(document) for index in indexes}


def add_new_entries(
    changes: CollectionChanges, indexes: Iterable[Index], ids: Sequence[bytes], documents: Sequence[Mapping[str, Any]]
) -> list[Index]:
    """Put all entries of documents that have none yet into `changes`.

    Returns
    -------
    list of Index
        Those that now have several entries for a document, and are not known to.
    """
    newly_multikey: list[Index] = []
    for index in indexes:
        number, keys_of = index.number, index.keys
        rows = changes.claimed if index.spec.unique else changes.added
        single = True
        for id, document in zip(ids, documents, strict=True):
            keys = keys_of(document)
            single = single and len(keys) < 2
            for key in keys:
                rows.append((number, key, id))
        if not single and not index.multikey:
            newly_multikey.append(index)
    return newly_multikey


def add_entries(changes: CollectionChanges, indexes: Iterable[Index], id: bytes, old: Keys, new: Keys) -> list[Index]:
    """Put into `changes` what turns a document's old entries into its new ones.

    Returns
    -------
    list of Index
        Those that now have several entries for a document, and are not known to.
    """
    newly_multikey: list[Index] = []
    for index in indexes:
        number = index.number
        before, after = old.get(number, ()), new.get(number, ())
        if len(after) > 1 and not index.multikey:
            newly_multikey.append(index)
        if before == after and index.complete:
            continue
        gone: Iterable[bytes] = set(before).difference(after) if before else ()
        # An index that is being built may not have the document's old entries yet, so all are written.
        fresh: Iterable[bytes] = set(after).difference(before) if before and index.complete else after
        unique = index.spec.unique
        (changes.released if unique else changes.removed).extend([(number, key, id) for key in gone])
        (changes.claimed if unique else changes.added).extend([(number, key, id) for key in fresh])
    return newly_multikey
