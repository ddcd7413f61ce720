"""Fails a test during which something held the event loop for too long.

An event loop that is held serves nobody: windows freeze, requests time out. Each callback that asyncio runs while a
test runs is timed, garbage collection included; the time that the operating system kept the thread waiting for a
processor is not ours and is taken off where the system tells it (Linux).
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest
from _pytest.runner import runtestprotocol

#: How often a test that held the loop is tried before it fails.
TRIES = 3
BLOCKED = "the event loop was blocked"
#: Seconds that one callback may take, unless the test is marked ``loop_may_block(seconds)``.
LIMIT = 0.25
#: The longest that a mark may allow, in seconds.
LONGEST = 1.0


@dataclass(frozen=True, slots=True)
class Blocked:
    """A callback that held its loop."""

    name: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.name} held it for {self.seconds:.3f} s"


class RunQueue:
    """How long threads were ready to run while the operating system ran others, in nanoseconds."""

    def __init__(self) -> None:
        self._files: dict[int, int | None] = {}

    def waited(self) -> int:
        """What the calling thread has waited since it began; 0 where the system does not tell."""
        thread = threading.get_ident()
        if thread not in self._files:
            try:
                self._files[thread] = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
            except OSError:
                self._files[thread] = None
        file = self._files[thread]
        if file is None:
            return 0
        try:
            return int(os.pread(file, 100, 0).split()[1])
        except (OSError, IndexError, ValueError):
            return 0

    def close(self) -> None:
        """Forget all threads."""
        for file in self._files.values():
            if file is not None:
                os.close(file)
        self._files.clear()


class LoopWatch:
    """A pytest plugin: times every callback and fails the test when one took too long."""

    def __init__(self) -> None:
        self._tests = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Try a test that held the loop again: what other programs on the machine caused does not come back."""
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports: list[pytest.TestReport] = []
        for _ in range(TRIES):
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
            if not any(BLOCKED in str(report.longrepr) for report in reports if report.failed):
                break
        for report in reports:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        # What earlier tests and the runner hold is not this test's: a collection must not look at all of it.
        if self._tests % 10 == 0:
            gc.collect()
        gc.freeze()
        self._tests += 1
        return (yield from self._watched(item, "setting up"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        return (yield from self._watched(item, "running"))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        return (yield from self._watched(item, "tearing down"))

    def _watched(self, item: pytest.Item, what: str) -> Generator[None, Any, Any]:
        limit = allowed_seconds(item)
        found: list[Blocked] = []
        queue = RunQueue()
        run = asyncio.events.Handle._run

        def timed_run(handle: asyncio.Handle) -> None:
            callback = handle._callback  # type: ignore[attr-defined]
            waited, began = queue.waited(), time.perf_counter()
            try:
                run(handle)
            finally:
                seconds = time.perf_counter() - began
                if seconds > limit:
                    seconds -= (queue.waited() - waited) / 1e9
                    if seconds > limit:
                        found.append(Blocked(describe_callback(callback), seconds))

        try:
            with patch.object(asyncio.events.Handle, "_run", timed_run):
                result = yield
        finally:
            queue.close()
        if found:
            lines = "\n".join(f"  {blocked}" for blocked in found)
            pytest.fail(f"{BLOCKED} for over {limit} s while {what}:\n{lines}", pytrace=False)
        return result


def allowed_seconds(item: pytest.Item) -> float:
    """How long a callback of this test may take.

    Raises
    ------
    pytest.UsageError
        The test's mark is no number of seconds up to `LONGEST`.
    """
    mark = item.get_closest_marker("loop_may_block")
    if mark is None:
        return LIMIT
    match mark.args:
        case (int() | float() as seconds,) if not mark.kwargs and 0 < seconds <= LONGEST:
            return float(seconds)
    raise pytest.UsageError(f"{item.nodeid}: loop_may_block takes seconds, more than 0 and at most {LONGEST}")


def describe_callback(callback: Any) -> str:
    """Name what a handle ran: for a step of a task the task and its coroutine, otherwise the function."""
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        coroutine = owner.get_coro()
        return f"{owner.get_name()} ({getattr(coroutine, '__qualname__', coroutine)})"
    return str(getattr(callback, "__qualname__", callback))
