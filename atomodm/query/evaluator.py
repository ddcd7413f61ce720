"""What a filter means: the evaluator decides for every store that has no query language of its own.

The semantics are MongoDB's, as its manual states them:

- A condition on a path holds when it holds for one value there: an element of an array, or the array as a whole.
- Comparisons match values of the operand's own type bracket only; all numbers are one bracket and compare exactly.
  NaN equals NaN and is neither below nor above a number. MinKey and MaxKey compare to everything.
- Equality with None also matches what is missing.
- Documents are equal with the same fields in the same order; arrays with the same elements.
- `Not` is plain negation, so ``not (age == 3)`` matches documents without an age, and arrays without a 3.

What holds for one value is in `atomodm.query.conditions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import InvalidQuery
from .conditions import Test, value_test
from .nodes import (
    ELEMENT,
    All,
    AllOf,
    And,
    Compare,
    ElementMatch,
    Exists,
    Node,
    Not,
    Nothing,
    Operator,
    Or,
    Size,
    paths_of,
)
from .paths import MISSING, Whole, as_document, compile_path
from .patterns import SearchTime

#: Decides on a document; on an array's element where the path is `ELEMENT`.
Matcher = Callable[[Any], bool]


def compile_filter(node: Node) -> Callable[[Mapping[str, Any]], bool]:
    """Make the function that says whether a decoded document matches `node`.

    Parameters
    ----------
    node : Node

    Returns
    -------
    callable
        ``f(document) -> bool``. It raises `InvalidQuery` when a regular expression takes too long; it keeps the time
        that this took, so make one for each query.

    Raises
    ------
    InvalidQuery
        A regular expression is none, or an `ElementMatch` asks for an element and for its fields at once.
    """
    return _compile(node, SearchTime())


def _compile(node: Node, time: SearchTime) -> Matcher:
    match node:
        case All():
            return lambda document: True
        case Nothing():
            return _never
        case And(children):
            return _every([_compile(child, time) for child in children])
        case Or(children):
            return _any([_compile(child, time) for child in children])
        case Not(child):
            inner = _compile(child, time)
            return lambda document: not inner(document)
        case AllOf(path, values):
            return _every([_compile(Compare(path, Operator.EQ, value), time) for value in values]) if values else _never
        case Exists(path, False):
            exists = _compile(Exists(path), time)
            return lambda document: not exists(document)
        case Size(path, size):
            return _on_arrays(path, lambda array: len(array) == size)
        case ElementMatch(path, inner_filter):
            matches = element_test(path, inner_filter, time)
            return _on_arrays(path, lambda array: any(map(matches, array)))
        case _:
            test = value_test(node, time)
            if test is None:
                raise TypeError(f"no node of a filter: {type(node).__name__}")
            return _on_values(next(paths_of(node)), test)


# -- combining ---------------------------------------------------------------------------------------------------------


def _never(document: Any) -> bool:
    return False


def _every(matchers: Sequence[Matcher]) -> Matcher:
    if len(matchers) == 2:
        first, second = matchers
        return lambda document: first(document) and second(document)

    def every(document: Any) -> bool:
        for matches in matchers:  # noqa: SIM110 - a loop takes half the time of all()
            if not matches(document):
                return False
        return True

    return every


def _any(matchers: Sequence[Matcher]) -> Matcher:
    if len(matchers) == 2:
        first, second = matchers
        return lambda document: first(document) or second(document)

    def some(document: Any) -> bool:
        for matches in matchers:  # noqa: SIM110
            if matches(document):
                return True
        return False

    return some


# -- where values are --------------------------------------------------------------------------------------------------


def _on_values(path: str, test: Test) -> Matcher:
    """Try `test` on what stands at `path`, on an array's elements and then on the array."""
    if path == ELEMENT:
        return test
    if "." not in path:

        def matches(document: Any) -> bool:
            value = document.get(path, MISSING)
            if type(value) is list:
                for item in value:
                    if test(item):
                        return True
            return test(value)

        return matches

    ends = compile_path(path)

    def matches_deep(document: Any) -> bool:
        for end in ends(document):
            if type(end) is list:
                for item in end:
                    if test(item):
                        return True
            if test(end.array if type(end) is Whole else end):
                return True
        return False

    return matches_deep


def _on_arrays(path: str, test: Callable[[list[Any]], bool]) -> Matcher:
    """Try `test` on the arrays that stand at `path`, not on arrays that are their elements."""
    if path == ELEMENT:
        return lambda element: type(element) is list and test(element)
    ends = compile_path(path)

    def matches(document: Any) -> bool:
        for end in ends(document):
            array = end.array if type(end) is Whole else end
            if type(array) is list and test(array):
                return True
        return False

    return matches


def element_test(path: str, node: Node, time: SearchTime | None = None) -> Matcher:
    """Make the function that says whether one element of the array at `path` fulfils the filter of an `ElementMatch`.

    Parameters
    ----------
    path : str
    node : Node
    time : SearchTime, optional
        What the regular expressions of one filter share.

    Raises
    ------
    InvalidQuery
        `node` asks for an element and for its fields at once.
    """
    matches = _compile(node, time or SearchTime())
    on_element = {inner == ELEMENT for inner in paths_of(node)}
    if on_element == {True}:
        return matches
    if on_element == {True, False}:
        raise InvalidQuery("an element is asked for itself and for its fields at once", path=path)

    def fields_match(element: Any) -> bool:
        # Inside of the element, an array's positions are names.
        fields = {str(i): v for i, v in enumerate(element)} if type(element) is list else as_document(element)
        return fields is not None and matches(fields)

    return fields_match
