"""A contestant with an SQLite file of its own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ..contestant import StoreContestant


class FileContestant(StoreContestant):
    """Somebody who keeps the documents in a file in WAL mode with ``synchronous=normal``.

    Parameters
    ----------
    folder : Path
        Where the file is made.

    Attributes
    ----------
    path : Path
        The file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{type(self).__name__}.db"

    async def settle(self) -> None:
        """Copy the write-ahead log back into the file, so that what comes next finds an empty one."""
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
