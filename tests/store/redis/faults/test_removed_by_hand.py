"""Documents and index entries that somebody removed around the store: queries go on, and what is left of them goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atomodm.contract import Batch, Delete, IndexSpec, Patch, Replace, Store
from atomodm.encoding import encode
from atomodm.errors import RevisionMismatch
from atomodm.query.changes import Changes
from atomodm.query.keys import encode_key
from atomodm.query.nodes import Compare, Operator
from atomodm.store import create_store
from atomodm.testing.contract.stores import find_all, ids, insert_all, read
from tests.servers.redis import RedisServer

AGE = IndexSpec(name="age_1", fields=[("age", 1)])
NAME = IndexSpec(name="name_1", fields=[("name", 1)], unique=True)

DOCUMENTS, IDS = "by-hand:{people:0}:documents", "by-hand:{people:0}:ids"


@pytest.fixture
async def people(server: RedisServer) -> AsyncIterator[Store]:
    store = create_store(f"{server.url}?namespace=by-hand")
    await store.open()
    await store.ensure_indexes("people", [AGE, NAME])
    await insert_all(store, "people", [person(number) for number in range(20)])
    yield store
    await store.close()


def person(number: int) -> dict[str, Any]:
    return {"_id": number, "age": number % 4, "name": f"n{number}"}


def aged(age: int) -> Compare:
    return Compare("age", Operator.EQ, age)


def remove_document(server: RedisServer, number: int) -> None:
    assert server.command("HDEL", DOCUMENTS, encode_key(number)) == 1


async def eventually_sound(store: Store) -> None:
    """What is repaired when it is met is repaired beside the query."""
    async with asyncio.timeout(5):
        while not (report := await store.check()).ok:
            await asyncio.sleep(0.02)
    assert report.documents == await store.count("people")


async def test_a_document_that_was_removed_is_in_no_answer(people: Store, server: RedisServer) -> None:
    remove_document(server, 7)
    left = [number for number in range(20) if number != 7]
    assert await read(people, "people", 7) is None
    assert await ids(people, "people", sort=[("_id", 1)]) == left
    assert await ids(people, "people", sort=[("_id", -1)]) == left[::-1]
    assert sorted(await ids(people, "people", aged(3))) == [3, 11, 15, 19]
    assert await ids(people, "people", Compare("name", Operator.EQ, "n7")) == []
    assert len(await find_all(people, "people", sort=[("age", 1)], limit=10)) == 10
    assert await people["people"].count_documents({"age": 3}) == 4


async def test_what_is_left_of_a_removed_document_goes_when_it_is_met(people: Store, server: RedisServer) -> None:
    for number in (3, 7, 8):
        remove_document(server, number)
    assert not (await people.check()).ok
    await find_all(people, "people")
    await find_all(people, "people", sort=[("age", 1)])
    await find_all(people, "people", sort=[("name", 1)])
    await eventually_sound(people)
    assert await people.count("people") == 17


async def test_what_is_left_of_a_removed_document_is_in_nobodys_way(people: Store, server: RedisServer) -> None:
    remove_document(server, 7)
    with pytest.raises(RevisionMismatch):
        await people.write(Batch([Patch("people", 7, Changes(set={"age": 1}))]))
    await people.write(Batch([Delete("people", 7)]))
    # Its name may still be claimed until somebody has met it; afterwards it is free.
    await ids(people, "people", Compare("name", Operator.EQ, "n7"))
    await asyncio.sleep(0.1)
    await people.write(Batch([Replace("people", 7, encode(person(7)))]))
    assert await ids(people, "people", Compare("name", Operator.EQ, "n7")) == [7]
    assert (await people.check(repair=True)).ok
    assert await people.count("people") == 20


async def test_all_documents_may_be_removed(people: Store, server: RedisServer) -> None:
    assert server.command("DEL", DOCUMENTS) == 1
    assert await find_all(people, "people", sort=[("age", 1)]) == []
    assert await find_all(people, "people") == []
    assert await ids(people, "people", Compare("name", Operator.GTE, "")) == []
    assert (await people.check(repair=True)).ok
    assert await people.count("people") == 0
    await insert_all(people, "people", [person(number) for number in range(20)])
    assert (await people.check()).ok


async def test_check_finds_and_mends_entries_that_were_removed(people: Store, server: RedisServer) -> None:
    numbers = list(server.command("KEYS", "by-hand:{people:0}:*:*"))
    assert len(numbers) == 2
    for key in (*numbers, IDS):
        assert server.command("ZREMRANGEBYRANK", key, 2, 4) == 3
    report = await people.check()
    assert not report.ok
    report = await people.check(repair=True)
    assert report.ok
    assert report.repaired >= 9
    assert (await people.check()).problems == ()
    assert await ids(people, "people", sort=[("_id", 1)]) == list(range(20))
    assert [document["name"] for document in await find_all(people, "people", sort=[("name", 1)])] == sorted(
        f"n{number}" for number in range(20)
    )


async def test_an_index_that_was_removed_as_a_whole_is_made_again(people: Store, server: RedisServer) -> None:
    for key in server.command("KEYS", "by-hand:{people:0}:*:*"):
        server.command("DEL", key)
    assert not (await people.check()).ok
    assert (await people.check(repair=True)).ok
    assert sorted(await ids(people, "people", aged(3))) == [3, 7, 11, 15, 19]


async def test_a_collection_that_was_removed_as_a_whole_is_empty(people: Store, server: RedisServer) -> None:
    for key in server.command("KEYS", "by-hand:{people:0}:*"):
        server.command("DEL", key)
    assert await find_all(people, "people") == []
    assert await people.count("people") == 0
    await people.ensure_indexes("people", [AGE])
    await insert_all(people, "people", [person(1)])
    assert await ids(people, "people", aged(1)) == [1]


async def test_everything_may_be_flushed_under_an_open_store(people: Store, server: RedisServer) -> None:
    server.flush()
    assert await find_all(people, "people", sort=[("age", 1)]) == []
    assert await people.list_collection_names() == []
    await insert_all(people, "people", [person(1)])
    assert await find_all(people, "people") == [person(1)]
    report = await people.check()
    assert report.ok, [str(problem) for problem in report.problems]
