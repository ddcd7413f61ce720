"""Changing one document and getting it."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, OperationFailure

from ..stores import Stores
from .people import PEOPLE, everything, filled

AFTER, BEFORE = ReturnDocument.AFTER, ReturnDocument.BEFORE


class ModifyingContract:
    """``find_one_and_update``, ``find_one_and_replace`` and ``find_one_and_delete``."""

    async def test_an_update_gives_the_document_before_or_after(self, stores: Stores) -> None:
        people = await filled(stores)
        before = await people.find_one_and_update({"name": "Bob"}, {"$inc": {"age": 1}})
        assert before == PEOPLE[1]
        after = await people.find_one_and_update({"name": "Bob"}, {"$inc": {"age": 1}}, return_document=AFTER)
        assert after == {**PEOPLE[1], "age": 23}
        same = await people.find_one_and_update({"name": "Bob"}, {"$set": {"age": 23}}, return_document=AFTER)
        assert same == after == await people.find_one(1)
        assert await people.find_one_and_update({"name": "Eve"}, {"$inc": {"age": 1}}) is None
        assert await people.count_documents({}) == 4

    async def test_a_replacement_gives_the_document_before_or_after(self, stores: Stores) -> None:
        people = await filled(stores)
        assert await people.find_one_and_replace({"_id": 1}, {"a": 1}) == PEOPLE[1]
        assert await people.find_one_and_replace({"_id": 1}, {"a": 2}, return_document=AFTER) == {"_id": 1, "a": 2}
        assert await people.find_one_and_replace({"name": "Eve"}, {"a": 2}, return_document=AFTER) is None
        with pytest.raises(OperationFailure) as caught:
            await people.find_one_and_replace({"_id": 1}, {"_id": 2})
        assert caught.value.code == 66

    async def test_a_delete_gives_the_document(self, stores: Stores) -> None:
        people = await filled(stores)
        assert await people.find_one_and_delete({"age": {"$gt": 20}}, sort=[("age", 1)]) == PEOPLE[1]
        assert await people.find_one_and_delete({"name": "Bob"}) is None
        assert await people.find_one_and_delete({}, {"name": 1, "_id": 0}, sort=[("age", -1)]) == {"name": "Dan"}
        assert await everything(people) == [PEOPLE[0], PEOPLE[2]]

    async def test_an_order_says_which_document(self, stores: Stores) -> None:
        people = await filled(stores)
        oldest = await people.find_one_and_update({}, {"$set": {"age": 0}}, sort=[("age", -1)])
        assert oldest == PEOPLE[3]
        youngest = await people.find_one_and_replace({}, {"age": 50}, sort={"age": 1, "name": 1})
        assert youngest == {**PEOPLE[3], "age": 0}

    async def test_an_upsert_gives_nothing_before_and_the_new_document_after(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        assert await people.find_one_and_update({"_id": 1}, {"$inc": {"n": 1}}, upsert=True) is None
        assert await people.find_one_and_replace({"_id": 2}, {"n": 1}, upsert=True) is None
        made = await people.find_one_and_update(
            {"_id": 3}, {"$inc": {"n": 5}, "$setOnInsert": {"m": 1}}, upsert=True, return_document=AFTER
        )
        assert made == {"_id": 3, "n": 5, "m": 1}
        made = await people.find_one_and_replace({"_id": 4}, {"n": 1}, upsert=True, return_document=AFTER)
        assert made == {"_id": 4, "n": 1}
        found = await people.find_one_and_update({"_id": 4}, {"$inc": {"n": 1}}, upsert=True, return_document=BEFORE)
        assert found == {"_id": 4, "n": 1}
        assert await people.count_documents({}) == 4

    async def test_a_projection_chooses_what_is_given(self, stores: Stores) -> None:
        people = await filled(stores)
        update = {"$push": {"marks": {"$each": [4, 5, 6]}}}
        for projection in ({"name": True, "_id": False}, {"age": 0, "_id": 0, "marks": 0}):
            assert await people.find_one_and_update({"_id": 1}, update, projection) == {"name": "Bob"}
        assert await people.find_one_and_update({"_id": 1}, update, ["age"], return_document=AFTER) == {
            "_id": 1,
            "age": 21,
        }
        found = await people.find_one_and_update(
            {"_id": 1}, update, {"marks": {"$slice": 2}, "name": 0, "age": 0}, return_document=AFTER
        )
        assert found == {"_id": 1, "marks": [4, 5]}
        with pytest.raises(OperationFailure):
            await people.find_one_and_update({"_id": 1}, {"$set": {"lost": True}}, {"a": 1, "b": 0})
        assert await people.count_documents({"lost": True}) == 0

    async def test_array_filters_and_hints_are_obeyed(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": 1, "marks": [1, 5]}])
        await people.create_index("marks")
        found = await people.find_one_and_update(
            {"marks": 5},
            {"$set": {"marks.$[low]": 3}},
            array_filters=[{"low": {"$lt": 3}}],
            hint="marks_1",
            return_document=AFTER,
        )
        assert found == {"_id": 1, "marks": [3, 5]}
        assert await people.find_one_and_delete({"marks": 3}, hint=[("marks", 1)]) == found
        with pytest.raises(OperationFailure) as caught:
            await people.find_one_and_delete({}, hint="no_such_index")
        assert caught.value.code == 2

    async def test_errors_are_those_of_commands(self, stores: Stores) -> None:
        people = await filled(stores)
        await people.create_index("name", unique=True)
        updates: list[tuple[dict[str, Any], int]] = [
            ({"$inc": {"name": 1}}, 14),
            ({"$set": {"_id": 9}}, 66),
            ({"$set": {"a": 1, "a.b": 1}}, 40),
            ({"$unknown": {"a": 1}}, 9),
        ]
        for update, code in updates:
            with pytest.raises(OperationFailure) as caught:
                await people.find_one_and_update({"_id": 1}, update)
            assert caught.value.code == code
            assert (caught.value.details or {})["codeName"]
        with pytest.raises(OperationFailure) as caught:
            await people.find_one_and_delete({"$unknown": 1})
        assert caught.value.code == 2
        with pytest.raises(DuplicateKeyError):
            await people.find_one_and_update({"_id": 1}, {"$set": {"name": "Ann"}})
        assert await everything(people) == PEOPLE

    async def test_arguments_of_other_kinds_are_refused(self, stores: Stores) -> None:
        people: Any = await filled(stores)
        for call in (
            people.find_one_and_update({}, 5),
            people.find_one_and_update(5, {"$set": {"a": 1}}),
            people.find_one_and_update({}, {"$set": {"a": 1}}, return_document="after"),
            people.find_one_and_update({}, {"$set": {"a": 1}}, upsert=1),
            people.find_one_and_replace({}, None),
            people.find_one_and_delete(None),
            people.find_one_and_delete({}, sort="age"),
        ):
            with pytest.raises(TypeError):
                await call
        with pytest.raises(ValueError, match=r"empty|one path"):
            await people.find_one_and_delete({}, sort=[])
        with pytest.raises(ValueError, match="operators"):
            await people.find_one_and_update({}, {"a": 1})
        with pytest.raises(ValueError, match="operators"):
            await people.find_one_and_replace({}, {"$set": {"a": 1}})
        assert await everything(people) == PEOPLE
