"""What a check asks of a far driver at a time, and that nothing is left under way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atomodm.contract import IndexSpec
from atomodm.engine import CollectionChanges, Commit, IndexRef
from atomodm.engine.checking import FAR_STEP
from atomodm.errors import StoreUnavailable
from atomodm.query.keys import encode_key
from atomodm.query.ranges import EVERYTHING
from atomodm.testing.contract.stores import insert_all
from tests.engine.far import FarStore, far_store
from tests.engine.people import INDEXES, NUMBER, people


@pytest.fixture
async def store() -> AsyncIterator[FarStore]:
    async with far_store() as store:
        await store.ensure_indexes("people", INDEXES)
        await insert_all(store, "people", people(NUMBER))
        yield store


async def test_a_check_reads_ahead_and_looks_into_all_indexes_at_a_time(store: FarStore) -> None:
    with store.calls() as made:
        report = await store.check()
    assert (report.ok, report.documents, report.entries) == (True, NUMBER, 3 * NUMBER)
    # For each index the first pages are small, until it is known how large the documents are.
    assert made.count("get") <= 3 * (NUMBER // FAR_STEP + 6)
    assert made.count("scan") <= NUMBER // FAR_STEP + 1
    assert made.count("absent") == 3 * (NUMBER // FAR_STEP)
    # Entries, documents, and the entries of documents in three indexes.
    assert store.driver.most >= 3


async def test_a_check_of_large_documents_reads_few_at_a_time(store: FarStore) -> None:
    await insert_all(store, "large", [{"_id": n, "age": n, "text": "x" * 100_000} for n in range(300)])
    await store.ensure_indexes("large", [IndexSpec(name="age_1", fields=[("age", 1)])])
    before = len(store.driver.calls)
    assert (await store.check()).ok
    gets = [len(args[1]) for name, args, _ in store.driver.calls[before:] if name == "get" and args[0] == "large"]
    assert sum(gets) == 300
    # What is on its way was asked for before.
    assert max(gets) <= 64


@pytest.mark.parametrize("pause", [0.0, 0.004, 0.01, 0.02, 0.03, 0.05])
async def test_a_check_that_is_cancelled_leaves_nothing_under_way(store: FarStore, pause: float) -> None:
    checking = asyncio.create_task(store.check(repair=True))
    await asyncio.sleep(pause)
    checking.cancel()
    await asyncio.gather(checking, return_exceptions=True)
    assert store.driver.under_way == 0
    assert (await store.check()).ok


async def test_a_check_that_fails_leaves_nothing_under_way(store: FarStore, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = store.driver.absent
    calls = 0

    async def fail(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise StoreUnavailable("gone")
        return await absent(*args)

    monkeypatch.setattr(store.driver, "absent", fail)
    with pytest.raises(StoreUnavailable):
        await store.check()
    assert store.driver.under_way == 0


async def test_a_repair_beside_writers_leaves_the_indexes_right(store: FarStore) -> None:
    store.driver.delay = 0.0005
    writing = True
    collection = store["people"]

    async def write(seed: int) -> None:
        chance = random.Random(seed)
        while writing:
            await collection.update_one(
                {"_id": chance.randrange(300)}, {"$set": {"age": chance.randrange(50), "email": f"{chance.random()}@x"}}
            )

    async def damage() -> None:
        """Remove entries of documents, and add some of nobody's."""
        state = await store.driver.state("people")
        ages, emails = IndexRef(1, False), IndexRef(3, True)
        some = await store.driver.entries("people", ages, [EVERYTHING], limit=400)
        claims = await store.driver.entries("people", emails, [EVERYTHING], limit=200)
        changes = CollectionChanges(
            state.version,
            removed=[(1, key, id) for key, id in some],
            released=[(3, key, id) for key, id in claims],
            added=[(1, encode_key(999), id) for _, id in some[:50]],
        )
        await store.driver.apply(Commit({"people": changes}))

    await damage()
    writers = [asyncio.create_task(write(seed)) for seed in range(4)]
    try:
        report = await store.check(repair=True)
    finally:
        writing = False
        await asyncio.gather(*writers)
    assert report.repaired > 300
    assert (await store.check()).problems == ()
