"""Where in a document the names in an update lead."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...errors import InvalidQuery, InvalidUpdate
from ...model import FieldSpec, ModelSpec, spec_of
from ...model.types import (
    ANY,
    AnyType,
    DictType,
    FieldType,
    FixedTupleType,
    ListType,
    ModelType,
    ScalarType,
    SetType,
    TupleType,
)
from ...query.lookups import split_name
from ...serializer import hooks_of

_TEXT = ScalarType((str,))


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the documents of a model that an update may change.

    Attributes
    ----------
    model : ModelSpec
        The model that is updated.
    path : str
        The stored path.
    kind : FieldType
        What the place holds.
    field : FieldSpec
        The member that the place is, or is in.
    owner : type
        The model of that member: the one that is updated, or an embedded one.
    prefix : str
        The path of the embedded object that the member belongs to, with a dot; empty for the model's own.
    inside : tuple of callable, or None
        What makes the containers between the member and the place, each of the one value that is in it; None where the
        member takes anything there.
    moved : tuple of (str, str)
        Former paths of members on the way, with the present ones.
    entered : tuple of str
        The paths of dicts on the way that must have their keys as they are, see `check_entered`.
    word : str
        What is to happen there, one of `WORDS`.
    """

    model: ModelSpec
    path: str
    kind: FieldType
    field: FieldSpec
    owner: Any
    prefix: str
    inside: tuple[Callable[[Any], Any], ...] | None = ()
    moved: tuple[tuple[str, str], ...] = ()
    entered: tuple[str, ...] = ()
    word: str = "set"

    @property
    def is_member(self) -> bool:
        """Whether the place is the whole member."""
        return self.inside == ()

    @property
    def is_converted(self) -> bool:
        """Whether the member is stored as code of the program's own makes it."""
        return self.field.flatten is not None or hooks_of(self.owner).flatten

    def member(self, spec: ModelSpec, name: str) -> Place:
        """The place of a member of the embedded model that is here."""
        return _member(self.model, spec, name, f"{self.path}.", self.moved)

    def element(self) -> Place:
        """The place of an element of the array that is here."""
        match self.kind:
            case ListType(item=item):
                return self._into(self.path, item, lambda value: [value])
            case TupleType(item=item):
                return self._into(self.path, item, lambda value: (value,))
            case SetType(item=item):
                return self._into(self.path, item, lambda value: {value})
            case _:
                return replace(self, kind=ANY, inside=None)

    def at(self, position: str) -> Place:
        """The place of the element at a position of the array that is here."""
        return replace(self.element(), path=f"{self.path}.{position}")

    def key(self, key: str) -> Place:
        """The place of a key of the dict that is here."""
        here = replace(self, entered=(*self.entered, self.path))
        if isinstance(self.kind, DictType):
            return here._into(f"{self.path}.{key}", self.kind.value, lambda value: {key: value})
        return replace(here, path=f"{self.path}.{key}", kind=ANY, inside=None)

    def _into(self, path: str, kind: FieldType, container: Callable[[Any], Any]) -> Place:
        inside = None if self.inside is None else (*self.inside, container)
        return replace(self, path=path, kind=kind, inside=inside)

    def wrap(self, value: Any) -> Any:
        """A value for the whole member that has `value` here and nothing else."""
        for container in reversed(self.inside or ()):
            value = container(value)
        return value

    def unwrap(self, value: Any) -> Any:
        """What a value that `wrap` made has here, as the member took it."""
        for _ in self.inside or ():
            value = next(iter(value.values() if isinstance(value, Mapping) else value))
        return value

    def error(self, problem: str) -> InvalidUpdate:
        """The error for an update that makes no sense here."""
        return InvalidUpdate(problem, path=self.path, model=self.model.tag)

    def misuse(self, problem: str) -> InvalidUpdate:
        """The error for a word that makes no sense here, or not with its operand."""
        return self.error(f"the word {self.word!r} {problem}")


