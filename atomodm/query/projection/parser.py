"""MongoDB's language of projections, read into a tree of fields.

What is not in the portable set is refused by name, and every refusal has the server's code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

from bson import Decimal128

from ...errors import InvalidQuery, describe_type
from ..evaluator import Matcher, element_test
from ..filters import parse_filter
from ..nodes import ElementMatch
from ..numbers import is_true
from ..paths import field_parts

#: The operators that a projection may have, beside the positional ``.$`` at the end of a path.
PROJECTION_OPERATORS: Final = ("$slice", "$elemMatch")
#: Levels of documents inside of each other that a projection may have.
MAX_PROJECTION_DEPTH = 100

_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of an array: `limit` elements after the first `skip`; without `skip` a negative `limit` means the last."""

    skip: int | None
    limit: int


@dataclass(frozen=True, slots=True)
class FirstMatch:
    """The first element of an array that `matches`."""

    matches: Matcher


@dataclass(frozen=True, slots=True)
class Positional:
    """The element through which the filter matched."""


#: What is asked of a field: whether it is there, a part of its array, or what is asked of the fields inside of it.
Leaf = bool | Slice | FirstMatch | Positional
Tree = dict[str, "Leaf | Tree"]


@dataclass(slots=True)
class Projection:
    """A projection that was read.

    Attributes
    ----------
    tree : dict
        Field names to leaves and further trees, in the projection's order.
    inclusion : bool
        Whether only the fields that are named are given, or all others.
    operators : list of (tuple of str, leaf)
        Where the tree has leaves that are more than a flag, in the projection's order.
    """

    tree: Tree = field(default_factory=dict)
    inclusion: bool = False
    operators: list[tuple[tuple[str, ...], Slice | FirstMatch | Positional]] = field(default_factory=list)


def parse_projection(projection: Mapping[str, Any] | Sequence[str] | AbstractSet[str]) -> Projection:
    """Read a projection of MongoDB's language.

    Parameters
    ----------
    projection : mapping, or sequence or set of str
        Names of fields to be given; or paths to flags, to documents of further paths, to ``$slice`` or ``$elemMatch``;
        a path may end with ``.$``.

    Raises
    ------
    InvalidQuery
        It is not in this set or contradicts itself.
    """
    if not isinstance(projection, Mapping):
        if isinstance(projection, str | bytes) or not isinstance(projection, Sequence | AbstractSet):
            raise InvalidQuery(
                f"a projection is a document or a list of names, not {describe_type(projection)}", server_code=14
            )
        projection = dict.fromkeys(projection, 1)
    parser = _Parser()
    parser.read(projection, parser.result.tree, ())
    return parser.finish()


