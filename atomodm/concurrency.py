"""Several requests under way at a time, and nothing left running when they are not wanted any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")

#: Requests of one question that are under way at a time; each may take a connection of its own.
AT_A_TIME = 8


async def together(calls: Sequence[Callable[[], Awaitable[Result]]], at_a_time: int = AT_A_TIME) -> list[Result]:
    """Call all, several at a time, and give what they give, in their order.

    When one of them fails, or whoever waits is cancelled, the others are cancelled, and have ended when this raises.

    Parameters
    ----------
    calls : sequence of callable
    at_a_time : int
    """
    if len(calls) < 2:
        return [await call() for call in calls]
    results: dict[int, Result] = {}
    waiting = iter(enumerate(calls))

    async def work() -> None:
        for place, call in waiting:
            results[place] = await call()

    tasks = [asyncio.create_task(work()) for _ in range(min(at_a_time, len(calls)))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        await end(tasks)
    return [results[place] for place in range(len(calls))]


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended; what they failed with is nobody's concern any more.

    Who is cancelled meanwhile is told when they have ended.
    """
    tasks = list(tasks)
    cancelled: asyncio.CancelledError | None = None
    for task in tasks:
        task.cancel()
    while running := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in tasks:
        if not task.cancelled():
            task.exception()
    if cancelled is not None:
        raise cancelled


class Ahead(Generic[Result]):
    """Gives what a function gives call by call, and makes the next call before it is asked for where it is told to.

    There is never more than one call under way. What a call raises is raised where its result is asked for.

    Parameters
    ----------
    call : callable
        Gives a coroutine.
    """

    __slots__ = ("_call", "_task")

    def __init__(self, call: Callable[[], Coroutine[Any, Any, Result]]) -> None:
        self._call = call
        self._task: asyncio.Task[Result] | None = None

    async def begin(self) -> None:
        """Begin the next call, unless it has begun."""
        if self._task is None:
            self._task = asyncio.create_task(self._call())
            # So that it is on its way even when whoever asked goes on without waiting for anything.
            await asyncio.sleep(0)

    async def next(self) -> Result:
        """What the next call gives."""
        task, self._task = self._task, None
        # Who is cancelled here cancels the call too.
        return await (self._call() if task is None else task)

    async def close(self) -> None:
        """Give up a call that has begun; it has ended afterwards."""
        task, self._task = self._task, None
        if task is not None:
            await end([task])


class Behind:
    """Does one thing after the other while whoever gives them goes on; there is never more than one under way."""

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    async def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin the next thing, when the one before has ended; what that raised is raised here."""
        try:
            await self.finish()
        except BaseException:
            work.close()
            raise
        self._task = asyncio.create_task(work)
        # So that it is on its way even when whoever gave it goes on without waiting for anything.
        await asyncio.sleep(0)

    async def finish(self) -> None:
        """Wait for what has begun."""
        task, self._task = self._task, None
        if task is not None:
            # Who is cancelled here cancels it too.
            await task

    async def close(self) -> None:
        """Give up what has begun; it has ended afterwards."""
        task, self._task = self._task, None
        if task is not None:
            await end([task])
