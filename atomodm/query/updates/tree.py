"""An update as a tree of the parts of its paths, with operators as leaves.

The tree makes conflicts between operators visible: a part of a path is either a leaf or it leads on, and every leaf is
there once. It changes a document by copying what it goes through and leaving the rest shared with the old one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...errors import InvalidUpdate, describe_type
from ..paths import MISSING, as_document
from ..server_codes import ServerCode
from .codes import invalid_update
from .places import get_item, not_viable, position_of, put_item


@dataclass(slots=True)
class Context:
    """What one application of an update works with.

    Attributes
    ----------
    document : dict
        The document as it was before.
    position : int or None
        The position that the positional ``$`` stands for.
    now : datetime
        What ``$currentDate`` sets.
    """

    document: dict[str, Any]
    position: int | None
    now: datetime


class Step(ABC):
    """A part of a path and all that is to happen there."""

    __slots__ = ()

    @abstractmethod
    def change(self, old: Any, context: Context) -> Any:
        """Give the new value of what stands here now, `old` itself where nothing changes, or `MISSING`: remove it."""

    @abstractmethod
    def create(self, context: Context) -> Any:
        """Give the value to put here, where nothing stands, or `MISSING` for none."""

    @abstractmethod
    def refuse(self, place: Any, context: Context) -> None:
        """Raise unless it does not matter that `place` can have nothing here."""


class Leaf(Step):
    """An operator on one path.

    Parameters
    ----------
    operator : str
    path : str
        As the update has it.
    """

    __slots__ = ("operator", "path")

    def __init__(self, operator: str, path: str) -> None:
        self.operator = operator
        self.path = path

    def refuse(self, place: Any, context: Context) -> None:
        raise not_viable(place, self.operator, self.path)


class Fields(Step):
    """Changes of fields of a document, or of elements of an array by their positions.

    Attributes
    ----------
    children : dict of str to Step
        By the part of the path that leads to each.
    positional : Step or None
        What is to happen at the position that the filter matched.
    """

    __slots__ = ("_ordered", "children", "path", "positional")

    def __init__(self, path: str) -> None:
        self.path = path
        self.children: dict[str, Step] = {}
        self.positional: Step | None = None
        self._ordered: list[tuple[str, Step]] | None = None

    def change(self, old: Any, context: Context) -> Any:
        kind = type(old)
        if kind is list:
            return self._change_array(old, context)
        if kind is not dict:
            document = as_document(old)
            if document is None:
                for _, child in self._steps(context):
                    child.refuse(old, context)
                return old
            old = dict(document)
        new: dict[str, Any] = old.copy()
        for name, child in self._ordered or self._steps(context):
            before = old.get(name, MISSING)
            value = child.create(context) if before is MISSING else child.change(before, context)
            if value is not MISSING:
                new[name] = value
            elif before is not MISSING:
                del new[name]
        return new

    def _change_array(self, old: list[Any], context: Context) -> list[Any]:
        new = old.copy()
        for part, child in self._steps(context):
            if position_of(part) is None:
                child.refuse(old, context)
                continue
            before = get_item(old, part)
            if before is not MISSING:
                value = child.change(before, context)
                # The elements behind stay where they are.
                put_item(new, part, None if value is MISSING else value, "", self.path)
            elif (value := child.create(context)) is not MISSING:
                operator, path = _named(child)
                put_item(new, part, value, operator, path)
        return new

    def create(self, context: Context) -> Any:
        new: dict[str, Any] = {}
        for name, child in self._steps(context):
            value = child.create(context)
            if value is not MISSING:
                new[name] = value
        return new or MISSING

    def refuse(self, place: Any, context: Context) -> None:
        for child in self.children.values():
            child.refuse(place, context)
        if self.positional is not None:
            self.positional.refuse(place, context)

    def _steps(self, context: Context) -> list[tuple[str, Step]]:
        """The children in the order in which new fields are added."""
        if self.positional is None:
            if self._ordered is None:
                self._ordered = _in_order(self.children)
            return self._ordered
        if context.position is None:
            raise invalid_update(
                "the positional $ needs a condition on the array in the filter that matches an element",
                path=_named(self.positional)[1],
            )
        name = str(context.position)
        other = self.children.get(name)
        step = self.positional if other is None else merge(other, self.positional)
        return _in_order({**self.children, name: step})


class Elements(Step):
    """Changes of those elements of an array that a filter chooses.

    Attributes
    ----------
    children : dict of str to Step
        By the name of an array filter; ``""`` stands for all elements.
    """

    __slots__ = ("_merged", "_tests", "children", "path")

    def __init__(self, path: str, tests: Mapping[str, Callable[[Any], bool]]) -> None:
        self.path = path
        self.children: dict[str, Step] = {}
        self._tests = tests
        self._merged: dict[tuple[str, ...], Step] = {}

    def change(self, old: Any, context: Context) -> Any:
        if type(old) is not list:
            raise invalid_update(f"$[] needs an array, not {describe_type(old)}", path=self.path)
        new = old.copy()
        for position, before in enumerate(old):
            names = [name for name in self.children if not name or self._tests[name](before)]
            if names:
                value = self._step(names).change(before, context)
                new[position] = None if value is MISSING else value
        return new

    def _step(self, names: list[str]) -> Step:
        if len(names) == 1:
            return self.children[names[0]]
        key = tuple(names)
        step = self._merged.get(key)
        if step is None:
            step = self.children[names[0]]
            for name in names[1:]:
                step = merge(step, self.children[name])
            self._merged[key] = step
        return step

    def create(self, context: Context) -> Any:
        raise invalid_update("$[] needs an array, and there is nothing", path=self.path)

    def refuse(self, place: Any, context: Context) -> None:
        raise invalid_update("$[] needs an array, and there is nothing", path=self.path)

    def with_children(self, children: Mapping[str, Step]) -> Elements:
        """The same filters with other changes."""
        other = Elements(self.path, self._tests)
        other.children.update(children)
        return other


def merge(one: Step, other: Step) -> Step:
    """Join what is to happen at one place for two reasons.

    Raises
    ------
    InvalidUpdate
        It contradicts itself.
    """
    if isinstance(one, Fields) and isinstance(other, Fields):
        merged = Fields(one.path)
        merged.children.update(_merge_children(one.children, other.children))
        merged.positional = one.positional or other.positional
        if one.positional is not None and other.positional is not None:
            merged.positional = merge(one.positional, other.positional)
        return merged
    if isinstance(one, Elements) and isinstance(other, Elements):
        return one.with_children(_merge_children(one.children, other.children))
    raise conflict(_named(one)[1], _named(other)[1])


def _merge_children(ones: Mapping[str, Step], others: Mapping[str, Step]) -> dict[str, Step]:
    merged = dict(ones)
    for name, other in others.items():
        merged[name] = merge(ones[name], other) if name in ones else other
    return merged


def conflict(path: str, other: str) -> InvalidUpdate:
    """Make the error for two changes of one place."""
    return invalid_update(
        f"the update changes {other} twice, or changes it as a whole and in part",
        path=path,
        code=ServerCode.CONFLICTING_UPDATE_OPERATORS,
    )


def _named(step: Step) -> tuple[str, str]:
    """An operator and its path out of those of `step`, for a message."""
    while not isinstance(step, Leaf):
        assert isinstance(step, Fields | Elements)
        positional = [step.positional] if isinstance(step, Fields) and step.positional is not None else []
        step = next(iter([*step.children.values(), *positional]))
    return step.operator, step.path


def _in_order(children: Mapping[str, Step]) -> list[tuple[str, Step]]:
    return sorted(children.items(), key=lambda item: name_order(item[0]))


def name_order(name: str) -> tuple[int, int, str]:
    """Where a name comes among those that an update adds: in lexicographic order, and numbers as numbers."""
    position = position_of(name)
    if position is not None:
        return 1, position, name
    return 0 if name < "0" else 2, 0, name


def leaves(step: Step) -> Iterable[Leaf]:
    """All operators below `step`."""
    if isinstance(step, Leaf):
        yield step
    elif isinstance(step, Fields | Elements):
        for child in step.children.values():
            yield from leaves(child)
        if isinstance(step, Fields) and step.positional is not None:
            yield from leaves(step.positional)
