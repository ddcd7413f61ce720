"""Documents that tests of collections share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from ....contract import Collection
from ..stores import Stores

#: Four people by ascending age; their ids are their positions.
PEOPLE: list[dict[str, Any]] = [
    {"_id": number, "name": name, "age": 20 + number} for number, name in enumerate(("Ann", "Bob", "Cid", "Dan"))
]


async def filled(stores: Stores, documents: Iterable[Mapping[str, Any]] = PEOPLE) -> Collection:
    """The collection ``people`` of one more handle, with documents."""
    collection = (await stores.open())["people"]
    await collection.insert_many([deepcopy(dict(document)) for document in documents])
    return collection


async def everything(collection: Collection) -> list[dict[str, Any]]:
    """All documents, by id."""
    return await collection.find().sort("_id").to_list()
