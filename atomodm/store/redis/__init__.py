"""``redis://`` and its kin: documents in a Redis server, a Redis Cluster, or behind Sentinels."""

from .store import RedisStore

__all__ = ["RedisStore"]
