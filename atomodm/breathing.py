"""Giving the event loop its turn during long work."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import AbstractContextManager

#: Seconds of work after which the loop gets its turn.
SLICE = 0.005


class without_collecting(AbstractContextManager[None]):
    """Keeps the garbage collector from running, for work that must not be interrupted.

    What such work allocates it keeps, so that collections in between would look at all of it over and over.
    """

    __slots__ = ("_collecting",)

    def __enter__(self) -> None:
        self._collecting = gc.isenabled()
        gc.disable()

    def __exit__(self, *raised: object) -> None:
        if self._collecting:
            gc.enable()


class Breather:
    """Lets long work in a coroutine give way every few milliseconds."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until = time.monotonic() + SLICE

    def is_due(self) -> bool:
        """Whether the loop should have its turn."""
        return time.monotonic() >= self._until

    async def breathe(self) -> None:
        """Give the loop its turn when enough time has passed since the last one."""
        if self.is_due():
            await asyncio.sleep(0)
            self._until = time.monotonic() + SLICE
