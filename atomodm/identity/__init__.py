"""Identity: one object for one document, in each scope."""

from .cache import UNVERIFIED, ObjectCache
from .scope import PROCESS_SCOPE, CacheScope, current_scope

__all__ = ["PROCESS_SCOPE", "UNVERIFIED", "CacheScope", "ObjectCache", "current_scope"]
