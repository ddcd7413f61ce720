"""Documents with so many index entries that few of them go into one commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atomodm.contract import Batch, Delete, IndexSpec, Operation, Store
from atomodm.errors import BatchTooLarge
from atomodm.store import create_store
from atomodm.store.redis import writing
from atomodm.testing.contract.stores import find_all, insert, insert_all

#: Entries that go together in these tests; a document has 40.
MOST = 500
WORDS = IndexSpec(name="words_1", fields=[("words", 1)])
DATES = IndexSpec(name="date_1", fields=[("date", 1)], expire_after=60)
LONG_AGO = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
async def store(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    monkeypatch.setattr(writing, "MAX_ENTRIES", MOST)
    store = create_store(redis_url)
    await store.open()
    yield store
    await store.close()


def worded(number: int, **fields: Any) -> dict[str, Any]:
    return {"_id": number, "words": [f"w{number + place}" for place in range(40)], **fields}


async def test_an_index_is_built_in_commits_that_fit(store: Store) -> None:
    await insert_all(store, "c", [worded(number) for number in range(200)])
    await store.ensure_indexes("c", [WORDS])
    assert await store["c"].count_documents({"words": "w100"}) == 40
    report = await store.check()
    assert (report.ok, report.entries) == (True, 8000)


async def test_a_batch_that_does_not_fit_is_refused_with_what_to_do(store: Store) -> None:
    await store.ensure_indexes("c", [WORDS])
    operations: list[Operation] = [insert("c", worded(number)) for number in range(20)]
    with pytest.raises(BatchTooLarge) as caught:
        await store.write(Batch(operations))
    assert caught.value.store == store.url
    assert "800 index entries" in str(caught.value)
    assert await find_all(store, "c") == []
    await store.write(Batch(operations[:12]))
    with pytest.raises(BatchTooLarge):
        await store.write(Batch([insert("c", {"_id": 50, "words": list(range(MOST + 1))})]))
    with pytest.raises(BatchTooLarge):
        await store["c"].insert_one({"_id": 50, "words": list(range(MOST + 1))})
    await store.write(Batch([Delete("c", number) for number in range(12)]))
    assert (await store.check()).ok


async def test_the_collection_writes_many_documents_in_batches_that_fit(store: Store) -> None:
    people = store["c"]
    await store.ensure_indexes("c", [WORDS])
    await people.insert_many([worded(number) for number in range(150)])
    assert (await people.update_many({}, {"$push": {"words": "another"}})).modified_count == 150
    assert await people.count_documents({"words": "another"}) == 150
    assert (await people.delete_many({"_id": {"$gte": 10}})).deleted_count == 140
    assert await people.count_documents({"words": "another"}) == 10
    assert (await store.check()).ok


async def test_expired_documents_are_removed_in_batches_that_fit(store: Store, redis_url: str) -> None:
    await store.ensure_indexes("c", [WORDS])
    for start in range(0, 150, 10):
        await insert_all(store, "c", [worded(number, date=LONG_AGO) for number in range(start, start + 10)])
    await store.ensure_indexes("c", [DATES])
    # Another one, whose reaper comes at once.
    other = create_store(f"{redis_url}&expire_interval=0.02")
    await other.open()
    try:
        await other.count("c")
        async with asyncio.timeout(10):
            while (await store.check()).documents:
                await asyncio.sleep(0.02)
    finally:
        await other.close()
    assert (await store.check()).ok
