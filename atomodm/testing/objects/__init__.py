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
        for name in (
            "caching",
            "dates",
            "deleting",
            "expiring",
            "graphs",
            "indexing",
            "interrupting",
            "large_deletions",
            "league",
            "loading",
            "own_times",
            "partial",
            "passing",
            "querying",
            "refused",
            "renewing",
            "saving",
            "updated_values",
            "updating",
            "updating_many",
        )
    )
)

from .caching import IdentityContract, ScopeContract, StoreUseContract  # noqa: E402
from .dates import DateContract  # noqa: E402
from .deleting import OnDeleteContract  # noqa: E402
from .expiring import TimeToLiveContract  # noqa: E402
from .graphs import GraphContract, RequestContract  # noqa: E402
from .indexing import DeclaredIndexContract  # noqa: E402
from .interrupting import InterruptionContract  # noqa: E402
from .large_deletions import LargeDeletionContract  # noqa: E402
from .loading import DepthContract, MeetingContract, SharedFetchContract, UnloadedContract  # noqa: E402
from .own_times import OwnTimeContract  # noqa: E402
from .partial import PartialDeleteContract, PartialSaveContract  # noqa: E402
from .querying import CollectionUseContract, LookupContract, PolymorphismContract, QueryContract  # noqa: E402
from .refused import RefusedValueContract  # noqa: E402
from .renewing import RenewalContract  # noqa: E402
from .saving import (  # noqa: E402
    ConcurrentSaveContract,
    ConflictContract,
    DeletedObjectContract,
    HandleContract,
    PrimaryKeyContract,
    WalkContract,
)
from .updated_values import UpdateRefusalContract, UpdateWordContract  # noqa: E402
from .updating import ObjectUpdateContract  # noqa: E402
from .updating_many import ConcurrentUpdateContract, QueryUpdateContract, UpdateExpiryContract  # noqa: E402

__all__ = [
    "CollectionUseContract",
    "ConcurrentSaveContract",
    "ConcurrentUpdateContract",
    "ConflictContract",
    "DateContract",
    "DeclaredIndexContract",
    "DeletedObjectContract",
    "DepthContract",
    "GraphContract",
    "HandleContract",
    "IdentityContract",
    "InterruptionContract",
    "LargeDeletionContract",
    "LookupContract",
    "MeetingContract",
    "ObjectContract",
    "ObjectUpdateContract",
    "OnDeleteContract",
    "OwnTimeContract",
    "PartialDeleteContract",
    "PartialSaveContract",
    "PolymorphismContract",
    "PrimaryKeyContract",
    "QueryContract",
    "QueryUpdateContract",
    "RefusedValueContract",
    "RenewalContract",
    "RequestContract",
    "ScopeContract",
    "SharedFetchContract",
    "StoreUseContract",
    "TimeToLiveContract",
    "UnloadedContract",
    "UpdateExpiryContract",
    "UpdateRefusalContract",
    "UpdateWordContract",
    "WalkContract",
]


class ObjectContract(
    CollectionUseContract,
    ConcurrentSaveContract,
    ConcurrentUpdateContract,
    ConflictContract,
    DateContract,
    DeclaredIndexContract,
    DeletedObjectContract,
    DepthContract,
    GraphContract,
    HandleContract,
    IdentityContract,
    InterruptionContract,
    LargeDeletionContract,
    LookupContract,
    MeetingContract,
    ObjectUpdateContract,
    OnDeleteContract,
    OwnTimeContract,
    PartialDeleteContract,
    PartialSaveContract,
    PolymorphismContract,
    PrimaryKeyContract,
    QueryContract,
    QueryUpdateContract,
    RefusedValueContract,
    RenewalContract,
    RequestContract,
    ScopeContract,
    SharedFetchContract,
    StoreUseContract,
    TimeToLiveContract,
    UnloadedContract,
    UpdateExpiryContract,
    UpdateRefusalContract,
    UpdateWordContract,
    WalkContract,
):
    """Everything that objects must do."""
