"""Processes that write, are frozen and are killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.faults import workload

# Forks of a process that has imported everything begin within milliseconds, so that moments of opening are hit too.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.faults.workload", "atomodm.store.sqlite"])


class Writer:
    """A process that writes batches of the workload.

    Attributes
    ----------
    process : multiprocessing.Process
    is_killed : bool
    """

    def __init__(self, url: str) -> None:
        self._receiving, sending = _CONTEXT.Pipe(duplex=False)
        self.process: Any = _CONTEXT.Process(target=workload.write, args=(url, sending), daemon=True)
        self.process.start()
        self.is_killed = False
        sending.close()
        os.set_blocking(self._receiving.fileno(), False)
        self._told = b""
        self._last: list[int] = []

    def batches(self) -> list[int]:
        """The batches that the process has told of by now."""
        with suppress(BlockingIOError):
            while part := os.read(self._receiving.fileno(), 1 << 16):
                self._told += part
        # What was being told at the end of a process counts for nothing.
        return [int.from_bytes(self._told[start : start + 8], "big") for start in range(0, len(self._told) - 7, 8)]

    def wait_for_batches(self, number: int) -> None:
        """Wait until the process has told of so many batches."""
        deadline = time.monotonic() + 30
        while len(self.batches()) < number:
            assert time.monotonic() < deadline, "the writer does not write"
            assert self.process.is_alive(), "the writer ended"
            time.sleep(0.002)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the process where it is, in the middle of anything, and let it go on afterwards."""
        os.kill(self.process.pid, signal.SIGSTOP)
        # It stops at its next step, not at once.
        while _states(self.process.pid) != {"T"}:
            time.sleep(0.0005)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> list[int]:
        """Kill the process; gives the batches that it had told of."""
        if not self.is_killed:
            self.is_killed = True
            self.process.kill()
            self.process.join()
            self._last = self.batches()
            self._receiving.close()
            self.process.close()
        return self._last


def _states(pid: int) -> set[str]:
    """What the threads of a process are doing, as Linux tells it."""
    return {file.read_text().rpartition(") ")[2][0] for file in Path(f"/proc/{pid}/task").glob("*/stat")}


@contextmanager
def writing(url: str) -> Iterator[Writer]:
    """A process that writes; killed at the end if it was not before."""
    writer = Writer(url)
    try:
        yield writer
    finally:
        writer.kill()
