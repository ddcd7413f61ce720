"""The documents that all contestants read and write: nine fields of mixed types and an id."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import bson

Document = dict[str, Any]

FIELDS = ("name", "email", "age", "score", "active", "joined", "tags", "address", "note")

_BEGAN = 1_750_000_000

_WORDS = (
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "heron",
    "iris",
    "jade",
    "kelp",
    "larch",
    "moss",
)


def make_documents(count: int, seed: int = 1) -> list[Document]:
    """Documents of people, the same ones for the same `seed`."""
    return list(generate_documents(count, seed))


def generate_documents(count: int, seed: int = 1) -> Iterator[Document]:
    """The documents of `make_documents` one by one, for more than should be in memory."""
    source = random.Random(seed)
    return (_make_document(source, number) for number in range(count))


def _make_document(source: random.Random, number: int) -> Document:
    name = f"{source.choice(_WORDS).title()} {source.choice(_WORDS).title()}"
    return {
        # As drivers make them, a thousand in a second: time, process, counter.
        "_id": bson.ObjectId((_BEGAN + number // 1000).to_bytes(4, "big") + b"bench" + number.to_bytes(3, "big")),
        "name": name,
        "email": f"{name.replace(' ', '.').lower()}.{number}@example.org",
        "age": source.randrange(18, 90),
        "score": source.random() * 100,
        "active": source.random() < 0.5,
        "joined": datetime(2020, 1, 1) + timedelta(milliseconds=source.randrange(10**11)),
        "tags": source.sample(_WORDS, 3),
        "address": {"street": f"{source.choice(_WORDS).title()} Lane {number % 100}", "city": source.choice(_WORDS)},
        "note": " ".join(source.choices(_WORDS, k=8)),
    }
