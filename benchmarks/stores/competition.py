"""Who takes part in the comparison on one database, and what their times are compared with."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..documents import FIELDS, Document
from .contestant import StoreContestant


@dataclass(frozen=True)
class Competition:
    """Contestants on one database.

    Attributes
    ----------
    about : str
        What their times depend on: versions and settings.
    contestants : sequence of StoreContestant
        In the order of the tables, the floors first.
    floors : mapping of str to str
        For each task the name of the contestant whose time is 1.
    goals : mapping of str to float
        The multiples of the floors that atomodm is to stay below, as far as there are any.
    memory : callable or None
        Prints what the documents cost in the memory of the server; where True is given, as the documentation has it.
    """

    about: str
    contestants: Sequence[StoreContestant]
    floors: Mapping[str, str]
    goals: Mapping[str, float] = field(default_factory=dict)
    memory: Callable[[Sequence[Document], bool], Coroutine[Any, Any, None]] | None = None


async def begin(contestant: StoreContestant, documents: Sequence[Document]) -> None:
    """Store the documents, and refuse a contestant that does not give them back: its times would mean nothing."""
    await contestant.open()
    await contestant.insert(contestant.make(documents))
    stored = {document["_id"]: document for document in map(contestant.values, await contestant.list())}
    if len(stored) != len(documents) or any(
        stored[document["_id"]][field] != document[field] for document in documents for field in FIELDS
    ):
        raise SystemExit(f"{contestant.name} does not give back what was stored")
