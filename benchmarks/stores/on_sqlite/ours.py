"""atomodm on its SQLite store."""

from __future__ import annotations

from pathlib import Path

from .. import ours
from .files import FileContestant


class Atomodm(ours.Atomodm, FileContestant):
    """As everywhere, on a file."""

    def __init__(self, folder: Path) -> None:
        FileContestant.__init__(self, folder)
        ours.Atomodm.__init__(self, f"sqlite:///{self.path}")
