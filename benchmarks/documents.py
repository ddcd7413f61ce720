"""The documents that all contestants read and write: nine fields of mixed types and an id."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import bson

Document = dict[str, Any]

FIELDS = ("name", "email", "age", "score", "active", "joined", "tags", "address", "note")

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
    source = random.Random(seed)
    return [_make_document(source, number) for number in range(count)]


def _make_document(source: random.Random, number: int) -> Document:
    name = f"{source.choice(_WORDS).title()} {source.choice(_WORDS).title()}"
    return {
        "_id": bson.ObjectId(source.randbytes(12)),
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
