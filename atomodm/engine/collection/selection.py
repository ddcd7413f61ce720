"""Which documents a write is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...query.evaluator import compile_filter
from ...query.nodes import And, Compare, Node, Operator
from ...query.paths import MISSING


@dataclass(frozen=True, slots=True)
class Selection:
    """The documents that match a filter, and which of them comes first.

    Attributes
    ----------
    node : Node
    matches : callable
        ``f(document) -> bool``: whether a document matches.
    sort : sequence of (str, int)
        Where it is empty any of them may be the first.
    hint : str or None
        The index to find them by.
    id : object
        The id of the only document that may match; `MISSING` where the filter does not say so.
    """

    node: Node
    matches: Callable[[Mapping[str, Any]], bool]
    sort: tuple[tuple[str, int], ...]
    hint: str | None
    id: Any

    @classmethod
    def of(cls, node: Node, sort: tuple[tuple[str, int], ...] = (), hint: str | None = None) -> Selection:
        """Make a selection."""
        # An index that is asked for by name is looked at, if only to say that there is none.
        return cls(node, compile_filter(node), sort, hint, MISSING if hint else only_id(node))

    def only(self, id: Any) -> Selection:
        """The document with this id, if it matches."""
        return Selection(self.node, self.matches, (), None, id)

    @property
    def is_one(self) -> bool:
        """Whether only the document with `id` may match."""
        return self.id is not MISSING


def only_id(node: Node) -> Any:
    """The id of the only document that can match; `MISSING` where the filter does not say so."""
    for condition in node.children if isinstance(node, And) else (node,):
        if isinstance(condition, Compare) and condition.path == "_id" and condition.operator is Operator.EQ:
            return condition.value
    return MISSING
