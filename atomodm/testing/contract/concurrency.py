"""Several writers, races for the catalogue, and cancellation."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from ...contract import Batch, Delete, Find, IndexSpec, Operation, Patch, Replace
from ...encoding import encode
from ...errors import DuplicateKey, RevisionMismatch
from ...query.changes import Changes
from ...query.nodes import And, Compare, Operator
from .stores import Stores, contents, find_all, ids, insert, insert_all, read, update

NAME = IndexSpec(name="name_1", fields=[("name", 1)])
UNIQUE = IndexSpec(name="name_1", fields=[("name", 1)], unique=True)


def named(name: Any) -> Compare:
    """The condition that a document has this name."""
    return Compare("name", Operator.EQ, name)


class ConcurrencyContract:
    """What two handles, tasks or a cancellation do to each other."""

    async def test_patches_of_many_tasks_are_all_applied(self, stores: Stores) -> None:
        handles = [await stores.open(), await stores.open()]
        await insert_all(handles[0], "people", [{"_id": 1, "seen": []}])

        async def push(number: int) -> None:
            await handles[number % 2].write(Batch([Patch("people", 1, Changes(push={"seen": [number]}))]))

        await asyncio.gather(*(push(number) for number in range(60)))
        found = await read(handles[0], "people", 1)
        assert found is not None
        assert sorted(found[1]["seen"]) == list(range(60))

    async def test_of_many_updates_at_one_revision_one_wins(self, stores: Stores) -> None:
        handles = [await stores.open(), await stores.open()]
        document = {"_id": 1, "age": 0}
        (revision,) = (await insert_all(handles[0], "people", [document])).revisions

        async def change(number: int) -> bool:
            try:
                await handles[number % 2].write(
                    Batch([update("people", revision, document, Changes(set={"age": number + 1}))])
                )
            except RevisionMismatch:
                return False
            return True

        won = await asyncio.gather(*(change(number) for number in range(20)))
        assert sum(won) == 1
        assert await find_all(handles[1], "people") == [{"_id": 1, "age": won.index(True) + 1}]

    async def test_of_many_inserts_of_one_unique_value_one_wins(self, stores: Stores) -> None:
        handles = [await stores.open(), await stores.open()]
        await handles[0].ensure_indexes("people", [UNIQUE])

        async def add(number: int) -> bool:
            try:
                await insert_all(handles[number % 2], "people", [{"_id": number, "name": "Ann"}])
            except DuplicateKey:
                return False
            return True

        won = await asyncio.gather(*(add(number) for number in range(20)))
        assert sum(won) == 1
        assert await ids(handles[0], "people", named("Ann")) == [won.index(True)]

    async def test_replacing_deleting_and_patching_at_once_leaves_the_index_right(self, stores: Stores) -> None:
        handles = [await stores.open(), await stores.open()]
        await handles[0].ensure_indexes("people", [NAME])
        choice = random.Random(7)

        async def work(number: int) -> None:
            for _ in range(15):
                id, name = choice.randrange(5), f"n{choice.randrange(4)}"
                operations: list[Operation] = [
                    Replace("people", id, encode({"_id": id, "name": name})),
                    Delete("people", id),
                    Patch("people", id, Changes(set={"name": name})),
                ]
                operation = choice.choice(operations)
                try:
                    await handles[number % 2].write(Batch([operation]))
                except RevisionMismatch:
                    assert isinstance(operation, Patch)

        await asyncio.gather(*(work(number) for number in range(8)))
        documents = await find_all(handles[0], "people")
        for name in ("n0", "n1", "n2", "n3"):
            expected = sorted(document["_id"] for document in documents if document["name"] == name)
            assert sorted(await ids(handles[1], "people", named(name))) == expected

    async def test_writers_that_want_the_same_documents_in_another_order_do_not_wait_for_ever(
        self, stores: Stores
    ) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number, "count": []} for number in range(6)])

        async def push(order: list[int]) -> None:
            await store.write(Batch([Patch("people", id, Changes(push={"count": [1]})) for id in order]))

        orders = [random.Random(seed).sample(range(6), 6) for seed in range(20)]
        async with asyncio.timeout(20):
            await asyncio.gather(*map(push, orders))
        assert {len(document["count"]) for document in await find_all(store, "people")} == {20}

    async def test_a_writer_that_does_not_know_a_new_index_yet_writes_its_entries(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await insert_all(store, "people", [{"_id": 1, "name": "Ann"}])
        await insert_all(other, "people", [{"_id": 2, "name": "Bob"}])
        await store.ensure_indexes("people", [NAME])
        await insert_all(other, "people", [{"_id": 3, "name": "Ann"}])
        await other.write(Batch([Patch("people", 2, Changes(set={"name": "Ann"}))]))
        explanation = await store.explain("people", Find(filter=named("Ann")))
        assert (explanation.index, explanation.returned) == ("name_1", 3)

    async def test_a_writer_that_does_not_know_a_new_unique_index_yet_is_held_to_it(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await insert_all(other, "people", [{"_id": 1, "name": "Ann"}])
        await store.ensure_indexes("people", [UNIQUE])
        with pytest.raises(DuplicateKey):
            await insert_all(other, "people", [{"_id": 2, "name": "Ann"}])

    async def test_a_reader_that_does_not_know_of_arrays_yet_finds_them(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await store.ensure_indexes("people", [IndexSpec(name="age_1", fields=[("age", 1)])])
        await insert_all(store, "people", [{"_id": 1, "age": 7}])
        between = And((Compare("age", Operator.GT, 5), Compare("age", Operator.LT, 10)))
        outside = And((Compare("age", Operator.GT, 15), Compare("age", Operator.LT, 10)))
        assert await ids(other, "people", between) == [1]
        assert await ids(other, "people", outside) == []
        # From now on different elements may fulfil the two conditions.
        await insert_all(store, "people", [{"_id": 2, "age": [1, 20]}])
        assert await ids(other, "people", between, sort=[("_id", 1)]) == [1, 2]
        assert await ids(other, "people", outside) == [2]
        assert await ids(other, "people", sort=[("age", -1)]) == [2, 1]

    async def test_a_reader_learns_of_an_index_that_another_handle_declared(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await insert_all(store, "people", [{"_id": number, "name": number} for number in range(20)])
        assert (await other.explain("people", Find(filter=named(3)))).index is None
        await store.ensure_indexes("people", [NAME])
        assert (await other.explain("people", Find(filter=named(3)))).index == "name_1"

    async def test_a_collection_dropped_by_another_handle_is_empty(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await store.ensure_indexes("people", [UNIQUE])
        await insert_all(store, "people", [{"_id": 1, "name": "Ann"}])
        assert await ids(other, "people", named("Ann")) == [1]
        await store.drop("people")
        assert await ids(other, "people", named("Ann")) == []
        assert await other.count("people", named("Ann")) == 0

    @pytest.mark.parametrize("delay", [0, 0.0005, 0.002, 0.01])
    async def test_a_cancelled_write_is_applied_wholly_or_not_at_all(self, stores: Stores, delay: float) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [NAME])
        for attempt in range(5):
            batch = [{"_id": f"{attempt}/{number}", "name": attempt} for number in range(1500)]
            task = asyncio.create_task(insert_all(store, "people", batch))
            await asyncio.sleep(delay)
            task.cancel()
            finished = await asyncio.gather(task, return_exceptions=True)
            # The store is usable at once, and what runs on does not show half of it.
            seen = await store.count("people", named(attempt))
            assert seen in (0, 1500)
            if not isinstance(finished[0], BaseException):
                assert seen == 1500
        await insert_all(store, "people", [{"_id": "last", "name": "last"}])
        for attempt in range(5):
            assert await store.count("people", named(attempt)) in (0, 1500)
        everything = await find_all(store, "people")
        assert (
            len(everything)
            == await store.count("people")
            == sum([await store.count("people", named(name)) for name in (*range(5), "last")])
        )

    async def test_a_cancelled_batch_may_be_sent_again(self, stores: Stores) -> None:
        store = await stores.open()
        for attempt in range(10):
            batch = Batch([insert("people", {"_id": f"{attempt}/{number}"}) for number in range(50)])
            task = asyncio.create_task(store.write(batch))
            await asyncio.sleep(0.0003 * attempt)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            outcome = await store.write(batch)
            assert list(outcome.existed) == [False] * 50
        assert await store.count("people") == 500

    async def test_cancelled_reads_leave_the_store_usable(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number, "name": number % 3} for number in range(2000)])
        for step in range(20):
            task = asyncio.create_task(find_all(store, "people", named(1), sort=[("_id", -1)]))
            await asyncio.sleep(0.0005 * step)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert (await read(store, "people", step)) is not None
        assert len(await find_all(store, "people", named(1))) == 667

    async def test_many_handles_write_side_by_side(self, stores: Stores) -> None:
        handles = [await stores.open() for _ in range(4)]
        await asyncio.gather(
            *(
                insert_all(handles[number % 4], f"c{number % 3}", [{"_id": f"{number}/{place}"} for place in range(20)])
                for number in range(24)
            )
        )
        assert {name: len(documents) for name, documents in (await contents(handles[0])).items()} == {
            "c0": 160,
            "c1": 160,
            "c2": 160,
        }
