"""Redis Clusters that the tests start themselves, without redis-cli."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from redis.exceptions import RedisError

from tests.servers.processes import wait_until
from tests.servers.redis import RedisServer

_SLOTS = 16_384


class RedisCluster:
    """Masters that share the slots evenly, each with some replicas.

    Parameters
    ----------
    folder : Path
    masters : int, default 3
    replicas : int, default 0
        Of each master.
    node_timeout : int, default 15000
        Milliseconds after which the nodes take one of them that is silent for dead.
    options : str
        Settings of every node.

    Attributes
    ----------
    nodes : list of RedisServer
        The masters, then the replicas: replica ``n`` is that of master ``n % masters`` at first.
    """

    def __init__(
        self, folder: Path, *options: str, masters: int = 3, replicas: int = 0, node_timeout: int = 15_000
    ) -> None:
        settings = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(node_timeout), *options)
        self._masters, self._replicas = masters, replicas
        self.nodes = [RedisServer(folder / f"node-{number}", *settings) for number in range(masters * (1 + replicas))]

    @property
    def url(self) -> str:
        """Its URL without a namespace."""
        return f"redis+cluster://{','.join(node.address for node in self.nodes)}/"

    @property
    def masters(self) -> list[RedisServer]:
        """The nodes that serve slots now."""
        return [node for node in self.nodes if node.process.is_running and node.info("replication")["role"] == "master"]

    def start(self) -> None:
        """Start all nodes, give out the slots, and wait until every node knows that all are served."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait_until_ready()
        masters, replicas = self.nodes[: self._masters], self.nodes[self._masters :]
        for number, node in enumerate(self.nodes):
            # Different from the beginning, so that the nodes need not settle that among themselves.
            node.command("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for number, node in enumerate(masters):
            slots = range(number * _SLOTS // len(masters), (number + 1) * _SLOTS // len(masters))
            node.command("CLUSTER", "ADDSLOTS", *(str(slot) for slot in slots))
        for node in self.nodes[1:]:
            self.nodes[0].command("CLUSTER", "MEET", "127.0.0.1", str(node.port))
        wait_until(lambda: all(_knows(node, len(self.nodes)) for node in self.nodes), "nodes that know each other")
        for number, node in enumerate(replicas):
            master = masters[number % len(masters)]
            identity = _text(master.command("CLUSTER", "MYID"))
            node.command("CLUSTER", "REPLICATE", identity)
        self.wait_until_whole()
        for master in masters:
            # Who does not know yet that a node is a replica does not vote for it.
            identity = _text(master.command("CLUSTER MYID"))
            wait_until(partial(self._all_know_replicas, identity), "nodes that know whose replicas they are")

    def _all_know_replicas(self, master: str) -> bool:
        return all(len(node.command("CLUSTER REPLICAS", master)) == self._replicas for node in self.nodes)

    def wait_until_whole(self) -> None:
        """Wait until every slot is served as every node sees it, and every running replica follows its master."""
        wait_until(lambda: all(_is_whole(node) for node in self.nodes if node.process.is_running), "a whole cluster")

    def hand_over(self, replica: RedisServer) -> None:
        """Let a replica take the place of its master, which waits until the replica has everything."""
        asked = 0.0

        def has_taken_over() -> bool:
            nonlocal asked
            if replica.info("replication")["role"] == "master":
                return True
            if time.monotonic() - asked > 6:
                # The nodes give it up after five seconds, where the vote has not come about.
                replica.command("CLUSTER FAILOVER")
                asked = time.monotonic()
            return False

        wait_until(has_taken_over, "a replica that takes over")

    def stop(self) -> None:
        """Stop all nodes."""
        for node in self.nodes:
            node.stop()

    def flush(self) -> None:
        """Remove everything that it holds."""
        for node in self.masters:
            node.flush()


def _text(reply: object) -> str:
    return reply.decode() if isinstance(reply, bytes) else str(reply)


def _cluster_info(node: RedisServer) -> dict[str, str]:
    # redis-py parses the reply on one version and not on another.
    reply = node.command("CLUSTER INFO")
    if isinstance(reply, dict):
        return {_text(name): _text(value) for name, value in reply.items()}
    return dict(line.split(":", 1) for line in _text(reply).split() if ":" in line)


def _knows(node: RedisServer, number: int) -> bool:
    info = _cluster_info(node)
    return info["cluster_known_nodes"] == str(number) and info["cluster_state"] == "ok"


def _is_whole(node: RedisServer) -> bool:
    try:
        replication = node.info("replication")
        follows = replication["role"] == "master" or replication["master_link_status"] == "up"
        return follows and _cluster_info(node)["cluster_state"] == "ok"
    except RedisError:
        return False


@contextmanager
def running_cluster(
    folder: Path, *options: str, replicas: int = 0, node_timeout: int = 15_000
) -> Iterator[RedisCluster]:
    """A cluster of one's own, stopped at the end."""
    cluster = RedisCluster(folder, *options, replicas=replicas, node_timeout=node_timeout)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
