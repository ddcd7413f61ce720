"""Opens the files of SQLite stores: their modes, which file is open, and what SQLite says when it refuses."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ...errors import OutcomeUnknown, SaveError, StoreBusy, StoreCorrupt, StoreError, StoreUnavailable
from .schema import LAYOUT, Layout, bring_up_to_date, check_readable, refuse_newer
from .waiting import Damaged, Patience, StillHeld, is_busy

#: KiB of pages that a connection keeps.
CACHE_KIB: Final = 16 * 1024
#: Pages in the write-ahead log after which it is copied back: a longer log costs small commits less.
WAL_PAGES: Final = 4000
#: Bytes to which the write-ahead log shrinks after a large batch.
WAL_BYTES: Final = 64 * 1024 * 1024

#: Bytes of the smallest database: a page of the smallest size.
SHORTEST: Final = 512

_CORRUPT = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNAVAILABLE = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)

#: Seconds for which a reader takes it that the file is still in its place.
CHECK_INTERVAL: Final = 0.05

#: Device and number of a file, which a name keeps only as long as it names the same file.
Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How the file of a store is opened.

    Attributes
    ----------
    path : Path
        Absolute.
    url : str
        The store's address for messages.
    synchronous : str
        ``"full"``: every commit is on the disk before it counts as done. ``"normal"``: after a power cut the last
        commits may be missing, but the file is sound; nothing is lost when only the program dies. ``"off"``: a power
        cut may destroy the file.
    timeout : float
        Seconds to wait for other processes' locks, for each request as a whole.
    read_only : bool
    layout : Layout
        What the file consists of.
    """

    path: Path
    url: str
    synchronous: str
    timeout: float
    read_only: bool
    layout: Layout = LAYOUT


class StoreConnection(sqlite3.Connection):
    """A connection that knows which file it has open.

    A file that was deleted, moved or replaced stays open, and SQLite goes on writing into it although nobody will
    ever read that.
    """

    options: FileOptions
    _file: Identity
    _log: Identity | None = None
    _log_path = ""
    _check_after = 0.0

    def remember_files(self, before: Identity | None, *, with_log: bool) -> None:
        """Note which files are open now, with the write-ahead log where this connection writes it.

        Parameters
        ----------
        before : (int, int) or None
            What the name stood for before it was opened.
        with_log : bool

        Raises
        ------
        StoreUnavailable
            The file was replaced meanwhile.
        """
        found = _identity(os.fspath(self.options.path))
        if found is None or found != before:
            raise _moved(self.options)
        self._file = found
        if with_log:
            # SQLite keeps it beside the file, and not beside a link that leads there.
            self._log_path = f"{os.path.realpath(self.options.path)}-wal"
            self._log = _identity(self._log_path)

    def check_in_place(self) -> None:
        """Raise `StoreUnavailable` when the store's name no longer stands for the open file.

        A writer asks before each commit. What is committed in the moment before the file goes is gone with it, just as
        what was committed before that.
        """
        path = os.fspath(self.options.path)
        if _identity(path) != self._file or (self._log is not None and _identity(self._log_path) != self._log):
            raise _moved(self.options)

    def check_in_place_at_times(self) -> None:
        """As `check_in_place`, for readers: a little later, which costs them nothing."""
        now = time.monotonic()
        if now >= self._check_after:
            self.check_in_place()
            self._check_after = now + CHECK_INTERVAL

    def check_layout(self) -> None:
        """Raise `SchemaTooNew` when a newer version of atomodm changed the layout since the file was opened."""
        # Asked before every commit: no more than the one statement.
        (version,) = self.execute("PRAGMA user_version").fetchone()
        refuse_newer(version, self.options.layout, self.options.url)


def _identity(path: str) -> Identity | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _check_file(options: FileOptions) -> None:
    """Refuse what SQLite would not, or only with a misleading error."""
    try:
        status = options.path.stat()
    except OSError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise StoreUnavailable("there is something that is no file", store=options.url)
    if 0 < status.st_size < SHORTEST:
        # SQLite would take it for an empty one and write over it.
        raise StoreCorrupt("the file is no database: it is too short", store=options.url)


def _moved(options: FileOptions) -> StoreUnavailable:
    return StoreUnavailable(
        "the file was deleted, moved or replaced since it was opened; close the store and open it again",
        store=options.url,
    )


