"""A master, its replicas and the sentinels that watch over them, started by the tests themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.processes import wait_until
from tests.servers.redis import RedisServer

#: The name under which the sentinels watch the master.
SERVICE = "mymaster"


class SentinelSetup:
    """A master, one replica, three sentinels.

    Parameters
    ----------
    folder : Path
    down_after : int, default 1000
        Milliseconds after which a sentinel takes a silent master for dead.
    options : str
        Settings of the master and the replica.

    Attributes
    ----------
    servers : list of RedisServer
        The first master and its first replica.
    sentinels : list of RedisServer
    """

    def __init__(self, folder: Path, *options: str, down_after: int = 1000) -> None:
        self._down_after = down_after
        self.servers = [RedisServer(folder / f"server-{number}", *options) for number in range(2)]
        self.sentinels = [RedisServer(folder / f"sentinel-{number}", sentinel=True) for number in range(3)]

    @property
    def url(self) -> str:
        """Its URL without a namespace."""
        return f"redis+sentinel://{','.join(sentinel.address for sentinel in self.sentinels)}/{SERVICE}/0"

    @property
    def master(self) -> RedisServer:
        """The server that the sentinels take for the master."""
        _, port = self._watched()
        return next(server for server in self.servers if server.port == port)

    @property
    def replica(self) -> RedisServer:
        """The other one."""
        master = self.master
        return next(server for server in self.servers if server is not master)

    def _watched(self) -> tuple[str, int]:
        host, port = self.sentinels[0].command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return host.decode() if isinstance(host, bytes) else str(host), int(port)

    def start(self) -> None:
        """Start everything, and wait until the sentinels know each other and the replica."""
        first, second = self.servers
        for server in self.servers:
            server.start()
        second.command("REPLICAOF", "127.0.0.1", str(first.port))
        self.wait_until_replicating()
        for sentinel in self.sentinels:
            sentinel.folder.mkdir(parents=True)
            (sentinel.folder / "redis.conf").write_text(
                f"sentinel monitor {SERVICE} 127.0.0.1 {first.port} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} {self._down_after}\n"
                f"sentinel failover-timeout {SERVICE} 10000\n"
            )
            sentinel.start()
        wait_until(lambda: all(self._is_informed(sentinel) for sentinel in self.sentinels), "sentinels that know all")

    def wait_until_replicating(self) -> None:
        """Wait until one of the servers is the replica of the other one, and up to date."""

        def replicating() -> bool:
            return any(
                (state := server.info("replication"))["role"] == "slave" and state["master_link_status"] == "up"
                for server in self.servers
            )

        wait_until(replicating, "a replica that follows its master")

    def _is_informed(self, sentinel: RedisServer) -> bool:
        reply = sentinel.command("SENTINEL", "MASTER", SERVICE)
        if not isinstance(reply, dict):
            reply = dict(zip(reply[::2], reply[1::2], strict=True))
        state = {(key.decode() if isinstance(key, bytes) else key): value for key, value in reply.items()}
        return int(state["num-other-sentinels"]) == len(self.sentinels) - 1 and int(state["num-slaves"]) == 1

    def fail_over(self) -> None:
        """Let the sentinels promote the replica now, as an administrator does; the master becomes its replica."""
        former = self.master
        self.sentinels[0].command("SENTINEL", "FAILOVER", SERVICE)
        wait_until(lambda: self.master is not former, "another master")

    def stop(self) -> None:
        """Stop everything, the watchers first."""
        for server in [*self.sentinels, *self.servers]:
            server.stop()


@contextmanager
def running_sentinels(folder: Path, *options: str, down_after: int = 1000) -> Iterator[SentinelSetup]:
    """Servers with sentinels of one's own, stopped at the end."""
    setup = SentinelSetup(folder, *options, down_after=down_after)
    try:
        setup.start()
        yield setup
    finally:
        setup.stop()
