"""What stores promise, and what they are asked: the agreement between stores and everything above them."""

from .collection import Collection, Cursor
from .log import ChangeEntry, ChangeKind
from .operations import Batch, Delete, Insert, Operation, Outcome, Patch, Replace, Update
from .store import Atomicity, Capabilities, Chunk, Explanation, Find, IndexSpec, Progress, Store

__all__ = [
    "Atomicity",
    "Batch",
    "Capabilities",
    "ChangeEntry",
    "ChangeKind",
    "Chunk",
    "Collection",
    "Cursor",
    "Delete",
    "Explanation",
    "Find",
    "IndexSpec",
    "Insert",
    "Operation",
    "Outcome",
    "Patch",
    "Progress",
    "Replace",
    "Store",
    "Update",
]
