"""Objects that are being written: others wait for it, and edits made meanwhile are told from what is written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import WrongLoop


def write_under_way(objects: Iterable[Any]) -> asyncio.Future[None] | None:
    """What tells that the write of one of some objects has ended; None where none is being written."""
    for obj in objects:
        tracking = obj.__tracking__
        if tracking is not None and tracking.in_flight is not None:
            under_way: asyncio.Future[None] = tracking.in_flight
            return under_way
    return None


async def wait_for(under_way: asyncio.Future[None]) -> None:
    """Wait for a write of somebody else, without cancelling it when this one is cancelled.

    Raises
    ------
    WrongLoop
        Another event loop is writing.
    """
    if under_way.get_loop() is not asyncio.get_running_loop():
        raise WrongLoop("another event loop is writing the object; objects belong to the loop of their store")
    await asyncio.wait([under_way])


@contextmanager
def being_written(objects: Sequence[Any]) -> Iterator[None]:
    """Make others wait until the block ends."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    for obj in objects:
        tracking = obj.__track__()
        tracking.in_flight = done
        if tracking.state is not None:
            tracking.state.error = None
            obj.__update_state__()
    try:
        yield
    except Exception as error:
        for obj in objects:
            if obj.__tracking__.state is not None:
                obj.__tracking__.state.error = error
        raise
    finally:
        for obj in objects:
            tracking = obj.__tracking__
            tracking.in_flight = None
            tracking.during = frozenset()
            if tracking.state is not None:
                obj.__update_state__()
        done.set_result(None)
