"""MongoDB's filter language, read into the syntax tree.

What is not in the portable set is refused by name, at every depth, and never ignored. `atomodm.query.mongo` is the way
back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from bson import Regex as BSONRegex

from ..errors import InvalidQuery, describe_type
from .bits import parse_bits
from .bson_types import NUMBER, TYPE_NAMES
from .keys import regex_options
from .nodes import (
    ELEMENT,
    REFERENCE_FIELDS,
    AllOf,
    BitTest,
    Compare,
    ElementMatch,
    Exists,
    In,
    Modulo,
    Node,
    Operator,
    Regex,
    Size,
    TypeIs,
    conjunction,
    disjunction,
    negation,
    nodes_of,
)
from .numbers import integer, is_true, truncated
from .operands import stored_operand
from .patterns import check_patterns

#: Levels of operators inside operators that a filter may have.
MAX_FILTER_DEPTH = 100

_COMPARISONS = {"$gt": Operator.GT, "$gte": Operator.GTE, "$lt": Operator.LT, "$lte": Operator.LTE}
_TYPE_CODES = {name: code for code, name in TYPE_NAMES.items()}


def parse_filter(filter: Mapping[str, Any]) -> Node:
    """Read a filter of MongoDB's language.

    Parameters
    ----------
    filter : mapping
        Paths to values or to documents of operators: ``$eq $ne $gt $gte $lt $lte $in $nin $exists $type $all $size
        $elemMatch $mod $bitsAllSet $bitsAllClear $bitsAnySet $bitsAnyClear $regex $options $not``; and ``$and $or $nor
        $comment``. The comment has no meaning.

    Returns
    -------
    Node

    Raises
    ------
    InvalidQuery
        An operator is not in this set or has an operand that makes no sense.
    """
    node = _parse_document(filter, 0)
    check_patterns(inner for inner in nodes_of(node) if isinstance(inner, Regex))
    return node


def _parse_document(filter: Any, depth: int) -> Node:
    if depth > MAX_FILTER_DEPTH:
        raise InvalidQuery(f"a filter is nested deeper than {MAX_FILTER_DEPTH} levels")
    if not isinstance(filter, Mapping):
        raise InvalidQuery(f"a filter is a document, not {describe_type(filter)}")
    nodes: list[Node] = []
    for name, value in filter.items():
        if not isinstance(name, str):
            raise InvalidQuery(f"the keys of a filter are strings, not {describe_type(name)}")
        if name in _LOGIC:
            nodes.append(_LOGIC[name](_parse_clauses(name, value, depth + 1)))
        elif name in REFERENCE_FIELDS:
            # A field of a reference, as ``$elemMatch`` looks for it in an array of them.
            nodes.append(Compare(name, Operator.EQ, stored_operand(value, "equality", path=name)))
        elif name.startswith("$"):
            if name != "$comment":
                raise InvalidQuery(f"{name} is not supported in a filter")
        elif "\0" in name:
            raise InvalidQuery("a path holds a NUL character")
        else:
            nodes.append(_parse_field(name, value, depth + 1))
    return conjunction(nodes)


def _parse_clauses(name: str, value: Any, depth: int) -> list[Node]:
    if not isinstance(value, list | tuple) or not value:
        raise InvalidQuery(f"{name} takes a list of one filter or more")
    return [_parse_document(clause, depth) for clause in value]


_LOGIC: dict[str, Callable[[list[Node]], Node]] = {
    "$and": conjunction,
    "$or": disjunction,
    "$nor": lambda nodes: negation(disjunction(nodes)),
}


def _parse_field(path: str, value: Any, depth: int) -> Node:
    if isinstance(value, re.Pattern | BSONRegex):
        return _regex(path, value, "a regular expression")
    if _has_operators(value):
        return _parse_operators(path, value, depth)
    return Compare(path, Operator.EQ, stored_operand(value, "equality", path=path))


def _has_operators(value: Any) -> bool:
    """Whether `value` is a document of operators, which its first name decides, and not one to compare with."""
    if not isinstance(value, Mapping) or not value:
        return False
    first = next(iter(value))
    if not isinstance(first, str) or not first.startswith("$"):
        return False
    return not (first in REFERENCE_FIELDS and "$ref" in value and "$id" in value)


def _parse_operators(path: str, operators: Mapping[str, Any], depth: int) -> Node:
    if depth > MAX_FILTER_DEPTH:
        raise InvalidQuery(f"a filter is nested deeper than {MAX_FILTER_DEPTH} levels", path=_shown(path))
    nodes: list[Node] = []
    for name, operand in operators.items():
        if name == "$regex":
            nodes.append(_parse_regex(path, operand, operators.get("$options", "")))
        elif name == "$options":
            if "$regex" not in operators:
                raise InvalidQuery("$options needs a $regex", path=_shown(path))
        elif not isinstance(name, str):
            raise InvalidQuery(f"the keys of a filter are strings, not {describe_type(name)}", path=_shown(path))
        elif not name.startswith("$"):
            raise InvalidQuery(
                f"a document mixes the operator {next(iter(operators))} with fields; compare with it by $eq",
                path=_shown(path),
            )
        elif name in _OPERATORS:
            nodes.append(_OPERATORS[name](path, operand, depth))
        else:
            raise InvalidQuery(f"{name} is not supported in a filter", path=_shown(path))
    return conjunction(nodes)


def _shown(path: str) -> str | None:
    return None if path == ELEMENT else path


# -- operators ---------------------------------------------------------------------------------------------------------


def _parse_equal(path: str, operand: Any, depth: int) -> Node:
    return Compare(path, Operator.EQ, stored_operand(operand, "$eq", path=_shown(path)))


def _parse_not_equal(path: str, operand: Any, depth: int) -> Node:
    if isinstance(operand, re.Pattern | BSONRegex):
        raise InvalidQuery("$ne takes no regular expression; use $not", path=_shown(path))
    return negation(Compare(path, Operator.EQ, stored_operand(operand, "$ne", path=_shown(path))))


def _comparison(name: str) -> Callable[[str, Any, int], Node]:
    def parse(path: str, operand: Any, depth: int) -> Node:
        if isinstance(operand, re.Pattern | BSONRegex):
            raise InvalidQuery(f"{name} takes no regular expression", path=_shown(path))
        return Compare(path, _COMPARISONS[name], stored_operand(operand, name, path=_shown(path)))

    return parse


def _parse_in(path: str, operand: Any, depth: int, name: str = "$in") -> Node:
    values, patterns = _split(path, operand, name)
    nodes: list[Node] = [_regex(path, pattern, name) for pattern in patterns]
    return disjunction([In(path, values), *nodes] if values or not nodes else nodes)


def _parse_not_in(path: str, operand: Any, depth: int) -> Node:
    return negation(_parse_in(path, operand, depth, "$nin"))


def _split(path: str, operand: Any, name: str) -> tuple[tuple[Any, ...], list[Any]]:
    """Split a list into values and regular expressions."""
    if not isinstance(operand, list | tuple):
        raise InvalidQuery(f"{name} takes a list, not {describe_type(operand)}", path=_shown(path))
    patterns = [item for item in operand if isinstance(item, re.Pattern | BSONRegex)]
    values = [item for item in operand if not isinstance(item, re.Pattern | BSONRegex)] if patterns else operand
    for value in values:
        if _has_operators(value):
            raise InvalidQuery(f"{name} takes values, not the operator {next(iter(value))}", path=_shown(path))
    return tuple(stored_operand(values, name, path=_shown(path))), patterns


def _parse_all(path: str, operand: Any, depth: int) -> Node:
    if not isinstance(operand, list | tuple):
        raise InvalidQuery(f"$all takes a list, not {describe_type(operand)}", path=_shown(path))
    elements = [isinstance(item, Mapping) and list(item) == ["$elemMatch"] for item in operand]
    if elements and all(elements):
        return conjunction(_parse_element_match(path, item["$elemMatch"], depth + 1) for item in operand)
    values, patterns = _split(path, operand, "$all")
    nodes: list[Node] = [_regex(path, pattern, "$all") for pattern in patterns]
    return conjunction([AllOf(path, values), *nodes] if values or not nodes else nodes)


def _parse_exists(path: str, operand: Any, depth: int) -> Node:
    return Exists(path, is_true(operand))


def _parse_type(path: str, operand: Any, depth: int) -> Node:
    types = operand if isinstance(operand, list | tuple) else [operand]
    if not types:
        raise InvalidQuery("$type takes one type or more", path=_shown(path), server_code=9)
    names: list[str] = []
    for item in types:
        code = integer(item)
        name = TYPE_NAMES.get(code) if code is not None else item
        if not isinstance(name, str) or (name != NUMBER and name not in _TYPE_CODES):
            raise InvalidQuery(
                f"$type takes {NUMBER}, {', '.join(_TYPE_CODES)}, or their numbers",
                path=_shown(path),
                server_code=2 if isinstance(item, str | int | float) and not isinstance(item, bool) else 14,
            )
        names.append(name)
    return TypeIs(path, tuple(names))


def _parse_size(path: str, operand: Any, depth: int) -> Node:
    size = integer(operand)
    if size is None or size < 0:
        raise InvalidQuery("$size takes an integer that is not negative", path=_shown(path))
    return Size(path, size)


def _parse_modulo(path: str, operand: Any, depth: int) -> Node:
    parts: Sequence[Any] = operand if isinstance(operand, list | tuple) else ()
    numbers = [truncated(part) for part in parts]
    if len(numbers) != 2 or numbers[0] is None or numbers[1] is None or not numbers[0]:
        raise InvalidQuery(
            "$mod takes a list of a divisor that is not zero and a remainder, both within 64 bits", path=_shown(path)
        )
    return Modulo(path, numbers[0], numbers[1])


def _parse_element_match(path: str, operand: Any, depth: int) -> Node:
    if not isinstance(operand, Mapping):
        raise InvalidQuery(f"$elemMatch takes a document, not {describe_type(operand)}", path=_shown(path))
    first = next(iter(operand), "")
    if _has_operators(operand) and first not in _LOGIC and first not in REFERENCE_FIELDS:
        return ElementMatch(path, _parse_operators(ELEMENT, operand, depth + 1))
    return ElementMatch(path, _parse_document(operand, depth + 1))


def _bits(how: BitTest) -> Callable[[str, Any, int], Node]:
    return lambda path, operand, depth: parse_bits(path, how, operand, shown=_shown(path))


def _parse_not(path: str, operand: Any, depth: int) -> Node:
    if isinstance(operand, re.Pattern | BSONRegex):
        return negation(_regex(path, operand, "$not"))
    if not _has_operators(operand):
        raise InvalidQuery("$not takes a document of operators or a regular expression", path=_shown(path))
    return negation(_parse_operators(path, operand, depth + 1))


_OPERATORS: dict[str, Callable[[str, Any, int], Node]] = {
    "$eq": _parse_equal,
    "$ne": _parse_not_equal,
    **{name: _comparison(name) for name in _COMPARISONS},
    "$in": _parse_in,
    "$nin": _parse_not_in,
    "$all": _parse_all,
    "$exists": _parse_exists,
    "$type": _parse_type,
    "$size": _parse_size,
    "$mod": _parse_modulo,
    **{how.value: _bits(how) for how in BitTest},
    "$elemMatch": _parse_element_match,
    "$not": _parse_not,
}

#: The operators that a filter may have.
FILTER_OPERATORS: Final = frozenset({*_LOGIC, *_OPERATORS, "$regex", "$options", "$comment"})


# -- regular expressions -----------------------------------------------------------------------------------------------


def _parse_regex(path: str, operand: Any, options: Any) -> Node:
    if isinstance(operand, re.Pattern | BSONRegex):
        own = _regex(path, operand, "$regex")
        if options == "":
            return own
        if own.options:
            raise InvalidQuery(
                "the options are given twice, in $regex and in $options", path=_shown(path), server_code=51075
            )
        operand = own.pattern
    if not isinstance(operand, str) or not isinstance(options, str):
        raise InvalidQuery("$regex and $options take text", path=_shown(path))
    return _unchecked_regex(path, operand, options.replace("u", ""))


def _regex(path: str, value: Any, what: str) -> Regex:
    if not isinstance(value.pattern, str):
        raise InvalidQuery(f"{what} takes a pattern of text, not of bytes", path=_shown(path))
    # Text is always Unicode.
    return _unchecked_regex(path, value.pattern, regex_options(value.flags).replace("u", ""))


def _unchecked_regex(path: str, pattern: str, options: str) -> Regex:
    pattern = stored_operand(pattern, "a regular expression", path=_shown(path))
    return Regex(path, pattern, "".join(sorted(set(options))))


def regex_node(path: str, pattern: str, options: str = "") -> Regex:
    """Make a `Regex` whose pattern and options are known to be good.

    Raises
    ------
    InvalidQuery
        They are not.
    """
    node = _unchecked_regex(path, pattern, options)
    check_patterns([node])
    return node
