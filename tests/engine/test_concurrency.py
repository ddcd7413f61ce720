"""Several calls under way at a time, and nothing left of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from atomodm.concurrency import Ahead, end, together


class Calls:
    """Calls that take a while, counted."""

    def __init__(self) -> None:
        self.under_way = self.most = self.ended = 0

    def __call__(self, number: int, *, fails: bool = False, delay: float = 0.002) -> Callable[[], Awaitable[int]]:
        async def call() -> int:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            try:
                await asyncio.sleep(delay)
                if fails:
                    raise KeyError(number)
                return number
            finally:
                self.under_way -= 1
                self.ended += 1

        return call


@pytest.mark.parametrize("number", [0, 1, 2, 7, 30])
async def test_results_come_in_the_order_of_the_calls_and_few_are_under_way(number: int) -> None:
    calls = Calls()
    assert await together([calls(n, delay=0.0001 * (n % 3)) for n in range(number)], 4) == list(range(number))
    assert calls.most == min(4, number)


async def test_the_first_failure_is_raised_when_the_others_have_ended() -> None:
    calls = Calls()
    with pytest.raises(KeyError):
        await together([calls(1, delay=60), calls(2, fails=True), calls(3, fails=True), calls(4, delay=60)])
    assert calls.under_way == 0
    assert calls.ended == 4


async def test_who_is_cancelled_cancels_the_calls() -> None:
    calls = Calls()
    waiting = asyncio.create_task(together([calls(number, delay=60) for number in range(3)]))
    await asyncio.sleep(0.001)
    assert calls.under_way == 3
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert calls.under_way == 0


async def test_ending_waits_even_for_tasks_that_take_their_time() -> None:
    ended = False

    async def stubborn() -> None:
        nonlocal ended
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            ended = True

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    ending = asyncio.create_task(end([task]))
    await asyncio.sleep(0.001)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert ended


async def test_what_was_begun_is_given_next_and_once() -> None:
    calls = Calls()
    numbers = iter(range(10))

    async def call() -> int:
        return await calls(next(numbers))()

    ahead = Ahead(call)
    assert await ahead.next() == 0
    await ahead.begin()
    await ahead.begin()
    assert calls.under_way == 1
    assert [await ahead.next(), await ahead.next()] == [1, 2]
    await ahead.begin()
    await ahead.close()
    assert calls.under_way == 0
    assert await ahead.next() == 4


async def test_a_failure_ahead_is_raised_where_the_result_is_asked_for_and_else_nowhere() -> None:
    calls = Calls()

    async def call() -> int:
        return await calls(1, fails=True, delay=0)()

    ahead = Ahead(call)
    await ahead.begin()
    await asyncio.sleep(0.001)
    with pytest.raises(KeyError):
        await ahead.next()
    await ahead.begin()
    await asyncio.sleep(0.001)
    await ahead.close()
