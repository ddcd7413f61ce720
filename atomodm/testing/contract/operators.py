"""Filters and projections mean the same on every store, with an index and without."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.errors import OperationFailure

from ...contract import IndexSpec
from ...query.keys import encode_key
from .filter_cases import FILTER_CASES
from .projection_cases import POSITIONAL_CASES, PROJECTION_CASES
from .stores import Stores, insert_all


class OperatorContract:
    """The language of ``find``."""

    @pytest.mark.slow
    @pytest.mark.parametrize("indexed", [False, True], ids=["plain", "indexed"])
    async def test_a_filter_matches_as_mongodb_does(self, stores: Stores, indexed: bool) -> None:
        store = await stores.open()
        people = store["people"]
        if indexed:
            paths = {path for filter, _, _ in FILTER_CASES for path in filter if path[0] != "$" and path != "_id"}
            await store.ensure_indexes("people", [IndexSpec(name=path, fields=[(path, 1)]) for path in sorted(paths)])
        for filter, matching, others in FILTER_CASES:
            documents: list[dict[str, Any]] = [
                {"_id": place, **document} for place, document in enumerate([*matching, *others])
            ]
            await insert_all(store, "people", documents)
            found = [encode_key(document["_id"]) for document in await people.find(filter).to_list()]
            expected = [encode_key(document["_id"]) for document in documents[: len(matching)]]
            assert sorted(found) == sorted(expected), filter
            assert await people.count_documents(filter) == len(matching), filter
            assert (await people.delete_many({})).deleted_count == len(documents)

    async def test_a_projection_gives_what_it_does_in_mongodb(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        for projection, document, expected in PROJECTION_CASES:
            await people.insert_one(dict(document))
            (found,) = await people.find({}, projection).to_list()
            assert found == expected, projection
            await people.delete_many({})

    async def test_a_positional_projection_gives_what_it_does_in_mongodb(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        for filter, projection, document, expected in POSITIONAL_CASES:
            await people.insert_one(dict(document))
            assert await people.find_one(filter, projection) == expected, (filter, projection)
            await people.delete_many({})
        await people.insert_one({"n": [1]})
        with pytest.raises(OperationFailure) as caught:
            await people.find_one({}, {"n.$": 1})
        assert caught.value.code == 51246
