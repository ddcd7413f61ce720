"""Reading an update of MongoDB's language into a tree that is applied without further looking."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from ...encoding import MAX_DEPTH, read_back
from ...errors import NestingTooDeep, describe_type
from ..server_codes import ServerCode
from .array_filters import parse_array_filters
from .arrays import AddToSet, Pop, Pull, PullAll
from .codes import invalid_update
from .fields import CurrentDate, Extreme, Rename, Set, Unset, rename_target
from .numbers import Arithmetic, Bits
from .operators import UpdateOperators
from .push import Push
from .tree import Elements, Fields, Leaf, Step, conflict

_LEAVES: Final[Mapping[str, Callable[[str, str, Any], Leaf]]] = {
    "$set": Set,
    "$unset": Unset,
    "$inc": Arithmetic,
    "$mul": Arithmetic,
    "$min": Extreme,
    "$max": Extreme,
    "$setOnInsert": Set,
    "$currentDate": CurrentDate,
    "$push": Push,
    "$addToSet": AddToSet,
    "$pull": Pull,
    "$pullAll": PullAll,
    "$pop": Pop,
    "$bit": Bits,
}
_RENAME: Final = "$rename"
_ON_INSERT: Final = "$setOnInsert"

#: The operators that an update may have.
UPDATE_OPERATORS: Final = frozenset({*_LEAVES, _RENAME})


def parse_update(
    update: Mapping[str, Any], array_filters: Sequence[Mapping[str, Any]] | None = None
) -> UpdateOperators:
    """Read an update of MongoDB's language.

    Parameters
    ----------
    update : mapping
        Operators to documents of paths and operands: ``$set $unset $inc $mul $min $max $rename $setOnInsert
        $currentDate $push`` (with ``$each $slice $sort $position``) ``$addToSet`` (with ``$each``) ``$pull $pullAll
        $pop $bit``. Paths may have the positional parts ``$``, ``$[]`` and ``$[name]``.
    array_filters : sequence of mapping, optional
        What the names in ``$[name]`` stand for.

    Returns
    -------
    UpdateOperators

    Raises
    ------
    InvalidUpdate
        An operator is not in this set or has an operand that makes no sense, two of them contradict one another, or
        the update is a replacement or a pipeline.
    ValueNotStorable
        An operand is outside the portable value domain.
    """
    _check_form(update)
    tests = parse_array_filters(array_filters)
    document: dict[str, Any] = {}
    leaves = list(_leaves(update, document))
    inserting = _grow(leaves, tests)
    used = {part[2:-1] for path, _ in leaves for part in path.split(".") if _is_filtered(part)}
    for name in tests:
        if name not in used:
            raise invalid_update(f"the array filter for {name} is not used", code=ServerCode.FAILED_TO_PARSE)
    updating = inserting
    if _ON_INSERT in update:
        updating = _grow([(path, leaf) for path, leaf in leaves if leaf.operator != _ON_INSERT], tests)
    return UpdateOperators(document, updating, inserting)


def _check_form(update: Any) -> None:
    if isinstance(update, list | tuple):
        stages = [next(iter(stage), "") for stage in update[:1] if isinstance(stage, Mapping)]
        message = f"an update by a pipeline ({stages[0]})" if stages else "an update by a pipeline"
        raise invalid_update(f"{message} is not supported; use operators", code=ServerCode.FAILED_TO_PARSE)
    if not isinstance(update, Mapping):
        raise invalid_update(
            f"an update is a document of operators, not {describe_type(update)}", code=ServerCode.FAILED_TO_PARSE
        )
    if not update:
        raise invalid_update("an update needs an operator", code=ServerCode.FAILED_TO_PARSE)


def _leaves(update: Mapping[Any, Any], document: dict[str, Any]) -> Iterator[tuple[str, Leaf]]:
    """Read the operators one by one, each with its path, and put them into `document` as they were read."""
    for name, operand in update.items():
        if name not in UPDATE_OPERATORS:
            if not isinstance(name, str) or not name.startswith("$"):
                message = "a document to replace with has no operators, and an update has no fields beside them"
                path = name if isinstance(name, str) else None
                raise invalid_update(message, path=path, code=ServerCode.FAILED_TO_PARSE)
            raise invalid_update(f"{name} is not supported in an update", code=ServerCode.FAILED_TO_PARSE)
        if not isinstance(operand, Mapping):
            message = f"{name} takes a document of paths, not {describe_type(operand)}"
            raise invalid_update(message, code=ServerCode.FAILED_TO_PARSE)
        # As stored: a copy that nobody else can change, of values that a store can have.
        document[name] = read_back(operand)
        for path, value in document[name].items():
            _check_path(name, path)
            if name != _RENAME:
                yield path, _LEAVES[name](name, path, value)
                continue
            target = rename_target(name, path, value)
            _check_path(name, target)
            yield path, Unset(name, path, None)
            yield target, Rename(name, target, path)


def _check_path(operator: str, path: str) -> None:
    parts = path.split(".")
    if len(parts) > MAX_DEPTH:
        raise NestingTooDeep(f"{operator} has a path of more than {MAX_DEPTH} parts", path=f"{parts[0][:80]}.…")
    if "" in parts:
        raise invalid_update(f"{operator} has an empty field name", path=path, code=ServerCode.EMPTY_FIELD_NAME)
    if parts.count("$") > 1:
        raise invalid_update(f"{operator} has more than one positional $ in a path", path=path)
    if parts[0] == "$" or _is_filtered(parts[0]):
        raise invalid_update(f"{operator} has a path that starts with a positional part", path=path)


def _is_filtered(part: str) -> bool:
    return part.startswith("$[") and part.endswith("]")


def _grow(leaves: Sequence[tuple[str, Leaf]], tests: Mapping[str, Callable[[Any], bool]]) -> Fields:
    root = Fields("")
    for path, leaf in leaves:
        parts = path.split(".")
        place: Fields | Elements = root
        for depth, part in enumerate(parts[:-1], 1):
            name = _child_name(part, path, leaf, tests)
            branch = ".".join(parts[:depth])
            child = _child(place, name)
            if child is None:
                child = Elements(branch, tests) if _is_filtered(parts[depth]) else Fields(branch)
                _set_child(place, name, child)
            elif type(child) is not (Elements if _is_filtered(parts[depth]) else Fields):
                raise conflict(path, branch)
            assert isinstance(child, Fields | Elements)
            place = child
        name = _child_name(parts[-1], path, leaf, tests)
        if _child(place, name) is not None:
            raise conflict(path, path)
        _set_child(place, name, leaf)
    return root


def _child_name(part: str, path: str, leaf: Leaf, tests: Mapping[str, Callable[[Any], bool]]) -> str:
    if not _is_filtered(part):
        return part
    name = part[2:-1]
    if name and name not in tests:
        raise invalid_update(f"{leaf.operator} has no array filter for {name}", path=path)
    return name


def _child(place: Fields | Elements, name: str) -> Step | None:
    if isinstance(place, Fields) and name == "$":
        return place.positional
    return place.children.get(name)


def _set_child(place: Fields | Elements, name: str, child: Step) -> None:
    if isinstance(place, Fields) and name == "$":
        place.positional = child
    else:
        place.children[name] = child
