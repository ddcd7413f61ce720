"""Inserts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from bson import Code, DBRef, ObjectId, Regex
from bson.errors import InvalidDocument
from bson.raw_bson import RawBSONDocument
from pymongo import IndexModel
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError, WriteError
from pymongo.results import InsertManyResult, InsertOneResult

from ....encoding import encode
from ..samples import UNSOUND
from ..stores import Stores
from .people import PEOPLE, everything, filled


class InsertingContract:
    """``insert_one`` and ``insert_many``."""

    async def test_inserting_gives_the_document_an_id(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        document: dict[str, Any] = {"name": "Ann"}
        result = await people.insert_one(document)
        assert isinstance(result, InsertOneResult)
        assert result.acknowledged
        assert isinstance(result.inserted_id, ObjectId)
        assert document["_id"] == result.inserted_id
        found = await people.find_one({"name": "Ann"})
        assert found == document
        # As on a server, the id comes first.
        assert list(found or ()) == ["_id", "name"]
        assert (await people.insert_one({"_id": "own"})).inserted_id == "own"

    async def test_documents_that_are_bytes_are_inserted_as_they_are(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        raw = RawBSONDocument(encode({"_id": 1, "b": {"c": [1]}}))
        assert (await people.insert_one(raw)).inserted_id is None
        assert await people.find_one() == {"_id": 1, "b": {"c": [1]}}
        await people.insert_one({"_id": 2, "raw": [raw]})
        assert await people.find_one({"raw": raw}) == {"_id": 2, "raw": [{"_id": 1, "b": {"c": [1]}}]}

    async def test_bytes_that_are_no_document_are_refused(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        with pytest.raises(InvalidDocument):
            await people.insert_one(UNSOUND)
        with pytest.raises(InvalidDocument):
            await people.insert_many([{"_id": 1}, UNSOUND])
        for value in (UNSOUND, [UNSOUND], (1, {"a": UNSOUND}), DBRef("a", UNSOUND), Code("x", {"a": UNSOUND})):
            with pytest.raises(InvalidDocument, match="a"):
                await people.insert_one({"a": value})
        assert await people.find().to_list() == []

    async def test_a_duplicate_is_pymongos_error(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        await people.create_index("name", unique=True)
        await people.insert_one({"_id": 1, "name": "secret"})
        for document, index, pattern in (
            ({"_id": 1, "name": "other"}, "_id_", {"_id": 1}),
            ({"_id": 2, "name": "secret"}, "name_1", {"name": 1}),
        ):
            with pytest.raises(DuplicateKeyError) as caught:
                await people.insert_one(document)
            assert isinstance(caught.value, WriteError)
            assert caught.value.code == 11000
            assert "E11000 duplicate key error" in str(caught.value)
            assert index in str(caught.value)
            details = caught.value.details or {}
            assert details["index"] == 0
            assert details["code"] == 11000
            assert details["keyPattern"] == pattern
        assert await people.count_documents({}) == 1

    async def test_a_duplicate_names_the_whole_key_of_its_index(self, stores: Stores) -> None:
        people = await filled(stores)
        await people.create_index([("age", -1), ("name", 1)], unique=True)
        with pytest.raises(DuplicateKeyError) as caught:
            await people.insert_one({"name": "Ann", "age": 20})
        assert (caught.value.details or {})["keyPattern"] == {"age": -1, "name": 1}

    async def test_what_cannot_be_stored_is_refused(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        values: list[Any] = [object(), 2**70, "\ud800"]
        for value in values:
            with pytest.raises((InvalidDocument, OverflowError, UnicodeError)):
                await people.insert_one({"_id": 1, "value": value})
            with pytest.raises((InvalidDocument, OverflowError, UnicodeError)):
                await people.insert_many([{"_id": 1}, {"_id": 2, "value": value}])
        bad: list[Any] = [[("a", 1)], 5, None, "text"]
        for document in bad:
            with pytest.raises(TypeError):
                await people.insert_one(document)
        assert await people.count_documents({}) == 0

    @pytest.mark.parametrize("id", [[1], Regex("a"), re.compile("a"), {"$a": 1}], ids=str)
    async def test_some_values_are_no_ids(self, stores: Stores, id: Any) -> None:
        people = (await stores.open())["people"]
        with pytest.raises(WriteError) as caught:
            await people.insert_one({"_id": id})
        assert caught.value.code in (2, 52, 53)
        with pytest.raises(BulkWriteError):
            await people.insert_many([{"_id": id}])
        assert await people.count_documents({}) == 0

    async def test_many_documents_are_inserted_at_once(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        documents: list[dict[str, Any]] = [{"n": number} for number in range(10)]
        result = await people.insert_many(documents)
        assert isinstance(result, InsertManyResult)
        assert result.acknowledged
        assert result.inserted_ids == [document["_id"] for document in documents]
        assert all(isinstance(id, ObjectId) for id in result.inserted_ids)
        assert await people.find().sort("n").to_list() == documents
        assert (await people.insert_many({"_id": id} for id in "ab")).inserted_ids == ["a", "b"]
        assert (await people.insert_many(({"_id": 5}, {"_id": 6}), ordered=False)).inserted_ids == [5, 6]

    async def test_inserting_nothing_is_an_error(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        nothing: list[Any] = [[], {}, {"_id": 1}, None, 5]
        for documents in nothing:
            with pytest.raises(TypeError):
                await people.insert_many(documents)
        mixed: list[Any] = [{"_id": 1}, 5]
        with pytest.raises(TypeError):
            await people.insert_many(mixed)
        assert await people.count_documents({}) == 0

    async def test_an_ordered_insert_stops_at_the_first_document_that_fails(self, stores: Stores) -> None:
        people = await filled(stores)
        with pytest.raises(BulkWriteError) as caught:
            await people.insert_many([{"_id": 7}, {"_id": 1, "secret": "x"}, {"_id": 8}, {"_id": 2}])
        details = caught.value.details
        assert caught.value.code == 65
        assert details["nInserted"] == 1
        (failure,) = details["writeErrors"]
        assert (failure["index"], failure["code"]) == (1, 11000)
        assert "E11000 duplicate key error" in failure["errmsg"]
        assert failure["keyPattern"] == {"_id": 1}
        assert failure["op"] == {"_id": 1, "secret": "x"}
        assert isinstance(caught.value, PyMongoError)
        assert sorted(await people.distinct("_id")) == [0, 1, 2, 3, 7]

    async def test_an_unordered_insert_tries_all_documents(self, stores: Stores) -> None:
        people = await filled(stores)
        with pytest.raises(BulkWriteError) as caught:
            await people.insert_many(
                [{"_id": 7}, {"_id": 1}, {"_id": 8}, {"_id": 2}, {"_id": 8}, {"_id": 9}], ordered=False
            )
        details = caught.value.details
        assert details["nInserted"] == 3
        assert [(failure["index"], failure["code"]) for failure in details["writeErrors"]] == [
            (1, 11000),
            (3, 11000),
            (4, 11000),
        ]
        assert sorted(await people.distinct("_id")) == [0, 1, 2, 3, 7, 8, 9]
        assert await everything(people) == [*PEOPLE, {"_id": 7}, {"_id": 8}, {"_id": 9}]

    @pytest.mark.parametrize("step", [2, 7, 400])
    async def test_many_duplicates_among_many_documents_are_all_found(self, stores: Stores, step: int) -> None:
        people = (await stores.open())["people"]
        await people.create_indexes([IndexModel("n", unique=True)])
        await people.insert_many([{"_id": number, "n": number} for number in range(0, 1000, step)])
        with pytest.raises(BulkWriteError) as caught:
            await people.insert_many([{"_id": -1 - number, "n": number} for number in range(1000)], ordered=False)
        details = caught.value.details
        assert [failure["index"] for failure in details["writeErrors"]] == list(range(0, 1000, step))
        assert {tuple(failure["keyPattern"]) for failure in details["writeErrors"]} == {("n",)}
        assert details["nInserted"] == 1000 - len(details["writeErrors"])
        assert sorted(await people.distinct("n")) == list(range(1000))

    async def test_an_ordered_insert_with_a_duplicate_inside_of_itself_keeps_the_first(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        await people.create_index("n", unique=True)
        with pytest.raises(BulkWriteError) as caught:
            await people.insert_many([{"_id": number, "n": number % 700} for number in range(1000)])
        assert [failure["index"] for failure in caught.value.details["writeErrors"]] == [700]
        assert caught.value.details["nInserted"] == await people.count_documents({}) == 700
