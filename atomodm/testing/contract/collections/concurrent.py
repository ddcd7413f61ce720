"""Writers of the same documents at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pymongo import ReturnDocument, UpdateOne

from ..stores import Stores
from .people import everything, filled


class ConcurrentWriteContract:
    """Nothing is lost, nothing is done twice."""

    @pytest.mark.slow
    async def test_increments_of_one_document_by_many_tasks_all_count(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": 1, "n": 0}])

        async def add(times: int) -> None:
            for _ in range(times):
                assert (await people.update_one({"_id": 1}, {"$inc": {"n": 1}})).modified_count == 1

        await asyncio.gather(*(add(200) for _ in range(64)))
        assert await people.find_one(1) == {"_id": 1, "n": 64 * 200}

    async def test_writers_of_one_document_through_several_handles_lose_nothing(self, stores: Stores) -> None:
        first = await filled(stores, [{"_id": 1, "kind": "x", "n": 0, "seen": []}])
        handles = [first, (await stores.open())["people"], (await stores.open())["people"]]
        filters: list[dict[str, Any]] = [{"_id": 1}, {"kind": "x"}, {"n": {"$gte": 0}}]

        async def add(writer: int) -> None:
            people, filter = handles[writer % 3], filters[writer % 2]
            for number in range(10):
                await people.update_one(filter, {"$inc": {"n": 1}, "$push": {"seen": writer * 10 + number}})

        await asyncio.gather(*(add(writer) for writer in range(12)))
        found = await first.find_one(1)
        assert found is not None
        assert found["n"] == 120
        assert sorted(found["seen"]) == list(range(120))

    async def test_every_writer_of_one_document_has_its_turn(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": 1, "n": 0}])
        order: list[int] = []

        async def add(writer: int) -> None:
            for _ in range(5):
                await people.find_one_and_update({"_id": 1}, {"$inc": {"n": 1}})
                order.append(writer)
                # A store that answers at once would let the first one go through without meeting anybody.
                await asyncio.sleep(0)

        await asyncio.gather(*(add(writer) for writer in range(8)))
        # Nobody is done before everybody had a turn.
        assert set(order[:30]) == set(range(8))

    async def test_tasks_that_take_documents_from_a_queue_get_each_once(self, stores: Stores) -> None:
        first = await filled(stores, [{"_id": number, "priority": number % 7, "state": "new"} for number in range(60)])
        handles = [first, (await stores.open())["people"]]
        await first.create_index([("state", 1), ("priority", -1)])

        async def work(worker: int) -> list[int]:
            done: list[int] = []
            while True:
                job = await handles[worker % 2].find_one_and_update(
                    {"state": "new"}, {"$set": {"state": "done", "by": worker}}, sort=[("priority", -1)]
                )
                if job is None:
                    return done
                done.append(job["_id"])

        taken = await asyncio.gather(*(work(worker) for worker in range(8)))
        assert sorted(id for ids in taken for id in ids) == list(range(60))
        deleted = await asyncio.gather(*(handles[number % 2].find_one_and_delete({}) for number in range(70)))
        assert sorted(document["_id"] for document in deleted if document is not None) == list(range(60))

    async def test_updates_and_deletes_of_many_beside_others_lose_nothing(self, stores: Stores) -> None:
        first = await filled(stores, [{"_id": number, "n": 0, "m": 0} for number in range(300)])
        second = (await stores.open())["people"]

        async def single() -> None:
            for number in range(0, 300, 3):
                await second.update_one({"_id": number}, {"$inc": {"m": 1}})

        await asyncio.gather(
            first.update_many({}, {"$inc": {"n": 1}}), single(), second.update_many({}, {"$inc": {"n": 10}})
        )
        assert await first.count_documents({"n": 11}) == 300
        assert await first.count_documents({"m": 1}) == 100
        results = await asyncio.gather(
            first.delete_many({}), second.delete_many({"_id": {"$gte": 100}}), second.delete_many({"m": 1})
        )
        assert sum(result.deleted_count for result in results) == 300
        assert await everything(first) == []

    @pytest.mark.slow
    async def test_no_document_is_updated_twice_though_others_write_what_the_scan_comes_upon_again(
        self, stores: Stores
    ) -> None:
        first = await filled(stores, [{"_id": number, "n": number, "times": 0, "m": 0} for number in range(4000)])
        second = (await stores.open())["people"]
        await first.create_index("n")
        done = asyncio.Event()

        async def follow() -> int:
            written = 0
            while not done.is_set():
                updated = await second.find({"times": {"$gte": 1}}, {"n": 1}, limit=200).sort("n", -1).to_list()
                ids = [document["_id"] for document in updated]
                # Others write what was updated, and move it further ahead.
                result = await second.update_many({"_id": {"$in": ids}}, {"$inc": {"m": 1, "n": 1}})
                written += result.modified_count
                await asyncio.sleep(0)
            return written

        others = asyncio.ensure_future(follow())
        result = await first.update_many({"n": {"$gte": 0}}, {"$inc": {"times": 1, "n": 4000}}, hint="n_1")
        done.set()
        assert await others > 0
        assert (result.matched_count, result.modified_count) == (4000, 4000)
        assert await first.distinct("times") == [1]

    async def test_bulk_writes_of_the_same_documents_at_once_lose_nothing(self, stores: Stores) -> None:
        first = await filled(stores, [{"_id": number, "n": 0} for number in range(50)])
        second = (await stores.open())["people"]

        def requests(step: int) -> list[UpdateOne]:
            numbers = range(60) if step > 0 else range(59, -1, -1)
            return [UpdateOne({"_id": number}, {"$inc": {"n": 1}}, upsert=True) for number in numbers]

        results = await asyncio.gather(
            *(people.bulk_write(requests(step)) for people in (first, second) for step in (1, -1, 1, -1))
        )
        assert sum(result.upserted_count for result in results) == 10
        assert sum(result.modified_count for result in results) == 8 * 60 - 10
        assert await first.distinct("n") == [8]
        assert await first.count_documents({}) == 60

    async def test_a_document_that_matches_no_more_is_left_alone(self, stores: Stores) -> None:
        first = await filled(stores, [{"_id": number, "owner": None} for number in range(20)])
        second = (await stores.open())["people"]

        async def claim(people: Any, owner: str, number: int) -> bool:
            result = await people.update_one({"_id": number, "owner": None}, {"$set": {"owner": owner}})
            return bool(result.modified_count)

        claims = await asyncio.gather(
            *(
                claim(people, owner, number)
                for number in range(20)
                for people, owner in ((first, "a"), (second, "b"), (first, "c"))
            )
        )
        assert sum(claims) == 20
        assert await first.count_documents({"owner": None}) == 0

    async def test_a_cancelled_write_is_done_or_not_and_holds_nobody_up(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": number, "n": 0, "m": 0} for number in range(50)])
        await people.create_index("n")
        both = {"$inc": {"n": 1, "m": 1}}
        for turns in range(0, 60, 2):
            tasks = [
                asyncio.ensure_future(write)
                for write in (
                    *(people.update_one({"_id": number % 3}, both) for number in range(6)),
                    people.find_one_and_update({}, both, sort=[("n", 1)]),
                    people.update_many({}, both),
                    people.bulk_write([UpdateOne({"_id": number}, both) for number in range(60)]),
                    people.update_one({"_id": -turns}, both, upsert=True),
                )
            ]
            # Each task is interrupted at another one of its awaits.
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(10):
            after = await people.find_one_and_update(
                {"_id": 0}, {"$inc": {"n": 1, "m": 1}}, return_document=ReturnDocument.AFTER
            )
        assert after is not None
        documents = await everything(people)
        assert all(document["n"] == document["m"] for document in documents)
        assert await people.find({"n": {"$gte": 0}}, hint="n_1").sort("_id").to_list() == documents
