"""What objects must do on every store, as tests.

To hold a store to it, derive a test class from `ObjectContract` and give it a fixture named ``store``: an empty store
that is open and the default database, as ``async with connect(url) as store`` gives it. The tests need pytest and
pytest-asyncio in its auto mode.
"""

import pytest

# Before the modules are imported, so that failing assertions show values.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{name}"
        for name in ("caching", "graphs", "indexing", "interrupting", "loading", "querying", "saving")
    )
)

from .caching import IdentityContract, ScopeContract, StoreUseContract  # noqa: E402
from .graphs import GraphContract, RequestContract  # noqa: E402
from .indexing import DeclaredIndexContract  # noqa: E402
from .interrupting import InterruptionContract  # noqa: E402
from .loading import DepthContract, MeetingContract, SharedFetchContract, UnloadedContract  # noqa: E402
from .querying import CollectionUseContract, LookupContract, PolymorphismContract, QueryContract  # noqa: E402
from .saving import (  # noqa: E402
    ConcurrentSaveContract,
    ConflictContract,
    DeletedObjectContract,
    HandleContract,
    PrimaryKeyContract,
    WalkContract,
)

__all__ = [
    "CollectionUseContract",
    "ConcurrentSaveContract",
    "ConflictContract",
    "DeclaredIndexContract",
    "DeletedObjectContract",
    "DepthContract",
    "GraphContract",
    "HandleContract",
    "IdentityContract",
    "InterruptionContract",
    "LookupContract",
    "MeetingContract",
    "ObjectContract",
    "PolymorphismContract",
    "PrimaryKeyContract",
    "QueryContract",
    "RequestContract",
    "ScopeContract",
    "SharedFetchContract",
    "StoreUseContract",
    "UnloadedContract",
    "WalkContract",
]


class ObjectContract(
    CollectionUseContract,
    ConcurrentSaveContract,
    ConflictContract,
    DeclaredIndexContract,
    DeletedObjectContract,
    DepthContract,
    GraphContract,
    HandleContract,
    IdentityContract,
    InterruptionContract,
    LookupContract,
    MeetingContract,
    PolymorphismContract,
    PrimaryKeyContract,
    QueryContract,
    RequestContract,
    ScopeContract,
    SharedFetchContract,
    StoreUseContract,
    UnloadedContract,
    WalkContract,
):
    """Everything that objects must do."""
