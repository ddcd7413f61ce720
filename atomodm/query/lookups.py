"""Django's lookups: keyword arguments like ``age__gte=30`` become conditions on stored paths.

Names are resolved by a `Resolver`, which knows the model; what a lookup means does not depend on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from ..errors import AtomodmError, InvalidQuery, ValueNotStorable, describe_type
from .filters import regex_node
from .keys import regex_options
from .nodes import ELEMENT, Compare, ElementMatch, Exists, In, Node, Operator, Text, TextKind, negation
from .operands import stored_operand

#: Two underscores separate segments. Of three the first belongs to the name before, unless ``_id`` follows.
_SEPARATOR = re.compile(r"__(?!_)|__(?=_id(?:__|$))")


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a lookup's segments lead.

    Attributes
    ----------
    path : str
        The stored path, dotted.
    rest : tuple of str
        Segments that are no part of the path: none, or the name of a lookup.
    encode : callable
        Turns one operand into its stored form; raises `ValueNotStorable` where it has none.
    is_array : bool
        The place holds an array, of which ``contains`` asks for an element.
    """

    path: str
    rest: tuple[str, ...]
    encode: Callable[[Any], Any]
    is_array: bool


class Resolver(Protocol):
    """Knows the names that a model's queries may use."""

    def resolve(self, segments: Sequence[str]) -> Resolved:
        """Find the stored path that `segments` name.

        Declared members come first. Inside an untyped place, all segments are keys except the last one when it is in
        `LOOKUPS`, so that ``__exact`` forces a key of such a name.

        Raises
        ------
        InvalidQuery
            A name is unknown; the message lists those that are alike.
        """
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """A resolved path with the lookup that is applied there."""

    resolved: Resolved
    lookup: str
    model: str | None

    @property
    def path(self) -> str:
        """The stored path."""
        return self.resolved.path

    def stored(self, value: Any) -> Any:
        """Give the stored form of an operand, or of one element of it."""
        try:
            value = self.resolved.encode(value)
        except ValueNotStorable as error:
            raise self.error(f"has an operand that cannot be stored ({error.code})") from None
        except AtomodmError:
            raise
        except Exception as error:
            # As when it is saved: what a converter says may show the value.
            raise self.error(f"has an operand that cannot be flattened ({type(error).__name__})") from None
        return stored_operand(value, f"the lookup {self.lookup!r}", path=self.path, model=self.model)

    def text(self, value: Any) -> str:
        """Give an operand that must be text."""
        if not isinstance(value, str):
            raise self.error(f"takes text, not {describe_type(value)}")
        return str(stored_operand(str(value), f"the lookup {self.lookup!r}", path=self.path, model=self.model))

    def flag(self, value: Any) -> bool:
        """Give an operand that must be a boolean."""
        if not isinstance(value, bool):
            raise self.error(f"takes True or False, not {describe_type(value)}")
        return value

    def error(self, problem: str) -> InvalidQuery:
        """Make the error that says what is wrong with the operand."""
        return InvalidQuery(f"the lookup {self.lookup!r} {problem}", path=self.path, model=self.model)


Lookup = Callable[[Place, Any], Node]


def compile_lookup(resolver: Resolver, name: str, value: Any, *, model: str | None = None) -> Node:
    """Make the condition that one keyword argument of ``filter`` stands for.

    Parameters
    ----------
    resolver : Resolver
    name : str
        ``path__to__field`` or ``path__to__field__lookup``.
    value : object
        The operand; None with ``exact`` means null or missing.
    model : str, optional
        For messages.

    Raises
    ------
    InvalidQuery
        A name is unknown or the operand makes no sense for the lookup; the message never has the operand.
    """
    resolved = resolver.resolve(split_name(name, model=model))
    if len(resolved.rest) > 1 or (resolved.rest and resolved.rest[0] not in LOOKUPS):
        raise InvalidQuery(
            f"{'__'.join(resolved.rest)!r} is no lookup; there are {', '.join(LOOKUPS)}",
            path=resolved.path,
            model=model,
        )
    lookup = resolved.rest[0] if resolved.rest else "exact"
    return LOOKUPS[lookup](Place(resolved, lookup, model), value)


def split_name(name: str, *, model: str | None = None) -> list[str]:
    """Split ``author__name`` into segments.

    Raises
    ------
    InvalidQuery
        A segment is empty.
    """
    segments = _SEPARATOR.split(name)
    if not all(segments):
        raise InvalidQuery(f"{name!r} has an empty part between double underscores", model=model)
    return segments


def _equality(place: Place, value: Any) -> Node:
    return Compare(place.path, Operator.EQ, None if value is None else place.stored(value))


def _inequality(place: Place, value: Any) -> Node:
    return negation(_equality(place, value))


def _comparison(how: Operator) -> Lookup:
    def compare(place: Place, value: Any) -> Node:
        if value is None:
            raise place.error("takes a value to compare with, not None; use isnull")
        return Compare(place.path, how, place.stored(value))

    return compare


def _membership(place: Place, value: Any) -> Node:
    if isinstance(value, str | bytes | bytearray | Mapping) or not isinstance(value, Iterable):
        raise place.error(f"takes a list of values, not {describe_type(value)}")
    return In(place.path, tuple(None if item is None else place.stored(item) for item in value))


def _text(kind: TextKind, ignore_case: bool) -> Lookup:
    def find(place: Place, value: Any) -> Node:
        return Text(place.path, kind, place.text(value), ignore_case)

    return find


def _contains(place: Place, value: Any) -> Node:
    if place.resolved.is_array:
        element = None if value is None else place.stored(value)
        if element is None or isinstance(element, list):
            # Equality would also match an array that is missing or that is this list.
            return ElementMatch(place.path, Compare(ELEMENT, Operator.EQ, element))
        return Compare(place.path, Operator.EQ, element)
    return Text(place.path, TextKind.CONTAINS, place.text(value))


def _presence(place: Place, value: Any) -> Node:
    return Exists(place.path, place.flag(value))


def _nullness(place: Place, value: Any) -> Node:
    is_null = Compare(place.path, Operator.EQ, None)
    return is_null if place.flag(value) else negation(is_null)


def _pattern(options: str) -> Lookup:
    def find(place: Place, value: Any) -> Node:
        letters = options
        if isinstance(value, re.Pattern):
            letters += regex_options(value.flags).replace("u", "")
            value = value.pattern
        return regex_node(place.path, place.text(value), letters)

    return find


#: All lookups by name. Those on text hold for each string of an array too; what ignoring case means is said in
#: `atomodm.query.patterns`.
LOOKUPS: Final[Mapping[str, Lookup]] = {
    "exact": _equality,
    "ne": _inequality,
    "gt": _comparison(Operator.GT),
    "gte": _comparison(Operator.GTE),
    "ge": _comparison(Operator.GTE),
    "lt": _comparison(Operator.LT),
    "lte": _comparison(Operator.LTE),
    "le": _comparison(Operator.LTE),
    "in": _membership,
    "contains": _contains,
    "icontains": _text(TextKind.CONTAINS, True),
    "startswith": _text(TextKind.STARTSWITH, False),
    "istartswith": _text(TextKind.STARTSWITH, True),
    "endswith": _text(TextKind.ENDSWITH, False),
    "iendswith": _text(TextKind.ENDSWITH, True),
    "exists": _presence,
    "isnull": _nullness,
    "regex": _pattern(""),
    "iregex": _pattern("i"),
}
