"""The server's time, learnt from its answers."""

from __future__ import annotations

import time


class Clock:
    """Follows the clock of a server.

    An answer that says what time it was on the server was made between the moment the question was sent and the moment
    the answer came: that is how well the difference of both clocks is known.
    """

    def __init__(self) -> None:
        #: What the server's clock is ahead of the monotonic one, in microseconds.
        self._ahead = time.time_ns() // 1000 - self.start()

    def start(self) -> int:
        """The moment at which a question is sent."""
        return time.monotonic_ns() // 1000

    def learn(self, sent: int, time_of_server: int) -> None:
        """Take note of the server's time in microseconds, as an answer gave it that was asked for at `sent`."""
        # What is known already stays where the answer does not speak against it: most answers know less.
        least, most = time_of_server - self.start(), time_of_server - sent
        self._ahead = least if self._ahead < least else most if self._ahead > most else self._ahead

    def now(self) -> int:
        """The server's time in milliseconds since 1970."""
        return (self.start() + self._ahead) // 1000