class _Parser:
    def __init__(self) -> None:
        self.result = Projection()
        self.inclusion: bool | None = None
        #: Whether ``_id`` as a whole is asked for, left out or not named; and whether it or a field of it is named.
        self.id: bool | None = None
        self.id_named = False

    def read(self, projection: Mapping[Any, Any], tree: Tree, above: tuple[str, ...]) -> None:
        """Read a projection, or the part of it that is under the path `above`, into `tree`."""
        if len(above) > MAX_PROJECTION_DEPTH:
            raise InvalidQuery(f"a projection is nested deeper than {MAX_PROJECTION_DEPTH} levels")
        for name, value in projection.items():
            if not isinstance(name, str):
                raise InvalidQuery(f"the names in a projection are strings, not {describe_type(name)}", server_code=14)
            if not above and (name == "_id" or name.startswith("_id.")):
                self.id_named = True
            if isinstance(value, Mapping):
                self.read_document(name, value, tree, above)
            elif isinstance(value, bool | int | float | Decimal128):
                self.read_flag(name, is_true(value), tree, above)
            else:
                raise InvalidQuery(
                    f"a projection takes flags, documents, $slice and $elemMatch; {describe_type(value)} as a computed "
                    "field is not supported",
                    path=_path(above, name),
                )

    def read_flag(self, name: str, wanted: bool, tree: Tree, above: tuple[str, ...]) -> None:
        """Read a field that is to be given or left out."""
        path = _path(above, name)
        if wanted and (name.endswith(".$") or ".$." in name):
            self.add(_positional_parts(name, path), self.positional(path), tree, above)
        else:
            self.add(_parts(name, path), wanted, tree, above)
        if not above and name == "_id":
            self.id = wanted
            return
        if self.inclusion not in (None, wanted):
            if wanted:
                raise InvalidQuery(
                    "a projection that leaves fields out cannot name one to be given", path=path, server_code=31253
                )
            raise InvalidQuery(
                "a projection that names fields to be given cannot leave one out", path=path, server_code=31254
            )
        self.inclusion = wanted

    def read_document(self, name: str, value: Mapping[Any, Any], tree: Tree, above: tuple[str, ...]) -> None:
        """Read an operator or the fields inside of a field."""
        path = _path(above, name)
        if name.endswith(".$") or ".$." in name:
            raise InvalidQuery("a positional projection takes a flag, not a document", path=path, server_code=31271)
        parts = _parts(name, path)
        operator = next(iter(value), "")
        if len(value) == 1 and isinstance(operator, str) and operator.startswith("$"):
            if operator not in PROJECTION_OPERATORS:
                raise InvalidQuery(f"{operator} is not supported in a projection", path=path, server_code=31325)
            operand = value[operator]
            leaf = _slice(operand, path) if operator == "$slice" else self.first_match(name, operand, above)
            self.add(parts, leaf, tree, above)
            return
        if not value:
            raise InvalidQuery("a projection has an empty document", path=path, server_code=51270)
        inner: Tree = {}
        self.add(parts, inner, tree, above)
        self.read(value, inner, (*above, *parts))

    def positional(self, path: str) -> Positional:
        """Make the leaf of a path that ended with ``.$``."""
        leaves = [leaf for _, leaf in self.result.operators]
        if any(isinstance(leaf, Positional) for leaf in leaves):
            raise InvalidQuery("a projection has more than one positional path", path=path, server_code=31276)
        if any(isinstance(leaf, FirstMatch) for leaf in leaves):
            raise InvalidQuery("a projection has a positional path and $elemMatch", path=path, server_code=31256)
        return Positional()

    def first_match(self, name: str, operand: Any, above: tuple[str, ...]) -> FirstMatch:
        """Make the leaf of an ``$elemMatch``."""
        path = _path(above, name)
        if not isinstance(operand, Mapping):
            raise InvalidQuery(
                f"$elemMatch takes a document, not {describe_type(operand)}", path=path, server_code=31274
            )
        if any(isinstance(leaf, Positional) for _, leaf in self.result.operators):
            raise InvalidQuery("a projection has a positional path and $elemMatch", path=path, server_code=31255)
        if "." in path:
            raise InvalidQuery("$elemMatch is for fields of the whole document only", path=path, server_code=31275)
        condition = parse_filter({path: {"$elemMatch": operand}})
        assert isinstance(condition, ElementMatch)
        return FirstMatch(element_test(path, condition.filter))

    def add(self, parts: tuple[str, ...], leaf: Leaf | Tree, tree: Tree, above: tuple[str, ...]) -> None:
        """Put `leaf` at the path `parts` in `tree`."""
        path = ".".join((*above, *parts))
        for part in parts[:-1]:
            inner = tree.setdefault(part, {})
            if not isinstance(inner, dict):
                raise InvalidQuery("a projection names a field and one inside of it", path=path, server_code=31249)
            tree = inner
        if parts[-1] in tree:
            raise InvalidQuery("a projection names a field twice, or one inside of it", path=path, server_code=31250)
        tree[parts[-1]] = leaf
        if not isinstance(leaf, bool | dict):
            self.result.operators.append(((*above, *parts), leaf))

    def finish(self) -> Projection:
        """Decide between inclusion and exclusion where only operators and ``_id`` are named, and what becomes of it."""
        result, tree = self.result, self.result.tree
        leaves = [leaf for _, leaf in result.operators]
        if self.inclusion is not None:
            result.inclusion = self.inclusion
        elif any(isinstance(leaf, Slice) for leaf in leaves):
            result.inclusion = self.id is True
        else:
            result.inclusion = self.id is True or any(isinstance(leaf, FirstMatch) for leaf in leaves)
        if result.inclusion and not self.id_named:
            tree["_id"] = True
        return result


def _path(above: tuple[str, ...], name: str) -> str:
    return ".".join((*above, name))


def _positional_parts(name: str, path: str) -> tuple[str, ...]:
    before, _, after = f"{name}.".partition(".$.")
    if after:
        twice = after.startswith("$.") or ".$." in after
        message = "is there twice" if twice else "is at the end of a path only"
        raise InvalidQuery(f"the positional .$ {message}", path=path, server_code=31287 if twice else 31394)
    return _parts(before, path)


def _parts(name: str, path: str) -> tuple[str, ...]:
    """Split a dotted name, which must be one that a document can have."""
    parts = field_parts(name, "a projection", path=path)
    if len(parts) > MAX_PROJECTION_DEPTH:
        raise InvalidQuery(f"a projection is nested deeper than {MAX_PROJECTION_DEPTH} levels")
    return parts


def _slice(operand: Any, path: str) -> Slice:
    limit = _int32(operand)
    if limit is not None:
        return Slice(None, limit)
    if not isinstance(operand, list | tuple) or len(operand) != 2:
        raise InvalidQuery("$slice takes a number or a list of two", path=path, server_code=28667)
    skip, limit = _int32(operand[0]), _int32(operand[1])
    if skip is None or limit is None or limit <= 0:
        raise InvalidQuery(
            "$slice takes a number, or numbers to skip and to give, of which the latter is positive",
            path=path,
            server_code=28724,
        )
    return Slice(skip, limit)


def _int32(value: Any) -> int | None:
    """Give a number as a server reads it where it wants 32 bits: cut off, and the nearest one that fits."""
    if isinstance(value, Decimal128):
        number = value.to_decimal()
        value = float(number) if not number.is_snan() else math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if value != value:
        return 0
    return int(min(max(value, _INT32_MIN), _INT32_MAX))
