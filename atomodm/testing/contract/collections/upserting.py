"""Upserts."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest
from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, WriteError

from ..stores import Stores
from .people import everything, filled


class UpsertingContract:
    """``upsert=True``."""

    async def test_an_upsert_takes_its_fields_from_filter_and_update(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        result = await people.update_one(
            {"name": "Eve", "age": {"$gt": 3}, "address.city": "Bern"},
            {"$inc": {"visits": 1}, "$setOnInsert": {"since": datetime(2020, 1, 1)}, "$push": {"tags": "new"}},
            upsert=True,
        )
        assert isinstance(result.upserted_id, ObjectId)
        assert (result.matched_count, result.modified_count, result.did_upsert) == (0, 0, True)
        expected: dict[str, Any] = {
            "_id": result.upserted_id,
            "name": "Eve",
            "address": {"city": "Bern"},
            "visits": 1,
            "since": datetime(2020, 1, 1),
            "tags": ["new"],
        }
        assert await everything(people) == [expected]
        again = await people.update_one(
            {"name": "Eve"}, {"$inc": {"visits": 1}, "$setOnInsert": {"since": None}}, upsert=True
        )
        assert (again.matched_count, again.modified_count, again.upserted_id) == (1, 1, None)
        assert await everything(people) == [{**expected, "visits": 2}]

    async def test_the_id_of_an_upsert_is_that_of_the_filter_or_of_the_update(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        assert (await people.update_one({"_id": 7}, {"$set": {"a": 1}}, upsert=True)).upserted_id == 7
        assert (await people.update_one({"a": 2}, {"$set": {"_id": 8}}, upsert=True)).upserted_id == 8
        assert (await people.update_one({"a": 3}, {"$setOnInsert": {"_id": 9}}, upsert=True)).upserted_id == 9
        assert (await people.update_many({"_id": None, "a": 4}, {"$set": {"b": 1}}, upsert=True)).upserted_id is None
        assert await people.count_documents({}) == 4
        assert await people.find_one({"_id": None}) == {"_id": None, "a": 4, "b": 1}
        with pytest.raises(WriteError) as caught:
            await people.update_one({"_id": 5}, {"$set": {"_id": 6}}, upsert=True)
        assert caught.value.code == 66

    async def test_updating_many_inserts_one_where_none_matches(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        result = await people.update_many({"kind": "x"}, {"$set": {"a": 1}}, upsert=True)
        assert result.matched_count == 0
        assert result.upserted_id is not None
        result = await people.update_many({"kind": "x"}, {"$set": {"a": 2}}, upsert=True)
        assert (result.matched_count, result.upserted_id) == (1, None)

    async def test_replacing_inserts_where_it_is_asked_to(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        first = await people.replace_one({"name": "Eve"}, {"name": "Eve"}, upsert=True)
        assert isinstance(first.upserted_id, ObjectId)
        assert (first.matched_count, first.modified_count) == (0, 0)
        assert (await people.replace_one({"_id": 7, "x": {"$gt": 1}}, {"x": 2}, upsert=True)).upserted_id == 7
        assert (await people.replace_one({"x": 9}, {"_id": 8, "x": 9}, upsert=True)).upserted_id == 8
        again = await people.replace_one({"name": "Eve"}, {"name": "Eve", "age": 1}, upsert=True)
        assert (again.matched_count, again.upserted_id) == (1, None)
        assert await people.count_documents({}) == 3
        with pytest.raises(DuplicateKeyError):
            await people.replace_one({"_id": 7, "x": 3}, {"x": 3}, upsert=True)
        with pytest.raises(WriteError) as caught:
            await people.replace_one({"_id": 70}, {"_id": 71}, upsert=True)
        assert caught.value.code == 66

    async def test_a_filter_that_says_a_field_twice_is_no_start_for_an_upsert(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        with pytest.raises(WriteError) as caught:
            await people.update_one({"$and": [{"a": 1}, {"a": 2}]}, {"$set": {"b": 1}}, upsert=True)
        assert caught.value.code == 54
        assert await people.count_documents({}) == 0

    async def test_replacing_takes_nothing_but_the_id_from_the_filter(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        await people.replace_one({"$and": [{"a": 1}, {"a": 2}], "_id": 1}, {"b": 1}, upsert=True)
        assert await everything(people) == [{"_id": 1, "b": 1}]
        with pytest.raises(WriteError) as caught:
            await people.replace_one({"_id.name": "Ann"}, {"b": 1}, upsert=True)
        assert caught.value.code == 111
        assert await people.count_documents({}) == 1

    async def test_an_upsert_that_would_be_a_duplicate_is_an_error(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": 1, "name": "Ann"}])
        await people.create_index("name", unique=True)
        with pytest.raises(DuplicateKeyError):
            await people.update_one({"_id": 2}, {"$set": {"name": "Ann"}}, upsert=True)
        with pytest.raises(DuplicateKeyError):
            await people.update_one({"name": "Ann", "age": 5}, {"$set": {"a": 1}}, upsert=True)
        assert await people.count_documents({}) == 1

    @pytest.mark.parametrize("key", ["_id", "name"])
    async def test_upserts_at_once_make_one_document_where_a_unique_index_covers_the_filter(
        self, stores: Stores, key: str
    ) -> None:
        handles = [(await stores.open())["people"] for _ in range(2)]
        if key != "_id":
            await handles[0].create_index(key, unique=True)
        results = await asyncio.gather(
            *(handles[number % 2].update_one({key: "x"}, {"$inc": {"n": 1}}, upsert=True) for number in range(40))
        )
        assert sum(result.did_upsert for result in results) == 1
        assert sum(result.modified_count for result in results) == 39
        found = await everything(handles[0])
        assert [document["n"] for document in found] == [40]
        taken = await asyncio.gather(
            *(
                handles[number % 2].find_one_and_update(
                    {key: "y"}, {"$inc": {"n": 1}}, upsert=True, return_document=ReturnDocument.AFTER
                )
                for number in range(40)
            )
        )
        assert sorted(document["n"] for document in taken if document is not None) == list(range(1, 41))
