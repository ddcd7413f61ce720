"""Where a store is: what a URL of Redis says, or a client of redis-py that somebody has.

A client that is handed over is used for everything, with the connections of its pool and as it is set up, and never
closed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Final, TypeGuard, cast

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from ...errors import InvalidURL, UnsupportedHandle
from ..urls import StoreURL
from .cluster import ClusterServers
from .local import LocalConnection, LocalServer
from .servers import Servers, SingleServer

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
DATABASES: Final = 2**31

#: Options about encryption, with redis-py's names.
TLS_OPTIONS: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname", "ssl_cert_reqs")
SENTINEL_OPTIONS: Final = ("sentinel_username", "sentinel_password")
#: Parts of the timeout for making one connection, and for asking one Sentinel: there is to be time for another one.
CONNECTING: Final = 0.25
ASKING: Final = 0.4
# Connections do not introduce themselves, which would be another round trip. redis-py 8 has another argument for it.
_NAMELESS: Final[dict[str, None]] = (
    {"driver_info": None}
    if "driver_info" in signature(AbstractConnection).parameters
    else {"lib_name": None, "lib_version": None}
)
FSYNC: Final = ("everysec", "always", "no")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a store is.

    Attributes
    ----------
    url : str
        The address for messages.
    servers : callable
        Makes the way there, in the running loop.
    clustered : bool
        It is a Redis Cluster.
    max_connections : int, optional
        How many connections there are to a server at most, if that is for us to say.
    """

    url: str
    servers: Callable[[], Servers]
    clustered: bool = False
    max_connections: int | None = None


def options_of(scheme: str) -> tuple[str, ...]:
    """The options for the connection that a URL with this scheme may have."""
    transport, _, kind = scheme.rpartition("+")
    options: tuple[str, ...] = ()
    if scheme.startswith("rediss"):
        options += TLS_OPTIONS
    if kind == "unix":
        options += ("db",)
    if transport and kind == "sentinel":
        options += SENTINEL_OPTIONS
    if transport and kind == "local":
        options += ("appendfsync",)
    return options


def from_url(parts: StoreURL, timeout: float, max_connections: int) -> Target:
    """What a URL says.

    Raises
    ------
    InvalidURL
    """
    kind = parts.scheme.rpartition("+")[2]
    settings: dict[str, Any] = {"max_connections": max_connections, **_decided(timeout)}
    if kind == "local":
        return _local(parts, settings, timeout)
    settings |= _credentials(parts)
    if kind == "unix":
        return _socket(parts, settings)
    if not parts.host:
        raise InvalidURL(f"write {parts.scheme}://host:port", store=parts.shown)
    encrypted = parts.scheme.startswith("rediss")
    if encrypted:
        settings |= _encryption(parts)
    if kind == "cluster":
        return _cluster(parts, settings, encrypted, timeout)
    if kind == "sentinel":
        return _sentinels(parts, settings, encrypted, timeout)
    addresses = parts.addresses(PORT)
    if len(addresses) > 1:
        prefix = "rediss" if encrypted else "redis"
        raise InvalidURL(
            f"several hosts: write {prefix}+cluster://host1,host2 or {prefix}+sentinel://host1,host2/service",
            store=parts.shown,
        )
    host, port = addresses[0]
    settings |= {"host": host, "port": port, "db": _database(parts, parts.path.strip("/"))}
    return _single(parts.shown, SSLConnection if encrypted else Connection, settings)


def _decided(timeout: float) -> dict[str, Any]:
    """What we decide for connections of our own: our calls have deadlines, and are repeated by us."""
    return {
        # Nothing that comes unasked: with RESP3 servers may push.
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,
        "socket_connect_timeout": timeout * CONNECTING,
        **_NAMELESS,
    }


def _single(url: str, kind: type[Any], settings: dict[str, Any]) -> Target:
    def servers() -> Servers:
        pool = ConnectionPool(connection_class=kind, **settings)
        return SingleServer(pool, url, pool.aclose)

    return Target(url, servers, max_connections=settings["max_connections"])


def _credentials(parts: StoreURL) -> dict[str, Any]:
    if parts.user is not None and parts.password is None:
        raise InvalidURL("a user name wants a password: user:password@host, or :password@host", store=parts.shown)
    return {"username": parts.user, "password": parts.password}


def _database(parts: StoreURL, text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and int(text) < DATABASES):
        raise InvalidURL("a database of a server is a number: redis://host:port/0", store=parts.shown)
    return int(text)


def _encryption(parts: StoreURL) -> dict[str, Any]:
    required = parts.choice("ssl_cert_reqs", "required", ["required", "none"])
    settings: dict[str, Any] = {
        "ssl_cert_reqs": required,
        "ssl_check_hostname": parts.flag("ssl_check_hostname", required == "required"),
    }
    if required == "none" and settings["ssl_check_hostname"]:
        raise InvalidURL("a host name cannot be checked without a certificate", store=parts.shown)
    for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
        if name in parts.options:
            settings[name] = parts.options[name]
            if not Path(parts.options[name]).is_file():
                raise InvalidURL(f"{name} names no file", store=parts.shown)
    if "ssl_keyfile" in settings and "ssl_certfile" not in settings:
        raise InvalidURL("ssl_keyfile belongs to a ssl_certfile", store=parts.shown)
    return settings


