"""Stores that the tests run on: what a store that cannot run here means.

On a laptop it means skipped tests with a plain reason. Where the environment variable ``ATOMODM_REQUIRE`` names the
store (``ATOMODM_REQUIRE=memory,redis``), it means that the run fails.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import pytest

from tests.servers.programs import redis_missing

VARIABLE = "ATOMODM_REQUIRE"


def _sqlite_missing() -> str | None:
    try:
        import sqlite3
    except ImportError:
        return "this Python was built without sqlite3"
    if sqlite3.sqlite_version_info < (3, 24):
        return f"SQLite {sqlite3.sqlite_version} is older than 3.24"
    return None


#: For each store, a function that says why it cannot run on this machine; None when it can.
PROBES: Mapping[str, Callable[[], str | None]] = {
    "memory": lambda: None,
    "sqlite": _sqlite_missing,
    "redis": redis_missing,
    "redis-cluster": redis_missing,
}


def required_stores() -> frozenset[str]:
    """The stores that ``ATOMODM_REQUIRE`` names.

    Raises
    ------
    pytest.UsageError
        It names a store that there is none of.
    """
    names = frozenset(name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip())
    if unknown := sorted(names - PROBES.keys()):
        raise pytest.UsageError(f"{VARIABLE} names {', '.join(unknown)}; there are {', '.join(sorted(PROBES))}")
    return names


def check_required_stores() -> None:
    """Stop the run when a store that must run cannot.

    Raises
    ------
    pytest.UsageError
        For each such store, why.
    """
    reasons = {name: PROBES[name]() for name in sorted(required_stores())}
    if missing := [f"{name}: {reason}" for name, reason in reasons.items() if reason is not None]:
        raise pytest.UsageError(f"{VARIABLE} names stores that cannot run here: {'; '.join(missing)}")


def need_store(name: str) -> None:
    """Skip the running test unless the store can run here; fail it where ``ATOMODM_REQUIRE`` names the store."""
    reason = PROBES[name]()
    if reason is None:
        return
    if name in required_stores():
        pytest.fail(f"{name} must run here ({VARIABLE}) and cannot: {reason}", pytrace=False)
    pytest.skip(f"{name} cannot run here: {reason}")
