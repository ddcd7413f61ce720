"""Requests that are cancelled anywhere: others get their own answers, and what is written is whole (CVE-2023-28858)."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from atomodm.contract import Batch, IndexSpec, Patch, Store
from atomodm.query.changes import Changes
from atomodm.query.nodes import Compare, Operator
from atomodm.store import create_store
from atomodm.testing.contract.stores import find_all, ids, insert, insert_all, read
from atomodm.testing.objects.cancellation import interrupt, interrupt_everywhere
from atomodm.testing.proxy import FaultProxy

DOCUMENTS = 300
GROUP = IndexSpec(name="group_1", fields=[("group", 1)])


@pytest.fixture
async def people(store: Store) -> Store:
    await store.ensure_indexes("people", [GROUP])
    await insert_all(
        store,
        "people",
        [{"_id": number, "group": number % 10, "text": f"{number}" * 50} for number in range(DOCUMENTS)],
    )
    return store


def named(group: int) -> Compare:
    """The condition that a document is in a group."""
    return Compare("group", Operator.EQ, group)


async def write(store: Store, batch: Batch) -> None:
    await store.write(batch)


def is_of(found: Any, number: int) -> bool:
    """Whether an answer belongs to the question for a number."""
    return found is not None and found[1]["_id"] == number and found[1]["text"] == f"{number}" * 50


async def ask(store: Store, number: int) -> bool:
    """One question of several kinds; whether the answer belongs to it."""
    match number % 3:
        case 0:
            return is_of(await read(store, "people", number), number)
        case 1:
            found = await ids(store, "people", named(number % 10))
            return len(found) == DOCUMENTS // 10 and all(id % 10 == number % 10 for id in found)
        case _:
            return await store.count("people") == DOCUMENTS


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_answers_reach_those_who_asked_while_others_are_cancelled(
    people: Store, proxy: FaultProxy, seed: int
) -> None:
    chance = random.Random(seed)
    right = 0
    for _ in range(12):
        proxy.request_delay, proxy.reply_delay = chance.choice([0, 0.001, 0.005]), chance.choice([0, 0.001, 0.005])
        numbers = chance.sample(range(DOCUMENTS), 200)
        asking = [asyncio.create_task(ask(people, number)) for number in numbers]
        # In the middle of sending, of waiting, of reading.
        while not all(task.done() for task in asking):
            for task in chance.sample(asking, 20):
                task.cancel()
            await asyncio.sleep(chance.choice([0, 0, 0.0005, 0.003]))
            if chance.random() < 0.3:
                break
        for answer in await asyncio.gather(*asking, return_exceptions=True):
            assert answer is True or isinstance(answer, asyncio.CancelledError), answer
            right += answer is True
    assert right > 200
    proxy.request_delay = proxy.reply_delay = 0
    assert all([await ask(people, number) for number in range(30)])


@pytest.mark.slow
async def test_a_read_may_be_cancelled_wherever_it_waits(people: Store, proxy: FaultProxy) -> None:
    proxy.reply_delay = 0.002

    async def attempt(at: int) -> bool:
        interrupted = await interrupt(lambda: find_all(people, "people", named(7), batch_size=10), at)
        # The next ones ask for other documents on the same connections, while the former answer may be on its way.
        for number in (8, 9):
            assert is_of(await read(people, "people", number), number)
        return interrupted

    await interrupt_everywhere(attempt)


@pytest.mark.slow
async def test_a_write_may_be_cancelled_wherever_it_waits(people: Store, proxy: FaultProxy) -> None:
    proxy.request_delay = proxy.reply_delay = 0.001
    await insert_all(people, "people", [{"_id": "log", "seen": []}])

    async def attempt(at: int) -> bool:
        batch = Batch([insert("people", {"_id": f"new-{at}"}), Patch("people", "log", Changes(push={"seen": [at]}))])
        interrupted = await interrupt(lambda: write(people, batch), at)
        # Whatever became of it, with the same batch again it is there once.
        assert list((await people.write(batch)).existed) == [False, True]
        return interrupted

    points = await interrupt_everywhere(attempt)
    log = await read(people, "people", "log")
    assert log is not None
    assert log[1]["seen"] == list(range(1, points + 2))
    assert await people.count("people") == DOCUMENTS + 1 + points + 1
    assert (await people.check()).ok


@pytest.mark.slow
async def test_opening_may_be_cancelled_wherever_it_waits(proxy: FaultProxy) -> None:
    proxy.reply_delay = 0.001

    async def attempt(at: int) -> bool:
        store = create_store(f"redis://{proxy.address}/0?timeout=2")
        interrupted = await interrupt(store.open, at)
        await store.open()
        assert await store.count("people") == 0
        await store.close()
        return interrupted

    await interrupt_everywhere(attempt)
    # Nobody has left a connection behind.
    await asyncio.sleep(0.1)
    assert proxy.connections == 0
