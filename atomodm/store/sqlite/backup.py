"""Copies an open SQLite store into another file, while others go on writing."""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from ...errors import BackupRefused, StoreError, StoreUnavailable
from .file import FileOptions, StoreConnection, open_for_reading
from .reading import snapshot
from .waiting import Patience

#: Pages that are copied between two looks at whether the backup is still wanted.
STEP_PAGES: Final = 256

#: Called on the connection's thread with pages done and pages in all.
Tell = Callable[[int, int], None]


class Abandoned(Exception):
    """The backup is not wanted any more."""


def back_up(source: StoreConnection, target: Path, replace: bool, tell: Tell, patience: Patience) -> None:
    """Copy what is committed now.

    The copy is made under a name of its own beside the target and gets its final name when it is whole and on the
    disk, so that there never is half a backup. It is made within one reading transaction: other writers go on, and
    what they write is neither in the copy nor does it make the copying begin anew.

    Parameters
    ----------
    source : StoreConnection
        Used for nothing else meanwhile.
    target : Path
        Absolute.
    replace : bool
        Whether a former backup may be replaced.
    tell : callable
    patience : Patience

    Raises
    ------
    BackupRefused
        There is a file already.
    StoreUnavailable
        The copy cannot be written.
    """
    options = source.options
    refuse_unless_free(target, replace, options)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        _copy(source, partial, tell, patience)
        _flush(partial)
        _put_in_place(partial, target, replace, options)
        _flush(target.parent)
    except OSError as error:
        raise StoreUnavailable(f"the backup cannot be written: {error.strerror}", store=options.url) from None
    finally:
        for name in (partial, *(partial.with_name(partial.name + ending) for ending in ("-journal", "-wal", "-shm"))):
            with suppress(OSError):
                name.unlink()


def _copy(source: StoreConnection, partial: Path, tell: Tell, patience: Patience) -> None:
    def progress(status: int, remaining: int, total: int) -> None:
        if patience.is_given_up:
            raise Abandoned
        # Others who hold a lock for a moment are waited for by SQLite, and the step is told without having been done.
        tell(total - remaining, total)

    with closing(sqlite3.connect(f"{partial.as_uri()}?mode=rw", uri=True, isolation_level=None)) as copy:
        # A copy that is not whole is thrown away, so nothing needs to be taken back.
        copy.execute("PRAGMA journal_mode = OFF")
        copy.execute("PRAGMA synchronous = OFF")
        with snapshot(source):
            patience.attempt(lambda: source.execute("SELECT count(*) FROM collections").fetchall())
            source.check_in_place()
            source.backup(copy, pages=STEP_PAGES, progress=progress, sleep=0)
        # So the file is whole without companions, and can be read where nothing can be written.
        copy.execute("PRAGMA journal_mode = DELETE")


def refuse_unless_free(target: Path, replace: bool, options: FileOptions) -> None:
    """Raise `BackupRefused` for a target that would destroy something.

    Parameters
    ----------
    target : Path
    replace : bool
        Whether it may be a former backup: a store that nobody has open.
    options : FileOptions
    """
    try:
        status = target.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreUnavailable(f"the backup cannot be written: {error.strerror}", store=options.url) from None
    if not replace:
        raise BackupRefused("the file exists; name another one, or replace=True for a former backup", store=options.url)
    if not stat.S_ISREG(status.st_mode):
        raise BackupRefused("the target is no file", store=options.url)
    with suppress(OSError):
        if target.samefile(options.path):
            raise BackupRefused("the target is the store itself", store=options.url)
    if any(target.with_name(target.name + ending).exists() for ending in ("-wal", "-journal")):
        raise BackupRefused("the target is a database that is in use", store=options.url)
    try:
        open_for_reading(FileOptions(target, options.url, "normal", 0, True, options.layout), Patience(0)).close()
    except StoreError as error:
        raise BackupRefused("the target is no former backup of a store", store=options.url) from error


def _put_in_place(partial: Path, target: Path, replace: bool, options: FileOptions) -> None:
    if replace:
        os.replace(partial, target)
        return
    try:
        # Unlike renaming, this never takes the place of a file that somebody else has made meanwhile.
        os.link(partial, target)
    except FileExistsError:
        raise BackupRefused("the file exists; name another one", store=options.url) from None
    except OSError:
        # A file system without links.
        refuse_unless_free(target, False, options)
        os.rename(partial, target)


def _flush(path: Path) -> None:
    """Have the file system write a file, or the names in a directory, to the disk."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
