"""Comparing functions on a machine that others use as well."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any


def fastest(functions: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The shortest time of each function, in seconds.

    All functions run once in each round, so that a busy minute slows all of them and not one. The shortest run is the
    one that was disturbed least. As in `timeit`, the garbage collector rests while a function runs; what a function
    returned is freed after its time was taken.
    """
    best = dict.fromkeys(functions, float("inf"))
    enabled = gc.isenabled()
    try:
        for _ in range(rounds):
            for name, function in functions.items():
                gc.collect()
                gc.disable()
                began = time.perf_counter()
                result = function()
                best[name] = min(best[name], time.perf_counter() - began)
                gc.enable()
                del result
    finally:
        if not enabled:
            gc.disable()
    return best


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
