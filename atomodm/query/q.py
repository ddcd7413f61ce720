"""`Q`: lookups as objects that ``&``, ``|`` and ``~`` combine."""

from __future__ import annotations

from enum import Enum
from typing import Any, NoReturn

from ..errors import InvalidQuery, describe_type
from .filters import MAX_FILTER_DEPTH
from .lookups import Resolver, compile_lookup
from .nodes import Node, conjunction, disjunction, negation


class _Kind(Enum):
    LOOKUPS = "lookups"
    AND = "&"
    OR = "|"
    NOT = "~"


class Q:
    """Conditions of which all must hold, not yet bound to a model.

    Parameters
    ----------
    *conditions : Q
        Other conditions.
    **lookups : object
        As ``filter`` takes them, ``age__gte=30``.

    Notes
    -----
    A `Q` without conditions is neutral: it changes nothing that it is combined with, and alone it matches everything.
    A `Q` is immutable and can be pickled where its operands can.
    """

    __slots__ = ("_kind", "_parts")

    _kind: _Kind
    _parts: tuple[Any, ...]

    def __init__(self, /, *conditions: Q, **lookups: Any) -> None:
        parts = [condition for condition in map(check_condition, conditions) if condition]
        if lookups:
            parts.append(_make(_Kind.LOOKUPS, tuple(lookups.items())))
        if len(parts) == 1:
            _assign(self, parts[0]._kind, parts[0]._parts)
        else:
            _assign(self, _Kind.AND, tuple(parts))

    def __and__(self, other: Q) -> Q:
        return self._join(_Kind.AND, other)

    def __or__(self, other: Q) -> Q:
        return self._join(_Kind.OR, other)

    def __invert__(self) -> Q:
        if self._kind is _Kind.NOT:
            inner: Q = self._parts[0]
            return inner
        return _make(_Kind.NOT, (self,)) if self else self

    def __bool__(self) -> bool:
        """Whether there are conditions."""
        return bool(self._parts)

    def bind(self, resolver: Resolver, *, model: str | None = None) -> Node:
        """Resolve all names and give the syntax tree.

        Parameters
        ----------
        resolver : Resolver
        model : str, optional
            For messages.

        Raises
        ------
        InvalidQuery
            A lookup is wrong, see `atomodm.query.lookups.compile_lookup`; or conditions are nested too deep.
        """
        return self._bind(resolver, model, 0)

    def _bind(self, resolver: Resolver, model: str | None, depth: int) -> Node:
        if depth > MAX_FILTER_DEPTH:
            raise InvalidQuery(f"conditions are nested deeper than {MAX_FILTER_DEPTH} levels", model=model)
        if self._kind is _Kind.LOOKUPS:
            return conjunction(compile_lookup(resolver, name, value, model=model) for name, value in self._parts)
        parts = [part._bind(resolver, model, depth + 1) for part in self._parts]
        match self._kind:
            case _Kind.AND:
                return conjunction(parts)
            case _Kind.OR:
                return disjunction(parts)
            case _Kind.NOT:
                return negation(parts[0])

    def _join(self, kind: _Kind, other: Q) -> Q:
        if not isinstance(other, Q):
            return NotImplemented
        if not self or not other:
            return self or other
        # Longer chains stay flat, so that a thousand alternatives are one level deep.
        left = self._parts if self._kind is kind else (self,)
        right = other._parts if other._kind is kind else (other,)
        return _make(kind, (*left, *right))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Q):
            return NotImplemented
        return self._kind is other._kind and self._parts == other._parts

    # Operands may be lists.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        match self._kind:
            case _Kind.LOOKUPS:
                return f"Q({', '.join(f'{name}={value!r}' for name, value in self._parts)})"
            case _Kind.NOT:
                return f"~{self._parts[0]!r}"
            case _:
                return f"({f' {self._kind.value} '.join(map(repr, self._parts))})" if self else "Q()"

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, (self._kind, self._parts)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError("a Q is immutable; combine it with others by &, | and ~")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Q is immutable")


def check_condition(value: object) -> Q:
    """Give `value` if it is a `Q`.

    Raises
    ------
    InvalidQuery
        It is something else.
    """
    if not isinstance(value, Q):
        raise InvalidQuery(f"conditions are Q objects or keyword arguments, not {describe_type(value)}")
    return value


def _make(kind: _Kind, parts: tuple[Any, ...]) -> Q:
    condition = object.__new__(Q)
    _assign(condition, kind, parts)
    return condition


def _assign(condition: Q, kind: _Kind, parts: tuple[Any, ...]) -> None:
    object.__setattr__(condition, "_kind", kind)
    object.__setattr__(condition, "_parts", parts)
