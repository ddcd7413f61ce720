"""The smallest model that refers to itself: for graphs of very many objects."""

from __future__ import annotations

from typing import Any

from atom.api import ForwardTyped, Int

from atomodm import NoSQLModel


class Link(NoSQLModel):
    """A part of a long chain."""

    value = Int()
    next: Any = ForwardTyped(lambda: Link)

    class Meta:
        app_label = "zoo"


def links(length: int) -> list[Link]:
    """New links, each of which refers to the following one."""
    found = [Link(value=position) for position in range(length)]
    for position in range(length - 1):
        found[position].next = found[position + 1]
    return found
