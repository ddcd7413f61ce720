"""How long a write that others overtake is tried again."""

from __future__ import annotations

import asyncio
import random
import time

from ...errors import AtomodmError
from ..writing.writer import DEADLINE, LONGEST_PAUSE


class Patience:
    """Pauses between tries, longer and longer up to a limit, and an end to them.

    Writers in one process queue up for a document. Those of other processes are met again here: pauses of random
    length let one of them through.
    """

    def __init__(self) -> None:
        self._deadline = time.monotonic() + DEADLINE
        self._pause = 0.001

    async def wait(self, lost_to: AtomodmError | None = None) -> None:
        """Wait before the next try.

        Raises
        ------
        AtomodmError
            `lost_to`, when it was tried long enough.
        """
        if lost_to is not None and time.monotonic() > self._deadline:
            raise lost_to
        await asyncio.sleep(random.uniform(0, self._pause))
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
