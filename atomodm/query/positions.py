"""Which element of an array made a filter match: what the positional ``$`` of updates and projections stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from .conditions import Test, value_test
from .evaluator import element_test
from .nodes import (
    AllOf,
    And,
    Bits,
    Compare,
    ElementMatch,
    Exists,
    In,
    Modulo,
    Node,
    Operator,
    Or,
    Regex,
    Size,
    Text,
    TypeIs,
    paths_of,
)
from .paths import MISSING, array_index, as_document
from .patterns import SearchTime

#: Finds in a document the position of the element that one condition matched through.
Locator = Callable[[Mapping[str, Any]], int | None]

#: The kinds of conditions in the order in which a server tries them, whatever the filter's own order is.
_KINDS: Final[list[type[Node]]] = [ElementMatch, Size, Compare, Text, Regex, Modulo, Exists, In, Or, Bits, TypeIs]
_COMPARISONS: Final = [Operator.EQ, Operator.LTE, Operator.LT, Operator.GT, Operator.GTE]


def compile_position(node: Node) -> Callable[[Mapping[str, Any]], int | None]:
    """Make the function that says which element of an array made a document match `node`.

    It is the element that a condition was tried on, or through which its path went on: the elements of an array at the
    end of the path, those of an array of documents on the way, and those that ``$elemMatch`` takes. With arrays inside
    of arrays the outermost one counts. Positions that the path itself names are not looked for, and there is
    none where an array matched as a whole or by its size.

    MongoDB leaves open which array counts when a filter has conditions on several. Here it is what its servers do: they
    try the conditions in an order of their own, by kind (``$elemMatch``, equality, ``$lte``, ``$lt``, ``$gt``,
    ``$gte``, patterns and so on) and then by path, and the last one that goes through an array decides. Negations, and
    alternatives that are not one ``$in``, tell no position.

    Parameters
    ----------
    node : Node

    Returns
    -------
    callable
        ``f(document) -> int | None`` for a document that matches; None where no condition goes through an array.
    """
    conditions = sorted(_conditions(node), key=_place)
    time = SearchTime()
    locators = [_locator(condition, time) for condition in reversed(conditions)]

    def position(document: Mapping[str, Any]) -> int | None:
        for locate in locators:
            found = locate(document)
            if found is not None:
                return found
        return None

    return position


def _place(condition: Node) -> tuple[int, int, str]:
    comparison = _COMPARISONS.index(condition.operator) if isinstance(condition, Compare) else 0
    return _KINDS.index(type(condition)), comparison, next(paths_of(condition))


def _conditions(node: Node) -> Iterator[Node]:
    """Give the conditions that all have to hold and that can tell a position."""
    match node:
        case And(children):
            for child in children:
                yield from _conditions(child)
        case AllOf(path, values):
            for value in values:
                yield Compare(path, Operator.EQ, value)
        case Exists(_, False):
            return
        case Or(children):
            # A list of values with regular expressions among them is several nodes, but one condition.
            if all(isinstance(child, In | Regex) for child in children) and len(set(paths_of(node))) == 1:
                yield node
        case _ if type(node) in _KINDS:
            yield node


def _locator(condition: Node, time: SearchTime) -> Locator:
    path = next(paths_of(condition))
    parts = tuple(path.split("."))
    match condition:
        case ElementMatch(_, filter):
            return _on_arrays(parts, _first(element_test(path, filter, time)))
        case Size(_, size):
            return _on_arrays(parts, lambda array: (len(array) == size, None))
        case Or(children):
            tests = [test for child in children if (test := value_test(child, time)) is not None]
            return _on_values(parts, lambda value: any(test(value) for test in tests))
        case _:
            test = value_test(condition, time)
            assert test is not None
            return _on_values(parts, test)


def _first(matches: Test) -> Callable[[list[Any]], tuple[bool, int | None]]:
    def find(array: list[Any]) -> tuple[bool, int | None]:
        for position, item in enumerate(array):
            if matches(item):
                return True, position
        return False, None

    return find


def _on_values(parts: tuple[str, ...], test: Test) -> Locator:
    def locate(document: Mapping[str, Any]) -> int | None:
        for end, position, by_position in _document_ends(document, parts):
            if type(end) is list and not by_position:
                for index, item in enumerate(end):
                    if test(item):
                        return index if position is None else position
            if test(end):
                return position
        return None

    return locate


def _on_arrays(parts: tuple[str, ...], find: Callable[[list[Any]], tuple[bool, int | None]]) -> Locator:
    def locate(document: Mapping[str, Any]) -> int | None:
        for end, position, _ in _document_ends(document, parts):
            if type(end) is list:
                matched, index = find(end)
                if matched:
                    return index if position is None else position
        return None

    return locate


#: What stands at the end of a path; the position in the outermost array that it went through; whether the path named
#: the end by its position in an array.
_End = tuple[Any, int | None, bool]


def _document_ends(document: Mapping[str, Any], parts: tuple[str, ...]) -> Iterator[_End]:
    value = document.get(parts[0], MISSING)
    rest = parts[1:]
    if not rest:
        yield value, None, False
    elif type(value) is list:
        yield from _array_ends(value, rest)
    else:
        inner = as_document(value)
        if inner is None:
            yield MISSING, None, False
        else:
            yield from _document_ends(inner, rest)


def _array_ends(array: list[Any], parts: tuple[str, ...]) -> Iterator[_End]:
    named = array_index(parts[0])
    rest = parts[1:]
    for index, item in enumerate(array):
        inner = as_document(item)
        if inner is not None:
            for end, _, by_position in _document_ends(inner, parts):
                yield end, index, by_position
        if index != named:
            continue
        if not rest:
            yield item, None, True
        elif type(item) is list:
            yield from _array_ends(item, rest)
        elif inner is not None:
            yield from _document_ends(inner, rest)
