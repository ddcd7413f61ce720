"""How long a write that others overtake is tried again."""

from __future__ import annotations

import asyncio
import random
import time

from ...errors import AtomodmError

#: Seconds after which a write that loses every race is given up, unless the store has a limit of its own.
DEADLINE = 30.0
#: Seconds to wait at most between two tries.
LONGEST_PAUSE = 0.05


class Patience:
    """Pauses between tries, longer and longer up to a limit, and an end to them.

    Writers in one process queue up for a document, for as long as that takes. Those of other processes are met again
    here: pauses of random length let one of them through.

    Parameters
    ----------
    deadline : float, optional
        Seconds from the first race that was lost; `DEADLINE` unless it is given.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self._seconds = DEADLINE if deadline is None else deadline
        self._until: float | None = None
        self._pause = 0.001

    @property
    def is_over(self) -> bool:
        """Whether it was tried long enough."""
        return self._until is not None and time.monotonic() > self._until

    async def wait(self, lost_to: AtomodmError | None = None) -> None:
        """Wait before the next try.

        Raises
        ------
        AtomodmError
            `lost_to`, when it was tried long enough.
        """
        if self._until is None:
            self._until = time.monotonic() + self._seconds
        if lost_to is not None and self.is_over:
            raise lost_to
        await asyncio.sleep(random.uniform(0, self._pause))
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
