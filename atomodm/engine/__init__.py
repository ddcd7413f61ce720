"""The document engine: documents, indexes, queries and atomic batches over an ordered key-value driver.

A store for another database is a `Driver`, some primitives over ordered bytes, and an `EngineStore` on it.
"""

from .driver import (
    Applied,
    CollectionChanges,
    CollectionState,
    Commit,
    Driver,
    EntryRow,
    Guard,
    IndexRef,
    InsertRow,
    LogEntry,
    LoggedCommit,
    Page,
    Place,
    Refused,
    Row,
    UpdateRow,
)
from .store import LOG_SIZE, EngineStore

__all__ = [
    "LOG_SIZE",
    "Applied",
    "CollectionChanges",
    "CollectionState",
    "Commit",
    "Driver",
    "EngineStore",
    "EntryRow",
    "Guard",
    "IndexRef",
    "InsertRow",
    "LogEntry",
    "LoggedCommit",
    "Page",
    "Place",
    "Refused",
    "Row",
    "UpdateRow",
]
