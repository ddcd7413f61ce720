"""Redis servers that the tests start themselves: one alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError, ResponseError

from tests.servers.processes import ServerProcess, free_port, wait_until
from tests.servers.programs import find_redis, redis_missing


class RedisServer:
    """A server on a port of its own, which stays the same when it is killed and started again.

    Parameters
    ----------
    folder : Path
        An empty or absent folder for its data.
    options : str
        Settings as on the command line: ``"--appendonly", "yes"``. Without any, nothing is kept on the disk.
    sentinel : bool, default False
        Run as Redis Sentinel; the folder has its ``redis.conf``.

    Attributes
    ----------
    folder : Path
    port : int
    """

    def __init__(self, folder: Path, *options: str, sentinel: bool = False) -> None:
        self.folder = folder
        self.port = free_port()
        self._options = options
        self._sentinel = sentinel
        self._process: ServerProcess | None = None
        self._client: Redis | None = None
        self._printed = 0
        # A start whose caller has given up goes on in its thread: who stops the server waits for it.
        self._lock = threading.RLock()

    @property
    def url(self) -> str:
        """Its URL without a namespace."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def process(self) -> ServerProcess:
        assert self._process is not None, "the server was not started"
        return self._process

    @property
    def client(self) -> Redis:
        """A client that blocks, for what tests do around the store."""
        if self._client is None:
            self._client = Redis(port=self.port, socket_timeout=10, socket_connect_timeout=10)
        return self._client

    def start(self) -> None:
        """Start it, and wait until it answers; with the data that a former run left."""
        with self._lock:
            self.launch()
            self.wait_until_ready()

    @property
    def cut_its_log(self) -> bool:
        """Whether it found the end of its append-only file missing when it started."""
        return "Truncating the AOF" in (self.folder / "output.txt").read_text(errors="replace")[self._printed :]

    def rewrite_log(self) -> None:
        """Write the append-only file anew, and wait until that is done.

        Who runs a server should do so when it `cut_its_log`. Redis leaves out the transaction of which a crash has left
        a part, but leaves that part in the file, where the next start takes it for the beginning of the transaction
        that follows (https://github.com/valkey-io/valkey/pull/4342, which mends it in Valkey).
        """
        self.begin_rewriting_log()
        wait_until(
            lambda: (
                not any(self.info("persistence")[name] for name in ("aof_rewrite_in_progress", "aof_rewrite_scheduled"))
            ),
            "a log that is written anew",
        )

    def begin_rewriting_log(self) -> None:
        """Have the append-only file written anew, if it is not just then."""
        try:
            self.command("BGREWRITEAOF")
        except ResponseError as error:
            if "already in progress" not in str(error):
                raise

    def launch(self) -> None:
        """Start it without waiting."""
        program = find_redis()
        assert program is not None, redis_missing()
        self.folder.mkdir(parents=True, exist_ok=True)
        output = self.folder / "output.txt"
        self._printed = len(output.read_text(errors="replace")) if output.exists() else 0
        self._process = ServerProcess([program, *self._arguments()], output)

    def _arguments(self) -> Sequence[str]:
        common = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--daemonize", "no"]
        if self._sentinel:
            return [str(self.folder / "redis.conf"), "--sentinel", *common]
        # A replica need not wait for others that may come.
        settings = ["--save", "", "--loglevel", "warning", "--repl-diskless-sync-delay", "0"]
        return [*common, *settings, *self._options]

    def wait_until_ready(self) -> None:
        """Wait until it answers, with all its data loaded."""

        def answers() -> bool:
            assert self.process.is_running, f"redis-server ended: {self.output()}"
            try:
                return bool(self.client.ping())
            except RedisError as error:
                # A password was given on the command line: it is there.
                return not isinstance(error, NoConnection) and "NOAUTH" in str(error)

        wait_until(answers, "a Redis server that answers")

    def output(self) -> str:
        """The last of what it printed."""
        return (self.folder / "output.txt").read_text(errors="replace")[-2000:]

    def kill(self) -> None:
        """End it as a crash does."""
        with self._lock:
            self.process.kill()
            self._forget_client()

    def stop(self) -> None:
        """End it."""
        with self._lock:
            self._forget_client()
            if self._process is not None:
                self._process.stop()

    def _forget_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def command(self, *parts: str | bytes | int) -> Any:
        """What the server answers to a command."""
        client: Any = self.client
        return client.execute_command(*parts)

    def info(self, section: str) -> dict[str, Any]:
        """A section of what INFO says."""
        found: dict[str, Any] = self.client.info(section)
        return found

    def wait_until_copied(self) -> None:
        """Wait until its replicas have everything that it has now.

        A replica that has just begun gets nothing for up to a second.
        """
        written = self.info("replication")["master_repl_offset"]

        def is_copied() -> bool:
            state = self.info("replication")
            return all(state[f"slave{number}"]["offset"] >= written for number in range(state["connected_slaves"]))

        wait_until(is_copied, "replicas that have everything")

    def flush(self) -> None:
        """Remove everything that it holds; scripts stay loaded."""
        self.client.flushall()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Nobody answers within this block, and no connection is refused."""
        self.process.freeze()
        try:
            yield
        finally:
            self.process.thaw()


@contextmanager
def running(folder: Path, *options: str) -> Iterator[RedisServer]:
    """A server of one's own, stopped at the end."""
    server = RedisServer(folder, *options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
