"""What all tests share: a watch over the event loop, hypothesis profiles, and the stores that must run."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from atomodm import Store
from tests.loop_watch import LoopWatch
from tests.requirements import check_required_stores, need_store
from tests.servers.shared import SHARED
from tests.stores import NAMES, connected, url_of

# Machines that run CI are shared: how long an example takes says nothing there, so no example has a deadline.
settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("default"), suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_configure(config: pytest.Config) -> None:
    check_required_stores()
    config.pluginmanager.register(LoopWatch(), "loop-watch")
    config.add_cleanup(SHARED.stop)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, None, None]:
    """Empty the servers that a test has used, when its stores are closed."""
    try:
        return (yield)
    finally:
        SHARED.clear()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of very large graphs first: in a process that thousands of tests have used they are slower."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(params=NAMES)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database on each store in turn; all stores that are opened with it share its documents."""
    need_store(request.param)
    return url_of(request.param, tmp_path)


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An open, empty store that is the default database."""
    async with connected(store_url) as opened:
        yield opened
