"""The syntax tree written in MongoDB's filter language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bson import DBRef
from bson import Regex as BSONRegex

from ..errors import InvalidQuery
from .nodes import (
    ELEMENT,
    REFERENCE_FIELDS,
    All,
    AllOf,
    And,
    Bits,
    Compare,
    ElementMatch,
    Exists,
    In,
    Modulo,
    Node,
    Not,
    Nothing,
    Operator,
    Or,
    Regex,
    Size,
    Text,
    TypeIs,
    paths_of,
)
from .patterns import literal_pattern

_COMPARISONS = {
    Operator.EQ: "$eq",
    Operator.GT: "$gt",
    Operator.GTE: "$gte",
    Operator.LT: "$lt",
    Operator.LTE: "$lte",
}
#: What a filter cannot say by naming the value alone.
_AMBIGUOUS = (Mapping, DBRef, BSONRegex, re.Pattern)


def to_mongo(node: Node) -> dict[str, Any]:
    """Write `node` as a filter; `atomodm.query.filters.parse_filter` reads it as one that means the same.

    Raises
    ------
    InvalidQuery
        The language cannot say this of an array's element: it has neither ``$and`` nor ``$or`` there, so there cannot
        be two conditions of one kind.
    """
    match node:
        case All():
            return {}
        case Nothing():
            return {"$nor": [{}]}
        case And(children):
            return _merge([to_mongo(child) for child in children])
        case Or(children):
            values = _listed(node)
            path = next(paths_of(node))
            if values is not None:
                return {path: {"$in": values}}
            return {"$or": [to_mongo(child) for child in children]}
        case Not(And() | All() | Nothing() as child):
            return {"$nor": [to_mongo(child)]}
        case Not(Or(children) as child) if _listed(child) is None:
            return {"$nor": [to_mongo(inner) for inner in children]}
        case Compare(path, Operator.EQ, value) if path in REFERENCE_FIELDS or not isinstance(value, _AMBIGUOUS):
            return {path: value}
        case _:
            return {next(paths_of(node)): _operators(node)}


def _merge(filters: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Join filters in one document where no key is lost by it."""
    merged: dict[str, Any] = {}
    for filter in filters:
        for key, value in filter.items():
            if key not in merged:
                merged[key] = value
            elif (
                key not in REFERENCE_FIELDS
                and all(map(_is_operators, (merged[key], value)))
                and merged[key].keys().isdisjoint(value)
            ):
                merged[key] = {**merged[key], **value}
            else:
                return {"$and": list(filters)}
    return merged


def _is_operators(value: Any) -> bool:
    # A document to compare with is always written with $eq.
    return isinstance(value, dict)


def _operators(node: Node) -> dict[str, Any]:
    """Write a condition on one place as a document of operators."""
    match node:
        case Compare(_, how, value):
            return {_COMPARISONS[how]: value}
        case AllOf(_, values):
            return {"$all": _plain(node, values)}
        case Exists(_, present):
            return {"$exists": present}
        case Text(_, kind, text, ignore_case):
            pattern = literal_pattern(kind, text)
            return {"$regex": pattern, "$options": "i"} if ignore_case else {"$regex": pattern}
        case Regex(_, pattern, options):
            return {"$regex": pattern, "$options": options} if options else {"$regex": pattern}
        case TypeIs(_, types):
            return {"$type": list(types) if len(types) > 1 else types[0]}
        case Size(_, size):
            return {"$size": size}
        case Modulo(_, divisor, remainder):
            return {"$mod": [divisor, remainder]}
        case Bits(_, how, positions):
            return {how.value: list(positions)}
        case ElementMatch(_, inner):
            of_element = ELEMENT in paths_of(inner)
            return {"$elemMatch": _operators(inner) if of_element else to_mongo(inner)}
        case In(_, values):
            return {"$in": _plain(node, values)}
        case Or() if (listed := _listed(node)) is not None:
            return {"$in": listed}
        case Not(Compare(_, Operator.EQ, value)) if not isinstance(value, BSONRegex | re.Pattern):
            return {"$ne": value}
        case Not(child):
            operators = _operators(child)
            return {"$nin": operators["$in"]} if list(operators) == ["$in"] else {"$not": operators}
        case And(children):
            parts = [_operators(child) for child in children]
            if sum(map(len, parts)) == len({name for part in parts for name in part}):
                return {name: operand for part in parts for name, operand in part.items()}
    raise InvalidQuery("MongoDB's filters cannot say this of an array's element")


def _plain(node: Node, values: tuple[Any, ...]) -> list[Any]:
    if any(isinstance(value, BSONRegex | re.Pattern) for value in values):
        raise InvalidQuery(
            "MongoDB's filters cannot look for stored regular expressions in a list", path=next(paths_of(node))
        )
    return list(values)


def _listed(node: Or) -> list[Any] | None:
    """Give the operand of ``$in`` if `node` is a list of values with regular expressions among them."""
    match node.children:
        case (In(path, values), *patterns):
            pass
        case (Regex(path), *_) as patterns:
            values = ()
        case _:
            return None
    if any(not isinstance(pattern, Regex) or pattern.path != path for pattern in patterns):
        return None
    if any(isinstance(value, BSONRegex | re.Pattern) for value in values):
        return None
    return [*values, *(BSONRegex(p.pattern, p.options) for p in patterns if isinstance(p, Regex))]
