"""The servers that calls go to, over connections of redis-py; here one server, or the master of Sentinels."""

from __future__ import annotations

import asyncio
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, cast

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.exceptions import RedisError

from .faults import Refusal, Remedy, Unanswered
from .translation import failure_of

#: A command and its arguments.
Parts = tuple[bytes | str | int, ...]

#: The bytes of a command. hiredis declares its argument as a tuple of one part.
_pack = cast("Callable[[Parts], bytes]", pack_command)


class Servers(ABC):
    """Sends single calls, each of them once.

    Attributes
    ----------
    closed : bool
        Nothing is to be sent any more.
    """

    closed = False

    @abstractmethod
    async def open(self, limit: float) -> None:
        """Learn which servers there are, until `limit` by the clock of the event loop.

        Raises
        ------
        Refusal, Unanswered, StoreError
        """

    @abstractmethod
    async def send(self, command: Parts, key: bytes | None, limit: float, *, server: Any = None) -> Any:
        """Send a command where its key is, or to a server that `masters` or `asked` named; gives the raw reply.

        When it is cancelled, or ends at `limit`, then so does the connection, so that its reply reaches nobody else.

        Raises
        ------
        Refusal
            The server answered with an error.
        Unanswered
            It did not answer.
        StoreError
            It cannot be asked.
        """

    @abstractmethod
    def masters(self) -> Sequence[Any]:
        """All servers that take writes."""

    @abstractmethod
    async def refresh(self, since: float, limit: float) -> None:
        """Look again which servers there are, unless that was done after `since`."""

    @abstractmethod
    def asked(self, address: tuple[str, int] | None, key: bytes | None) -> Any:
        """The server to which another one, of a cluster, sent a single call."""

    @abstractmethod
    async def close(self) -> None:
        """End all connections that are ours."""


# Its name until redis-py 8.
_can_read: Callable[[Any], Awaitable[bool]] = (
    AbstractConnection.can_read if hasattr(AbstractConnection, "can_read") else AbstractConnection.can_read_destructive
)


class SingleServer(Servers):
    """One server, which a pool of redis-py leads to.

    Parameters
    ----------
    pool : ConnectionPool
    url : str
        The store's address for messages.
    close : callable, optional
        Closes the pool and all that belongs to it. Without it the pool is somebody else's.
    """

    def __init__(self, pool: ConnectionPool, url: str, close: Callable[[], Awaitable[None]] | None = None) -> None:
        self._pool = pool
        self._url = url
        self._close = close
        # Of a pool of our own those stay here that were used last: to ask it for one takes as long as to use it.
        self._free: list[AbstractConnection] = []
        self._freed = 0.0
        self._returning: set[asyncio.Task[None]] = set()

    async def open(self, limit: float) -> None:
        """Nothing: there is one server."""

    async def send(self, command: Parts, key: bytes | None, limit: float, *, server: Any = None) -> Any:
        """Send a command over a connection of the pool, which no other call has meanwhile."""
        # What a client does for each command around this costs more than the server takes for it.
        handled = sys.exception()
        connection: AbstractConnection | None = None
        try:
            async with asyncio.timeout_at(limit):
                connection = await self._connection()
                answered = False
                try:
                    await connection.send_packed_command(_pack(command))
                    reply = await connection.read_response(disable_decoding=True)
                    answered = True
                    return reply
                except Exception as error:
                    failure = failure_of(error, self._url, sent=True, handled=handled)
                    if isinstance(failure, Refusal) and failure.remedy is Remedy.ROUTE:
                        # The address may lead elsewhere now.
                        await connection.disconnect(nowait=True)
                    raise failure from None
                finally:
                    if answered and self._close is not None:
                        self._free.append(connection)
                    else:
                        await self._give_back(connection)
        except (Refusal, Unanswered):
            raise
        except TimeoutError:
            if connection is None:
                raise Unanswered("the server could not be reached in time", sent=False) from None
            raise Unanswered("the server did not answer in time", sent=True) from None
        except Exception as error:
            raise failure_of(error, self._url, sent=connection is not None, handled=handled) from None

    async def _connection(self) -> AbstractConnection:
        while self._free:
            connection = self._free.pop()
            usable = False
            try:
                # One that ended can be read as well: redis-py asks in the same way before it gives one out.
                usable = connection.is_connected and not await _can_read(connection)
            except (RedisError, OSError):
                pass
            finally:
                if not usable:
                    await self._give_back(connection, ended=True)
            if usable:
                return connection
        try:
            # redis-py wants no arguments, and its decorator for that has no types.
            made: AbstractConnection = await cast(Any, self._pool).get_connection()
            return made
        except BaseException:
            if self._pool.connection_kwargs.get("credential_provider") is not None:
                # redis-py keeps a connection whose provider of credentials failed, or was cancelled, as one that is
                # ready, without having authenticated or chosen the database.
                await self._pool.disconnect(inuse_connections=False)
            raise

    async def _give_back(self, connection: AbstractConnection, *, ended: bool = False) -> None:
        try:
            if ended:
                await connection.disconnect(nowait=True)
            await self._pool.release(connection)
        except asyncio.CancelledError:
            # It waited for others who use the pool; without the connection the pool would have one less for ever.
            returning = asyncio.create_task(self._give_back_again(connection))
            self._returning.add(returning)
            returning.add_done_callback(self._returning.discard)
            raise

    async def _give_back_again(self, connection: AbstractConnection) -> None:
        with suppress(KeyError):  # it was given back
            await self._pool.release(connection)

    def masters(self) -> Sequence[Any]:
        """The server."""
        return [None]

    async def refresh(self, since: float, limit: float) -> None:
        """End the connections that nobody uses, if they are ours: new ones find where the server is now."""
        if self._close is None or self._freed > since:
            return
        self._freed = asyncio.get_running_loop().time()
        with suppress(RedisError, OSError):
            async with asyncio.timeout_at(limit):
                while self._free:
                    await self._give_back(self._free.pop())
                await self._pool.disconnect(inuse_connections=False)

    def asked(self, address: tuple[str, int] | None, key: bytes | None) -> Any:
        """The same server again: it was made a part of a cluster meanwhile."""
        return None

    async def close(self) -> None:
        """End all connections, if they are ours."""
        self.closed = True
        if self._close is not None:
            with suppress(RedisError, OSError):
                await self._close()
