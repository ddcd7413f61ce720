"""What every contestant does: list, insert, get by id, save one changed member, find by an index."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from ..documents import Document
from .contestant import StoreContestant

#: Finds in one run.
FINDS = 20
#: An age that about one of seventy people has.
AGE = 42


@dataclass(frozen=True)
class Task:
    """One table.

    Attributes
    ----------
    name : str
        On the command line.
    title : str
    each : str
        What the times are given for.
    count : int
        How many of those one run does.
    run : callable
        Does it once with a contestant.
    prepare : callable or None
        Awaited before each run; not timed.
    """

    name: str
    title: str
    each: str
    count: int
    run: Callable[[StoreContestant], Coroutine[Any, Any, Any]]
    prepare: Callable[[StoreContestant], Coroutine[Any, Any, Any]] | None = None


class Tasks:
    """The tasks on some documents, and what is kept for them between preparing and running.

    Parameters
    ----------
    documents : sequence of dict
    single : int
        How many objects are read and saved one by one in a run.
    """

    def __init__(self, documents: Sequence[Document], single: int) -> None:
        self._documents = documents
        self._ids = [document["_id"] for document in random.Random(2).sample(documents, single)]
        self._ready: dict[StoreContestant, Any] = {}
        self._random = random.Random(3)
        found = sum(document["age"] == AGE for document in documents)
        count = len(documents)
        self.all = (
            Task("list", f"List {count:,} objects", "object", count, self._list),
            Task(
                "insert",
                f"Insert {count:,} objects with two indexes",
                "object",
                count,
                self._insert,
                self._make_room,
            ),
            Task("get", "Get an object by its id", "object", single, self._get),
            Task("save", "Save one changed member", "save", single, self._save, self._read_some),
            Task("find", f"Find {found} objects by an index", "find", FINDS, self._find),
        )

    async def _list(self, contestant: StoreContestant) -> Sequence[Any]:
        return await contestant.list()

    async def _make_room(self, contestant: StoreContestant) -> None:
        self._ready.pop(contestant, None)
        await contestant.empty()
        await contestant.settle()
        self._ready[contestant] = contestant.make(self._documents)

    async def _insert(self, contestant: StoreContestant) -> None:
        await contestant.insert(self._ready[contestant])

    async def _get(self, contestant: StoreContestant) -> None:
        self._ready.pop(contestant, None)  # what somebody holds need not be made
        await contestant.get(self._ids)

    async def _read_some(self, contestant: StoreContestant) -> None:
        await contestant.settle()
        objects = (await contestant.list())[: len(self._ids)]
        self._ready[contestant] = await contestant.edits(objects, self._random.random())

    async def _save(self, contestant: StoreContestant) -> None:
        await contestant.save(self._ready[contestant])

    async def _find(self, contestant: StoreContestant) -> None:
        self._ready.pop(contestant, None)
        for _ in range(FINDS):
            await contestant.find(AGE)
