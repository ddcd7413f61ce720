"""Somebody who keeps the documents in an SQLite file of its own, and reads and writes them as a program would."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

from ..documents import Document


class StoreContestant(ABC):
    """One library in the comparison, with a file that only it uses.

    All files are in WAL mode with ``synchronous=normal``, and all have indexes on `email` and `age`. What a contestant
    calls an object is what it gives to a program: an instance of a model, or of a dict for those without models.

    Parameters
    ----------
    folder : Path
        Where the file is made.

    Attributes
    ----------
    name : str
        For the table.
    only : tuple of str
        The tasks that it takes part in; empty for all.
    path : Path
        The file.
    """

    name: ClassVar[str]
    only: ClassVar[tuple[str, ...]] = ()

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{type(self).__name__}.db"

    @abstractmethod
    async def open(self) -> None:
        """Create the file with its table and indexes."""

    @abstractmethod
    async def close(self) -> None:
        """Close the file."""

    @abstractmethod
    async def empty(self) -> None:
        """Remove all documents."""

    @abstractmethod
    def make(self, documents: Sequence[Document]) -> list[Any]:
        """New objects that are not stored yet."""

    @abstractmethod
    async def insert(self, objects: Sequence[Any]) -> None:
        """Store new objects, all in one transaction."""

    @abstractmethod
    async def list(self) -> Sequence[Any]:
        """All objects."""

    @abstractmethod
    async def get(self, ids: Sequence[Any]) -> None:
        """Read objects by their ids, one after the other, each with a request of its own."""

    @abstractmethod
    async def find(self, age: int) -> Sequence[Any]:
        """The objects of people of an age."""

    def edits(self, objects: Sequence[Any], score: float) -> Sequence[Any]:
        """What `save` takes, made beforehand from objects that were read: here each object and its new score."""
        return [(obj, score) for obj in objects]

    @abstractmethod
    async def save(self, edits: Sequence[Any]) -> None:
        """Set one member of each object and save it, each with a commit of its own."""

    @abstractmethod
    def values(self, obj: Any) -> dict[str, Any]:
        """What an object holds, by field, to check that it is what was stored."""

    def checkpoint(self) -> None:
        """Copy the write-ahead log back into the file, so that what comes next finds an empty one."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
