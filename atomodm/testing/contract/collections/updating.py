"""Updates, replacements and deletes of documents that are there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from bson import Int64
from bson.errors import InvalidDocument
from pymongo import InsertOne, UpdateOne
from pymongo.errors import DuplicateKeyError, WriteError
from pymongo.results import DeleteResult, UpdateResult

from ..stores import Stores
from .people import PEOPLE, everything, filled

Write = Callable[[], Awaitable[Any]]

#: Updates of ``{"_id": 1, "n": 1, "text": "private", "list": [1, 2], "doc": {"a": 1}}`` that a server refuses.
REFUSED: list[tuple[dict[str, Any], int]] = [
    ({"$inc": {"text": 1}}, 14),
    ({"$inc": {"n": "private"}}, 14),
    ({"$push": {"n": 1}}, 2),
    ({"$set": {"_id": 2}}, 66),
    ({"$unset": {"_id": 1}}, 66),
    ({"$set": {"n": 1}, "$inc": {"n": 1}}, 40),
    ({"$set": {"doc": 1, "doc.a": 2}}, 40),
    ({"$set": {"text.a": 1}}, 28),
    ({"$set": {"a..b": 1}}, 56),
    ({"$set": {"": 1}}, 56),
    ({"$unknown": {"n": 1}}, 9),
    ({"$set": 5}, 9),
    ({"$set": {"n": 2}, "plain": 1}, 9),
    ({"$set": {"list.$": 1}}, 2),
    ({"$set": {"list.$[x]": 1}}, 2),
]


class UpdatingContract:
    """``update_one``, ``update_many``, ``replace_one``, ``delete_one`` and ``delete_many``."""

    async def test_updating_says_what_it_did(self, stores: Stores) -> None:
        people = await filled(stores)
        result = await people.update_one({"name": "Bob"}, {"$inc": {"age": 5}, "$set": {"new": {"a": [1]}}})
        assert isinstance(result, UpdateResult)
        assert (result.matched_count, result.modified_count, result.upserted_id) == (1, 1, None)
        assert result.acknowledged
        assert not result.did_upsert
        assert await people.find_one(1) == {"_id": 1, "name": "Bob", "age": 26, "new": {"a": [1]}}
        same = await people.update_one({"_id": 1}, {"$set": {"age": 26}})
        assert (same.matched_count, same.modified_count) == (1, 0)
        none = await people.update_one({"name": "Eve"}, {"$set": {"age": 1}})
        assert (none.matched_count, none.modified_count, none.upserted_id) == (0, 0, None)
        assert [document["age"] for document in await everything(people)] == [20, 26, 22, 23]

    async def test_updating_many_says_how_many(self, stores: Stores) -> None:
        people = await filled(stores)
        result = await people.update_many({"age": {"$gte": 21}}, {"$max": {"age": 22}})
        assert (result.matched_count, result.modified_count) == (3, 1)
        assert [document["age"] for document in await everything(people)] == [20, 22, 22, 23]
        everybody = await people.update_many({}, {"$unset": {"name": ""}})
        assert (everybody.matched_count, everybody.modified_count) == (4, 4)
        assert (await people.update_many({"age": 99}, {"$inc": {"age": 1}})).matched_count == 0
        by_id = await people.update_many({"_id": 3}, {"$inc": {"age": 1}})
        assert (by_id.matched_count, by_id.modified_count) == (1, 1)

    async def test_updating_one_touches_one(self, stores: Stores) -> None:
        people = await filled(stores)
        await people.update_one({"age": {"$gt": 20}}, {"$set": {"seen": True}})
        assert await people.count_documents({"seen": True}) == 1

    async def test_positions_of_arrays_come_from_the_filter_or_from_array_filters(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": 1, "marks": [4, 6, 5], "jobs": [{"at": "x"}, {"at": "y", "days": 1}]}])
        await people.update_one({"_id": 1, "marks": 6}, {"$set": {"marks.$": 0}})
        await people.update_one({"jobs.at": "y"}, {"$inc": {"jobs.$.days": 2}})
        await people.update_many({}, {"$inc": {"marks.$[low]": 10}}, array_filters=[{"low": {"$lt": 5}}])
        await people.update_many({}, {"$set": {"jobs.$[].seen": True}})
        assert await people.find_one() == {
            "_id": 1,
            "marks": [14, 10, 5],
            "jobs": [{"at": "x", "seen": True}, {"at": "y", "days": 3, "seen": True}],
        }

    @pytest.mark.parametrize(("update", "code"), REFUSED, ids=str)
    @pytest.mark.parametrize("many", [False, True])
    async def test_an_update_that_makes_no_sense_is_a_write_error_with_the_servers_code(
        self, stores: Stores, update: dict[str, Any], code: int, many: bool
    ) -> None:
        document = {"_id": 1, "n": 1, "text": "private", "list": [1, 2], "doc": {"a": 1}}
        people = await filled(stores, [document])
        with pytest.raises(WriteError) as caught:
            await (people.update_many if many else people.update_one)({"text": "private"}, update)
        assert caught.value.code == code
        assert (caught.value.details or {})["code"] == code
        assert await everything(people) == [document]

    async def test_a_filter_that_makes_no_sense_is_a_write_error(self, stores: Stores) -> None:
        people = await filled(stores)
        bad = {"age": {"$unknown": 1}}
        writes: list[Write] = [
            lambda: people.update_one(bad, {"$set": {"a": 1}}),
            lambda: people.update_many(bad, {"$set": {"a": 1}}),
            lambda: people.replace_one(bad, {"a": 1}),
            lambda: people.delete_one(bad),
            lambda: people.delete_many(bad),
            lambda: people.delete_many({}, hint="no_such_index"),
            lambda: people.update_one({}, {"$set": {"a": 1}}, hint="no_such_index"),
        ]
        for write in writes:
            with pytest.raises(WriteError) as caught:
                await write()
            assert caught.value.code == 2
        assert await everything(people) == PEOPLE

    async def test_arguments_of_other_kinds_are_refused(self, stores: Stores) -> None:
        people: Any = await filled(stores)
        for update in ({"age": 1}, {}, {"age": 1, "$set": {"a": 1}}):
            for method in (people.update_one, people.update_many):
                with pytest.raises(ValueError, match=r"only works with \$ operators|cannot be empty"):
                    await method({}, update)
        others: list[Any] = [5, None, "$set"]
        for update in others:
            with pytest.raises(TypeError):
                await people.update_one({}, update)
        for filter in (None, 5, [("a", 1)]):
            for write in (
                people.update_one(filter, {"$set": {"a": 1}}),
                people.update_many(filter, {"$set": {"a": 1}}),
                people.replace_one(filter, {"a": 1}),
                people.delete_one(filter),
                people.delete_many(filter),
            ):
                with pytest.raises(TypeError):
                    await write
        with pytest.raises(TypeError):
            await people.update_one({}, {"$set": {"a": 1}}, upsert="yes")
        with pytest.raises(TypeError):
            await people.update_one({}, {"$set": {"a.$[x]": 1}}, array_filters={"x": 1})
        with pytest.raises(TypeError):
            await people.replace_one({}, 5)
        for sort in ("age", [("age", 1)]):
            with pytest.raises(TypeError):
                await people.update_one({}, {"$set": {"a": 1}}, sort=sort)
            with pytest.raises(TypeError):
                await people.replace_one({}, {}, sort=sort)
        with pytest.raises(ValueError, match="operators"):
            await people.replace_one({}, {"$set": {"a": 1}})
        assert await everything(people) == PEOPLE

    async def test_replacing_says_what_it_did(self, stores: Stores) -> None:
        people = await filled(stores)
        result = await people.replace_one({"name": "Bob"}, {"name": "Rob"})
        assert isinstance(result, UpdateResult)
        assert (result.matched_count, result.modified_count, result.upserted_id) == (1, 1, None)
        assert await people.find_one({"_id": 1}) == {"_id": 1, "name": "Rob"}
        same = await people.replace_one({"_id": 1}, {"_id": 1, "name": "Rob"})
        assert (same.matched_count, same.modified_count) == (1, 0)
        none = await people.replace_one({"name": "Eve"}, {"name": "Eve"})
        assert (none.matched_count, none.modified_count, none.upserted_id) == (0, 0, None)
        assert (await people.replace_one({"_id": 1}, {})).modified_count == 1
        assert await people.find_one(1) == {"_id": 1}
        assert await people.count_documents({}) == 4

    async def test_a_replacement_does_not_change_the_id(self, stores: Stores) -> None:
        people = await filled(stores)
        with pytest.raises(WriteError) as caught:
            await people.replace_one({"_id": 1}, {"_id": 2})
        assert caught.value.code == 66
        assert await people.find_one({"_id": 1}) == PEOPLE[1]

    async def test_the_first_of_an_order_is_written(self, stores: Stores) -> None:
        people = await filled(stores)
        await people.update_one({}, {"$set": {"oldest": True}}, sort={"age": -1})
        await people.replace_one({}, {"name": "new"}, sort={"age": 1})
        assert await everything(people) == [{"_id": 0, "name": "new"}, *PEOPLE[1:3], {**PEOPLE[3], "oldest": True}]

    async def test_a_hint_finds_the_same_documents(self, stores: Stores) -> None:
        people = await filled(stores)
        await people.create_index("age")
        assert (await people.update_one({"age": 21}, {"$inc": {"age": 20}}, hint="age_1")).modified_count == 1
        assert (
            await people.update_many({"age": {"$gt": 20}}, {"$inc": {"n": 1}}, hint=[("age", 1)])
        ).modified_count == 3
        assert (await people.replace_one({"age": 41}, {"age": 42}, hint="age_1")).modified_count == 1
        assert (await people.delete_one({"_id": 1}, hint="_id_")).deleted_count == 1
        assert (await people.delete_many({"age": {"$gt": 0}}, hint="age_1")).deleted_count == 3

    async def test_an_update_cannot_make_a_duplicate(self, stores: Stores) -> None:
        people = await filled(stores)
        await people.create_index("name", unique=True)
        writes: list[Write] = [
            lambda: people.update_one({"_id": 1}, {"$set": {"name": "Ann"}}),
            lambda: people.replace_one({"_id": 1}, {"name": "Ann"}),
            lambda: people.update_many({"_id": {"$gte": 1}}, {"$set": {"name": "Ann"}}),
        ]
        for write in writes:
            with pytest.raises(DuplicateKeyError) as caught:
                await write()
            assert (caught.value.details or {})["keyPattern"] == {"name": 1}
        assert await everything(people) == PEOPLE

    async def test_an_update_of_many_leaves_those_before_the_failure_updated(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": number, "n": "text" if number == 30 else 1} for number in range(60)])
        with pytest.raises(WriteError) as caught:
            await people.update_many({}, {"$inc": {"n": 1}})
        assert caught.value.code == 14
        assert await people.count_documents({"n": 2}) == await people.count_documents({"_id": {"$lt": 30}})
        assert await people.count_documents({"n": 1}) == await people.count_documents({"_id": {"$gt": 30}})

    async def test_no_document_is_updated_twice_though_the_update_moves_it_ahead(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": number, "n": number, "tags": [number]} for number in range(3000)])
        await people.create_index("n")
        await people.create_index("tags")
        result = await people.update_many({"n": {"$gte": 0}}, {"$inc": {"n": 10}}, hint="n_1")
        assert (result.matched_count, result.modified_count) == (3000, 3000)
        result = await people.update_many({"tags": {"$gte": 0}}, {"$push": {"tags": 5000}}, hint="tags_1")
        assert (result.matched_count, result.modified_count) == (3000, 3000)
        async for document in people.find():
            assert document["n"] == document["_id"] + 10
            assert document["tags"] == [document["_id"], 5000]

    async def test_numbers_keep_their_width(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": 1, "small": 1, "wide": Int64(1), "real": 1.5}])
        await people.update_one({}, {"$inc": {"small": 2**31, "wide": 1, "real": 1}})
        assert await people.find_one({"small": {"$type": "long"}, "wide": {"$type": "long"}}) == {
            "_id": 1,
            "small": 2**31 + 1,
            "wide": 2,
            "real": 2.5,
        }
        with pytest.raises(WriteError) as caught:
            await people.update_one({}, {"$inc": {"wide": 2**63 - 1}})
        assert caught.value.code == 2

    async def test_an_update_that_makes_a_document_too_large_is_refused(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": 1, "text": "x" * 9_000_000}])
        with pytest.raises(WriteError):
            await people.update_one({}, {"$set": {"more": "x" * 9_000_000}})
        assert await people.count_documents({"more": {"$exists": True}}) == 0

    async def test_what_cannot_be_stored_is_refused_before_anything_is_written(self, stores: Stores) -> None:
        people = await filled(stores)

        def writes(value: Any) -> list[Write]:
            return [
                lambda: people.update_one({}, {"$set": {"a": value}}),
                lambda: people.update_many({"_id": 99}, {"$set": {"a": value}}, upsert=True),
                lambda: people.replace_one({"_id": 99}, {"a": value}),
                lambda: people.find_one_and_replace({}, {"a": value}),
                lambda: people.bulk_write([InsertOne({}), UpdateOne({}, {"$set": {"a": value}})]),
            ]

        for value in (object(), 2**70, "\ud800"):
            for write in writes(value):
                with pytest.raises((InvalidDocument, OverflowError, UnicodeError)):
                    await write()
        assert await everything(people) == PEOPLE

    async def test_deleting_says_how_many_there_were(self, stores: Stores) -> None:
        people = await filled(stores, [*PEOPLE, *({"_id": number, "many": True} for number in range(10, 2500))])
        one = await people.delete_one({"age": {"$gt": 0}})
        assert isinstance(one, DeleteResult)
        assert one.deleted_count == 1
        assert (await people.delete_one({"name": "Eve"})).deleted_count == 0
        assert (await people.delete_many({"many": True})).deleted_count == 2490
        assert (await people.delete_many({"many": True})).deleted_count == 0
        assert await people.count_documents({}) == 3
        assert (await people.delete_many({})).deleted_count == 3
