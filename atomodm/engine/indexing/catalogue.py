"""The index catalogue of a collection: which indexes it has, as every process that writes must know."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ...contract.indexes import IndexSpec
from ...encoding import decode, encode
from ...errors import SchemaTooNew, StoreCorrupt
from ...query.filters import parse_filter
from ...query.nodes import ALL, Compare, Node, Operator, conjunction, negation, paths_of
from ..driver import CollectionState, IndexRef
from .index_keys import Entries, compile_entries
from .index_specs import ID_INDEX

#: The layout of a stored catalogue. A program that meets a newer one must not write: it would miss entries.
FORMAT = 2

_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Index:
    """One index of a collection.

    Attributes
    ----------
    number : int
        Names its entries; never used again in the collection.
    spec : IndexSpec
    complete : bool
        False while it is built: then it is written by all and read by none.
    multikey : frozenset of int
        Positions of those of its fields of which some document has, or once had, several keys; more perhaps, but never
        fewer.
    token : bytes
        Tells it from an index of the same number in another collection of that name, after this one was dropped.
    partial : Node or None
        What a document must match to be in the index.
    reads : frozenset of str
        The stored paths that its entries depend on, those of its filter included, as `without_positions` gives them.
    """

    number: int
    spec: IndexSpec
    complete: bool = False
    multikey: frozenset[int] = frozenset()
    token: bytes = b""
    partial: Node | None = field(init=False, repr=False, compare=False)
    reads: frozenset[str] = field(init=False, repr=False, compare=False)
    _entries: Callable[[Mapping[str, Any]], Entries] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        filter = None if self.spec.partial is None else parse_filter(self.spec.partial)
        paths = self.paths if filter is None else (*self.paths, *paths_of(filter))
        object.__setattr__(self, "partial", filter)
        object.__setattr__(self, "reads", frozenset(map(without_positions, paths)))
        object.__setattr__(self, "_entries", compile_entries(self.spec, filter))

    @property
    def ref(self) -> IndexRef:
        """How the driver knows it."""
        return IndexRef(self.number, self.spec.unique)

    @property
    def fields(self) -> Sequence[tuple[str, int]]:
        """Stored paths and directions."""
        return self.spec.fields

    @property
    def path(self) -> str:
        """The first of the stored paths that it is over."""
        return self.spec.fields[0][0]

    @property
    def paths(self) -> tuple[str, ...]:
        """The stored paths that it is over."""
        return tuple(path for path, _ in self.spec.fields)

    def keys(self, document: Mapping[str, Any]) -> list[bytes]:
        """The keys of a document's entries: distinct and ascending; none in a sparse or partial index that skips it.

        A key is that of `atomodm.query.keys.encode_key` for each field, turned by `descending` where its direction is
        -1, one after the other. What is missing counts as null.

        Raises
        ------
        InvalidIndexKey
            Several of the fields lead through arrays that are not the same.
        """
        return self._entries(document)[0]

    def entries(self, document: Mapping[str, Any]) -> Entries:
        """As `keys`, with the positions of the fields of which there are several keys."""
        return self._entries(document)

    def with_multikey(self, positions: Iterable[int]) -> Index:
        """This index, known to have several keys of these fields for some document."""
        return replace(self, multikey=self.multikey.union(positions))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The indexes of a collection at one version.

    Attributes
    ----------
    collection : str
    version : int
        Known by the driver; 0 for a collection that never had an index.
    indexes : tuple of Index
    next_number : int
        The number for the next index.
    cleared : tuple of IndexRef
        Indexes that are gone and whose entries are yet to be removed.
    expires : bool
        Some index says that documents expire.
    """

    collection: str
    version: int = 0
    indexes: tuple[Index, ...] = ()
    next_number: int = 1
    cleared: tuple[IndexRef, ...] = ()
    expires: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "expires", bool(self.expiring))

    @classmethod
    def of(cls, state: CollectionState) -> Catalogue:
        """Read a stored catalogue.

        Raises
        ------
        SchemaTooNew
            A newer version of atomodm wrote it.
        StoreCorrupt
            It is damaged.
        """
        if not state.catalogue:
            return cls(state.name, state.version)
        try:
            return cls._read(state, decode(state.catalogue))
        except (StoreCorrupt, LookupError, TypeError, ValueError):
            raise StoreCorrupt(f"the index catalogue of collection {state.name} is damaged") from None

    @classmethod
    def _read(cls, state: CollectionState, stored: Mapping[str, Any]) -> Catalogue:
        if stored["format"] > FORMAT:
            raise SchemaTooNew(
                f"the indexes of collection {state.name} were declared by a newer version of atomodm; update this one"
            )
        indexes = [_read_index(item) for item in stored["indexes"]]
        cleared = [IndexRef(number, unique) for number, unique in stored.get("cleared", ())]
        if stored["format"] < 2:
            cleared += [index.ref for index in indexes if _is_otherwise_in_format_1(index.spec)]
            indexes = [index for index in indexes if not _is_otherwise_in_format_1(index.spec)]
        return cls(state.name, state.version, tuple(indexes), stored["next_number"], tuple(cleared))

    def encode(self) -> bytes:
        """The stored form."""
        return encode(
            {
                "format": FORMAT,
                "next_number": self.next_number,
                "indexes": [_write_index(index) for index in self],
                "cleared": [[ref.number, ref.unique] for ref in self.cleared],
            }
        )

    def __iter__(self) -> Iterator[Index]:
        return iter(self.indexes)

    def named(self, name: str) -> Index | None:
        """The index of that name."""
        return next((index for index in self if index.spec.name == name), None)

    def has_complete(self, name: str) -> bool:
        """Whether there is an index of that name, the one on ids included, that may be read."""
        index = self.named(name)
        return name == ID_INDEX or (index is not None and index.complete)

    def numbered(self, number: int) -> Index | None:
        """The index of that number."""
        return next((index for index in self if index.number == number), None)

    def current(self, index: Index) -> Index | None:
        """The form that this catalogue has of an index that was seen in another one; None where it is gone."""
        found = self.numbered(index.number)
        return found if found is not None and found.token == index.token else None

    @property
    def expiring(self) -> list[Index]:
        """The complete indexes by which documents expire."""
        return [index for index in self if index.complete and index.spec.expire_after is not None]

    def alive(self, now: int) -> Node:
        """What is true of documents that have not expired.

        Parameters
        ----------
        now : int
            Milliseconds since 1970, as `Driver.now`.
        """
        if not self.expires:
            return ALL
        return conjunction([negation(expired(index, now)) for index in self.expiring])

    def with_new(self, spec: IndexSpec) -> Catalogue:
        """This catalogue with an index that is yet to be built."""
        indexes = (*self.indexes, Index(self.next_number, spec, token=os.urandom(8)))
        return replace(self, indexes=indexes, next_number=self.next_number + 1)

    def with_index(self, changed: Index) -> Catalogue:
        """This catalogue with another form of one of its indexes."""
        return replace(self, indexes=tuple(changed if index.number == changed.number else index for index in self))

    def without(self, number: int) -> Catalogue:
        """This catalogue without one of its indexes, whose entries are yet to be removed."""
        gone = [index.ref for index in self if index.number == number]
        left = tuple(index for index in self if index.number != number)
        return replace(self, indexes=left, cleared=(*self.cleared, *gone))

    def without_cleared(self, refs: Iterable[IndexRef]) -> Catalogue:
        """This catalogue without mention of indexes whose entries are removed."""
        done = set(refs)
        return replace(self, cleared=tuple(ref for ref in self.cleared if ref not in done))


