"""What a save writes, as data: made in one go from one snapshot of the objects, then carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ..contract.operations import Insert, Operation, Patch, Replace, Update
from ..encoding import decode, encode, same
from ..errors import DeletedObject, PrimaryKeyChanged, SaveError
from ..identity import UNVERIFIED, ObjectCache
from ..model import spec_of
from ..model.unloaded import is_unloaded
from ..query.changes import Changes
from ..serializer import FlattenScope, Form
from ..serializer.identifiers import document_id, stored_id
from .diff import diff_documents
from .documents import changes_and_base, flatten_document, provisional_id, set_members_of


class WriteKind(Enum):
    """How one object is written."""

    INSERT = "insert"
    UPDATE = "update"
    PATCH = "patch"
    REPLACE = "replace"
    NOTHING = "nothing"


@dataclass(slots=True)
class Write:
    """One object of a plan.

    Attributes
    ----------
    obj : NoSQLModel
    kind : WriteKind
    cache : ObjectCache
        Where the object is, or will be, at home.
    id : object
        The document's id.
    data : bytes or None
        The stored form; None for a patch.
    changes : Changes
        What differs from the base; empty where the whole document is written.
    base : bytes or None
        The document that `changes` were computed from.
    revision : int or None
        Its revision.
    references : sequence of NoSQLModel
        The objects that the whole document refers to.
    later : frozenset of str
        Stored names of fields that are left out for now, see `link`.
    link : Write or None
        The write of these fields, once what they refer to is there. Its revision is the one that this write gives.
    """

    obj: Any
    kind: WriteKind
    cache: ObjectCache
    id: Any
    data: bytes | None
    changes: Changes
    base: bytes | None = None
    revision: int | None = None
    references: Sequence[Any] = ()
    later: frozenset[str] = frozenset()
    link: Write | None = None

    @property
    def creates(self) -> bool:
        """Whether there may be no document before, so that nothing should refer to it yet."""
        if self.kind is WriteKind.REPLACE:
            # What is replaced is there, unless somebody else deleted it.
            tracking = self.obj.__tracking__
            state = None if tracking is None else tracking.state
            return self.obj.__home__ is None or (state is not None and state.stale)
        return self.kind is WriteKind.INSERT

    def operation(self) -> Operation:
        """What is asked of the store."""
        collection, kind, data = self.cache.collection, self.kind, self.data
        if data is None:
            return Patch(collection, self.id, self.changes)
        if kind is WriteKind.INSERT:
            return Insert(collection, self.id, data)
        if kind is WriteKind.REPLACE:
            return Replace(collection, self.id, data)
        assert self.revision is not None
        assert self.base is not None
        return Update(collection, self.id, self.revision, self.changes, data, self.base)

    def describe(self) -> str:
        """One line for people: what happens to which document, without values."""
        whole = self.kind in (WriteKind.INSERT, WriteKind.REPLACE)
        paths = "all fields" if whole else ", ".join(self.changes.paths())
        if self.later:
            paths += f" but {', '.join(sorted(self.later))}"
        return f"{self.kind.value} {self.cache.collection} {type(self.id).__name__}: {paths or 'nothing'}"


_WHOLE = Changes()
_NO_DOCUMENT = encode({})

#: Gives the cache in which an object without home will live.
FindCache = Callable[[Any], ObjectCache]


class Planner:
    """Walks from some objects over everything that must be written with them.

    Parameters
    ----------
    find_cache : callable
        Gives the cache for an object that has no home.
    graph : bool
        Also write new and changed objects that are reachable.
    replace : bool
        Write the given objects whole, whatever is stored.
    """

    def __init__(self, find_cache: FindCache, *, graph: bool = True, replace: bool = False) -> None:
        self._find_cache = find_cache
        self._graph = graph
        self._replace = replace
        self._scope = FlattenScope(Form.DOCUMENT, provisional_id if graph else self._id_of_known)
        self._roots: set[int] = set()
        self._caches: dict[type, ObjectCache] = {}

    def plan(self, roots: Iterable[Any], unfinished: Iterable[Any] = ()) -> list[Write]:
        """Snapshot `roots`, and what must be written with them, in the order in which they are met.

        Parameters
        ----------
        roots : iterable of NoSQLModel
        unfinished : iterable of NoSQLModel
            What an earlier try left to do: what led to it may be written, and would end the walk now.

        Raises
        ------
        ValueNotStorable
            Some object holds a value that cannot be stored.
        DeletedObject
            A changed path names a deleted object.
        """
        waiting = list(dict.fromkeys(roots))
        self._roots = {id(obj) for obj in waiting}
        seen = set(self._roots)
        for other in unfinished:
            if id(other) not in seen and _must_be_written(other):
                seen.add(id(other))
                waiting.append(other)
        writes: list[Write] = []
        for obj in waiting:  # grows while it is walked
            write = self._write(obj)
            write.references = self._scope.references or ()
            writes.append(write)
            if not self._graph:
                continue
            for other in self._scope.references:
                if id(other) not in seen and _must_be_written(other):
                    seen.add(id(other))
                    waiting.append(other)
        return writes

    def _id_of_known(self, obj: Any) -> Any:
        """The id of a referenced object that has none, unless only the save of a graph would give it one."""
        if id(obj) not in self._roots:
            tracking = obj.__tracking__
            if tracking is None or not tracking.deleted:
                raise SaveError(
                    "it refers to an object that was never saved; save that first, or with graph=True",
                    model=obj.__model__,
                )
        return provisional_id(obj)

    def _write(self, obj: Any) -> Write:
        self._scope.begin()
        cache = obj.__home__
        if cache is None:
            return self._write_new(obj)
        if is_unloaded(obj) and obj.__snapshot__ is None and not self._replace_root(obj):
            changes = set_members_of(obj, self._scope)
            self._refuse_deleted(obj, changes)
            return Write(obj, WriteKind.PATCH if changes else WriteKind.NOTHING, cache, document_id(obj), None, changes)
        _id = stored_id(obj)
        data = flatten_document(obj, _id, self._scope)
        if self._replace_root(obj):
            return Write(obj, WriteKind.REPLACE, cache, _id, data, _WHOLE)
        changes, base = changes_and_base(obj, data, self._scope.document)
        if "_id" in changes.set:
            raise PrimaryKeyChanged(
                "the primary key of a stored object cannot change; save a new object", model=obj.__model__
            )
        if self._scope.references:
            self._refuse_deleted(obj, changes)
        if changes:
            # The whole new document: what is stored, unknown fields included, with the changes.
            whole = data if base is None else encode(changes.apply(base))
            return Write(obj, WriteKind.UPDATE, cache, _id, whole, changes, obj.__snapshot__, obj.__revision__)
        # The store refuses an update at a revision that is not known, and the object meets what is stored.
        kind = WriteKind.UPDATE if obj.__revision__ == UNVERIFIED else WriteKind.NOTHING
        return Write(obj, kind, cache, _id, obj.__snapshot__, changes, obj.__snapshot__, obj.__revision__)

    def _write_new(self, obj: Any) -> Write:
        tracking = obj.__track__()
        cache = tracking.former_home if tracking.former_home is not None else self._caches.get(type(obj))
        if cache is None:
            cache = self._caches[type(obj)] = self._find_cache(obj)
        _id = stored_id(obj)
        if _id is None:
            spec = spec_of(type(obj))
            if spec.primary_key is not None:
                raise SaveError("the primary key is not set", model=spec.tag, path=spec.primary_key.name)
            _id = tracking.reserved_id if tracking.reserved_id is not None else provisional_id(obj)
        data = flatten_document(obj, _id, self._scope)
        if self._scope.references:
            self._refuse_deleted(obj, None, data)
        kind = WriteKind.REPLACE if self._replace_root(obj) else WriteKind.INSERT
        return Write(obj, kind, cache, _id, data, _WHOLE)

    def _replace_root(self, obj: Any) -> bool:
        return self._replace and id(obj) in self._roots

    def _refuse_deleted(self, obj: Any, changes: Changes | None, data: bytes = b"") -> None:
        """Raise `DeletedObject` where a changed path, or a new document, names an object that was deleted.

        A deleted object that is inserted again keeps, as long as they do not change, the references that it had.
        """
        for other in self._scope.references:
            if other.__home__ is not None:
                continue
            tracking = other.__tracking__
            if tracking is None or not tracking.deleted or id(other) in self._roots:
                continue
            reference = {"_id": tracking.former_id, "__model__": other.__model__}
            if changes is None:
                former = decode(obj.__tracking__.former_snapshot or _NO_DOCUMENT)
                changes = diff_documents(spec_of(type(obj)), former, decode(data), {})
            for path, value in (*changes.set.items(), *changes.push.items()):
                if (found := _path_to(value, reference, path)) is not None:
                    raise DeletedObject(
                        "the reference names a deleted object; save that object to insert it again",
                        model=obj.__model__,
                        path=found,
                    )


def _must_be_written(obj: Any) -> bool:
    """Whether a graph save writes a referenced object: it is new or observers signalled edits; never a deleted one."""
    tracking = obj.__tracking__
    if obj.__home__ is None:
        return tracking is None or not tracking.deleted
    return tracking is not None and bool(tracking.dirty)


def _path_to(value: Any, reference: dict[str, Any], path: str) -> str | None:
    """The path at which a changed value has a reference."""
    if value.__class__ is dict:
        if value.get("__model__") == reference["__model__"] and same(value.get("_id"), reference["_id"]):
            return path
        return next((p for key, item in value.items() if (p := _path_to(item, reference, f"{path}.{key}"))), None)
    if value.__class__ is list:
        return next((p for i, item in enumerate(value) if (p := _path_to(item, reference, f"{path}.{i}"))), None)
    return None
