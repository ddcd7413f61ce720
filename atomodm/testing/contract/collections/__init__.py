"""The portable collection API: PyMongo's names, results and errors, as tests that hold for a MongoDB server too."""

from .bulk import BulkContract
from .concurrent import ConcurrentWriteContract
from .finding import FindingContract
from .indexing import IndexingContract
from .inserting import InsertingContract
from .modifying import ModifyingContract
from .namespaces import NamespaceContract
from .reading import ReadingContract
from .updating import UpdatingContract
from .upserting import UpsertingContract

__all__ = ["CollectionContract"]


class CollectionContract(
    BulkContract,
    ConcurrentWriteContract,
    FindingContract,
    IndexingContract,
    InsertingContract,
    ModifyingContract,
    NamespaceContract,
    ReadingContract,
    UpdatingContract,
    UpsertingContract,
):
    """``store["name"]``."""
