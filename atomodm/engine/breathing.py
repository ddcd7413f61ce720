"""Giving the event loop its turn during long work."""

from __future__ import annotations

import asyncio
import time

#: Seconds of work after which the loop gets its turn.
SLICE = 0.005


class Breather:
    """Lets long work in a coroutine give way every few milliseconds."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until = time.monotonic() + SLICE

    async def breathe(self) -> None:
        """Give the loop its turn when enough time has passed since the last one."""
        if time.monotonic() >= self._until:
            await asyncio.sleep(0)
            self._until = time.monotonic() + SLICE