def _socket(parts: StoreURL, settings: dict[str, Any]) -> Target:
    if parts.host or parts.path in ("", "/"):
        raise InvalidURL(f"write {parts.scheme}:///path/to/redis.sock?db=0", store=parts.shown)
    settings |= {"path": parts.path, "db": _database(parts, parts.options.get("db", ""))}
    return _single(parts.shown, UnixDomainSocketConnection, settings)


def _cluster(parts: StoreURL, settings: dict[str, Any], encrypted: bool, timeout: float) -> Target:
    nodes = parts.addresses(PORT)
    if parts.path.strip("/") not in ("", "0"):
        raise InvalidURL("a Redis Cluster has no databases but 0; use the option namespace", store=parts.shown)

    def servers() -> Servers:
        client = RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in nodes],
            require_full_coverage=False,
            ssl=encrypted,
            **settings,
        )
        return ClusterServers(client, parts.shown, timeout=timeout, owned=True)

    return Target(parts.shown, servers, clustered=True, max_connections=settings["max_connections"])


def _sentinels(parts: StoreURL, settings: dict[str, Any], encrypted: bool, timeout: float) -> Target:
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise InvalidURL(f"write {parts.scheme}://host1:26379,host2:26379/service/0", store=parts.shown)
    sentinels = parts.addresses(SENTINEL_PORT)
    limit = timeout * ASKING / len(sentinels)
    settings |= {"ssl": encrypted}
    of_sentinels = {
        **settings,
        "username": parts.options.get("sentinel_username"),
        "password": parts.options.get("sentinel_password"),
        "socket_timeout": limit,
        "socket_connect_timeout": limit,
    }
    settings |= {"db": _database(parts, database)}

    def servers() -> Servers:
        # redis-py says nothing of their types.
        sentinel = cast(Any, Sentinel)(sentinels, sentinel_kwargs=of_sentinels, **settings)
        pool = sentinel.master_for(service).connection_pool

        async def close() -> None:
            await pool.aclose()
            for each in sentinel.sentinels:
                await each.aclose()

        return SingleServer(pool, parts.shown, close)

    return Target(parts.shown, servers, max_connections=settings["max_connections"])


def _local(parts: StoreURL, settings: dict[str, Any], timeout: float) -> Target:
    if parts.user is not None or parts.password is not None:
        raise InvalidURL("a local server has no users: its folder says who may use it", store=parts.shown)
    folder = parts.host + parts.path
    if folder.strip("/") == "" or "\0" in folder:
        raise InvalidURL("write redis+local:///path/to/folder or redis+local://folder", store=parts.shown)
    fsync = parts.choice("appendfsync", FSYNC[0], FSYNC) if "appendfsync" in parts.options else None

    def servers() -> Servers:
        server = LocalServer(folder, appendfsync=fsync, url=parts.shown, timeout=timeout)
        pool = ConnectionPool(connection_class=LocalConnection, server=server, **settings)

        async def close() -> None:
            try:
                await pool.aclose()
            finally:
                await server.close()

        return SingleServer(pool, parts.shown, close)

    return Target(parts.shown, servers, max_connections=settings["max_connections"])


# -- clients -----------------------------------------------------------------------------------------------------------


def is_client(handle: Any) -> TypeGuard[Redis | RedisCluster]:
    """Whether `handle` is a client that a store can be made of."""
    return isinstance(handle, Redis | RedisCluster)


def from_client(client: Redis | RedisCluster, timeout: float) -> Target:
    """Where a client leads to, and the client for all calls.

    Raises
    ------
    UnsupportedHandle
        It is one that reads from replicas only, or no client of ``redis.asyncio``.
    """
    if isinstance(client, RedisCluster):
        encrypted = issubclass(client.connection_kwargs.get("connection_class", object), SSLConnection)
        nodes = ",".join(f"{node.host}:{node.port}" for node in client.nodes_manager.startup_nodes.values())
        url = f"{'rediss' if encrypted else 'redis'}+cluster://{nodes}"
        return Target(url, lambda: ClusterServers(client, url, timeout=timeout, owned=False), clustered=True)
    if not isinstance(client, Redis):
        raise UnsupportedHandle(
            f"a {type(client).__module__}.{type(client).__qualname__} is no client of redis.asyncio: "
            "Redis or RedisCluster"
        )
    pool = client.connection_pool
    url = _url_of(pool)
    return Target(url, lambda: SingleServer(pool, url))


def _url_of(pool: ConnectionPool) -> str:
    """The address for messages."""
    settings = pool.connection_kwargs
    scheme = "rediss" if issubclass(pool.connection_class, SSLConnection) else "redis"
    if isinstance(pool, SentinelConnectionPool):
        if not pool.is_master:
            raise UnsupportedHandle("a client that reads from replicas cannot be a database; use master_for(service)")
        sentinels = [each.connection_pool.connection_kwargs for each in pool.sentinel_manager.sentinels]
        hosts = ",".join(f"{each['host']}:{each['port']}" for each in sentinels)
        return f"{scheme}+sentinel://{hosts}/{pool.service_name}"
    if issubclass(pool.connection_class, UnixDomainSocketConnection):
        return f"unix://{settings.get('path', '')}"
    return f"{scheme}://{settings.get('host', 'localhost')}:{settings.get('port', PORT)}/{settings.get('db', 0)}"
