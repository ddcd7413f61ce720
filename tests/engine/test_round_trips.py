"""How often a far driver is asked, what is asked at a time, and that nothing is left under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atomodm.contract import Batch, Delete, Find, IndexSpec, Patch, Replace
from atomodm.encoding import decode_all
from atomodm.engine.finding import sorting
from atomodm.engine.finding.pages import FEW, LARGEST_PAGE
from atomodm.errors import DuplicateKey, StaleCatalogue, StoreUnavailable
from atomodm.query.changes import Changes
from atomodm.query.filters import parse_filter
from atomodm.testing.contract.stores import find_all, insert_all, read, update
from tests.engine.far import FarStore, far_store
from tests.engine.people import INDEXES, NUMBER, people


@pytest.fixture
async def store() -> AsyncIterator[FarStore]:
    async with far_store() as store:
        await store.ensure_indexes("people", INDEXES)
        await insert_all(store, "people", people(NUMBER))
        yield store


async def found(store: FarStore, filter: dict[str, Any], **options: Any) -> list[Any]:
    documents = await find_all(store, "people", parse_filter(filter), **options)
    return [document["_id"] for document in documents]


# -- finding -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filter", "options", "calls"),
    [
        # One read for each page: 512 documents, 2048, and at most 4096.
        ({}, {}, ["scan"] * 3),
        ({"age": 7}, {}, ["scan"]),
        ({"age": {"$lt": 20}}, {}, ["scan"] * 2),
        ({"email": "7@x"}, {}, ["scan"]),
        ({"_id": 7}, {}, ["get"]),
        ({"_id": {"$in": [1, 2, 3]}}, {}, ["get"]),
        ({"_id": {"$in": list(range(600))}}, {}, ["get"] * 2),
        ({"age": {"$in": list(range(0, 50, 2))}}, {"limit": 10}, ["scan"]),
        ({"age": 7}, {"sort": [("_id", 1)], "limit": 5}, ["scan"]),
        ({}, {"sort": [("email", -1)], "limit": 5}, ["scan"]),
        # Of documents that tie there are more than are wanted: the first by id are read.
        ({}, {"sort": [("age", -1)], "limit": 5}, ["scan"] * 2),
        ({}, {"limit": 3000}, ["scan"]),
        ({}, {"skip": 1000, "limit": 1000}, ["scan"]),
        # Of two indexes the better one is taken: both counts are asked for at a time.
        ({"age": 7, "city": "c7"}, {}, ["count", "count", "scan"]),
        ({"text": "y"}, {"limit": 1}, ["scan"] * 4),
        ({"$or": [{"age": 7}, {"city": "c8"}]}, {}, ["scan", "scan"]),
        ({"age": {"$in": [1, 2, 3]}}, {"sort": [("_id", 1)], "limit": 5}, ["scan"] * 3),
    ],
)
async def test_a_find_asks_once_for_each_page(
    store: FarStore, filter: dict[str, Any], options: dict[str, Any], calls: list[str]
) -> None:
    with store.calls() as made:
        await found(store, filter, **options)
    assert made == calls


async def test_the_answers_are_those_of_a_near_driver(store: FarStore) -> None:
    filters: Sequence[dict[str, Any]] = [
        {},
        {"age": {"$lt": 20}},
        {"text": {"$exists": True}, "age": {"$gt": 10}},
        {"_id": {"$in": list(range(0, NUMBER, 3))}},
        {"$or": [{"age": 7}, {"city": "c8"}, {"_id": {"$lt": 100}}]},
        {"age": {"$in": [1, 2, 3]}},
    ]
    for filter in filters:
        for options in ({}, {"limit": 700}, {"skip": 50}, {"sort": [("age", 1)]}, {"sort": [("_id", -1)], "limit": 99}):
            far = await found(store, filter, **options)
            store.driver.far = False
            assert await found(store, filter, **options) == far
            del store.driver.far


async def test_a_catalogue_is_read_once(store: FarStore) -> None:
    async with far_store(store.data) as other:
        with other.calls() as made:
            for age in range(5):
                await found(other, {"age": age})
        assert made == ["state", *["scan"] * 5]


async def test_many_who_begin_at_once_read_a_catalogue_once(store: FarStore) -> None:
    async with far_store(store.data) as other:
        with other.calls() as made:
            readers = [asyncio.create_task(read(other, "people", number)) for number in range(50)]
            await asyncio.sleep(0)
            # The one who reads it for all is given up.
            readers[0].cancel()
            await asyncio.wait(readers)
        assert made.count("state") == 2
        assert made.count("get") == 49
        assert all(reader.result() is not None for reader in readers[1:])


async def test_counts_are_asked_for_at_a_time_and_not_again_at_once(store: FarStore) -> None:
    filter = {"age": 7, "city": "c7", "email": {"$gt": "0"}}
    with store.calls() as made:
        await found(store, filter)
    assert made == ["count"] * 3 + ["scan"]
    assert store.driver.most == 3
    with store.calls() as made:
        await found(store, filter)
    assert made == ["scan"]


async def test_the_first_pages_of_a_union_are_asked_for_together(store: FarStore) -> None:
    with store.calls() as made:
        both = await found(store, {"$or": [{"age": 7}, {"city": "c8"}]})
    assert made == ["scan"] * 2
    assert store.driver.most == 2
    assert sorted(both) == [place for place in range(NUMBER) if place % 50 == 7 or place % 20 == 8]


async def test_the_first_pages_of_a_merge_are_asked_for_together(store: FarStore) -> None:
    with store.calls() as made:
        await found(store, {"age": {"$in": [1, 2, 3, 4]}}, sort=[("_id", 1)], limit=20)
    assert made == ["scan"] * 4
    assert store.driver.most == 4


async def test_the_first_entries_of_an_intersection_are_asked_for_together(store: FarStore) -> None:
    documents = [{"_id": place, "a": place % 2, "b": place // 2 % 2} for place in range(8000)]
    await insert_all(store, "c", documents)
    await store.ensure_indexes("c", [IndexSpec(name=name, fields=[(name, 1)]) for name in "ab"])
    filter = parse_filter({"a": 1, "b": 1})
    assert (await store.explain("c", Find(filter=filter))).access == "intersection"
    with store.calls() as made:
        assert len(await find_all(store, "c", filter)) == 2000
    assert made[:2] == ["entries", "entries"]
    assert store.driver.most >= 2


# -- reading ahead -----------------------------------------------------------------------------------------------------


async def test_the_next_page_is_on_its_way_while_one_is_worked_on(store: FarStore) -> None:
    before = len(store.driver.calls)
    asked: list[int] = []
    async with aclosing(store.find("people", Find(batch_size=128))) as answer:
        async for _ in answer:
            asked.append(len(store.driver.calls) - before)
            if len(asked) == 6:
                break
    # Of a page of four chunks. Who comes back for the second one is likely to want the next page.
    assert asked == [1, 2, 2, 2, 3, 3]


async def test_there_is_never_more_than_one_page_ahead(store: FarStore) -> None:
    with store.calls() as made:
        async with aclosing(store.find("people", Find(batch_size=16))) as answer:
            async for _ in answer:
                await asyncio.sleep(0.001)
    assert store.driver.most == 1
    assert made == ["scan"] * len(made)


@pytest.mark.parametrize("chunks", [1, 2])
async def test_who_takes_the_first_documents_and_leaves_asks_for_one_page(store: FarStore, chunks: int) -> None:
    with store.calls() as made:
        async with aclosing(store.find("people", Find())) as answer:
            for _ in range(chunks):
                await anext(answer)
            if chunks > 1:
                # By now more is likely to be wanted, and is given up.
                assert store.driver.names()[-1] == "scan"
    assert made == ["scan"] * chunks
    assert store.driver.under_way == 0
    assert store.driver.cancelled == chunks - 1


async def test_nothing_is_asked_for_beyond_a_limit(store: FarStore) -> None:
    for limit in (1, 128, 129, 500, 4096):
        with store.calls() as made:
            assert len(await found(store, {"age": {"$gte": 0}}, limit=limit)) == limit
        assert made == ["scan"]


async def test_an_error_comes_where_the_page_is_asked_for(store: FarStore, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = store.driver.scan

    async def fail(*args: Any, **options: Any) -> Any:
        await asyncio.sleep(0)
        raise StoreUnavailable("gone")

    chunks = 0

    async def read_on() -> None:
        nonlocal chunks
        async with aclosing(store.find("people", Find(batch_size=128))) as answer:
            async for _ in answer:
                chunks += 1
                monkeypatch.setattr(store.driver, "scan", fail)
                await asyncio.sleep(0.005)

    with pytest.raises(StoreUnavailable):
        await read_on()
    # All of the first page was given.
    assert chunks == 4
    # An error that nobody comes for is nobody's concern: unhandled ones would fail the test.
    monkeypatch.setattr(store.driver, "scan", scan)
    async with aclosing(store.find("people", Find())) as answer:
        await anext(answer)
        monkeypatch.setattr(store.driver, "scan", fail)
        await anext(answer)
        await asyncio.sleep(0.005)


async def test_cancelling_a_find_gives_up_what_is_under_way(store: FarStore) -> None:
    store.driver.delay = 5

    async def read_all() -> None:
        await found(store, {"$or": [{"age": 7}, {"city": "c8"}]})

    reading = asyncio.create_task(read_all())
    await asyncio.sleep(0.01)
    assert store.driver.under_way == 2
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert store.driver.under_way == 0
    store.driver.delay = 0


async def test_a_find_that_is_forgotten_leaves_no_request_under_way(store: FarStore) -> None:
    store.driver.delay = 0.05
    answer = store.find("people", Find())
    await anext(answer)
    await anext(answer)
    assert store.driver.under_way == 1
    del answer
    async with asyncio.timeout(5):
        while store.driver.under_way:
            await asyncio.sleep(0.001)
    assert store.driver.cancelled == 1


async def test_an_index_that_is_made_while_parts_are_asked_for_together_does_not_disturb(store: FarStore) -> None:
    async with far_store(store.data) as other:
        for step in range(3):
            finding = asyncio.create_task(found(other, {"$or": [{"age": 7}, {"city": "c8"}]}))
            await asyncio.sleep(0.0005 * step)
            await store.ensure_indexes("people", [IndexSpec(name=f"x{step}", fields=[(f"x{step}", 1)])])
            assert len(await finding) == len({p for p in range(NUMBER) if p % 50 == 7 or p % 20 == 8})


async def test_a_removed_index_asks_for_a_repetition_ahead_too(store: FarStore) -> None:
    async with aclosing(store.find("people", Find(filter=parse_filter({"age": {"$gte": 0}})))) as answer:
        await anext(answer)
        await store.drop("people")
        with pytest.raises(StaleCatalogue):
            async for _ in answer:
                pass


async def test_pages_by_id_shrink_where_documents_are_large(store: FarStore) -> None:
    await insert_all(store, "large", [{"_id": place, "text": "x" * 100_000} for place in range(200)])
    wanted = parse_filter({"_id": {"$in": list(range(200))}})
    sizes: list[int] = []
    async with aclosing(store.find("large", Find(filter=wanted, batch_size=8))) as answer:
        async for chunk in answer:
            sizes.append(len(decode_all(chunk.documents)))
    gets = [len(args[1]) for name, args, _ in store.driver.calls if name == "get"]
    assert sum(sizes) == sum(gets) == 200
    assert max(gets) <= 42
    assert FEW < LARGEST_PAGE


async def test_sorted_documents_that_were_not_kept_are_read_in_large_pages(
    store: FarStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "KEPT_BYTES", 0)
    expected = sorted((f"{place}@x" for place in range(NUMBER)), reverse=True)
    sort = [("text", 1), ("email", -1)]
    with store.calls() as made:
        documents = await find_all(store, "people", sort=sort, skip=7)
    assert [document["email"] for document in documents] == expected[7:]
    assert made == [*["scan"] * 3, *["get"] * 4]
    async with aclosing(store.find("people", Find(sort=sort, batch_size=100))) as answer:
        assert {len(chunk.documents) async for chunk in answer} == {100}


@pytest.mark.parametrize("sort", [(), [("text", 1)]])
async def test_chunks_grow_unless_their_size_is_asked_for(store: FarStore, sort: Sequence[tuple[str, int]]) -> None:
    async with aclosing(store.find("people", Find(sort=sort))) as answer:
        sizes = [len(chunk.documents) async for chunk in answer]
    assert sizes[:2] == [128, 256]
    assert max(sizes) == 1024
    assert sum(sizes) == NUMBER
    async with aclosing(store.find("people", Find(sort=sort, batch_size=7))) as answer:
        assert {len(chunk.documents) async for chunk in answer} == {7, NUMBER % 7}


# -- building and removing ---------------------------------------------------------------------------------------------


async def test_an_index_is_built_while_the_next_documents_are_read(store: FarStore) -> None:
    with store.calls() as made:
        await store.ensure_indexes("people", [IndexSpec(name="text_1", fields=[("text", 1)])])
    # The last page is empty; an index is declared first and completed in the end.
    assert (made.count("scan"), made.count("apply")) == (6, 7)
    assert store.driver.most == 2
    assert (await store.check()).problems == ()


async def test_a_build_that_is_given_up_leaves_nothing_under_way(store: FarStore) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await store.ensure_indexes("people", [IndexSpec(name="text_1", fields=[("text", 1)])], stop)
    assert store.driver.under_way == 0


def hours_ago(hours: float) -> datetime:
    return (datetime.now(UTC) - timedelta(hours=hours)).replace(tzinfo=None)


@pytest.fixture
async def expiring() -> AsyncIterator[FarStore]:
    """A store in which 3,000 notes have expired."""
    async with far_store(expire_interval=0) as store:
        unique = IndexSpec(name="name_1", fields=[("name", 1)], unique=True)
        await store.ensure_indexes("notes", [IndexSpec(name="at_1", fields=[("at", 1)], expire_after=3600), unique])
        await insert_all(store, "notes", [{"_id": n, "name": f"n{n}", "at": hours_ago(2)} for n in range(3000)])
        yield store


async def test_expired_documents_are_removed_while_the_next_ones_are_read(expiring: FarStore) -> None:
    with expiring.calls() as made:
        assert await expiring._expiry.reap(["notes"]) == 3000
    # Nothing is read twice.
    assert sorted(made) == [*["apply"] * 6, *["scan"] * 7, "state"]
    assert expiring.driver.most == 2
    assert (await expiring.driver.state("notes")).documents == 0


async def test_only_expired_documents_that_are_in_the_way_are_removed(expiring: FarStore) -> None:
    with expiring.calls() as made:
        await insert_all(expiring, "notes", [{"_id": 7, "name": "new"}])
    assert made == ["apply", "get", "apply", "apply"]
    with expiring.calls() as made:
        await insert_all(expiring, "notes", [{"_id": "new", "name": "n8"}, {"_id": "newer", "name": "n9"}])
    assert made == ["apply", "entries", "get", "apply", "apply"]
    await expiring["notes"].update_one({"_id": "new"}, {"$set": {"name": "n10"}})
    # Of 3000 four have gone, and three are new.
    assert (await expiring.driver.state("notes")).documents == 3000 - 4 + 3
    for documents in (
        [{"_id": 7}],
        [{"_id": "newest", "name": "n9"}],
        [{"_id": "a", "name": "a"}, {"_id": "b", "name": "a"}],
    ):
        with expiring.calls() as made, pytest.raises(DuplicateKey):
            await insert_all(expiring, "notes", documents)
        assert len(made) <= 6
    assert (await expiring.check()).problems == ()


async def test_a_unique_index_that_is_built_removes_only_expired_documents_that_are_in_its_way(
    expiring: FarStore,
) -> None:
    twice = {"_id": "twice", "name": "a", "code": 7, "at": hours_ago(0)}
    expired = [{"_id": f"over {n}", "name": f"over {n}", "code": n, "at": hours_ago(2)} for n in (7, 7.0, 8, 8.5)]
    expired[1] |= {"_id": "over again", "name": "over again"}
    documents = [{"_id": n, "name": f"n{n}", "code": 100 + n, "at": hours_ago(2)} for n in range(3000)]
    await expiring["notes"].insert_many(documents)
    await insert_all(expiring, "notes", [twice, *expired])
    code = IndexSpec(name="code_1", fields=[("code", 1)], unique=True)
    with expiring.calls() as made:
        await expiring.ensure_indexes("notes", [code])
    # One step for each page of documents, and one that makes room; nothing else is removed.
    assert made.count("apply") <= 9
    assert (await expiring.driver.state("notes")).documents == 3000 + 5 - 2
    assert (await expiring.check()).problems == ()
    await expiring.drop_indexes("notes", ["code_1"])
    await insert_all(expiring, "notes", [{"_id": "new", "name": "new", "code": 7}])
    with pytest.raises(DuplicateKey):
        await expiring.ensure_indexes("notes", [code])
    assert (await expiring.driver.state("notes")).documents == 3000 + 5 - 2 + 1


# -- writing -----------------------------------------------------------------------------------------------------------


async def test_what_a_write_takes(store: FarStore) -> None:
    collection = store["people"]
    changes = Changes(set={"age": 1})
    document = (await read(store, "people", 1) or (0, {}))[1]
    revision = (await read(store, "people", 1) or (0, {}))[0]
    for write, calls in (
        # One round trip with what the caller knows...
        (lambda: insert_all(store, "people", [{"_id": "new", "email": "new"}]), ["apply"]),
        (lambda: store.write(Batch([update("people", revision, document, changes)])), ["apply"]),
        (lambda: collection.insert_one({"_id": "newer", "email": "newer"}), ["apply"]),
        # ...or wrote last...
        (lambda: store.write(Batch([Patch("people", 1, Changes(set={"age": 2}))])), ["apply"]),
        (lambda: collection.update_one({"_id": 1}, {"$inc": {"age": 1}}), ["apply"]),
        (lambda: collection.find_one_and_update({"_id": 1}, {"$inc": {"age": 1}}), ["apply"]),
        (lambda: store.write(Batch([Delete("people", "new")])), ["apply"]),
        (lambda: collection.delete_one({"_id": "newer"}), ["apply"]),
        # ...and two with nothing known.
        (lambda: store.write(Batch([Patch("people", 2, changes)])), ["get", "apply"]),
        (lambda: store.write(Batch([Replace("people", 3, update("people", 1, {"_id": 3}, changes).document)])), None),
        (lambda: store.write(Batch([Delete("people", 4)])), ["get", "apply"]),
        (lambda: collection.update_one({"_id": 5}, {"$inc": {"age": 1}}), ["get", "apply"]),
        (lambda: collection.find_one_and_update({"_id": 6}, {"$inc": {"age": 1}}), ["get", "apply"]),
        (lambda: collection.find_one_and_update({"email": "7@x"}, {"$inc": {"age": 1}}), ["scan", "apply"]),
        (lambda: collection.delete_one({"_id": 8}), ["get", "apply"]),
        (lambda: collection.delete_many({"age": 9}), ["scan", "apply"]),
        (lambda: collection.update_many({"city": "c9"}, {"$set": {"seen": 1}}), ["scan", "apply", "state"]),
    ):
        with store.calls() as made:
            await write()
        assert made == (calls or ["get", "apply"])
    assert (await read(store, "people", 1) or (0, {}))[1]["age"] == 4


async def test_queued_increments_take_one_round_trip_each(store: FarStore) -> None:
    store.driver.delay = 0.0002
    collection = store["people"]
    with store.calls() as made:
        await asyncio.gather(*(collection.update_one({"_id": 1}, {"$inc": {"age": 1}}) for _ in range(200)))
        await asyncio.gather(
            *(store.write(Batch([Patch("people", 1, Changes(push={"seen": [n]}))])) for n in range(50))
        )
    assert made == ["get", *["apply"] * 250]
    stored = (await read(store, "people", 1) or (0, {}))[1]
    assert stored["age"] == 201
    assert stored["seen"] == list(range(50))


async def test_what_others_wrote_since_is_read_and_kept(store: FarStore) -> None:
    async with far_store(store.data) as other:
        for round in range(3):
            for each in (store, other):
                await each["people"].update_one({"_id": 1}, {"$inc": {"age": 1}, "$push": {"seen": round}})
                await each.write(Batch([Patch("people", 1, Changes(push={"seen": [round]}))]))
        stored = (await read(store, "people", 1) or (0, {}))[1]
        assert stored["age"] == 7
        assert stored["seen"] == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]


async def test_nothing_is_concluded_from_what_was_written_last(store: FarStore) -> None:
    async with far_store(store.data) as other:
        await store["people"].update_one({"_id": 1}, {"$set": {"state": "closed"}})
        await other["people"].update_one({"_id": 1}, {"$set": {"state": "open", "count": 1}})
        # By what this handle knows, it does not match, or there is nothing to do, or it would be an error.
        assert (await store["people"].update_one({"_id": 1, "state": "open"}, {"$set": {"a": 1}})).matched_count == 1
        await other["people"].update_one({"_id": 1}, {"$set": {"a": 2}})
        assert (await store["people"].update_one({"_id": 1}, {"$set": {"a": 1}})).modified_count == 1
        await store["people"].update_one({"_id": 1}, {"$set": {"count": "text"}})
        await other["people"].update_one({"_id": 1}, {"$set": {"count": 1}})
        assert (await store["people"].update_one({"_id": 1}, {"$inc": {"count": 1}})).modified_count == 1
        assert (await store["people"].delete_one({"_id": 2, "state": "open"})).deleted_count == 0
        await other.drop("people")
        assert (await store["people"].update_one({"_id": 1}, {"$inc": {"count": 1}})).matched_count == 0
        assert (await store["people"].delete_one({"_id": 1})).deleted_count == 0


async def test_a_delete_that_carries_what_was_seen_is_checked(store: FarStore) -> None:
    found = (await read(store, "people", 1) or (0, {}))[0]
    stale = (found, update("people", found, {"_id": 1, "age": 1, "city": "c1", "email": "1@x"}, Changes()).document)
    await store["people"].update_one({"_id": 1}, {"$set": {"email": "other"}})
    store._writer.queue.latest.forget(("people", next(iter(store._writer.queue.latest._rows))[1]))
    await store.write(Batch([Delete("people", 1, seen=stale)]))
    assert await read(store, "people", 1) is None
    # The value that the document had in the end is free.
    await insert_all(store, "people", [{"_id": "other", "email": "other"}])
    assert (await store.check()).problems == ()
