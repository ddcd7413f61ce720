"""Comparing functions on a machine that others use as well."""

from __future__ import annotations

import gc
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def measure(
    functions: Mapping[str, Callable[[], Any]],
    rounds: int,
    prepare: Mapping[str, Callable[[], Any]] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """The times of each function in seconds, one for each round.

    All functions run once in each round, so that a busy minute slows all of them and not one. As in `timeit`, the
    garbage collector rests while a function runs; what a function returned is freed after its time was taken.

    Parameters
    ----------
    functions : mapping of str to callable
    rounds : int
    prepare : mapping of str to callable, optional
        Called before the function of the same name, each time; not timed.
    clock : callable
        Gives seconds. `time.process_time` counts the work of all threads of this process, and no waiting.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    enabled = gc.isenabled()
    try:
        for _ in range(rounds):
            for name, function in functions.items():
                if prepare is not None and name in prepare:
                    prepare[name]()
                gc.collect()
                gc.disable()
                began = clock()
                result = function()
                seconds[name].append(clock() - began)
                gc.enable()
                del result
    finally:
        if not enabled:
            gc.disable()
    return seconds


def fastest(functions: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The shortest time of each function, in seconds: the run that was disturbed least. See `measure`."""
    return {name: min(times) for name, times in measure(functions, rounds).items()}


def memory_kept(make: Callable[[], Any]) -> int:
    """Bytes that the result of `make` holds and that were allocated while it was made."""
    make()  # caches that fill once are not the result's
    gc.collect()
    tracemalloc.start()
    try:
        result = make()
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0]
        del result
        return kept
    finally:
        tracemalloc.stop()


def peak_memory() -> int:
    """The most bytes of memory that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux getrusage gives what the parent had, where that was more
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