class StoreErrors(AbstractContextManager[None]):
    """Raises ours where SQLite raises its own; may be entered any number of times.

    Parameters
    ----------
    options : FileOptions
    """

    # A class and no generator, which would cost each request as much as a short statement.
    __slots__ = ("_options",)

    def __init__(self, options: FileOptions) -> None:
        self._options = options

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error | StillHeld):
            raise _as_store_error(error, self._options) from error
        if isinstance(error, Damaged | UnicodeDecodeError):
            # Some messages of SQLite quote what is damaged, and cannot even be decoded.
            raise _damaged(self._options) from None


def _damaged(options: FileOptions) -> StoreCorrupt:
    return StoreCorrupt("the file holds what no atomodm wrote; check() says more", store=options.url)


def _as_store_error(error: sqlite3.Error | StillHeld, options: FileOptions) -> StoreError | SaveError:
    if is_busy(error):
        return StoreBusy(f"others held a lock for over {options.timeout:g} s", store=options.url)
    extended = getattr(error, "sqlite_errorcode", 0)
    if not extended and isinstance(error, sqlite3.OperationalError):
        # Python's own complaint about text that is none, which it quotes.
        return _damaged(options)
    code = extended & 0xFF
    if extended == sqlite3.SQLITE_IOERR_FSYNC:
        return OutcomeUnknown("the disk did not confirm what was written", store=options.url)
    if code == sqlite3.SQLITE_PROTOCOL:
        return StoreBusy("others opened and closed the file over and over", store=options.url)
    if code in _CORRUPT:
        return StoreCorrupt(f"the file is no sound database: {error}", store=options.url)
    if code in _UNAVAILABLE:
        return StoreUnavailable(f"SQLite: {error}", store=options.url)
    return StoreError(f"SQLite: {error}", store=options.url)


def open_for_writing(options: FileOptions, patience: Patience) -> StoreConnection:
    """Open the store's file, creating it where there is none and bringing an older layout forward.

    Raises
    ------
    StoreCorrupt, SchemaTooNew, StoreUnavailable, StoreBusy
    """
    _create_file(options)
    before = _identity(os.fspath(options.path))

    def prepare(connection: StoreConnection) -> None:
        # Text of PRAGMA statements takes no parameters; the word is one of three.
        connection.execute(f"PRAGMA synchronous = {options.synchronous}")
        bring_up_to_date(connection, options.layout, options.url)
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        connection.remember_files(before, with_log=True)

    return _open(options, "rw", prepare, patience)


def open_for_reading(options: FileOptions, patience: Patience) -> StoreConnection:
    """Open the file of a store that is there.

    Raises
    ------
    StoreCorrupt, SchemaTooNew, StoreUnavailable, StoreBusy
    """
    before = _identity(os.fspath(options.path))

    def prepare(connection: StoreConnection) -> None:
        check_readable(connection, options.layout, options.url)
        connection.execute("PRAGMA query_only = ON")
        connection.remember_files(before, with_log=False)

    return _open(options, "ro" if options.read_only else "rw", prepare, patience)


def _create_file(options: FileOptions) -> None:
    """Create the file so that only its owner can read it; SQLite gives its companions the same mode."""
    try:
        # Never opens a file that exists: closing it would drop the locks of this process's other connections.
        os.close(os.open(options.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise StoreUnavailable(f"the file cannot be created: {error.strerror}", store=options.url) from None


def _open(
    options: FileOptions, mode: str, prepare: Callable[[StoreConnection], None], patience: Patience
) -> StoreConnection:
    with StoreErrors(options):
        _check_file(options)
        connection = sqlite3.connect(
            f"{options.path.as_uri()}?mode={mode}",
            uri=True,
            # Waiting is done by `Patience`, for a request as a whole.
            timeout=0,
            isolation_level=None,
            cached_statements=256,
            factory=StoreConnection,
        )
        connection.options = options

        def prepare_connection() -> None:
            # Functions in a hostile file's schema do not run.
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            prepare(connection)

        try:
            # Almost any statement of these may meet a lock, and all may be repeated.
            patience.attempt(prepare_connection)
        except BaseException:
            connection.close()
            raise
    return connection
