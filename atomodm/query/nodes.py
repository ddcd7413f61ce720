"""The syntax tree of a filter: what is asked of documents, independent of any database's language.

A ``path`` is dotted and names stored fields; values are what BSON decodes to. The meaning of every node is defined by
`atomodm.query.evaluator`. Nodes are immutable; combine them with `conjunction`, `disjunction` and `negation`, which
leave out what is trivial.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

#: Inside an `ElementMatch`, the path of the array's element itself. A filter cannot name a field like this.
ELEMENT: Final = "$"
#: The fields of a DBRef, the only names in filters and projections that start with a dollar sign and are no operators.
REFERENCE_FIELDS: Final = ("$ref", "$id", "$db")


class Operator(Enum):
    """How `Compare` compares, written as in Python."""

    EQ = "=="
    GT = ">"
    GTE = ">="
    LT = "<"
    LTE = "<="


class TextKind(Enum):
    """Where `Text` must stand in a string."""

    CONTAINS = "contains"
    STARTSWITH = "startswith"
    ENDSWITH = "endswith"


class BitTest(Enum):
    """What `Bits` asks of the bits at some positions, as MongoDB names it."""

    ALL_SET = "$bitsAllSet"
    ALL_CLEAR = "$bitsAllClear"
    ANY_SET = "$bitsAnySet"
    ANY_CLEAR = "$bitsAnyClear"


@dataclass(frozen=True, slots=True)
class Node:
    """Base of all nodes."""


@dataclass(frozen=True, slots=True)
class All(Node):
    """Every document; use the instance `ALL`."""


@dataclass(frozen=True, slots=True)
class Nothing(Node):
    """No document; use the instance `NOTHING`."""


ALL: Final = All()
NOTHING: Final = Nothing()


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """A value at `path`, an element of an array there or the whole array, compares to `value`.

    Only values of one type bracket compare, except with MinKey and MaxKey. Equality with None also matches a missing
    field.
    """

    path: str
    operator: Operator
    value: Any


@dataclass(frozen=True, slots=True)
class In(Node):
    """A value at `path` equals one of `values`."""

    path: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class AllOf(Node):
    """Each of `values` equals a value at `path`; with no values nothing matches."""

    path: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Exists(Node):
    """There is a value at `path`, None included; or there is none."""

    path: str
    present: bool = True


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A string at `path` has `text` in it."""

    path: str
    kind: TextKind
    text: str
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Regex(Node):
    """A string at `path` matches a regular expression somewhere, or a stored regular expression is this one.

    Attributes
    ----------
    pattern : str
    options : str
        Letters out of ``imsx``, as MongoDB names them.
    """

    path: str
    pattern: str
    options: str = ""


@dataclass(frozen=True, slots=True)
class TypeIs(Node):
    """A value at `path` has one of some BSON types, named by MongoDB's aliases; ``"number"`` stands for all numbers."""

    path: str
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Size(Node):
    """The array at `path` has so many elements."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Modulo(Node):
    """A number at `path`, its fraction cut off, leaves `remainder` when divided; the sign is the dividend's."""

    path: str
    divisor: int
    remainder: int


@dataclass(frozen=True, slots=True)
class Bits(Node):
    """A whole number of 64 bits or binary data at `path` has bits set or clear.

    Attributes
    ----------
    how : BitTest
    positions : tuple of int
        Ascending; 0 is the lowest bit, of binary data that of its first byte. Past the end of a negative number bits
        are set; past the end of anything else they are clear.
    """

    path: str
    how: BitTest
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ElementMatch(Node):
    """One element of the array at `path` fulfils all of `filter`.

    The paths in `filter` start at the element, which then must be a document or an array, or are `ELEMENT`, the element
    itself.
    """

    path: str
    filter: Node


@dataclass(frozen=True, slots=True)
class And(Node):
    """All children match."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """One child or more matches."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    """The child does not match."""

    child: Node


def conjunction(nodes: Iterable[Node]) -> Node:
    """What matches all of `nodes`; `ALL` for none of them."""
    children: list[Node] = []
    for node in nodes:
        if isinstance(node, Nothing):
            return NOTHING
        if isinstance(node, And):
            children.extend(node.children)
        elif not isinstance(node, All):
            children.append(node)
    if not children:
        return ALL
    return children[0] if len(children) == 1 else And(tuple(children))


def disjunction(nodes: Iterable[Node]) -> Node:
    """What matches one of `nodes` or more; `NOTHING` for none of them."""
    children: list[Node] = []
    for node in nodes:
        if isinstance(node, All):
            return ALL
        if isinstance(node, Or):
            children.extend(node.children)
        elif not isinstance(node, Nothing):
            children.append(node)
    if not children:
        return NOTHING
    return children[0] if len(children) == 1 else Or(tuple(children))


def negation(node: Node) -> Node:
    """What matches exactly where `node` does not."""
    match node:
        case All():
            return NOTHING
        case Nothing():
            return ALL
        case Not(child):
            return child
        case Exists(path, present):
            return Exists(path, not present)
        case _:
            return Not(node)


def nodes_of(node: Node) -> Iterator[Node]:
    """`node` and all nodes inside of it, those inside of an `ElementMatch` included."""
    yield node
    match node:
        case And(children) | Or(children):
            for child in children:
                yield from nodes_of(child)
        case Not(child) | ElementMatch(filter=child):
            yield from nodes_of(child)


def paths_of(node: Node) -> Iterator[str]:
    """All paths that `node` has conditions on, those inside of an `ElementMatch` left out."""
    match node:
        case And(children) | Or(children):
            for child in children:
                yield from paths_of(child)
        case Not(child):
            yield from paths_of(child)
        case All() | Nothing():
            return
        case _:
            yield node.path  # type: ignore[attr-defined]


_BIT_WORDS: Final = {
    BitTest.ALL_SET: ("all", "set"),
    BitTest.ALL_CLEAR: ("all", "clear"),
    BitTest.ANY_SET: ("one", "set"),
    BitTest.ANY_CLEAR: ("one", "clear"),
}


def describe(node: Node) -> str:
    """Write `node` as one readable line; it shows the values, which belong to who asks."""
    match node:
        case All():
            return "everything"
        case Nothing():
            return "nothing"
        case Compare(path, operator, value):
            return f"{path} {operator.value} {value!r}"
        case In(path, values):
            return f"{path} in {list(values)!r}"
        case AllOf(path, values):
            return f"{path} has all of {list(values)!r}"
        case Exists(path, present):
            return f"{path} exists" if present else f"{path} is missing"
        case Text(path, kind, text, ignore_case):
            return f"{path} {kind.value} {text!r}{' ignoring case' if ignore_case else ''}"
        case Regex(path, pattern, options):
            return f"{path} matches /{pattern}/{options}"
        case TypeIs(path, types):
            return f"{path} is of type {' or '.join(types)}"
        case Size(path, size):
            return f"{path} has {size} elements"
        case Modulo(path, divisor, remainder):
            return f"{path} % {divisor} == {remainder}"
        case Bits(path, how, positions):
            asked, state = _BIT_WORDS[how]
            return f"{path} has {asked} of the bits {list(positions)!r} {state}"
        case ElementMatch(path, inner):
            return f"{path} has an element with ({describe(inner)})"
        case And(children):
            return " and ".join(map(_operand, children))
        case Or(children):
            return " or ".join(map(_operand, children))
        case Not(child):
            return f"not ({describe(child)})"
        case _:
            return repr(node)


def _operand(node: Node) -> str:
    return f"({describe(node)})" if isinstance(node, And | Or) else describe(node)
