"""An update of a model: what is asked of it in Python, as operators on stored paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...errors import AtomodmError, InvalidUpdate, describe_type
from ...model import ModelSpec
from ...model.spec import RESERVED_KEYS
from ...query.updates import UpdateOperators, parse_update
from ..merge import value_at
from .places import find_place
from .words import WORDS

#: What documents have of ours, which an update leaves alone; notes beside dates belong to the dates.
_OURS: Final = RESERVED_KEYS - {"__dt__"}


@dataclass(frozen=True, slots=True)
class ModelUpdate:
    """An update that is ready to be sent.

    Attributes
    ----------
    operators : UpdateOperators
        With stored paths.
    moved : mapping of str to str
        Former paths of members, with the present ones, at which documents must have these members before.
    entered : sequence of str
        Paths of dicts of which the update changes keys.
    """

    operators: UpdateOperators
    moved: Mapping[str, str]
    entered: Sequence[str] = ()

    def check_entered(self, document: Mapping[str, Any]) -> None:
        """Check that what a document has at the paths `entered` is stored with its keys as they are.

        Raises
        ------
        InvalidUpdate
            There is a reference, or what BSON has no type for; a key beside that would be lost.
        """
        for path in self.entered:
            stored = value_at(document, path)
            if isinstance(stored, Mapping) and ("__py__" in stored or ("__model__" in stored and "_id" in stored)):
                message = "what is stored here has no keys that could be updated; update the whole value"
                raise InvalidUpdate(message, path=path)


def compile_update(spec: ModelSpec, operators: Mapping[str, Any] | None, values: Mapping[str, Any]) -> ModelUpdate:
    """Make the update that the arguments of ``update`` stand for.

    Parameters
    ----------
    spec : ModelSpec
    operators : mapping, optional
        Operators of MongoDB's language with stored paths and stored values.
    values : mapping
        ``path__to__field`` or ``path__to__field__word``, see `WORDS`, to operands in Python.

    Raises
    ------
    InvalidUpdate
        A name or a word is unknown, an operand makes no sense or is not what the member takes, the update contradicts
        itself, or it changes what cannot change. The message never has an operand.
    ValueNotStorable, DeletedObject
    """
    document = _given(spec, operators)
    moved: dict[str, str] = {}
    entered: dict[str, None] = {}
    for name, value in values.items():
        place = find_place(spec, name, WORDS)
        for operator, path, operand in WORDS[place.word](place, value):
            if path in document.setdefault(operator, {}):
                raise InvalidUpdate(f"{operator} has this path twice", path=path, model=spec.tag)
            document[operator][path] = operand
        targets = (find_place(spec, value, ()),) if place.word == "rename" else ()
        entered.update((path, None) for found in (place, *targets) for path in found.entered)
        whole = place.word in ("set", "unset") and place.is_member
        moved.update(place.moved[: -len(place.field.aliases)] if whole and place.field.aliases else place.moved)
    if not document:
        raise InvalidUpdate("an update needs something to change", model=spec.tag)
    try:
        return ModelUpdate(parse_update(document), moved, tuple(entered))
    except AtomodmError as error:
        error.model = error.model or spec.tag
        raise


def _given(spec: ModelSpec, operators: Any) -> dict[str, Any]:
    """A copy of the operators that were given, if they change nothing that an update may not change."""
    if operators is None:
        return {}
    if not isinstance(operators, Mapping):
        message = f"an update is a mapping of operators and keyword arguments, not {describe_type(operators)}"
        raise InvalidUpdate(message, model=spec.tag)
    document: dict[str, Any] = {}
    for operator, operand in operators.items():
        document[operator] = operand
        if isinstance(operand, Mapping):
            document[operator] = dict(operand)
            targets = operand.values() if operator == "$rename" else ()
            for path in (*operand, *targets):
                _check_changeable(spec, path)
    return document


def _check_changeable(spec: ModelSpec, path: Any) -> None:
    first = str(path).partition(".")[0]
    member = spec.by_stored_name.get(first)
    if first in _OURS or (member is not None and (not member.settable or member.write_once)):
        raise InvalidUpdate("an update cannot change the field", path=first, model=spec.tag)
