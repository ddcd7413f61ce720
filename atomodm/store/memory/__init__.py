"""``memory://`` and ``memory://name``: documents in this process, for tests, caches and programs that keep nothing."""

from .store import MemoryDriver, MemoryStore

__all__ = ["MemoryDriver", "MemoryStore"]
