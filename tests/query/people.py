"""A small collection of people, with a resolver and a source as a model has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any

from bson import ObjectId

from atomodm.contract.finding import Explanation, Find
from atomodm.errors import InvalidQuery, ValueNotStorable
from atomodm.query.evaluator import compile_filter
from atomodm.query.lookups import LOOKUPS, Resolved
from atomodm.query.nodes import ALL, Compare, Node, Operator
from atomodm.query.sorting import sort_key

Document = dict[str, Any]

PEOPLE: list[Document] = [
    {"_id": 1, "n": "Ann", "age": 31, "tags": ["a", "b"], "home": {"city": "Ulm"}, "attrs": {"size": 1}},
    {"_id": 2, "n": "Bob", "age": 25, "tags": [], "home": {"city": "Bonn"}, "born": datetime(2001, 5, 1)},
    {"_id": 3, "n": "Cid", "age": 31, "tags": ["b"], "home": None, "attrs": {"in": 5, "deep": {"er": 7}}},
    {"_id": 4, "n": "Dan", "age": None, "tags": ["c"], "home": {"city": "ulm"}},
    {"_id": 5, "n": "Eve", "tags": ["a"], "home": {"city": "Köln"}, "attrs": {"size": 3}},
]

_STORED = {"name": "n", "age": "age", "tags": "tags", "home": "home", "born": "born", "_id": "_id", "class_": "class_"}


class PeopleResolver:
    """Resolves ``home__city``, and any keys inside of ``attrs``."""

    def resolve(self, segments: Sequence[str]) -> Resolved:
        first, *rest = segments
        if first == "attrs":
            keys, lookup = (rest[:-1], rest[-1:]) if rest and rest[-1] in LOOKUPS else (rest, [])
            return Resolved(".".join(["attrs", *keys]), tuple(lookup), lambda value: value, False)
        if first not in _STORED:
            close = get_close_matches(first, _STORED) or list(_STORED)
            raise InvalidQuery(f"{first!r} is no member; did you mean {', '.join(close)}?", model="Person")
        path = _STORED[first]
        if first == "home" and rest and rest[0] in ("city", "_id"):
            path = f"home.{rest.pop(0)}"
        return Resolved(path, tuple(rest), _encode, first == "tags")


def _encode(value: Any) -> Any:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, complex):
        raise ValueNotStorable("no complex numbers here")
    return value


class PeopleSource:
    """Answers queries from `PEOPLE` two at a time and counts what is open."""

    model = "Person"
    base_filter: Node = ALL

    def __init__(self, ordering: Sequence[str] = (), documents: Sequence[Document] = PEOPLE) -> None:
        self.resolver = PeopleResolver()
        self.ordering = ordering
        self.documents = documents
        self.open_cursors = 0
        self.given = 0
        self.finds: list[tuple[Find, int | None]] = []
        self.updates: list[tuple[Mapping[str, Any] | None, Mapping[str, Any]]] = []

    def _answer(self, find: Find) -> list[Document]:
        matches = compile_filter(find.filter)
        found = sorted((document for document in self.documents if matches(document)), key=sort_key(find.sort))
        return found[find.skip : None if find.limit is None else find.skip + find.limit]

    async def objects(self, find: Find, fetch: int | None) -> AsyncIterator[list[Document]]:
        self.finds.append((find, fetch))
        self.open_cursors += 1
        try:
            answer = self._answer(find)
            for start in range(0, len(answer), 2):
                await asyncio.sleep(0)
                chunk = answer[start : start + 2]
                self.given += len(chunk)
                yield chunk
        finally:
            self.open_cursors -= 1

    async def by_id(self, _id: Any, fetch: int | None) -> Document | None:
        find = Find(filter=Compare("_id", Operator.EQ, _id))
        self.finds.append((find, fetch))
        return next(iter(self._answer(find)), None)

    async def count(self, filter: Node) -> int:
        return len(self._answer(Find(filter=filter)))

    async def explain(self, find: Find) -> Explanation:
        answer = self._answer(find)
        return Explanation(
            collection="people",
            index=None,
            bounds="all",
            sorted_by_index=False,
            scanned=len(self.documents),
            fetched=len(self.documents),
            returned=len(answer),
            residual=None,
        )

    async def update(self, filter: Node, operators: Mapping[str, Any] | None, values: Mapping[str, Any]) -> int:
        self.updates.append((operators, values))
        return await self.count(filter)


def ids(documents: Sequence[Document]) -> list[int | ObjectId]:
    """The ids of `documents`."""
    return [document["_id"] for document in documents]
