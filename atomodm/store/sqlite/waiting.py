"""Waiting for the locks of other processes, bounded for each request as a whole."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from typing import Final, TypeVar

Result = TypeVar("Result")

#: Seconds between two tries: at first, and at most. Short ones keep writers that take turns from starving each other.
FIRST_PAUSE: Final = 0.0005
LONGEST_PAUSE: Final = 0.02

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class StillHeld(Exception):
    """What is waited for did not happen yet; raised where SQLite reports it by a result and not by an error."""


class Damaged(Exception):
    """What was read cannot have been written by us, although SQLite itself finds it in order."""


def is_busy(error: BaseException) -> bool:
    """Whether an error says that somebody else holds a lock."""
    # The low byte is the primary code, the others say more about it.
    return isinstance(error, StillHeld) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY


class Patience:
    """How long one request still waits for others.

    SQLite's own timeout counts for each lock anew; this one is spent by all of a request's waiting together, that
    in the queue behind requests that wait included.

    Parameters
    ----------
    seconds : float

    Attributes
    ----------
    is_given_up : bool
        Whether nobody wants the result any more. Every request has a patience and few are given up, so that this is a
        flag, which is looked at after each pause, and no event, which costs as much as a statement.
    """

    __slots__ = ("is_given_up", "left", "waited")

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self.waited = 0.0
        self.is_given_up = False

    def give_up(self) -> None:
        """Stop waiting; may be called by any thread."""
        self.is_given_up = True

    def attempt(self, function: Callable[[], Result]) -> Result:
        """Call `function` until no lock is in its way, or the patience has ended: then its error is raised."""
        allowance, began, pause = self.left, time.monotonic(), FIRST_PAUSE
        while True:
            try:
                return function()
            except (sqlite3.OperationalError, StillHeld) as error:
                self._spend(allowance, time.monotonic() - began)
                if not is_busy(error) or self.left <= 0 or self.is_given_up:
                    raise
            time.sleep(min(self.left, random.uniform(pause / 2, pause)))
            self._spend(allowance, time.monotonic() - began)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _spend(self, allowance: float, seconds: float) -> None:
        left = max(0.0, allowance - seconds)
        self.waited += self.left - left
        self.left = left

    def spend(self, seconds: float) -> None:
        """Count what was waited elsewhere on behalf of this request."""
        self.left = max(0.0, self.left - seconds)
