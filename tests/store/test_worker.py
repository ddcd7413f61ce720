"""A worker runs functions on a thread of its own, one after the other."""

from __future__ import annotations

import asyncio
import gc
import threading
import time

import pytest

from atomodm.errors import StoreClosed
from atomodm.store.worker import Worker


def running(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


async def test_functions_run_on_one_thread_in_their_order() -> None:
    worker = Worker("test-order")
    order: list[int] = []

    def work(number: int) -> int:
        order.append(number)
        return threading.get_ident()

    threads = await asyncio.gather(*(worker.run(lambda number=number: work(number)) for number in range(50)))  # type: ignore[misc]
    assert order == list(range(50))
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()
    await worker.stop(lambda: None)


async def test_what_a_function_raises_is_raised_where_it_is_awaited() -> None:
    worker = Worker("test-errors")

    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await worker.run(fail)
    assert await worker.run(lambda: 5) == 5
    await worker.stop(lambda: None)


async def test_a_function_that_has_begun_runs_to_its_end_when_its_task_is_cancelled() -> None:
    worker = Worker("test-cancel")
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        time.sleep(0.05)
        ended.set()

    task = asyncio.create_task(worker.run(work))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not ended.is_set()
    await worker.run(lambda: None)
    assert ended.is_set()
    await worker.stop(lambda: None)


async def test_a_function_that_has_not_begun_does_not_run_once_its_task_is_cancelled() -> None:
    worker = Worker("test-cancel-early")
    go = threading.Event()
    ran: list[int] = []
    first = asyncio.create_task(worker.run(go.wait))
    second = asyncio.create_task(worker.run(lambda: ran.append(1)))
    await asyncio.sleep(0.01)
    second.cancel()
    await asyncio.sleep(0)
    go.set()
    await first
    await worker.run(lambda: ran.append(2))
    assert ran == [2]
    await worker.stop(lambda: None)


async def test_stopping_runs_what_was_handed_over_before_and_then_the_last_function() -> None:
    worker = Worker("test-stop")
    order: list[str] = []
    tasks = [asyncio.create_task(worker.run(lambda: order.append("work"))) for _ in range(3)]
    await asyncio.sleep(0)
    await worker.stop(lambda: order.append("last"))
    await asyncio.gather(*tasks)
    assert order == ["work", "work", "work", "last"]
    with pytest.raises(StoreClosed):
        await worker.run(lambda: None)
    await worker.stop(lambda: order.append("never"))
    assert order[-1] == "last"
    while running("test-stop"):
        await asyncio.sleep(0.001)


async def test_stopping_has_ended_when_it_was_cancelled() -> None:
    worker = Worker("test-cancelled")
    go, begun = threading.Event(), threading.Event()
    order: list[str] = []

    def work() -> None:
        begun.set()
        go.wait()
        order.append("work")

    working = asyncio.create_task(worker.run(work))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    stopping = asyncio.create_task(worker.stop(lambda: order.append("last")))
    for _ in range(2):
        await asyncio.sleep(0.01)
        stopping.cancel()
    await asyncio.sleep(0.01)
    assert not stopping.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert order == ["work", "last"]
    await working


async def test_a_worker_that_nobody_stopped_ends_with_its_owner() -> None:
    worker = Worker("test-forgotten")
    await worker.run(lambda: None)
    assert len(running("test-forgotten")) == 1
    del worker
    gc.collect()
    for _ in range(1000):
        if not running("test-forgotten"):
            break
        await asyncio.sleep(0.001)
    assert running("test-forgotten") == []


def test_a_loop_that_closed_meanwhile_does_not_stop_the_thread() -> None:
    worker = Worker("test-closed-loop")
    go = threading.Event()

    async def leave() -> None:
        task = asyncio.create_task(worker.run(go.wait))
        await asyncio.sleep(0.01)
        task.cancel()

    async def work() -> int:
        go.set()
        found = await worker.run(lambda: 7)
        await worker.stop(lambda: None)
        return found

    asyncio.run(leave())
    assert asyncio.run(work()) == 7
