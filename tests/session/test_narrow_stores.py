"""The public contract suite of objects, on stores that are not atomic over all of their documents."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from atomodm.contract import Atomicity
from atomodm.testing.objects import ObjectContract
from tests.session.narrow import NarrowStore, connected_narrow


@pytest.fixture(params=[Atomicity.COLLECTION, Atomicity.DOCUMENT], ids=lambda atomic: f"{atomic.value}-atomic")
async def store(request: pytest.FixtureRequest) -> AsyncIterator[NarrowStore]:
    async with connected_narrow(request.param) as store:
        yield store


class TestObjects(ObjectContract):
    """On each of them."""
