"""What a check of a store finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is wrong in a store.

    Attributes
    ----------
    message : str
        What is wrong, without any stored value.
    collection : str or None
        None for the store as a whole.
    index : str or None
        The index's name, where it is about one.
    id_key : bytes or None
        The key under which the document stands, where it is about one: its id as the store encodes it.
    repaired : bool
    """

    message: str
    collection: str | None = None
    index: str | None = None
    id_key: bytes | None = None
    repaired: bool = False

    def __str__(self) -> str:
        id = None if self.id_key is None else self.id_key.hex()
        places = (("collection", self.collection), ("index", self.index), ("document", id))
        where = ", ".join(f"{label} {name}" for label, name in places if name is not None)
        text = f"{where}: {self.message}" if where else self.message
        return f"{text} (repaired)" if self.repaired else text


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What `Store.check` looked at and found.

    Attributes
    ----------
    collections, documents, entries : int
        How many of each were looked at.
    problems : tuple of Problem
        What is or was wrong: the first ones, where there are very many.
    unlisted : int
        Problems beyond those.
    repaired : int
        Problems that were mended, the unlisted ones included.
    """

    collections: int
    documents: int
    entries: int
    problems: Sequence[Problem] = ()
    unlisted: int = 0
    repaired: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong, or nothing any more."""
        return len(self.problems) + self.unlisted == self.repaired
