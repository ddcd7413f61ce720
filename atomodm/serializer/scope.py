"""What one flatten, or one restore, remembers while it walks."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

from ..errors import NestingTooDeep

MAX_DEPTH = 100


class Form(Enum):
    """What flattened data is for."""

    #: A document: everything that BSON has a type for stays as it is.
    DOCUMENT = "document"
    #: Text: everything that JSON has no type for becomes a ``__py__`` form.
    JSON = "json"


class Embedding:
    """One embedded object of a document: its state, and the number by which the document refers to it again."""

    __slots__ = ("number", "obj", "state")

    def __init__(self, obj: Any) -> None:
        self.obj = obj
        self.state: dict[str, Any] | None = None
        self.number: int | None = None


class FlattenScope(dict[int, Any]):
    """Carries the objects of one document's flatten; a dict from ``id(obj)`` to the object.

    Attributes
    ----------
    form : Form
    references : list
        Document objects that this one refers to, in the order met.
    embeddings : dict
        Embedded objects met so far.
    depth : int
        Levels of embedding at which the walk is.
    mentions : bool
        Whether the document refers to an embedded object, or to itself, by a ``__ref__`` number.
    id_of : callable or None
        Gives the id of a referenced object that has none yet; without it such an object is flattened inline.
    document : dict or None
        What was flattened last; it may share containers with the object.
    """

    __slots__ = ("_next_number", "depth", "document", "embeddings", "form", "id_of", "mentions", "references")

    def __init__(self, form: Form, id_of: Callable[[Any], Any] | None = None) -> None:
        self.form = form
        self.id_of = id_of
        self.references: list[Any] = []
        self.embeddings: dict[int, Embedding] = {}
        self.depth = 0
        self.document: dict[str, Any] | None = None
        self.mentions = False
        self._next_number = 1

    def begin(self) -> None:
        """Begin with another document."""
        if self:
            self.clear()
        if self.embeddings:
            self.embeddings.clear()
            self.mentions = False
            self._next_number = 1
        if self.references:
            self.references = []

    def add_root(self, obj: Any) -> None:
        """Let embedded objects refer to the object that is being flattened, by the number 0."""
        root = self.embeddings[id(obj)] = Embedding(obj)
        root.number = 0

    def reference(self, embedding: Embedding) -> dict[str, Any]:
        """Refer to an embedded object that the document has already."""
        self.mentions = True
        if embedding.number is None:
            embedding.number = self._next_number
            self._next_number += 1
            if embedding.state is not None:
                embedding.state["__ref__"] = embedding.number
        return {"__ref__": embedding.number, "__model__": embedding.obj.__model__}

    def embed(self, obj: Any, flatten: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Flatten an embedded object, once in each document."""
        known = self.embeddings.get(id(obj))
        if known is not None:
            return self.reference(known)
        if self.depth >= MAX_DEPTH:
            raise NestingTooDeep(f"nested deeper than {MAX_DEPTH} levels", model=obj.__model__)
        embedding = self.embeddings[id(obj)] = Embedding(obj)
        self[id(obj)] = obj
        self.depth += 1
        try:
            state = flatten()
        finally:
            self.depth -= 1
        embedding.state = state
        if embedding.number is not None:
            state["__ref__"] = embedding.number
        return state


def number_of(state: dict[str, Any]) -> Any:
    """The number by which a document may refer to the object of a state; None where it has none.

    Ours count up in each document. Those of atom-db are memory addresses, random integers or random bytes.
    """
    number = state.get("__ref__")
    return number if isinstance(number, int | bytes) else None


class Resolver(Protocol):
    """Finds the object for a reference while restoring."""

    def object_for(self, model: Any, _id: Any) -> Any:
        """The one object of `model` with this id, unloaded where it is not known yet."""

    def announce_later(self, obj: Any) -> None:
        """Tell the observers of a new object that it was restored, once all is."""

    def settle(self, obj: Any, document: dict[str, Any]) -> None:
        """Make a document the base that edits of an object, which was restored from it, are compared with."""


class RestoreScope(dict[Any, Any]):
    """Carries the objects of one restore; a dict from ``__ref__`` numbers of the current document to objects.

    Attributes
    ----------
    resolver : Resolver
        Finds referenced objects.
    root : dict
        The document being restored.
    owner : Model
        Its object.
    document : dict
        The part of it whose members are being set: itself, or an embedded model's state.
    """

    __slots__ = ("document", "owner", "resolver", "root")

    def __init__(self, resolver: Resolver) -> None:
        super().__init__()
        self.resolver = resolver
        self.root: dict[str, Any] = {}
        self.owner: Any = None
        self.document: dict[str, Any] = {}

    def enter(self, document: dict[str, Any], obj: Any) -> None:
        """Begin with a document, unless it is entered already: numbers mean objects of the same document only."""
        if document is not self.root:
            self.clear()
            self.root = self.document = document
            self.owner = obj
            self.define(document, obj)

    def prepared(self, document: dict[str, Any]) -> None:
        """Go on with a copy of the document in which what had to be awaited was."""
        self.root = self.document = document

    def define(self, state: dict[str, Any], obj: Any) -> None:
        """Let the document's mentions of a state's number mean an object."""
        number = number_of(state)
        if number is not None:
            self[number] = obj
