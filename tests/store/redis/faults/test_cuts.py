"""Connections that are cut around a request: what was asked is done once, or the error says what is known."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from atomodm.contract import Batch, Patch, Store
from atomodm.errors import OutcomeUnknown, StoreUnavailable
from atomodm.query.changes import Changes
from atomodm.testing.contract.stores import find_all, insert, insert_all, read
from atomodm.testing.proxy import FaultProxy, Moment
from tests.faults.redis_cuts import cut_connections
from tests.servers.redis import RedisServer


@pytest.mark.slow
async def test_batches_are_applied_once_however_often_connections_are_cut(server: RedisServer) -> None:
    tally = await cut_connections(server, 150, seed=1)
    assert min(tally.moments.values()) > 20
    # Every cut was made good within the timeout.
    assert (tally.unknown, tally.unavailable) == (0, 0)


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    ("moment", "reply_bytes"),
    [(Moment.BEFORE_REQUEST, 0), (Moment.AFTER_REQUEST, 0), (Moment.IN_REPLY, 0), (Moment.IN_REPLY, 3)],
)
async def test_a_write_whose_connection_is_cut_is_sent_again_and_applied_once(
    store: Store, proxy: FaultProxy, moment: Moment, reply_bytes: int, reset: bool
) -> None:
    await insert_all(store, "people", [{"_id": "log", "seen": []}])
    for number in range(5):
        cut = proxy.cut_when(moment, containing=b"EVALSHA", reply_bytes=reply_bytes, reset=reset)
        outcome = await store.write(
            Batch([insert("people", {"_id": number}), Patch("people", "log", Changes(push={"seen": [number]}))])
        )
        # The answer is that of the first time.
        assert list(outcome.existed) == [False, True]
        assert cut.happened
    found = await read(store, "people", "log")
    assert found is not None
    assert found[1]["seen"] == list(range(5))
    assert await store.count("people") == 6


@pytest.mark.parametrize("moment", list(Moment))
async def test_a_read_whose_connection_is_cut_is_asked_again(store: Store, proxy: FaultProxy, moment: Moment) -> None:
    documents = [{"_id": number, "text": "x" * 2000} for number in range(200)]
    await insert_all(store, "people", documents)
    for reply_bytes in (0, 1, 1000, 100_000):
        cut = proxy.cut_when(moment, reply_bytes=reply_bytes)
        assert await find_all(store, "people", sort=[("_id", 1)]) == documents
        assert cut.happened


async def test_when_the_answer_to_a_write_cannot_be_had_its_outcome_is_unknown(store: Store, proxy: FaultProxy) -> None:
    await insert_all(store, "people", [{"_id": 0}])
    batch = Batch([insert("people", {"_id": 1})])
    cut = proxy.cut_when(Moment.IN_REPLY, containing=b"EVALSHA")
    # The connection that is open stays; there will be no other one.
    proxy.refuse()
    with pytest.raises(OutcomeUnknown):
        await store.write(batch)
    assert cut.happened
    await proxy.heal()
    # It was applied, which whoever sends the batch again is told.
    assert await store.count("people") == 2
    assert list((await store.write(batch)).existed) == [False]
    assert await store.count("people") == 2


async def test_when_a_write_was_never_sent_the_store_is_unavailable(store: Store, proxy: FaultProxy) -> None:
    await insert_all(store, "people", [{"_id": 0}])
    proxy.refuse()
    proxy.cut()
    await asyncio.sleep(0.05)
    batch = Batch([insert("people", {"_id": 1})])
    with pytest.raises(StoreUnavailable):
        await store.write(batch)
    await proxy.heal()
    assert await store.count("people") == 1
    await insert_all(store, "people", [{"_id": 1}])


async def test_nothing_is_lost_of_many_concurrent_requests_when_all_connections_are_cut(
    store: Store, proxy: FaultProxy
) -> None:
    await insert_all(store, "people", [{"_id": number} for number in range(300)])

    async def ask(number: int) -> Any:
        await asyncio.sleep(number * 0.0005)
        return await read(store, "people", number)

    asking = [asyncio.create_task(ask(number)) for number in range(300)]
    for _ in range(20):
        await asyncio.sleep(0.008)
        proxy.cut(reset=True)
    answers = await asyncio.gather(*asking)
    assert [answer[1]["_id"] for answer in answers] == list(range(300))
