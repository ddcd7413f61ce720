"""What all parts of a collection's API have in common."""

from __future__ import annotations

from pymongo.errors import InvalidName

from ...contract.store import Store
from ...errors import describe_type
from ..names import name_fault
from ..writing.document_queue import DocumentQueue
from .writer import DocumentWriter


class CollectionBase:
    """A named set of documents.

    Parameters
    ----------
    store : Store
    name : str
    queue : DocumentQueue
        Those in this process who write a document, one after the other.

    Raises
    ------
    pymongo.errors.InvalidName
        No collection can have that name.
    """

    def __init__(self, store: Store, name: str, queue: DocumentQueue) -> None:
        check_collection_name(name)
        self._store = store
        self._name = name
        self._queue = queue

    @property
    def name(self) -> str:
        """The collection's name."""
        return self._name

    @property
    def full_name(self) -> str:
        """The store's name and the collection's, with a dot between them."""
        return f"{self._store.database_name}.{self._name}"

    @property
    def database(self) -> Store:
        """The store."""
        return self._store

    @property
    def _writer(self) -> DocumentWriter:
        return DocumentWriter(self._store, self._name, self._queue)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, CollectionBase):
            return self._store is other._store and self._name == other._name
        return NotImplemented

    def __hash__(self) -> int:
        return hash((id(self._store), self._name))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r} of {self._store!r}>"


def check_collection_name(name: str) -> None:
    """Raise unless a collection can have this name.

    Raises
    ------
    TypeError, pymongo.errors.InvalidName
    """
    if not isinstance(name, str):
        raise TypeError(f"a collection's name is a string, not {describe_type(name)}")
    if (fault := name_fault(name)) is not None:
        raise InvalidName(fault)
