"""The portable collection API: PyMongo's names, results and errors."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId
from bson.errors import InvalidDocument
from pymongo.errors import DuplicateKeyError, InvalidName, OperationFailure, PyMongoError, WriteError
from pymongo.results import DeleteResult, InsertOneResult, UpdateResult

from ...contract import IndexSpec
from ...errors import UnsupportedOperation
from .stores import Stores, insert_all

PEOPLE = [{"_id": number, "name": name, "age": 20 + number} for number, name in enumerate(("Ann", "Bob", "Cid", "Dan"))]


class CollectionContract:
    """``store["name"]``."""

    async def test_a_collection_has_a_name(self, stores: Stores) -> None:
        store = await stores.open()
        assert store["people"].name == store.collection("people").name == "people"
        assert "people" in repr(store["people"])
        for name in ("", "a..b", "$a", ".a", "a\0"):
            with pytest.raises(InvalidName):
                store[name]
        with pytest.raises(TypeError):
            store.collection(5)  # type: ignore[arg-type]

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

    async def test_a_duplicate_is_pymongos_error_without_the_value(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [IndexSpec(name="name_1", fields=[("name", 1)], unique=True)])
        await store["people"].insert_one({"_id": 1, "name": "secret"})
        for document, index in (({"_id": 1, "name": "other"}, "_id_"), ({"_id": 2, "name": "secret"}, "name_1")):
            with pytest.raises(DuplicateKeyError) as caught:
                await store["people"].insert_one(document)
            assert caught.value.code == 11000
            assert "E11000 duplicate key error" in str(caught.value)
            assert index in str(caught.value)
            assert "secret" not in str(caught.value)
            assert isinstance(caught.value, PyMongoError)

    async def test_what_cannot_be_stored_is_refused(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        for value in (object(), 2**70, "\ud800"):
            with pytest.raises(InvalidDocument):
                await people.insert_one({"_id": 1, "value": value})
        with pytest.raises(TypeError):
            await people.insert_one([("a", 1)])  # type: ignore[arg-type]
        assert await people.count_documents({}) == 0

    async def test_find_gives_an_async_cursor(self, stores: Stores) -> None:
        store = await stores.open()
        people = store["people"]
        await insert_all(store, "people", PEOPLE)
        assert [document async for document in people.find()] == PEOPLE
        assert await people.find({"age": {"$gte": 22}}).to_list() == PEOPLE[2:]
        assert await people.find().sort("age", -1).skip(1).limit(2).to_list() == [PEOPLE[2], PEOPLE[1]]
        assert await people.find().sort([("age", -1), ("name", 1)]).to_list() == PEOPLE[::-1]
        assert await people.find({}, None, 1, 2, sort={"name": -1}).to_list() == [PEOPLE[2], PEOPLE[1]]
        assert await people.find().limit(0).to_list() == PEOPLE
        cursor = people.find().sort("_id")
        assert await cursor.to_list(3) == PEOPLE[:3]
        assert await cursor.to_list(3) == PEOPLE[3:]
        assert await cursor.to_list() == []

    async def test_a_cursor_is_asked_when_it_is_read_and_closed_when_it_is_given_up(self, stores: Stores) -> None:
        store = await stores.open()
        cursor = store["people"].find()
        await insert_all(store, "people", PEOPLE)
        assert len(await cursor.to_list()) == 4
        given_up = store["people"].find()
        assert await anext(aiter(given_up)) == PEOPLE[0]
        with pytest.raises(PyMongoError):
            given_up.sort("age")
        await given_up.close()
        assert await given_up.to_list() == []

    async def test_find_one_gives_the_first_document_or_none(self, stores: Stores) -> None:
        store = await stores.open()
        people = store["people"]
        await insert_all(store, "people", PEOPLE)
        assert await people.find_one({"name": "Bob"}) == PEOPLE[1]
        assert await people.find_one({"name": "Eve"}) is None
        assert await people.find_one(2) == PEOPLE[2]
        assert await people.find_one({}, sort=[("age", -1)]) == PEOPLE[3]
        assert await people.find_one(sort="age", skip=1) == PEOPLE[1]

    async def test_replacing_says_what_it_did(self, stores: Stores) -> None:
        store = await stores.open()
        people = store["people"]
        await insert_all(store, "people", PEOPLE)
        result = await people.replace_one({"name": "Bob"}, {"name": "Rob"})
        assert isinstance(result, UpdateResult)
        assert (result.matched_count, result.modified_count, result.upserted_id) == (1, 1, None)
        assert await people.find_one({"_id": 1}) == {"_id": 1, "name": "Rob"}
        same = await people.replace_one({"_id": 1}, {"_id": 1, "name": "Rob"})
        assert (same.matched_count, same.modified_count) == (1, 0)
        none = await people.replace_one({"name": "Eve"}, {"name": "Eve"})
        assert (none.matched_count, none.modified_count, none.upserted_id) == (0, 0, None)
        assert await people.count_documents({}) == 4

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

    async def test_a_replacement_does_not_change_the_id_and_has_no_operators(self, stores: Stores) -> None:
        store = await stores.open()
        people = store["people"]
        await insert_all(store, "people", PEOPLE)
        with pytest.raises(WriteError) as caught:
            await people.replace_one({"_id": 1}, {"_id": 2})
        assert caught.value.code == 66
        with pytest.raises(ValueError, match="operators"):
            await people.replace_one({"_id": 1}, {"$set": {"a": 1}})
        assert await people.find_one({"_id": 1}) == PEOPLE[1]

    async def test_deleting_says_how_many_there_were(self, stores: Stores) -> None:
        store = await stores.open()
        people = store["people"]
        await insert_all(store, "people", [*PEOPLE, *({"_id": number, "many": True} for number in range(10, 2500))])
        one = await people.delete_one({"age": {"$gt": 0}})
        assert isinstance(one, DeleteResult)
        assert one.deleted_count == 1
        assert (await people.delete_one({"name": "Eve"})).deleted_count == 0
        assert (await people.delete_many({"many": True})).deleted_count == 2490
        assert (await people.delete_many({"many": True})).deleted_count == 0
        assert await people.count_documents({}) == 3
        assert (await people.delete_many({})).deleted_count == 3

    async def test_documents_are_counted(self, stores: Stores) -> None:
        store = await stores.open()
        people = store["people"]
        await insert_all(store, "people", PEOPLE)
        assert await people.count_documents({}) == 4
        assert await people.count_documents({"age": {"$gt": 20}}) == 3
        assert await people.count_documents({}, limit=3) == 3
        assert await people.count_documents({}, skip=3, limit=3) == 1
        assert await people.count_documents({}, skip=9) == 0

    async def test_dropping_removes_everything(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", PEOPLE)
        await store["people"].drop()
        await store["nobody"].drop()
        assert await store["people"].find().to_list() == []
        assert await store.list_collections() == []

    async def test_what_is_not_portable_is_refused_by_name(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        for filter in ({"$where": "1"}, {"a": {"$near": [1, 2]}}, {"$or": [{"a": {"$text": 1}}]}):
            with pytest.raises(OperationFailure) as caught:
                await people.find_one(filter)
            assert caught.value.code == 2
        with pytest.raises(UnsupportedOperation, match="projection"):
            people.find({}, {"name": 1})
        with pytest.raises(UnsupportedOperation, match="hint"):
            people.find({}, hint="name_1")
        with pytest.raises(UnsupportedOperation, match="no_such_option"):
            await people.find_one({}, no_such_option=True)
        # What asks for nothing is no option.
        assert await people.find({}, session=None, no_cursor_timeout=False).to_list() == []
