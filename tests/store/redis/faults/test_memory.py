"""A server that has no memory left: writes are refused by a typed error, and nothing of them is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atomodm.contract import Batch, Delete, IndexSpec, Operation, Patch, Store
from atomodm.errors import StoreFull
from atomodm.query.changes import Changes
from atomodm.query.nodes import Compare, Operator
from atomodm.store import create_store
from atomodm.testing.contract.stores import find_all, ids, insert, insert_all
from tests.servers.redis import RedisServer

NAME = IndexSpec(name="name_1", fields=[("name", 1)], unique=True)
WORDS = IndexSpec(name="words_1", fields=[("words", 1)])


@pytest.fixture
async def people(server: RedisServer) -> AsyncIterator[Store]:
    """A store with some documents and indexes."""
    store = create_store(server.url)
    await store.open()
    await store.ensure_indexes("people", [NAME, WORDS])
    await insert_all(store, "people", [person(number) for number in range(100)])
    yield store
    await store.close()


def person(number: int) -> dict[str, Any]:
    return {"_id": number, "name": f"n{number}", "words": ["a", f"w{number % 7}"], "text": "x" * 500}


def fill(server: RedisServer, spare: int = 0) -> None:
    """Leave the server with so many bytes."""
    server.client.config_set("maxmemory-policy", "noeviction")
    server.client.config_set("maxmemory", server.info("memory")["used_memory"] + spare)


def empty(server: RedisServer) -> None:
    server.client.config_set("maxmemory", 0)


WRITES: dict[str, list[Operation]] = {
    "an insert": [insert("people", person(200))],
    "a change": [Patch("people", 5, Changes(set={"name": "another", "words": ["b", "c"]}))],
    "several": [
        insert("people", person(200)),
        Patch("people", 5, Changes(set={"words": ["b"]})),
        Delete("people", 6),
    ],
    "a new collection": [insert("elsewhere", person(1))],
}


@pytest.mark.parametrize("name", WRITES)
async def test_a_write_is_refused_and_nothing_of_it_is_there(people: Store, server: RedisServer, name: str) -> None:
    before = await find_all(people, "people", sort=[("_id", 1)])
    await asyncio.to_thread(fill, server)
    batch = Batch(WRITES[name])
    with pytest.raises(StoreFull) as caught:
        await people.write(batch)
    assert "nothing was written" in str(caught.value)
    assert await find_all(people, "people", sort=[("_id", 1)]) == before
    assert await ids(people, "people", Compare("name", Operator.EQ, "n5")) == [5]
    await asyncio.to_thread(empty, server)
    report = await people.check()
    assert report.ok, [str(problem) for problem in report.problems]
    assert await people.list_collection_names() == ["people"]
    # When there is room again the same batch goes through.
    await people.write(batch)
    assert (await people.check()).ok


async def test_documents_can_be_removed_to_make_room(people: Store, server: RedisServer) -> None:
    await asyncio.to_thread(fill, server)
    await people.write(Batch([Delete("people", number) for number in range(50)]))
    assert await people.count("people") == 50
    await people.drop("people")
    assert await people.list_collection_names() == []
    await asyncio.to_thread(empty, server)
    assert (await people.check()).ok


@pytest.mark.slow
async def test_wherever_the_memory_ends_batches_are_there_as_a_whole(people: Store, server: RedisServer) -> None:
    refused = 0
    done = 0
    for spare in range(0, 60_000, 3_000):
        await asyncio.to_thread(fill, server, spare)
        for number in range(done, done + 20):
            batch = [{**person(1000 * (number + 1) + place), "batch": number} for place in range(10)]
            try:
                await insert_all(people, "people", batch)
            except StoreFull:
                refused += 1
                assert await people.count("people", Compare("batch", Operator.EQ, number)) == 0
            else:
                assert await people.count("people", Compare("batch", Operator.EQ, number)) == 10
        done += 20
    assert 0 < refused < done
    await asyncio.to_thread(empty, server)
    assert await people.count("people") == 100 + 10 * (done - refused)
    report = await people.check()
    assert report.ok, [str(problem) for problem in report.problems]
