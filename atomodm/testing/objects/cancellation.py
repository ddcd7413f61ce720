"""Cancelling an operation at each of the points where it waits, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from itertools import count
from typing import Any

import pytest

from ... import Store


class _Interrupted:
    """Awaits a coroutine in a task and cancels the task while it waits for the `at`-th time."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], at: int) -> None:
        self._coroutine = coroutine
        self._at = at
        self.reached = False

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._coroutine.__await__()
        failure: BaseException | None = None
        for number in count(1):
            try:
                waiting = next(steps) if failure is None else steps.throw(failure)
            except StopIteration as stop:
                return stop.value
            if number == self._at:
                self.reached = True
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                failure = None
                yield waiting
            except BaseException as error:  # whatever is thrown in belongs to the coroutine
                failure = error
        return None

    async def run(self) -> None:
        await self


async def interrupt(operation: Callable[[], Coroutine[Any, Any, Any]], at: int) -> bool:
    """Run an operation and cancel it while it waits for the `at`-th time.

    Parameters
    ----------
    operation : callable
        Gives a coroutine.
    at : int
        Counted from 1.

    Returns
    -------
    bool
        Whether the operation waited so often; False means that it ended undisturbed.
    """
    interrupted = _Interrupted(operation(), at)
    task = asyncio.create_task(interrupted.run())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()  # what the operation raised
    return interrupted.reached


async def interrupt_everywhere(attempt: Callable[[int], Awaitable[bool]], *, least: int = 1) -> int:
    """Make attempts, each cancelled one point later than the one before, until one is not disturbed.

    Parameters
    ----------
    attempt : callable
        Is given the point; prepares, calls `interrupt`, checks, and gives what `interrupt` gave.
    least : int
        Points that there must be, so that a test which interrupts nothing fails.

    Returns
    -------
    int
        How many points there were.
    """
    for at in count(1):
        if not await attempt(at):
            break
    assert at > least, f"the operation waited {at - 1} times, {least} were expected at least"
    return at - 1


def make_slow(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a store wait before and after each request, so that there is something to interrupt everywhere."""
    for name in ("get", "write", "ensure_indexes"):
        monkeypatch.setattr(store, name, _slowly(getattr(store, name)))


def _slowly(request: Any) -> Any:
    async def slow(*args: Any) -> Any:
        await asyncio.sleep(0)
        answer = await request(*args)
        await asyncio.sleep(0)
        return answer

    return slow
