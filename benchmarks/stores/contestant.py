"""Somebody who keeps the documents in a database, and reads and writes them as a program would."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from ..documents import Document


class StoreContestant(ABC):
    """One library in the comparison, with data that only it uses.

    All have indexes on `email` and `age` as far as they do not say otherwise. What a contestant calls an object is what
    it gives to a program: an instance of a model, or of a dict for those without models.

    Attributes
    ----------
    name : str
        For the table.
    only : tuple of str
        The tasks that it takes part in; empty for all.
    """

    name: ClassVar[str]
    only: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    async def open(self) -> None:
        """Make the place for the documents, with its indexes."""

    @abstractmethod
    async def close(self) -> None:
        """Release what `open` took."""

    @abstractmethod
    async def empty(self) -> None:
        """Remove all documents."""

    @abstractmethod
    def make(self, documents: Sequence[Document]) -> list[Any]:
        """New objects that are not stored yet."""

    @abstractmethod
    async def insert(self, objects: Sequence[Any]) -> None:
        """Store new objects, all in one transaction where the contestant has one."""

    @abstractmethod
    async def list(self) -> Sequence[Any]:
        """All objects."""

    @abstractmethod
    async def get(self, ids: Sequence[Any]) -> None:
        """Read objects by their ids, one after the other, each with a request of its own."""

    @abstractmethod
    async def find(self, age: int) -> Sequence[Any]:
        """The objects of people of an age."""

    async def edits(self, objects: Sequence[Any], score: float) -> Sequence[Any]:
        """What `save` takes, made beforehand from objects that were read: here each object and its new score."""
        return [(obj, score) for obj in objects]

    @abstractmethod
    async def save(self, edits: Sequence[Any]) -> None:
        """Set one member of each object and save it, each with a commit of its own."""

    @abstractmethod
    def values(self, obj: Any) -> dict[str, Any]:
        """What an object holds, by field, to check that it is what was stored."""

    async def settle(self) -> None:
        """Let the database finish what it put off, so that what comes next finds it at rest; here that is nothing."""
        return