def find_place(spec: ModelSpec, name: str, words: Collection[str]) -> Place:
    """Find the place that a name in an update means, with the word after it.

    Declared members come first. Inside an untyped place all segments are keys, except the last one when it is a word.

    Parameters
    ----------
    spec : ModelSpec
    name : str
        ``path__to__field`` or ``path__to__field__word``.
    words : collection of str

    Raises
    ------
    InvalidUpdate
        The name leads nowhere, or to what no update may change; the message lists those that are alike.
    """
    try:
        first, *rest = split_name(name, model=spec.tag)
    except InvalidQuery as error:
        raise InvalidUpdate(error.message, model=spec.tag) from None
    if first in ("_id", "pk"):
        raise InvalidUpdate("an update cannot change the id of a document", path="_id", model=spec.tag)
    place = _member(spec, spec, first, "", ())
    while rest and (found := _step(place, rest, words)) is not None:
        place, rest = found, rest[1:]
    if not rest:
        return place
    if len(rest) == 1 and rest[0] in words:
        return replace(place, word=rest[0])
    raise _leads_nowhere(place, rest[0], words)


def _member(model: ModelSpec, spec: ModelSpec, name: str, prefix: str, moved: tuple[tuple[str, str], ...]) -> Place:
    field = spec.by_name.get(name)
    if field is None:
        raise _unknown(model, name, prefix.removesuffix(".") or None, spec.by_name)
    path = f"{prefix}{field.stored_name}"
    if field.stored_name == "_id" and not prefix:
        raise InvalidUpdate("the primary key of a document cannot change", path=path, model=model.tag)
    if not field.settable or field.write_once:
        raise InvalidUpdate(f"the member {name} is read-only", path=path, model=model.tag)
    moved = (*moved, *((f"{prefix}{alias}", path) for alias in field.aliases))
    return Place(model, path, field.type, field, spec.model, prefix, (), moved)


def _step(place: Place, rest: Sequence[str], words: Collection[str]) -> Place | None:
    """The place that the next segment leads to; None where it is no name there."""
    name, kind = rest[0], place.kind
    if place.is_converted:
        return None
    match kind:
        case ModelType(model=model, embedded=True) if name in spec_of(model).by_name:
            return place.member(spec_of(model), name)
        case ListType() | TupleType() if name.isascii() and name.isdigit():
            return place.at(name)
        case AnyType() | DictType() if not _has_pairs(kind):
            if len(rest) == 1 and name in words:
                return None
            if "." in name or "\0" in name or name.startswith("$"):
                raise place.error("a key with a dot, a NUL or a dollar in front is changed with the whole dict")
            return place.key(name)
    return None


def _has_pairs(kind: FieldType) -> bool:
    """Whether what is here is a dict that is stored as pairs, because its keys are no texts."""
    return isinstance(kind, DictType) and kind.key not in (ANY, _TEXT)


def _leads_nowhere(place: Place, name: str, words: Collection[str]) -> InvalidUpdate:
    match place.kind:
        case _ if place.is_converted:
            return place.error(f"there is no {name!r} here: the program itself says how this is stored")
        case ModelType(model=model, embedded=False) if name in spec_of(model).by_name or name in ("_id", "pk"):
            return place.error(f"{name!r} is in another document; update that one, or set the whole reference")
        case ListType(item=ModelType(model=model, embedded=True)) if name in spec_of(model).by_name:
            return place.error(f"{name!r} is in the elements of an array: say which one by its position, or use $[]")
        case SetType() | FixedTupleType() if name.isdigit():
            return place.error("an element has no position that could be updated; update the whole value")
        case DictType() if _has_pairs(place.kind):
            return place.error("a dict whose keys are no texts is stored as pairs; update the whole value")
        case ModelType(model=model, embedded=True):
            return _unknown(place.model, name, place.path, [*spec_of(model).by_name, *words])
    return _unknown(place.model, name, place.path, words)


def _unknown(model: ModelSpec, name: str, path: str | None, names: Iterable[str]) -> InvalidUpdate:
    names = list(names)
    close = difflib.get_close_matches(name, names, 3)
    help = f"did you mean {', '.join(close)}?" if close else f"there are {', '.join(names)}"
    return InvalidUpdate(f"there is no {name!r} here; {help}", path=path, model=model.tag)
