"""The index catalogue of a collection: which indexes it has, as every process that writes must know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..contract.store import IndexSpec
from ..encoding import decode, encode
from ..errors import SchemaTooNew
from ..query.keys import NULL_KEY, encode_key
from ..query.paths import MISSING, compile_path, index_keys
from .driver import CollectionState, IndexRef

#: The layout of a stored catalogue. A program that meets a newer one must not write: it would miss entries.
FORMAT = 1


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
    multikey : bool
        Some document has, or once had, several entries; never False when one has.
    """

    number: int
    spec: IndexSpec
    complete: bool = False
    multikey: bool = False

    @property
    def ref(self) -> IndexRef:
        """How the driver knows it."""
        return IndexRef(self.number, self.spec.unique)

    @property
    def path(self) -> str:
        """The stored path that it is over."""
        return self.spec.fields[0][0]

    def keys(self, document: Mapping[str, Any]) -> list[bytes]:
        """The keys of a document's entries: distinct and ascending; none in a sparse index that skips it."""
        path = self.path
        if "." not in path:
            # Most indexes are like this, and every write of a document asks.
            value = document.get(path, MISSING)
            if value is MISSING:
                return [] if self.spec.sparse else [NULL_KEY]
            if type(value) is not list:
                return [encode_key(value)]
        elif self.spec.sparse and all(end is MISSING for end in compile_path(path)(document)):
            return []
        return index_keys(document, path)


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
    """

    collection: str
    version: int = 0
    indexes: tuple[Index, ...] = ()
    next_number: int = 1

    @classmethod
    def of(cls, state: CollectionState) -> Catalogue:
        """Read a stored catalogue.

        Raises
        ------
        SchemaTooNew
            A newer version of atomodm wrote it.
        """
        if not state.catalogue:
            return cls(state.name, state.version)
        stored = decode(state.catalogue)
        if stored["format"] > FORMAT:
            raise SchemaTooNew(
                f"the indexes of collection {state.name} were declared by a newer version of atomodm; update this one"
            )
        return cls(
            state.name, state.version, tuple(_read_index(item) for item in stored["indexes"]), stored["next_number"]
        )

    def encode(self) -> bytes:
        """The stored form."""
        return encode(
            {"format": FORMAT, "next_number": self.next_number, "indexes": [_write_index(index) for index in self]}
        )

    def __iter__(self) -> Iterator[Index]:
        return iter(self.indexes)

    def named(self, name: str) -> Index | None:
        """The index of that name."""
        return next((index for index in self if index.spec.name == name), None)

    def numbered(self, number: int) -> Index | None:
        """The index of that number."""
        return next((index for index in self if index.number == number), None)

    def with_new(self, spec: IndexSpec) -> Catalogue:
        """This catalogue with an index that is yet to be built."""
        indexes = (*self.indexes, Index(self.next_number, spec))
        return replace(self, indexes=indexes, next_number=self.next_number + 1)

    def with_index(self, changed: Index) -> Catalogue:
        """This catalogue with another form of one of its indexes."""
        return replace(self, indexes=tuple(changed if index.number == changed.number else index for index in self))

    def without(self, number: int) -> Catalogue:
        """This catalogue without one of its indexes."""
        return replace(self, indexes=tuple(index for index in self if index.number != number))


def _write_index(index: Index) -> dict[str, Any]:
    spec = index.spec
    return {
        "number": index.number,
        "name": spec.name,
        "fields": [[path, direction] for path, direction in spec.fields],
        "unique": spec.unique,
        "sparse": spec.sparse,
        "complete": index.complete,
        "multikey": index.multikey,
    }


def _read_index(stored: Mapping[str, Any]) -> Index:
    spec = IndexSpec(
        name=stored["name"],
        fields=tuple((path, direction) for path, direction in stored["fields"]),
        unique=stored["unique"],
        sparse=stored["sparse"],
    )
    return Index(stored["number"], spec, stored["complete"], stored["multikey"])
