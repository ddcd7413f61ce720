"""``sqlite:///file.db``: documents in one SQLite file, for any number of processes of one machine.

There is one writer at a time; readers never wait for it. Each request to the file is one function on the thread of a
connection: one connection writes, another one reads.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Self

from ...contract.capabilities import Atomicity, Capabilities
from ...contract.indexes import Progress
from ...engine.expiry import INTERVAL as EXPIRE_INTERVAL
from ...engine.store import LOG_SIZE, EngineStore
from ...errors import InvalidURL
from ..urls import StoreURL
from .driver import SQLiteDriver
from .file import FileOptions

#: Seconds to wait for another process's lock, unless the URL says otherwise.
TIMEOUT = 5.0
#: What ``synchronous=`` may be, the default first.
SYNCHRONOUS = ("normal", "full", "off")


class SQLiteStore(EngineStore):
    """Documents in one SQLite file, which is created with mode 0600 where it does not exist.

    Parameters
    ----------
    path : str or Path
        Relative paths start at the directory that is current now.
    synchronous : str
        What a commit waits for. ``"normal"``: nothing is lost when the program dies, and after a power cut the last
        commits may be missing while the file is sound. ``"full"``: a commit that is done survives a power cut.
        ``"off"``: a power cut may destroy the file.
    timeout : float
        Seconds to wait for another process that writes; then `StoreBusy`.
    read_only : bool
        Open a file that exists and write nothing.
    log_size : int
        Positions of the change log that are kept at least.
    expire_interval : float
        Seconds between two times that expired documents are removed; 0 for never.
    url : str, optional
        The address for messages.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        synchronous: str = SYNCHRONOUS[0],
        timeout: float = TIMEOUT,
        read_only: bool = False,
        log_size: int = LOG_SIZE,
        expire_interval: float = EXPIRE_INTERVAL,
        url: str | None = None,
    ) -> None:
        if synchronous not in SYNCHRONOUS:
            raise ValueError(f"synchronous is one of {', '.join(SYNCHRONOUS)}")
        if not timeout >= 0:
            raise ValueError("timeout is 0 or more")
        shown = url if url is not None else f"sqlite:///{path}"
        options = FileOptions(Path(path).absolute(), shown, synchronous, timeout, read_only)
        capabilities = Capabilities(
            atomic=Atomicity.STORE,
            durable=True,
            shared=True,
            change_log=True,
            check=True,
            backup=True,
            vacuum=not read_only,
        )
        self._file = SQLiteDriver(options)
        super().__init__(shown, self._file, capabilities, log_size=log_size, expire_interval=expire_interval)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Make the store of a URL: ``sqlite:///relative.db`` or ``sqlite:////absolute.db``.

        Options are ``synchronous`` (``normal``, ``full``, ``off``), ``timeout`` in seconds, ``mode=ro``,
        ``log_size`` and ``expire_interval`` in seconds. In file names ``%``, ``?`` and ``#`` are written ``%25``,
        ``%3F`` and ``%23``.

        Raises
        ------
        InvalidURL
        """
        parts = StoreURL.parse(url, ["synchronous", "timeout", "mode", "log_size", "expire_interval"])
        path = parts.path.removeprefix("/")
        if not url.partition("://")[2].startswith("/"):
            raise InvalidURL("write sqlite:///relative.db or sqlite:////absolute.db", store=parts.shown)
        if not path or path == ":memory:" or "\0" in path:
            raise InvalidURL("the URL names no file; memory:// keeps documents in memory", store=parts.shown)
        parts.choice("mode", "ro", ["ro"])
        return cls(
            path,
            synchronous=parts.choice("synchronous", SYNCHRONOUS[0], SYNCHRONOUS),
            timeout=parts.number("timeout", TIMEOUT, least=0),
            read_only="mode" in parts.options,
            log_size=int(parts.number("log_size", LOG_SIZE, least=1)),
            expire_interval=parts.number("expire_interval", EXPIRE_INTERVAL, least=0),
            url=parts.shown,
        )

    async def backup(
        self, path: str | PathLike[str], progress: Progress | None = None, *, replace: bool = False
    ) -> None:
        """Copy the store as it is at this moment into a file, as `Store.backup`.

        The copy has mode 0600 and is a store of its own. Its parts, of which `progress` tells, are SQLite's pages.
        """
        await self.ready()
        self._asked()
        await self._file.back_up(Path(path).absolute(), progress, replace)

    async def vacuum(self) -> None:
        """Give the space of what was deleted back, as `Store.vacuum`.

        It takes the file's size as free space meanwhile. Readers go on; writers wait.
        """
        await self.ready()
        self._asked()
        await self._file.vacuum()
