"""How often bulk writes ask a far driver, and how much they have in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pymongo import DeleteOne, UpdateOne
from pymongo.errors import BulkWriteError

from atomodm.engine.collection.batches import BYTES_TOGETHER
from atomodm.testing.contract.stores import insert_all
from tests.engine.far import FarStore, far_store
from tests.engine.people import INDEXES, NUMBER, people


@pytest.fixture
async def store() -> AsyncIterator[FarStore]:
    async with far_store() as store:
        await store.ensure_indexes("people", INDEXES)
        await insert_all(store, "people", people(NUMBER))
        yield store


async def test_bulk_writes_to_known_documents_read_and_write_each_batch_once(store: FarStore) -> None:
    collection = store["people"]
    for requests in (
        [UpdateOne({"_id": n}, {"$set": {"seen": n}}) for n in range(4000)],
        # Values of a unique index are no obstacle where no two requests are about one of them.
        [UpdateOne({"_id": n}, {"$set": {"email": f"new {n}"}}) for n in range(4000)],
        [UpdateOne({"_id": n}, {"$set": {"email": f"upserted {n}"}}, upsert=True) for n in range(8000, 12000)],
        [DeleteOne({"_id": n}) for n in range(8000, 12000)],
    ):
        with store.calls() as made:
            await collection.bulk_write(requests)
        assert sorted(made) == ["apply"] * 2 + ["get"] * 2 + ["state"]
    assert await collection.count_documents({"seen": {"$exists": True}, "email": {"$regex": "^new"}}) == 4000
    assert (await store.check()).ok


async def test_requests_that_fail_alone_do_not_have_the_others_read_again_and_again(store: FarStore) -> None:
    collection = store["people"]
    await collection.update_many({"age": {"$lt": 10}}, {"$set": {"count": "text"}})
    requests = [UpdateOne({"_id": n}, {"$inc": {"count": 1}}) for n in range(NUMBER)]
    with pytest.raises(BulkWriteError) as caught:
        await collection.bulk_write(requests, ordered=False)
    assert len(caught.value.details["writeErrors"]) == NUMBER // 5
    read = sum(len(args[1]) for name, args, _ in store.driver.calls if name == "get")
    assert read < 12 * NUMBER


async def test_bulk_writes_hold_no_more_large_documents_than_a_batch_has(store: FarStore) -> None:
    await store["large"].insert_many([{"_id": n, "text": "x" * 50_000} for n in range(900)])
    with store.calls():
        before = len(store.driver.calls)
        await store["large"].bulk_write([UpdateOne({"_id": n}, {"$set": {"seen": 1}}) for n in range(900)])
    reads = [len(args[1]) for name, args, _ in store.driver.calls[before:] if name == "get"]
    assert sum(reads) == 900
    assert max(reads[1:]) * 50_000 <= BYTES_TOGETHER
