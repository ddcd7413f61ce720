"""What tests of documents that expire need: models, a clock that is moved, and waiting until a time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from atom.api import Dict, ForwardTyped, Int, List, Str

from ... import NoSQLModel, Store
from .tools import Elsewhere

_EPOCH = datetime(1970, 1, 1)
#: Seconds for which documents live that a test waits for.
SHORT = 0.03
#: Seconds after which a test gives up waiting for a document to expire.
_PATIENCE = 20.0


class Presence(NoSQLModel):
    """Lives an hour from each save on."""

    name = Str().tag(primary_key=True)
    mood = Str()
    moves = Int()
    log = List(Str())
    friend = ForwardTyped(lambda: Presence)

    class Meta:
        app_label = "contract"
        ttl = 3600


class Ticket(NoSQLModel):
    """Lives for good, unless told otherwise."""

    title = Str()
    tries = Int()
    holder = ForwardTyped(lambda: Presence)
    facts = Dict()

    class Meta:
        app_label = "contract"


class Clock:
    """Stops the store's clock, as far as saves look at it, at a whole second from which it is moved."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = store.now() // 1000 * 1000
        monkeypatch.setattr(store, "now", lambda: self.now)

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * 1000)

    def after(self, seconds: float) -> datetime:
        """A date in the future, as documents have it."""
        return _EPOCH + timedelta(milliseconds=self.now) + timedelta(seconds=seconds)


class Clocked:
    """Has the fixture ``clock``."""

    @pytest.fixture
    def clock(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> Clock:
        """The store's clock, stopped."""
        return Clock(store, monkeypatch)


async def expiry_of(store: Store, obj: Any) -> Any:
    """When a document expires, as it is stored; None where it does not say so."""
    document = await Elsewhere(store).read(type(obj), obj._id)
    assert document is not None
    return document.get("__expires__")


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what becomes true some time."""
    async with asyncio.timeout(_PATIENCE):
        while not await condition():
            await asyncio.sleep(SHORT / 3)


async def let_expire(*objects: Any) -> None:
    """Have the documents of some objects expire by their own time, and wait until they have."""
    for obj in objects:
        await obj.expire(SHORT)
    for obj in objects:

        async def is_gone(obj: Any = obj) -> bool:
            return not await type(obj).objects.filter(_id=obj._id).exists()

        await until(is_gone)


async def with_unloaded_holder(ticket: Ticket) -> Any:
    """Another object for the document of a ticket, whose holder is not loaded."""
    return await Ticket.objects.all().fetch(0).get(_id=ticket._id)