def expired(index: Index, now: int) -> Node:
    """What is true of documents whose time is over by an index that they expire by."""
    over = Compare(index.path, Operator.LTE, cutoff(index, now))
    return over if index.partial is None else conjunction([index.partial, over])


def cutoff(index: Index, now: int) -> datetime:
    """The latest date whose documents have expired by an index."""
    assert index.spec.expire_after is not None
    return _EPOCH + timedelta(milliseconds=now - 1000 * index.spec.expire_after)


def without_positions(path: str) -> str:
    """A path without its parts that may be positions in arrays: ``a.b`` stands for ``a.0.b`` too where a is one."""
    if not any(map(str.isdigit, path)):
        return path
    return ".".join(part for part in path.split(".") if not part.isdigit())


def _is_otherwise_in_format_1(spec: IndexSpec) -> bool:
    """Whether format 1 had other keys for an index, so that it is built anew when it is asked for.

    The keys of descending indexes were ascending, and a sparse one had null for each document of an array that lacked
    its path.
    """
    ((path, direction),) = spec.fields
    return direction < 0 or (spec.sparse and "." in path)


def _write_index(index: Index) -> dict[str, Any]:
    spec = index.spec
    return {
        "number": index.number,
        "name": spec.name,
        "fields": [[path, direction] for path, direction in spec.fields],
        "unique": spec.unique,
        "sparse": spec.sparse,
        "partial": spec.partial,
        "expire_after": spec.expire_after,
        "complete": index.complete,
        "multikey": sorted(index.multikey),
        "token": index.token,
    }


def _read_index(stored: Mapping[str, Any]) -> Index:
    spec = IndexSpec(
        name=stored["name"],
        fields=tuple((path, direction) for path, direction in stored["fields"]),
        unique=stored["unique"],
        sparse=stored["sparse"],
        partial=stored.get("partial"),
        expire_after=stored.get("expire_after"),
    )
    multikey = stored["multikey"]
    if isinstance(multikey, bool):
        # So format 1 had it, in which all indexes were over one path.
        multikey = [0] if multikey else []
    token = stored.get("token", b"")
    return Index(stored["number"], spec, stored["complete"], frozenset(multikey), token)
