"""Identity: one object for one document, in each scope."""

from .cache import ObjectCache
from .scope import PROCESS_SCOPE, CacheScope, current_scope

__all__ = ["PROCESS_SCOPE", "CacheScope", "ObjectCache", "current_scope"]
