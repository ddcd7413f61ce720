"""Conditions with very many values, which take a while to plan."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from ...breathing import without_collecting
from ...query.nodes import And, In, Node, Or
from .candidates import Candidate

#: Values above which planning would hold up the event loop.
LARGE = 5000


async def listed(find: Callable[[], Iterable[Candidate]], conditions: Sequence[Node]) -> Iterable[Candidate]:
    """The candidates that a function finds; where it takes a while it runs in a thread, and the loop goes on.

    Parameters
    ----------
    find : callable
        Reads nothing but what nobody changes.
    conditions : sequence of Node
        What it looks at.
    """
    if sum(map(_values_in, conditions)) < LARGE:
        return find()
    return await asyncio.to_thread(_all, find)


def _all(find: Callable[[], Iterable[Candidate]]) -> list[Candidate]:
    # Of what is made nothing is garbage.
    with without_collecting():
        return list(find())


def _values_in(node: Node) -> int:
    match node:
        case In(_, values):
            return len(values)
        case And(children) | Or(children):
            return sum(map(_values_in, children))
        case _:
            return 0
