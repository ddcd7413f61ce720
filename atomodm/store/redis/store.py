"""``redis://host:port/db`` and its kin: documents in Redis, for any number of processes and machines."""

from __future__ import annotations

from typing import Any, Final, Self

from ...contract.capabilities import Atomicity, Capabilities
from ...engine.expiry import INTERVAL as EXPIRE_INTERVAL
from ...engine.store import LOG_SIZE, EngineStore
from ...errors import InvalidURL
from ..urls import StoreURL
from .clients import Target, from_client, from_url, options_of
from .connection import Connection
from .driver import RedisDriver
from .layout import Layout

#: Seconds that a call to the server has, unless the URL says otherwise.
TIMEOUT: Final = 5.0
NAMESPACE: Final = "atomodm"
#: Documents, and bytes of them, that are written in one step: a server does nothing else meanwhile.
MAX_BATCH: Final = 10_000
MAX_BATCH_BYTES: Final = 16 * 1024 * 1024

#: Connections to each server at most, of those that a store makes itself.
MAX_CONNECTIONS: Final = 50

_OPTIONS = ("namespace", "timeout", "max_connections", "log_size", "expire_interval")


class RedisStore(EngineStore):
    """Documents in a Redis server, in a Redis Cluster, or in the server that Sentinels name.

    Make one with `from_url` or `from_client`.

    Parameters
    ----------
    target : Target
    namespace : str
        Begins all keys of the store; several stores may be in one server.
    timeout : float
        Seconds that a call to the server has, with everything that is repeated.
    log_size : int
        Positions of the change log that are kept at least.
    expire_interval : float
        Seconds between two times that expired documents are removed; 0 for never.
    """

    def __init__(
        self,
        target: Target,
        *,
        namespace: str = NAMESPACE,
        timeout: float = TIMEOUT,
        log_size: int = LOG_SIZE,
        expire_interval: float = EXPIRE_INTERVAL,
    ) -> None:
        if not namespace:
            raise ValueError("a namespace has one character or more")
        if not timeout > 0:
            raise ValueError("timeout is more than 0")
        capabilities = Capabilities(
            atomic=Atomicity.COLLECTION if target.clustered else Atomicity.STORE,
            durable=True,
            shared=True,
            change_log=True,
            check=True,
            rename=not target.clustered,
            max_batch=MAX_BATCH,
            max_batch_bytes=MAX_BATCH_BYTES,
        )
        connection = Connection(
            target.servers,
            timeout=timeout,
            url=target.url,
            clustered=target.clustered,
            max_calls=target.max_connections,
        )
        driver = RedisDriver(connection, Layout(namespace, clustered=target.clustered))
        super().__init__(target.url, driver, capabilities, log_size=log_size, expire_interval=expire_interval)
        self.database_name = namespace

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Make the store of a URL.

        ================================================  ==============================================
        ``redis://host:6379/0``                           a server, and the number of its database
        ``unix:///path/to/redis.sock?db=0``               a server of this machine
        ``redis+cluster://host1:6379,host2:6379``         a Redis Cluster, of which some servers are named
        ``redis+sentinel://host1:26379,host2/service/0``  the master of a service, as Sentinels name it
        ``redis+local:///path/to/folder``                 a server that is started for the folder
        ================================================  ==============================================

        ``rediss`` in place of ``redis`` encrypts. ``user:password@`` or ``:password@`` stand before the host. Options
        are ``namespace``, ``timeout``, ``max_connections``, ``log_size``, ``expire_interval``; with encryption
        ``ssl_ca_certs``, ``ssl_certfile``, ``ssl_keyfile``, ``ssl_check_hostname`` and ``ssl_cert_reqs``; for Sentinels
        ``sentinel_username`` and ``sentinel_password``; for a folder ``appendfsync``.

        The server of a folder is shared by all processes of the machine that name the folder, whoever started it, and
        is stopped when the last one of them closes its store or ends. ``redis+local://data/here`` is a folder below the
        current one.

        Raises
        ------
        InvalidURL
        """
        scheme = url.partition("://")[0].lower()
        parts = StoreURL.parse(url, [*_OPTIONS, *options_of(scheme)])
        timeout = parts.number("timeout", TIMEOUT, least=0.01)
        namespace = parts.options.get("namespace", NAMESPACE)
        if not namespace:
            raise InvalidURL("a namespace has one character or more", store=parts.shown)
        return cls(
            from_url(parts, timeout, int(parts.number("max_connections", MAX_CONNECTIONS, least=1))),
            namespace=namespace,
            timeout=timeout,
            log_size=int(parts.number("log_size", LOG_SIZE, least=1)),
            expire_interval=parts.number("expire_interval", EXPIRE_INTERVAL, least=0),
        )

    @classmethod
    def from_client(
        cls,
        client: Any,
        *,
        namespace: str = NAMESPACE,
        timeout: float = TIMEOUT,
        log_size: int = LOG_SIZE,
        expire_interval: float = EXPIRE_INTERVAL,
    ) -> Self:
        """Make the store that a client of ``redis.asyncio`` leads to: a `Redis` or a `RedisCluster`.

        The store makes its calls over connections of the client's pool, as the client has set them up: its timeouts for
        sockets and its ``max_connections`` hold. It gives each one back at once and closes none. What the client does
        to replies, and how it repeats commands, does not matter.

        Raises
        ------
        UnsupportedHandle
            It is no such client, or reads from replicas.
        """
        return cls(
            from_client(client, timeout),
            namespace=namespace,
            timeout=timeout,
            log_size=log_size,
            expire_interval=expire_interval,
        )
