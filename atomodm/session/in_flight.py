"""Objects that are being written: others wait for it, and edits made meanwhile are told from what is written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Self

from ..breathing import without_collecting
from ..errors import WrongLoop

_NOTHING: frozenset[str] = frozenset()


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


class BeingWritten(AbstractContextManager[Any]):
    """Makes others wait until the block ends.

    Parameters
    ----------
    objects : sequence of NoSQLModel

    Attributes
    ----------
    written : set of int
        Ids of the objects that are done, whatever becomes of the others.
    """

    __slots__ = ("_done", "_objects", "written")

    def __init__(self, objects: Sequence[Any]) -> None:
        self._objects = objects
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.written: set[int] = set()

    def __enter__(self) -> Self:
        with without_collecting():
            for obj in self._objects:
                tracking = obj.__track__()
                tracking.in_flight = self._done
                if tracking.state is not None:
                    tracking.state.error = None
                    obj.__update_state__()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if isinstance(error, Exception):
                for obj in self._objects:
                    if obj.__tracking__.state is not None and id(obj) not in self.written:
                        obj.__tracking__.state.error = error
        finally:
            for obj in self._objects:
                tracking = obj.__tracking__
                tracking.in_flight = None
                tracking.during = _NOTHING
                if tracking.state is not None:
                    obj.__update_state__()
            self._done.set_result(None)
