"""Several writes in one call."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId
from pymongo import DeleteMany, DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError, InvalidOperation
from pymongo.results import BulkWriteResult

from ..stores import Stores
from .people import PEOPLE, everything, filled


class BulkContract:
    """``bulk_write``."""

    async def test_each_kind_of_request_is_done_and_counted(self, stores: Stores) -> None:
        people = await filled(stores)
        new: dict[str, Any] = {"name": "New"}
        result = await people.bulk_write(
            [
                InsertOne({"_id": 10, "name": "Eve"}),
                InsertOne(new),
                UpdateOne({"_id": 0}, {"$inc": {"age": 1}}),
                UpdateMany({"_id": {"$lt": 4}}, {"$set": {"seen": True}}),
                UpdateMany({"_id": {"$lt": 4}}, {"$set": {"seen": True}}),
                ReplaceOne({"_id": 1}, {"name": "Rob"}),
                UpdateOne({"_id": 20}, {"$set": {"a": 1}}, upsert=True),
                ReplaceOne({"_id": 21}, {"a": 2}, upsert=True),
                DeleteOne({"_id": 2}),
                DeleteMany({"_id": {"$in": [3, 10, 99]}}),
            ]
        )
        assert isinstance(result, BulkWriteResult)
        assert result.acknowledged
        assert (result.inserted_count, result.matched_count, result.modified_count) == (2, 10, 6)
        assert (result.deleted_count, result.upserted_count) == (3, 2)
        assert result.upserted_ids == {6: 20, 7: 21}
        assert isinstance(new["_id"], ObjectId)
        found = {document["_id"]: document for document in await everything(people)}
        assert found == {
            0: {**PEOPLE[0], "age": 21, "seen": True},
            1: {"_id": 1, "name": "Rob"},
            20: {"_id": 20, "a": 1},
            21: {"_id": 21, "a": 2},
            new["_id"]: new,
        }

    async def test_ordered_requests_see_those_before_them(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        result = await people.bulk_write(
            [
                InsertOne({"_id": 1, "n": 1}),
                UpdateOne({"_id": 1}, {"$inc": {"n": 1}}),
                InsertOne({"_id": 2, "n": 1}),
                UpdateMany({}, {"$inc": {"n": 1}}),
                DeleteOne({"n": 3}),
                InsertOne({"_id": 1, "n": 10}),
            ]
        )
        assert result.inserted_count == 3
        assert await everything(people) == [{"_id": 1, "n": 10}, {"_id": 2, "n": 2}]

    async def test_ordered_requests_stop_at_the_first_that_fails(self, stores: Stores) -> None:
        people = await filled(stores)
        with pytest.raises(BulkWriteError) as caught:
            await people.bulk_write(
                [
                    InsertOne({"_id": 10}),
                    UpdateOne({"_id": 1}, {"$inc": {"name": 1}}),
                    InsertOne({"_id": 11}),
                    DeleteMany({}),
                ]
            )
        details = caught.value.details
        assert caught.value.code == 65
        assert (details["nInserted"], details["nModified"], details["nRemoved"]) == (1, 0, 0)
        (failure,) = details["writeErrors"]
        assert (failure["index"], failure["code"]) == (1, 14)
        assert failure["op"]["q"] == {"_id": 1}
        assert failure["op"]["u"] == {"$inc": {"name": 1}}
        assert failure["op"]["multi"] is False
        assert await everything(people) == [*PEOPLE, {"_id": 10}]

    async def test_unordered_requests_are_all_tried(self, stores: Stores) -> None:
        people = await filled(stores)
        with pytest.raises(BulkWriteError) as caught:
            await people.bulk_write(
                [
                    DeleteOne({"_id": 3}),
                    InsertOne({"_id": 1}),
                    UpdateOne({"_id": 1}, {"$inc": {"name": 1}}),
                    UpdateOne({"_id": 1}, {"$unknown": {"name": 1}}),
                    UpdateOne({"_id": 1}, {"$set": {"name": "Rob"}}),
                    InsertOne({"_id": 4}),
                    DeleteMany({"$unknown": 1}),
                    UpdateOne({"_id": 5}, {"$set": {"a": 1}}, upsert=True),
                ],
                ordered=False,
            )
        details = caught.value.details
        assert [(failure["index"], failure["code"]) for failure in details["writeErrors"]] == [
            (1, 11000),
            (2, 14),
            (3, 9),
            (6, 2),
        ]
        counts = {name: details[name] for name in ("nInserted", "nMatched", "nModified", "nRemoved", "nUpserted")}
        assert counts == {"nInserted": 1, "nMatched": 1, "nModified": 1, "nRemoved": 1, "nUpserted": 1}
        assert details["upserted"] == [{"index": 7, "_id": 5}]
        assert details["writeConcernErrors"] == []
        assert sorted(document["_id"] for document in await everything(people)) == [0, 1, 2, 4, 5]

    async def test_failed_inserts_are_found_among_many(self, stores: Stores) -> None:
        people = await filled(stores)
        requests: list[Any] = [InsertOne({"_id": number}) for number in range(10, 500)]
        requests.insert(200, InsertOne({"_id": 0}))
        requests.append(UpdateMany({}, {"$set": {"seen": True}}))
        with pytest.raises(BulkWriteError) as caught:
            await people.bulk_write(requests)
        assert [failure["index"] for failure in caught.value.details["writeErrors"]] == [200]
        assert caught.value.details["nInserted"] == 200
        assert await people.count_documents({}) == 204
        assert await people.count_documents({"seen": True}) == 0

    async def test_many_requests_about_single_documents_do_what_they_would_do_alone(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": number, "n": number} for number in range(300)])
        requests: list[Any] = [
            UpdateOne({"_id": number}, {"$inc": {"n": 1}} if number % 3 else {"$set": {"n": number}})
            for number in range(250)
        ]
        requests += [DeleteOne({"_id": number}) for number in range(240, 310)]
        requests += [UpdateOne({"_id": number}, {"$inc": {"n": 1}}, upsert=True) for number in range(290, 350)]
        requests += [ReplaceOne({"_id": number, "n": number + 1}, {"m": 1}) for number in range(100)]
        result = await people.bulk_write(requests)
        assert (result.matched_count, result.modified_count) == (250 + 66, 166 + 66)
        assert (result.deleted_count, result.upserted_count) == (60, 60)
        assert result.upserted_ids == {250 + 70 + place: 290 + place for place in range(60)}
        assert await people.count_documents({"m": 1}) == 66
        assert await people.count_documents({"n": 1, "_id": {"$gte": 290}}) == 60
        assert await people.count_documents({}) == 300

    async def test_a_failure_among_many_requests_about_single_documents_ends_them_there(self, stores: Stores) -> None:
        documents = [{"_id": number, "n": "text" if number in (30, 60) else 0} for number in range(100)]
        requests = [UpdateOne({"_id": number}, {"$inc": {"n": 1}}) for number in range(100)]
        people = await filled(stores, documents)
        with pytest.raises(BulkWriteError) as caught:
            await people.bulk_write(requests)
        assert [(failure["index"], failure["code"]) for failure in caught.value.details["writeErrors"]] == [(30, 14)]
        assert caught.value.details["nModified"] == await people.count_documents({"n": 1}) == 30
        with pytest.raises(BulkWriteError) as caught:
            await people.bulk_write(requests, ordered=False)
        assert [failure["index"] for failure in caught.value.details["writeErrors"]] == [30, 60]
        assert caught.value.details["nModified"] == 98
        assert await people.count_documents({"n": 2}) == 30
        assert await people.count_documents({"n": 1}) == 68

    @pytest.mark.parametrize("partial", [False, True])
    async def test_the_order_of_requests_counts_for_unique_indexes(self, stores: Stores, partial: bool) -> None:
        people = await filled(stores)
        await people.create_index(
            "name", unique=True, **({"partialFilterExpression": {"age": {"$gt": 0}}} if partial else {})
        )
        free, take = UpdateOne({"_id": 1}, {"$set": {"name": "Rob"}}), UpdateOne({"_id": 0}, {"$set": {"name": "Bob"}})
        with pytest.raises(BulkWriteError) as caught:
            await people.bulk_write([take, free])
        assert [(failure["index"], failure["code"]) for failure in caught.value.details["writeErrors"]] == [(0, 11000)]
        assert await everything(people) == PEOPLE
        assert (await people.bulk_write([free, take, UpdateOne({"_id": 2}, {"$inc": {"n": 1}})])).modified_count == 3
        assert await people.distinct("name", {"_id": {"$lt": 2}}) in (["Bob", "Rob"], ["Rob", "Bob"])
        with pytest.raises(BulkWriteError):
            await people.bulk_write([ReplaceOne({"_id": 2}, {"name": "Dan", "age": 1}), DeleteOne({"_id": 3})])
        await people.bulk_write([DeleteOne({"_id": 3}), ReplaceOne({"_id": 2}, {"name": "Dan", "age": 1})])
        if partial:
            await people.update_one({"_id": 0}, {"$set": {"name": "Rob", "age": -1}})
            with pytest.raises(BulkWriteError):
                await people.bulk_write([UpdateOne({"_id": 0}, {"$set": {"age": 1}}), DeleteOne({"_id": 1})])

    async def test_the_order_of_requests_counts_for_unique_indexes_inside_of_arrays(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": number, "a": [{"b": number}]} for number in range(3)])
        await people.create_index("a.b", unique=True)
        requests = [
            UpdateOne({"_id": 1}, {"$set": {"a.0.b": 2}}),
            UpdateOne({"_id": 2}, {"$set": {"a.0.b": 3}}),
        ]
        with pytest.raises(BulkWriteError) as caught:
            await people.bulk_write(requests)
        assert [failure["index"] for failure in caught.value.details["writeErrors"]] == [0]
        assert (await people.bulk_write(requests[::-1])).modified_count == 2

    async def test_requests_that_meet_unique_indexes_do_together_what_they_would_do_alone(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": number, "name": f"n{number}"} for number in range(60)])
        await people.create_index("name", unique=True)

        def named(id: int, name: str, **options: Any) -> Any:
            return UpdateOne({"_id": id}, {"$set": {"name": name}}, **options)

        requests: list[Any] = [named(number, f"n{number - 1}") for number in range(1, 60)]
        # One after the other, each finds its name taken by the one before.
        with pytest.raises(BulkWriteError) as caught:
            await people.bulk_write(requests, ordered=False)
        assert [failure["index"] for failure in caught.value.details["writeErrors"]] == list(range(59))
        # In this order each is set free before it is taken.
        await people.bulk_write([named(0, "free"), *requests])
        assert await people.count_documents({}) == 60
        assert [document["name"] for document in await everything(people)] == ["free", *[f"n{n}" for n in range(59)]]
        # Of two who want one name the first gets it; what fails takes nothing from the others.
        wanted = [named(0, "x"), named(1, "x"), named(100, "y", upsert=True), named(101, "y", upsert=True)]
        wanted += [DeleteOne({"_id": 2}), named(102, "n1", upsert=True), named(3, "z")]
        with pytest.raises(BulkWriteError) as caught:
            await people.bulk_write(wanted, ordered=False)
        details = caught.value.details
        # Deletes come last.
        assert [failure["index"] for failure in details["writeErrors"]] == [1, 3, 5]
        assert (details["nModified"], details["nRemoved"], details["nUpserted"]) == (2, 1, 1)
        await people.bulk_write([DeleteOne({"_id": 4}), named(104, "n3", upsert=True)])
        assert await people.distinct("_id", {"name": "n3"}) == [104]
        assert await people.distinct("_id", {"name": "x"}) == [0]

    async def test_many_upserts_beside_a_unique_index(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": number, "name": f"n{number}"} for number in range(0, 700, 2)])
        await people.create_index("name", unique=True)
        requests = [
            UpdateOne({"_id": number}, {"$set": {"name": f"n{number}", "seen": 1}}, upsert=True)
            for number in range(700)
        ]
        requests[600] = UpdateOne({"_id": 600}, {"$set": {"name": "n0"}}, upsert=True)
        with pytest.raises(BulkWriteError) as caught:
            await people.bulk_write(requests)
        assert [failure["index"] for failure in caught.value.details["writeErrors"]] == [600]
        assert (caught.value.details["nMatched"], caught.value.details["nUpserted"]) == (300, 300)
        requests[600] = UpdateOne({"_id": 600}, {"$set": {"seen": 1}}, upsert=True)
        result = await people.bulk_write(requests)
        assert (result.matched_count, result.modified_count, result.upserted_count) == (650, 50, 50)
        assert await people.count_documents({"seen": 1}) == 700

    async def test_options_of_requests_are_obeyed(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": 1, "marks": [1, 5], "n": 1}, {"_id": 2, "marks": [2], "n": 2}])
        await people.create_index("n")
        await people.bulk_write(
            [
                UpdateMany({}, {"$set": {"marks.$[low]": 3}}, array_filters=[{"low": {"$lt": 3}}]),
                UpdateOne({"n": 1}, {"$inc": {"n": 10}}, hint="n_1"),
                UpdateOne({}, {"$set": {"last": True}}, sort={"n": -1}),
                DeleteOne({"n": 2}, hint=[("n", 1)]),
            ]
        )
        assert await everything(people) == [{"_id": 1, "marks": [3, 5], "n": 11, "last": True}]

    async def test_requests_of_other_kinds_are_refused(self, stores: Stores) -> None:
        people: Any = await filled(stores)
        no_document: Any = 5
        for requests in (({"_id": 9},), [{"_id": 9}], InsertOne({"_id": 9}), [InsertOne({"_id": 9}), 5]):
            with pytest.raises(TypeError):
                await people.bulk_write(requests)
        with pytest.raises(InvalidOperation):
            await people.bulk_write([])
        with pytest.raises(TypeError):
            await people.bulk_write([InsertOne(no_document)])
        with pytest.raises(ValueError, match="operators"):
            await people.bulk_write([InsertOne({"_id": 9}), UpdateOne({}, {"a": 1})])
        with pytest.raises(ValueError, match="operators"):
            await people.bulk_write([InsertOne({"_id": 9}), ReplaceOne({}, {"$set": {"a": 1}})])
        assert await everything(people) == PEOPLE
