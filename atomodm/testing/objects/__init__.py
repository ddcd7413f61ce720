"""What objects must do on every store, as tests.

To hold a store to it, derive a test class from `ObjectContract` and give it a fixture named ``store``: an empty store
that is open and the default database, as ``async with connect(url) as store`` gives it. The tests need pytest and
pytest-asyncio in its auto mode.
"""

import pytest

# Before the modules are imported, so that failing assertions show values.
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("caching", "graphs", "loading", "querying", "saving")))

from .graphs import GraphContract, RequestContract  # noqa: E402
from .saving import (  # noqa: E402
    ConcurrentSaveContract,
    ConflictContract,
    DeletedObjectContract,
    HandleContract,
    PrimaryKeyContract,
    WalkContract,
)

__all__ = [
    "ConcurrentSaveContract",
    "ConflictContract",
    "DeletedObjectContract",
    "GraphContract",
    "HandleContract",
    "ObjectContract",
    "PrimaryKeyContract",
    "RequestContract",
    "WalkContract",
]


class ObjectContract(
    ConcurrentSaveContract,
    ConflictContract,
    DeletedObjectContract,
    GraphContract,
    HandleContract,
    PrimaryKeyContract,
    RequestContract,
    WalkContract,
):
    """Everything that objects must do."""
