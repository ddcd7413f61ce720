"""``max_time_ms``: how long reading may take."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from pymongo.errors import ExecutionTimeout

from ...errors import describe_type
from ...query.server_codes import ServerCode, code_name


class TimeLimit:
    """A number of milliseconds that one piece of work, or several after each other, may take in all.

    ``async with limit:`` around each piece.

    Parameters
    ----------
    milliseconds : int or None
        None and 0 mean any time.

    Raises
    ------
    TypeError, ValueError
    pymongo.errors.ExecutionTimeout
        The time is over; raised by the work.
    """

    def __init__(self, milliseconds: Any) -> None:
        if milliseconds is not None and not isinstance(milliseconds, int):
            raise TypeError(f"max_time_ms must be an integer or None, not {describe_type(milliseconds)}")
        if milliseconds is not None and milliseconds < 0:
            raise ValueError("max_time_ms must be 0 or more")
        self._left = milliseconds / 1000 if milliseconds else None
        self._timeout: asyncio.Timeout | None = None
        self._started = 0.0

    async def __aenter__(self) -> Self:
        if self._left is not None:
            if self._left <= 0:
                raise _expired()
            self._started = asyncio.get_running_loop().time()
            self._timeout = asyncio.timeout(self._left)
            await self._timeout.__aenter__()
        return self

    async def __aexit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if self._timeout is None or self._left is None:
            return
        timeout, self._timeout = self._timeout, None
        self._left = max(0.0, self._left - (asyncio.get_running_loop().time() - self._started))
        try:
            await timeout.__aexit__(kind, error, traceback)
        except TimeoutError:
            raise _expired() from None


def _expired() -> ExecutionTimeout:
    message = "operation exceeded time limit"
    code = int(ServerCode.MAX_TIME_MS_EXPIRED)
    return ExecutionTimeout(message, code, {"ok": 0.0, "code": code, "codeName": code_name(code), "errmsg": message})
