"""Collections with PyMongo's API on the document engine."""

from .collection import EngineCollection
from .cursor import EngineCursor

__all__ = ["EngineCollection", "EngineCursor"]
