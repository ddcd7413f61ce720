"""Somebody who turns stored bytes into objects, and objects into documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .documents import Document

#: Documents as they are stored.
Blobs = Sequence[bytes]


@dataclass(frozen=True)
class Contestant:
    """One library in the comparison.

    Attributes
    ----------
    name : str
        For the table.
    hydrate : callable
        Stored bytes to live objects, in their order.
    flatten : callable
        One object to a document that BSON can encode; encoding is not part of it.
    """

    name: str
    hydrate: Callable[[Blobs], list[Any]]
    flatten: Callable[[Any], Document]
