"""What stores promise, and what they are asked: the agreement between stores and everything above them."""

from .capabilities import Atomicity, Capabilities
from .checking import CheckReport, Problem
from .collection import Collection, CommandCursor, Cursor
from .finding import Chunk, Explanation, Find
from .indexes import IndexSpec, Progress
from .log import ChangeEntry, ChangeKind, ChangePage, Position
from .operations import Batch, Delete, Insert, Operation, Outcome, Patch, Replace, Update
from .store import Store
from .updates import Besides, Held, UpdatedDocument, UpdateOutcome

__all__ = [
    "Atomicity",
    "Batch",
    "Besides",
    "Capabilities",
    "ChangeEntry",
    "ChangeKind",
    "ChangePage",
    "CheckReport",
    "Chunk",
    "Collection",
    "CommandCursor",
    "Cursor",
    "Delete",
    "Explanation",
    "Find",
    "Held",
    "IndexSpec",
    "Insert",
    "Operation",
    "Outcome",
    "Patch",
    "Position",
    "Problem",
    "Progress",
    "Replace",
    "Store",
    "Update",
    "UpdateOutcome",
    "UpdatedDocument",
]
