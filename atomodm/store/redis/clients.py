"""Where a store is: what a URL of Redis says, and what somebody's client of redis-py is set up for.

Nothing is sent through somebody else's client and nothing of it is closed: it says where the server is and who we
are, and the links to it are our own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection
from redis.asyncio.sentinel import SentinelConnectionPool

from ...errors import InvalidURL, UnsupportedHandle
from ..urls import StoreURL
from .cluster import ClusterRoutes
from .dialing import Dialer
from .local import LocalServer
from .routes import Address, Routes, Sentinels, SingleRoutes

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
DATABASES: Final = 2**31

#: Options about encryption, with redis-py's names.
TLS_OPTIONS: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname", "ssl_cert_reqs")
SENTINEL_OPTIONS: Final = ("sentinel_username", "sentinel_password")
FSYNC: Final = ("everysec", "always", "no")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a store is.

    Attributes
    ----------
    url : str
        The address for messages.
    routes : callable
        Makes the routes there, in the running loop.
    clustered : bool
        It is a Redis Cluster.
    """

    url: str
    routes: Callable[[], Routes]
    clustered: bool = False


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


def from_url(parts: StoreURL, timeout: float) -> Target:
    """What a URL says.

    Raises
    ------
    InvalidURL
    """
    kind = parts.scheme.rpartition("+")[2]
    if kind == "local":
        return _local(parts, timeout)
    settings = _credentials(parts)
    if kind == "unix":
        return _socket(parts, settings, timeout)
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
    dialer = Dialer.over_network(settings, encrypted=encrypted, url=parts.shown, timeout=timeout)
    return Target(parts.shown, lambda: SingleRoutes(Address(dialer)))


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


def _socket(parts: StoreURL, settings: dict[str, Any], timeout: float) -> Target:
    if parts.host or parts.path in ("", "/"):
        raise InvalidURL(f"write {parts.scheme}:///path/to/redis.sock?db=0", store=parts.shown)
    settings |= {"path": parts.path, "db": _database(parts, parts.options.get("db", ""))}
    dialer = Dialer.over_socket(settings, url=parts.shown, timeout=timeout)
    return Target(parts.shown, lambda: SingleRoutes(Address(dialer)))


def _cluster(parts: StoreURL, settings: dict[str, Any], encrypted: bool, timeout: float) -> Target:
    nodes = parts.addresses(PORT)
    if parts.path.strip("/") not in ("", "0"):
        raise InvalidURL("a Redis Cluster has no databases but 0; use the option namespace", store=parts.shown)
    dialer = Dialer.over_network(settings, encrypted=encrypted, url=parts.shown, timeout=timeout)
    return Target(parts.shown, lambda: ClusterRoutes(nodes, dialer), clustered=True)


def _sentinels(parts: StoreURL, settings: dict[str, Any], encrypted: bool, timeout: float) -> Target:
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise InvalidURL(f"write {parts.scheme}://host1:26379,host2:26379/service/0", store=parts.shown)
    for_sentinels = {
        **settings,
        "username": parts.options.get("sentinel_username"),
        "password": parts.options.get("sentinel_password"),
    }
    dialers = [
        Dialer.over_network(
            {**for_sentinels, "host": host, "port": port}, encrypted=encrypted, url=parts.shown, timeout=timeout
        )
        for host, port in parts.addresses(SENTINEL_PORT)
    ]
    settings |= {"db": _database(parts, database)}
    dialer = Dialer.over_network(settings, encrypted=encrypted, url=parts.shown, timeout=timeout)
    return Target(parts.shown, lambda: SingleRoutes(Sentinels(service.encode(), dialers, dialer)))


def _local(parts: StoreURL, timeout: float) -> Target:
    if parts.user is not None or parts.password is not None:
        raise InvalidURL("a local server has no users: its folder says who may use it", store=parts.shown)
    folder = parts.host + parts.path
    if folder.strip("/") == "" or "\0" in folder:
        raise InvalidURL("write redis+local:///path/to/folder or redis+local://folder", store=parts.shown)
    fsync = parts.choice("appendfsync", FSYNC[0], FSYNC) if "appendfsync" in parts.options else None
    return Target(
        parts.shown, lambda: SingleRoutes(LocalServer(folder, appendfsync=fsync, url=parts.shown, timeout=timeout))
    )


# -- clients -----------------------------------------------------------------------------------------------------------


def is_client(handle: Any) -> TypeGuard[Redis | RedisCluster]:
    """Whether `handle` is a client that a store can be made of."""
    return isinstance(handle, Redis | RedisCluster)


def from_client(client: Redis | RedisCluster, timeout: float) -> Target:
    """What a client is set up for.

    Raises
    ------
    UnsupportedHandle
        It is one that reads from replicas only, or no client of ``redis.asyncio``.
    """
    if isinstance(client, RedisCluster):
        return _of_cluster_client(client, timeout)
    if not isinstance(client, Redis):
        raise UnsupportedHandle(
            f"a {type(client).__module__}.{type(client).__qualname__} is no client of redis.asyncio: "
            "Redis or RedisCluster"
        )
    pool = client.connection_pool
    settings: Mapping[str, Any] = pool.connection_kwargs
    if isinstance(pool, SentinelConnectionPool):
        return _of_sentinel_pool(pool, timeout)
    kind = pool.connection_class
    if issubclass(kind, UnixDomainSocketConnection):
        url = f"unix://{settings.get('path', '')}"
    else:
        scheme = "rediss" if issubclass(kind, SSLConnection) else "redis"
        url = f"{scheme}://{settings.get('host', 'localhost')}:{settings.get('port', PORT)}/{settings.get('db', 0)}"
    dialer = Dialer(kind, settings, url=url, timeout=timeout)
    return Target(url, lambda: SingleRoutes(Address(dialer)))


def _of_cluster_client(client: RedisCluster, timeout: float) -> Target:
    settings = dict(client.connection_kwargs)
    encrypted = issubclass(settings.get("connection_class", object), SSLConnection)
    if getattr(settings.get("redis_connect_func"), "__self__", None) is client:
        # It would have links of ours read from replicas.
        del settings["redis_connect_func"]
    nodes = [(node.host, int(node.port)) for node in client.nodes_manager.startup_nodes.values()]
    url = f"{'rediss' if encrypted else 'redis'}+cluster://" + ",".join(f"{host}:{port}" for host, port in nodes)
    dialer = Dialer.over_network(settings, encrypted=encrypted, url=url, timeout=timeout)
    remap = client.nodes_manager.address_remap
    return Target(url, lambda: ClusterRoutes(nodes, dialer, remap), clustered=True)


def _of_sentinel_pool(pool: SentinelConnectionPool, timeout: float) -> Target:
    if not pool.is_master:
        raise UnsupportedHandle("a client that reads from replicas cannot be a database; use master_for(service)")
    encrypted = issubclass(pool.connection_class, SSLConnection)
    pools = [sentinel.connection_pool for sentinel in pool.sentinel_manager.sentinels]
    service = pool.service_name
    hosts = ",".join(f"{each.connection_kwargs['host']}:{each.connection_kwargs['port']}" for each in pools)
    url = f"{'rediss' if encrypted else 'redis'}+sentinel://{hosts}/{service}"
    dialers = [Dialer(each.connection_class, each.connection_kwargs, url=url, timeout=timeout) for each in pools]
    dialer = Dialer.over_network(pool.connection_kwargs, encrypted=encrypted, url=url, timeout=timeout)
    name = service if isinstance(service, bytes) else str(service).encode()
    return Target(url, lambda: SingleRoutes(Sentinels(name, dialers, dialer)))
