"""Opening, closing, event loops, and what is counted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ...contract import Batch, Find, IndexSpec, Patch, Store
from ...errors import StoreClosed, WrongLoop
from ...query.changes import Changes
from ...query.nodes import Compare, Operator
from .stores import Stores, find_all, ids, insert, insert_all, read

#: One call of everything that asks the database, by name.
CALLS: dict[str, Callable[[Store], Awaitable[Any]]] = {
    "get": lambda store: store.get("people", [1]),
    "find": lambda store: find_all(store, "people"),
    "count": lambda store: store.count("people"),
    "explain": lambda store: store.explain("people", Find()),
    "write": lambda store: store.write(Batch([insert("people", {"_id": 1})])),
    "ensure_indexes": lambda store: store.ensure_indexes("people", [IndexSpec(name="a_1", fields=[("a", 1)])]),
    "list_indexes": lambda store: store.list_indexes("people"),
    "drop": lambda store: store.drop("people"),
    "list_collection_names": lambda store: store.list_collection_names(),
    "position": lambda store: store.position(),
    "changes": lambda store: store.changes(0),
    "find_one": lambda store: store["people"].find_one({}),
    "insert_one": lambda store: store["people"].insert_one({"_id": 1}),
}


class LifecycleContract:
    """`Store.open`, `Store.close`, `Store.check_usable` and `Store.requests`."""

    async def test_a_store_is_opened_and_closed_any_number_of_times(self, stores: Stores) -> None:
        store = stores.create()
        seen = [store.is_open]
        for step in (store.close, store.open, store.open, store.close, store.close, store.open, store.close):
            await step()
            seen.append(store.is_open)
        assert seen == [False, False, True, True, False, False, True, False]

    async def test_documents_indexes_and_revisions_are_there_after_opening_again(self, stores: Stores) -> None:
        keeping = await stores.open()
        store = await stores.open()
        await store.ensure_indexes("people", [IndexSpec(name="age_1", fields=[("age", 1)])])
        await insert_all(store, "people", [{"_id": 1, "age": 30}])
        before = await read(store, "people", 1)
        await store.close()
        if store.capabilities.durable:
            await keeping.close()
        await store.open()
        assert await read(store, "people", 1) == before
        assert [spec.name for spec in await store.list_indexes("people")] == ["age_1"]
        await store.write(Batch([Patch("people", 1, Changes(set={"age": 31}))]))
        assert await ids(store, "people", Compare("age", Operator.EQ, 31)) == [1]
        await store.close()

    @pytest.mark.parametrize("call", CALLS)
    async def test_a_closed_store_says_so(self, stores: Stores, call: str) -> None:
        store = stores.create()
        with pytest.raises(StoreClosed):
            await CALLS[call](store)
        await store.open()
        await store.close()
        with pytest.raises(StoreClosed):
            await CALLS[call](store)

    @pytest.mark.parametrize("call", CALLS)
    async def test_a_store_that_opens_at_first_use_does(self, stores: Stores, call: str) -> None:
        store = stores.create()
        store.opens_at_first_use = True
        try:
            await CALLS[call](store)
            assert store.is_open
        finally:
            await store.close()

    @pytest.mark.parametrize("call", [*CALLS, "close"])
    async def test_another_event_loop_is_refused(self, stores: Stores, call: str) -> None:
        store = await stores.open()
        caught: list[BaseException] = []

        def elsewhere() -> None:
            async def use() -> None:
                await (store.close() if call == "close" else CALLS[call](store))

            try:
                asyncio.run(use())
            except BaseException as error:
                caught.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0.005)
        assert [type(error) for error in caught] == [WrongLoop]
        assert await store.count("people") == 0

    async def test_handles_in_different_event_loops_share_the_data(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": 1, "count": 0}])
        failed: list[BaseException] = []

        def elsewhere() -> None:
            async def use() -> None:
                other = stores.create()
                await other.open()
                for _ in range(50):
                    await other.write(Batch([Patch("people", 1, Changes(push={"seen": ["thread"]}))]))
                await other.close()

            try:
                asyncio.run(use())
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=elsewhere) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(50):
            await store.write(Batch([Patch("people", 1, Changes(push={"seen": ["loop"]}))]))
        while any(thread.is_alive() for thread in threads):
            await asyncio.sleep(0.005)
        assert failed == []
        found = await read(store, "people", 1)
        assert found is not None
        assert len(found[1]["seen"]) == 150

    async def test_closing_lets_what_is_running_finish(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        documents = [[{"_id": f"{batch}/{number}"} for number in range(200)] for batch in range(10)]
        writing = [asyncio.create_task(insert_all(store, "people", batch)) for batch in documents]
        reading = asyncio.create_task(find_all(store, "people", batch_size=1))
        await asyncio.sleep(0.002)
        await store.close()
        results = await asyncio.gather(*writing, reading, return_exceptions=True)
        assert all(not isinstance(result, BaseException) or isinstance(result, StoreClosed) for result in results)
        for batch, result in zip(documents, results[:-1], strict=True):
            found = len((await other.get("people", [document["_id"] for document in batch])).documents)
            assert found == (0 if isinstance(result, BaseException) else 200)

    async def test_requests_count_what_was_asked_of_the_database(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number} for number in range(500)])
        for call, expected in (
            (lambda: store.get("people", list(range(500))), 1),
            (lambda: store.get("people", [1]), 1),
            (lambda: store.write(Batch([Patch("people", number, Changes(set={"a": 1})) for number in range(9)])), 1),
            (lambda: store.count("people"), 1),
            (lambda: find_all(store, "people", limit=10), 1),
        ):
            before = store.requests
            await call()
            assert store.requests - before == expected
        before = store.requests
        assert len(await find_all(store, "people", batch_size=100)) == 500
        assert 2 <= store.requests - before <= 6

    async def test_the_representation_shows_where_the_store_is(self, stores: Stores) -> None:
        store = await stores.open()
        assert store.url in repr(store)
        assert "open" in repr(store)
        assert store.url.partition(":")[0] == stores.url.partition(":")[0]
