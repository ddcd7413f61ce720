"""What every store must do, as tests.

To hold a store to it, derive a test class from `StoreContract` and give it a fixture named ``stores``::

    from atomodm.testing.contract import StoreContract, Stores

    class TestMyStore(StoreContract):
        @pytest.fixture
        async def stores(self, tmp_path):
            async with Stores(f"my:///{tmp_path}/data") as stores:
                yield stores

`Stores` opens any number of handles on the same data, which must be empty at the beginning of each test. The tests need
pytest, pytest-asyncio in its auto mode, and hypothesis. What a store cannot do it declares in its `Capabilities`; then
the test asks it to refuse, and is not skipped.
"""

import pytest

_MODULES = (
    "batches",
    "collections",
    "concurrency",
    "differential",
    "expiry",
    "finds",
    "index_kinds",
    "indexes",
    "lifecycle",
    "log",
    "namespaces",
    "operators",
    "updates",
    "upkeep",
    "values",
)

# Before they are imported, so that failing assertions show values.
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _MODULES))

from .batches import BatchContract  # noqa: E402
from .collections import CollectionContract  # noqa: E402
from .concurrency import ConcurrencyContract  # noqa: E402
from .differential import DifferentialContract  # noqa: E402
from .expiry import ExpiryContract  # noqa: E402
from .finds import FindContract  # noqa: E402
from .index_kinds import IndexKindContract  # noqa: E402
from .indexes import IndexContract  # noqa: E402
from .lifecycle import LifecycleContract  # noqa: E402
from .log import LogContract  # noqa: E402
from .namespaces import NamespaceContract  # noqa: E402
from .operators import OperatorContract  # noqa: E402
from .stores import Stores  # noqa: E402
from .updates import UpdateContract  # noqa: E402
from .upkeep import UpkeepContract  # noqa: E402
from .values import ValueContract  # noqa: E402

__all__ = [
    "BatchContract",
    "CollectionContract",
    "ConcurrencyContract",
    "DifferentialContract",
    "ExpiryContract",
    "FindContract",
    "IndexContract",
    "IndexKindContract",
    "LifecycleContract",
    "LogContract",
    "NamespaceContract",
    "OperatorContract",
    "StoreContract",
    "Stores",
    "UpdateContract",
    "UpkeepContract",
    "ValueContract",
]


class StoreContract(
    BatchContract,
    CollectionContract,
    ConcurrencyContract,
    DifferentialContract,
    ExpiryContract,
    FindContract,
    IndexContract,
    IndexKindContract,
    LifecycleContract,
    LogContract,
    NamespaceContract,
    OperatorContract,
    UpdateContract,
    UpkeepContract,
    ValueContract,
):
    """Everything that a store must do."""
