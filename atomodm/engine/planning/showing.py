"""The bounds of a scan as text; field values are shown because the asker supplied them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...query.keys import encode_key
from ...query.nodes import Compare, In, Node, Operator, Text, TextKind, describe

_LOWS = (Operator.GT, Operator.GTE)


def show_bounds(used: Sequence[tuple[str, Sequence[Node]]]) -> str:
    """Write bounds field by field, as in ``age: [30, inf), name: ['a', 'a'], ['b', 'b']``."""
    return ", ".join(f"{path}: {_show(conditions)}" for path, conditions in used) or "everything"


def _show(conditions: Sequence[Node]) -> str:
    if len(conditions) == 1:
        match conditions[0]:
            case Compare(_, Operator.EQ, value):
                return _point(value)
            case In(_, values):
                by_key = {encode_key(value): value for value in values}
                return ", ".join(_point(by_key[key]) for key in sorted(by_key)) or "nothing"
            case Text(_, TextKind.STARTSWITH, text, False):
                return f"[{text!r}, {text!r}…)"
    comparisons = [node for node in conditions if isinstance(node, Compare) and node.operator is not Operator.EQ]
    if len(comparisons) < len(conditions):
        return " and ".join(map(describe, conditions))
    lows = [node for node in comparisons if node.operator in _LOWS]
    highs = [node for node in comparisons if node.operator not in _LOWS]
    low, high = "(-inf", "inf)"
    if lows:
        # Of equal values the one that is left out is the tighter bound.
        tightest = max(lows, key=lambda node: (encode_key(node.value), node.operator is Operator.GT))
        low = f"{'(' if tightest.operator is Operator.GT else '['}{tightest.value!r}"
    if highs:
        tightest = min(highs, key=lambda node: (encode_key(node.value), node.operator is not Operator.LT))
        high = f"{tightest.value!r}{')' if tightest.operator is Operator.LT else ']'}"
    return f"{low}, {high}"


def _point(value: Any) -> str:
    return f"[{value!r}, {value!r}]"
