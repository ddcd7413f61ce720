"""``sqlite:///file.db``: documents in one SQLite file, for any number of processes of one machine."""

from .driver import SQLiteDriver
from .store import SQLiteStore

__all__ = ["SQLiteDriver", "SQLiteStore"]
