"""Sockets on which answers come late or never: no request takes longer than the timeout and a tenth."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from atomodm.contract import Batch, Find, Patch, Store
from atomodm.errors import OutcomeUnknown, StoreUnavailable
from atomodm.query.changes import Changes
from atomodm.query.nodes import ALL
from atomodm.query.updates import parse_update
from atomodm.store import create_store
from atomodm.testing.contract.stores import find_all, insert, insert_all, read
from atomodm.testing.proxy import FaultProxy
from tests.servers.redis import RedisServer

#: The timeout of the stores here, and what a request may take: a tenth more, and what a busy machine takes.
TIMEOUT, LONGEST = 1.0, 1.1 + 0.1

READS: dict[str, Callable[[Store], Awaitable[Any]]] = {
    "get": lambda store: store.get("people", [1]),
    "find": lambda store: find_all(store, "people"),
    "count": lambda store: store.count("people"),
    "explain": lambda store: store.explain("people", Find()),
    "names": lambda store: store.list_collection_names(),
    "position": lambda store: store.position(),
}
WRITES: dict[str, Callable[[Store], Awaitable[Any]]] = {
    "insert": lambda store: store.write(Batch([insert("people", {"_id": 2})])),
    "patch": lambda store: store.write(Batch([Patch("people", 1, Changes(set={"a": 1}))])),
    "update": lambda store: store.update("people", ALL, parse_update({"$inc": {"a": 1}})),
    "drop": lambda store: store.drop("people"),
}


async def timed(asking: Awaitable[Any], *errors: type[Exception]) -> Exception:
    """The error in which something ends that must end in time."""
    began = time.monotonic()
    with pytest.raises(errors) as caught:
        await asyncio.wait_for(asking, 5)
    assert TIMEOUT * 0.9 < time.monotonic() - began < LONGEST
    error: Exception = caught.value
    return error


@pytest.fixture
async def people(store: Store) -> Store:
    """A store with one document, which knows the collection."""
    await insert_all(store, "people", [{"_id": 1}])
    return store


@pytest.mark.slow
@pytest.mark.parametrize("name", READS)
async def test_a_read_into_a_black_hole_ends_in_time(people: Store, proxy: FaultProxy, name: str) -> None:
    proxy.swallow()
    await timed(READS[name](people), StoreUnavailable)
    await proxy.heal()
    assert await people.count("people") == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITES)
async def test_a_write_into_a_black_hole_ends_in_time_and_is_not_there(
    people: Store, proxy: FaultProxy, name: str
) -> None:
    proxy.swallow()
    # Some read first, and know then that nothing was written.
    await timed(WRITES[name](people), OutcomeUnknown, StoreUnavailable)
    await proxy.heal()
    assert await find_all(people, "people") == [{"_id": 1}]


@pytest.mark.slow
async def test_hundreds_of_requests_into_a_black_hole_all_end_in_time(people: Store, proxy: FaultProxy) -> None:
    proxy.swallow()
    began = time.monotonic()
    answers = await asyncio.gather(*(read(people, "people", 1) for _ in range(300)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    assert time.monotonic() - began < LONGEST
    await proxy.heal()
    found = await read(people, "people", 1)
    assert found is not None


@pytest.mark.slow
async def test_opening_through_a_black_hole_ends_in_time(proxy: FaultProxy) -> None:
    proxy.swallow()
    store = create_store(f"redis://{proxy.address}/0?timeout={TIMEOUT}")
    await timed(store.open(), StoreUnavailable)
    await proxy.heal()
    await store.open()
    await store.close()


@pytest.mark.slow
async def test_a_frozen_server_is_waited_for_in_time_and_used_when_it_goes_on(
    people: Store, server: RedisServer
) -> None:
    batch = Batch([insert("people", {"_id": 2})])
    with server.frozen():
        await timed(people.get("people", [1]), StoreUnavailable)
        await timed(people.write(batch), OutcomeUnknown, StoreUnavailable)
    # It was sent or not: whoever sends the same batch again has it once.
    assert list((await people.write(batch)).existed) == [False]
    assert await find_all(people, "people") == [{"_id": 1}, {"_id": 2}]


@pytest.mark.slow
async def test_a_frozen_server_that_goes_on_in_time_answers(people: Store, server: RedisServer) -> None:
    with server.frozen():
        asking = asyncio.create_task(read(people, "people", 1))
        writing = asyncio.create_task(insert_all(people, "people", [{"_id": 2}]))
        await asyncio.sleep(0.5)
    assert await asking is not None
    await writing
    assert await people.count("people") == 2


@pytest.mark.slow
async def test_slow_answers_are_answers(people: Store, proxy: FaultProxy) -> None:
    proxy.request_delay = proxy.reply_delay = 0.1
    began = time.monotonic()
    answers = await asyncio.gather(*(read(people, "people", 1) for _ in range(100)))
    assert all(answers)
    # They do not queue up.
    assert time.monotonic() - began < LONGEST


@pytest.mark.slow
async def test_answers_that_are_too_slow_reach_nobody_else(people: Store, proxy: FaultProxy) -> None:
    await insert_all(people, "people", [{"_id": number} for number in range(2, 100)])
    proxy.reply_delay = 1.5
    answers = await asyncio.gather(*(read(people, "people", 1) for _ in range(10)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreUnavailable}
    proxy.reply_delay = 0
    for number in range(2, 100):
        found = await read(people, "people", number)
        assert found is not None
        assert found[1] == {"_id": number}
