"""Managers, proxies and queries: what ``Model.objects`` is."""

from .connect import Connection, connect
from .manager import ModelManager, NoSQLModelManager
from .proxy import NoSQLDatabaseProxy
from .query import Query

__all__ = ["Connection", "ModelManager", "NoSQLDatabaseProxy", "NoSQLModelManager", "Query", "connect"]
