"""Making links: redis-py connects, authenticates and selects the database, bounded by our own deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ...errors import DriverMissing, StoreClosed, StoreError
from .faults import not_connected
from .link import Link, LinkLost

#: Part of the timeout that one attempt to connect may take, so that there is time for another one, elsewhere perhaps.
ATTEMPT: Final = 0.5

# What we decide for connections of our own, or what is about redis-py's own sending and receiving.
_DECIDED = frozenset(
    {
        "connection_class",
        "connection_pool",
        "decode_responses",
        "encoder_class",
        "encoding",
        "encoding_errors",
        "event_dispatcher",
        "health_check_interval",
        "himport_registry",
        "legacy_responses",
        "maint_notifications_config",
        "maint_notifications_pool_handler",
        "maintenance_notification_hash",
        "maintenance_state",
        "max_connections",
        "orig_host_address",
        "orig_socket_connect_timeout",
        "orig_socket_timeout",
        "oss_cluster_maint_notifications_handler",
        "parser_class",
        "protocol",
        "response_callbacks",
        "retry",
        "retry_on_error",
        "retry_on_timeout",
        "socket_connect_timeout",
        "socket_read_size",
        "socket_timeout",
    }
)


class Dialer:
    """Makes links to servers that want the same credentials, encryption and database.

    Parameters
    ----------
    kind : type
        The class of redis-py's connections.
    settings : mapping of str to object
        Its arguments; those that we decide ourselves are left out.
    url : str
        The store's address for messages.
    timeout : float
        Seconds that a call has at most.
    """

    def __init__(
        self, kind: type[AbstractConnection], settings: Mapping[str, Any], *, url: str, timeout: float
    ) -> None:
        self._kind = kind
        self._settings = {name: value for name, value in settings.items() if name not in _DECIDED}
        self.url = url
        self.timeout = timeout

    @classmethod
    def over_network(cls, settings: Mapping[str, Any], *, encrypted: bool, url: str, timeout: float) -> Dialer:
        """A dialer for TCP, with TLS or without."""
        kind = SSLConnection if encrypted else Connection
        return cls(kind, {"socket_keepalive": True, **settings}, url=url, timeout=timeout)

    @classmethod
    def over_socket(cls, settings: Mapping[str, Any], *, url: str, timeout: float) -> Dialer:
        """A dialer for a socket file of this machine."""
        return cls(UnixDomainSocketConnection, settings, url=url, timeout=timeout)

    async def dial(self, limit: float | None = None, **place: Any) -> Link:
        """Connect to a place: ``host`` and ``port``, or ``path``; what is not said stands in the settings.

        Raises
        ------
        LinkLost
            It failed, and may succeed later.
        StoreError
            It would fail again.
        """
        limit = self.timeout * ATTEMPT if limit is None else limit
        connection: Any = self._kind(
            **{
                **self._settings,
                **place,
                "decode_responses": False,
                # Nothing that comes unasked: with RESP3 servers may push.
                "protocol": 2,
                "retry": Retry(NoBackoff(), 0),
                "socket_timeout": None,
                "socket_connect_timeout": limit,
                "health_check_interval": 0,
            }
        )
        try:
            async with asyncio.timeout(limit):
                await connection.connect()
        except asyncio.CancelledError:
            await connection.disconnect(nowait=True)
            raise
        except TimeoutError:
            await connection.disconnect(nowait=True)
            raise LinkLost(f"no connection within {limit:g} s", sent=False) from None
        except Exception as error:
            # Whatever a connection or a provider of credentials raises; a text of theirs may show what is secret.
            await connection.disconnect(nowait=True)
            raise not_connected(error, self.url) from None
        try:
            return Link(connection, self.timeout)
        except DriverMissing:
            await connection.disconnect(nowait=True)
            raise


class Place:
    """Something that is reached by one link, which is made when it is needed and again when it is lost.

    Parameters
    ----------
    dial : callable
        Makes the link.
    """

    def __init__(self, dial: Callable[[], Awaitable[Link]]) -> None:
        self._dial = dial
        self._dialing: asyncio.Task[Link] | None = None
        self._closed = False
        self.link: Link | None = None

    async def connected(self, deadline: float) -> Link:
        """The link, usable; others who want it meanwhile wait for the same attempt.

        Raises
        ------
        LinkLost, StoreError
            As from `Dialer.dial`.
        StoreClosed
        """
        if self._closed:
            raise StoreClosed("the store was closed")
        if self.link is not None and self.link.usable:
            await self._until_writable(self.link, deadline)
            if self.link.usable:
                return self.link
        if self._dialing is None:
            self._dialing = asyncio.create_task(self._connect())
            self._dialing.add_done_callback(self._dialed)
        task = self._dialing
        # A task of its own, which goes on for the others when one who waits is cancelled.
        await asyncio.wait([task], timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
        if not task.done():
            raise LinkLost("the server could not be reached in time", sent=False)
        if task.cancelled():
            raise StoreClosed("the store was closed")
        error = task.exception()
        if isinstance(error, LinkLost):
            raise LinkLost(error.reason, sent=False)  # one of its own for each who waits
        if isinstance(error, StoreError):
            raise type(error)(error.message, store=error.store)
        return task.result()

    async def _until_writable(self, link: Link, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await link.writable()
        except TimeoutError:
            raise LinkLost("the server took nothing in", sent=False) from None

    async def _connect(self) -> Link:
        self.link = await self._dial()
        return self.link

    def _dialed(self, task: asyncio.Task[Link]) -> None:
        self._dialing = None
        if not task.cancelled():
            task.exception()  # asked for, so that nobody complains where all who waited are gone

    async def close(self) -> None:
        """Close the link, or stop making one; there will be no other."""
        self._closed = True
        if self._dialing is not None:
            self._dialing.cancel()
            await asyncio.wait([self._dialing])
        link, self.link = self.link, None
        if link is not None:
            await link.close()
