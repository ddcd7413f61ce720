"""The index entries that a change of a document removes and adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...errors import InvalidIndexKey
from ..driver import CollectionChanges
from .catalogue import Index, without_positions
from .index_keys import Entries

#: A document's entries by index number.
DocumentEntries = Mapping[int, Entries]
#: By index number, the positions of the fields of which a document has several keys, where the catalogue lacks some.
NewlyMultikey = dict[int, frozenset[int]]

_NO_ENTRIES: Entries = ([], frozenset())


def affected(indexes: Iterable[Index], paths: Iterable[str]) -> list[Index]:
    """The indexes whose entries may differ when `paths` of a document change.

    An index that is being built may lack entries of the unchanged document, so it always counts.
    """
    plain = [without_positions(path) for path in paths]
    return [index for index in indexes if not index.complete or _overlap(index.reads, plain)]


def _overlap(reads: Iterable[str], paths: Iterable[str]) -> bool:
    # As `overlap` does, without a call for each: every save of an object asks, for each index.
    for read in reads:
        for path in paths:
            if read == path or read.startswith(path + ".") or path.startswith(read + "."):
                return True
    return False


def document_entries(indexes: Iterable[Index], document: Mapping[str, Any]) -> DocumentEntries:
    """The entries of a document in each of `indexes`."""
    return {index.number: index.entries(document) for index in indexes}


def former_entries(indexes: Iterable[Index], document: Mapping[str, Any]) -> DocumentEntries:
    """The entries that a document may have in each of `indexes`.

    None in an index that it does not fit: it was there before the index was declared, and the build has yet to meet it.
    """
    found: dict[int, Entries] = {}
    for index in indexes:
        try:
            found[index.number] = index.entries(document)
        except InvalidIndexKey:
            found[index.number] = _NO_ENTRIES
    return found


def add_new_entries(
    changes: CollectionChanges, indexes: Iterable[Index], ids: Sequence[bytes], documents: Sequence[Mapping[str, Any]]
) -> NewlyMultikey:
    """Put all entries of documents that have none yet into `changes`.

    Returns
    -------
    NewlyMultikey
    """
    newly: NewlyMultikey = {}
    for index in indexes:
        number, entries_of = index.number, index.entries
        rows = changes.claimed if index.spec.unique else changes.added
        several: frozenset[int] = frozenset()
        for id, document in zip(ids, documents, strict=True):
            keys, positions = entries_of(document)
            if positions:
                several |= positions
            for key in keys:
                rows.append((number, key, id))
        if not several <= index.multikey:
            newly[number] = several
    return newly


def add_entries(
    changes: CollectionChanges, indexes: Iterable[Index], id: bytes, old: DocumentEntries, new: DocumentEntries
) -> NewlyMultikey:
    """Put into `changes` what turns a document's old entries into its new ones.

    Returns
    -------
    NewlyMultikey
    """
    newly: NewlyMultikey = {}
    for index in indexes:
        number = index.number
        before, _ = old.get(number, _NO_ENTRIES)
        after, positions = new.get(number, _NO_ENTRIES)
        if not positions <= index.multikey:
            newly[number] = positions
        if before == after and index.complete:
            continue
        gone: Iterable[bytes] = set(before).difference(after) if before else ()
        # An index that is being built may not have the document's old entries yet, so all are written.
        fresh: Iterable[bytes] = set(after).difference(before) if before and index.complete else after
        unique = index.spec.unique
        (changes.released if unique else changes.removed).extend([(number, key, id) for key in gone])
        (changes.claimed if unique else changes.added).extend([(number, key, id) for key in fresh])
    return newly
