"""The comparison on SQLite files."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from ..competition import Competition
from .files import FileContestant
from .floor import AIOSQLite, AutocommitAIOSQLite, BareSQLite3, SQLite3
from .ours import Atomodm
from .sqlalchemy_peer import SQLAlchemy
from .tortoise_peer import TortoiseORM

FLOORS: tuple[type[FileContestant], ...] = (BareSQLite3, SQLite3, AIOSQLite, AutocommitAIOSQLite)
PEERS: tuple[type[FileContestant], ...] = (SQLAlchemy, TortoiseORM)


@contextmanager
def competition(*, with_peers: bool) -> Iterator[Competition]:
    """Everybody, with a file each in a folder that goes in the end."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("aiosqlite", "sqlalchemy", "tortoise-orm"))
    kinds: tuple[type[FileContestant], ...] = (*FLOORS, Atomodm, *(PEERS if with_peers else ()))
    with tempfile.TemporaryDirectory() as folder:
        yield Competition(
            about=f"SQLite {sqlite3.sqlite_version}, WAL, synchronous=normal, {libraries}",
            contestants=[kind(Path(folder)) for kind in kinds],
            floors={
                "list": BareSQLite3.name,
                "insert": BareSQLite3.name,
                "get": AIOSQLite.name,
                "save": AIOSQLite.name,
                "find": AIOSQLite.name,
            },
            goals={"list": 1.6, "insert": 7, "get": 1.6, "save": 2},
        )
