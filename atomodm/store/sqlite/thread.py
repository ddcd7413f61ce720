"""Connections to SQLite files, each with the thread that alone uses it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from ...errors import StoreClosed
from ..worker import Worker
from .file import FileOptions, StoreConnection, StoreErrors
from .waiting import Patience

Result = TypeVar("Result")

#: What runs on a connection's thread.
Step = Callable[[StoreConnection, Patience], Result]

#: Seconds between two attempts to interrupt a statement.
_INTERRUPT_PAUSE = 0.02


class _Abandoned(Exception):
    """A step was cancelled before it began."""


class ConnectionThread:
    """A connection and its thread.

    Parameters
    ----------
    name : str
        The thread's name.
    options : FileOptions
    """

    def __init__(self, name: str, options: FileOptions) -> None:
        self._worker = Worker(name)
        self._options = options
        self._errors = StoreErrors(options)
        self._connection: StoreConnection | None = None
        # Seconds that all requests together have waited for locks.
        self._waited = 0.0
        self._interrupting = threading.Lock()
        self._interruptible: Patience | None = None

    async def open(
        self, open_connection: Callable[[FileOptions, Patience], StoreConnection], patience: Patience
    ) -> None:
        """Connect."""

        def connect() -> None:
            self._connection = open_connection(self._options, patience)

        await self._worker.run(connect)

    async def run(self, step: Step[Result]) -> Result:
        """Run one function on the connection.

        Requests that queue up while somebody else holds a lock have waited for it too: each fails when its own time
        is over, and not the first one's and then the second one's.
        """
        return await self._run(step, Patience(self._options.timeout))

    async def _run(self, step: Step[Result], patience: Patience) -> Result:
        asked = self._waited

        def on_connection() -> Result:
            if self._connection is None:
                raise StoreClosed("the store was closed", store=self._options.url)
            patience.spend(self._waited - asked)
            try:
                with self._errors:
                    return step(self._connection, patience)
            finally:
                self._waited += patience.waited

        return await self._worker.run(on_connection)

    async def run_long(self, step: Step[Result]) -> Result:
        """Run a function that takes seconds; when this is cancelled it is interrupted, and has ended on return."""
        patience = Patience(self._options.timeout)

        def interruptible(connection: StoreConnection, patience: Patience) -> Result:
            with self._interrupting:
                self._interruptible = patience
            try:
                if patience.is_given_up:
                    raise _Abandoned
                return step(connection, patience)
            finally:
                with self._interrupting:
                    self._interruptible = None

        running = asyncio.ensure_future(self._run(interruptible, patience))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            patience.give_up()
            await self._interrupt(patience, running)
            raise

    async def _interrupt(self, patience: Patience, running: asyncio.Future[Result]) -> None:
        while not running.done():
            # A statement of somebody else's request is not interrupted.
            with self._interrupting:
                if self._interruptible is patience and self._connection is not None:
                    self._connection.interrupt()
            try:
                await asyncio.wait([running], timeout=_INTERRUPT_PAUSE)
            except asyncio.CancelledError:
                # Cancelled once more: what is cancelled must have ended nevertheless.
                continue
        if not running.cancelled():
            running.exception()

    async def close(self) -> None:
        """Let what was asked for finish, then disconnect."""

        def disconnect() -> None:
            if self._connection is not None:
                connection, self._connection = self._connection, None
                with self._errors:
                    connection.close()

        await self._worker.stop(disconnect)
