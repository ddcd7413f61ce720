"""The servers of a Redis Cluster: redis-py knows which one a key is on."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import RedisCluster
from redis.asyncio.cluster import ClusterNode, PipelineCommand
from redis.exceptions import RedisError

from .faults import Unanswered
from .servers import Parts, Servers
from .translation import failure_of


class ClusterServers(Servers):
    """The masters of a cluster, with redis-py's map of it and its connections to each of them.

    Parameters
    ----------
    client : RedisCluster
    url : str
        The store's address for messages.
    timeout : float
        Seconds that reading the map may take.
    owned : bool
        The client is ours, and closed with the servers.
    """

    # `RedisCluster.execute_command` would follow redirections itself, but it sends ASKING over one connection and the
    # command over another, knows no server that has no slots yet, and answers CLUSTERDOWN by closing all connections.

    def __init__(self, client: RedisCluster, url: str, *, timeout: float, owned: bool) -> None:
        self._client: Any = client
        self._url = url
        self._timeout = timeout
        self._owned = owned
        self._reading: asyncio.Task[None] | None = None
        self._read = 0.0
        self._newcomers: dict[str, ClusterNode] = {}

    async def open(self, limit: float) -> None:
        """Have redis-py read the map, unless it has."""
        handled = sys.exception()
        try:
            async with asyncio.timeout_at(limit):
                await self._client.initialize()
        except TimeoutError:
            raise Unanswered("no server of the cluster answered in time", sent=False) from None
        except Exception as error:
            raise failure_of(error, self._url, sent=False, handled=handled) from None

    async def send(self, command: Parts, key: bytes | None, limit: float, *, server: Any = None) -> Any:
        """Send a command to the master of its key's slot; without a key to any master."""
        handled = sys.exception()
        # Of a name that is bytes redis-py changes no replies.
        name = command[0].encode() if isinstance(command[0], str) else command[0]
        try:
            async with asyncio.timeout_at(limit):
                if isinstance(server, _Asked):
                    return await _asking(server.node, (name, *command[1:]))
                node = server or self._node(key)
                return await node.execute_command(name, *command[1:], NEVER_DECODE=True)
        except TimeoutError:
            raise Unanswered("the server did not answer in time", sent=True) from None
        except Exception as error:
            raise failure_of(error, self._url, sent=True, handled=handled) from None

    def _node(self, key: bytes | None) -> Any:
        if key is not None:
            return self._client.get_node_from_key(key)
        masters = self._client.get_primaries()
        if not masters:
            raise Unanswered("no server of the cluster is known", sent=False)
        return random.choice(masters)

    def masters(self) -> Sequence[Any]:
        """All servers that have slots."""
        masters: list[Any] = self._client.get_primaries()
        return masters

    async def refresh(self, since: float, limit: float) -> None:
        """Have redis-py read the map again; who comes meanwhile waits for the same answer.

        When that fails the next call shows why.
        """
        if self.closed or self._read > since:
            return
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_map())
        await asyncio.wait([self._reading], timeout=limit - asyncio.get_running_loop().time())

    async def _read_map(self) -> None:
        try:
            with suppress(Exception):
                async with asyncio.timeout(self._timeout):
                    await self._client.nodes_manager.initialize()
        finally:
            self._reading = None
            self._read = asyncio.get_running_loop().time()

    def asked(self, address: tuple[str, int] | None, key: bytes | None) -> Any:
        """The server that a slot is being moved to, which may not be on the map yet."""
        if address is None:
            return None
        host, port = address
        if host in ("", "?"):
            host = self._node(key).host  # the one that answered
        host, port = self._client.nodes_manager.remap_host_port(host, port)
        node = self._client.get_node(host=host, port=port)
        if node is None:
            node = self._newcomers.get(f"{host}:{port}")
        if node is None:
            node = ClusterNode(host, port, **self._client.get_connection_kwargs())
            self._newcomers[f"{host}:{port}"] = node
        return _Asked(node)

    async def close(self) -> None:
        """End all connections, if they are ours."""
        self.closed = True
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        with suppress(RedisError, OSError):
            for node in self._newcomers.values():
                await node.disconnect()
            if self._owned:
                await self._client.aclose()


class _Asked:
    """A server that takes a call only with ASKING before it."""

    def __init__(self, node: Any) -> None:
        self.node = node


async def _asking(node: Any, command: Parts) -> Any:
    asking, asked = PipelineCommand(0, b"ASKING"), PipelineCommand(1, *command, NEVER_DECODE=True)
    await node.execute_pipeline([asking, asked])
    for each in (asking, asked):
        if isinstance(each.result, Exception):
            raise each.result
    return asked.result
