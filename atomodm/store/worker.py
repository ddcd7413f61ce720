"""A thread of its own that runs functions one after the other and hands their results to an event loop."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from ..errors import StoreClosed

Result = TypeVar("Result")

_Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]
_Jobs = SimpleQueue[_Job | None]


class Worker:
    """Runs functions on one thread, in the order in which they were handed over.

    A function that has begun always runs to its end, whatever becomes of who waits for it; one that nobody waits for
    any more before it begins does not run at all.

    Parameters
    ----------
    name : str
        The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: _Jobs = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped = False
        # A worker that was never stopped ends with its owner instead of living on.
        weakref.finalize(self, self._jobs.put, None)

    async def run(self, function: Callable[[], Result]) -> Result:
        """Run `function` on the thread and give what it gives.

        Raises
        ------
        StoreClosed
            The worker was stopped.
        """
        if self._stopped:
            raise StoreClosed("the store was closed")
        if self._thread is None:
            # A daemon, so that a program that forgets to close its store still ends.
            self._thread = threading.Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._jobs.put((loop, future, function))
        return await future

    async def stop(self, last: Callable[[], None]) -> None:
        """Run what was handed over before, then `last`, then end the thread.

        Who is cancelled meanwhile is told when it has ended: what was stopped is stopped in either case.
        """
        if self._stopped:
            return
        self._stopped = True
        if self._thread is None:
            return
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        self._jobs.put((loop, ended, last))
        self._jobs.put(None)
        cancelled: asyncio.CancelledError | None = None
        while not ended.done():
            try:
                await asyncio.wait([ended])
            except asyncio.CancelledError as error:
                cancelled = error
        failed = ended.exception()
        if cancelled is not None:
            raise cancelled
        if failed is not None:
            raise failed


def _work(jobs: _Jobs) -> None:
    # A loop that was closed meanwhile has nobody left who waits.
    unless_closed = suppress(RuntimeError)
    while (job := jobs.get()) is not None:
        loop, future, function = job
        if future.cancelled():
            continue
        result: Any = None
        error: BaseException | None = None
        try:
            result = function()
        except BaseException as raised:  # handed to whoever waits
            error = raised
        with unless_closed:
            loop.call_soon_threadsafe(_settle, future, result, error)
        # Nothing of this job may live on while the thread waits for the next one.
        del job, loop, future, function, result, error


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
