"""Distinct values of a path."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from ...breathing import Breather
from ...contract.finding import Find
from ...contract.store import Store
from ...encoding import decode_all
from ...query.keys import encode_key
from ...query.paths import MISSING, Whole, compile_path


async def find_distinct(store: Store, collection: str, path: str, find: Find) -> list[Any]:
    """The distinct values of a path in the documents that a find gives, in the order in which they are met.

    Of values that compare equal the first one met stands for all.
    """
    ends, breather = compile_path(path), Breather()
    found: dict[bytes, Any] = {}
    async with aclosing(store.find(collection, find)) as chunks:
        async for chunk in chunks:
            for document in decode_all(chunk.documents):
                for value in _values(ends(document)):
                    found.setdefault(encode_key(value), value)
            await breather.breathe()
    return list(found.values())


def _values(ends: list[Any]) -> list[Any]:
    """The values that count as distinct ones of what stands at the end of a path: elements of an array, not itself."""
    values: list[Any] = []
    for end in ends:
        if type(end) is list:
            values += end
        elif type(end) is Whole:
            values += end.array
        elif end is not MISSING:
            values.append(end)
    return values
