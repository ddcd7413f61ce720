"""What a write that was done makes of the objects: persistent, clean, at home in their caches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ..breathing import Breather
from ..contract.operations import Outcome
from ..model import spec_of
from ..model.unloaded import mark_loaded
from .plan import Write, WriteKind

#: Writes after which the clock is looked at.
_LOOK = 16


async def finish(writes: Sequence[Write], outcome: Outcome | None) -> None:
    """Make objects what was written: persistent, clean but for later edits, at home in their cache.

    The documents are written: a cancellation meanwhile is kept until all objects know.
    """
    breather = Breather()
    cancelled: asyncio.CancelledError | None = None
    for position, write in enumerate(writes):
        _finish_one(write, None if outcome is None else outcome.revisions[position])
        if position % _LOOK == _LOOK - 1 and cancelled is None and breather.is_due():
            try:
                await breather.breathe()
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        raise cancelled


def _finish_one(write: Write, revision: int | None) -> None:
    obj = write.obj
    tracking = obj.__tracking__
    write.cache.wrote(write.id)
    if obj.__home__ is None:
        take_home(write)
    else:
        write.cache.adopt(obj, write.id)  # it may be a second writer whose place has become free
    if write.data is not None:
        obj.__snapshot__ = write.data
        if revision is not None:
            obj.__revision__ = revision
        if not obj.__restored__:
            obj.__restored__ = True
        if tracking.assumed is not None:
            tracking.assumed = _still_assumed(write, tracking.assumed)
    tracking.dirty = tracking.during | _members_left_out(write) if write.later else tracking.during
    tracking.uncertain = ()
    if write.link is not None:
        write.link.revision = revision
    (write.cache.hold if tracking.dirty else write.cache.release)(obj)
    if tracking.state is not None:
        tracking.state.conflict = None
        tracking.state.stale = False


def _members_left_out(write: Write) -> frozenset[str]:
    """The members that are still to be written, because what they refer to is not there yet."""
    by_stored_name = spec_of(type(write.obj)).by_stored_name
    return frozenset(by_stored_name[name].name for name in write.later)


def leave_home(obj: Any) -> None:
    """Make an object a new one, with the id it has."""
    muted = obj.set_notifications_enabled(False)
    try:
        obj.__home__ = obj.__snapshot__ = obj.__revision__ = None
    finally:
        obj.set_notifications_enabled(muted)


def _still_assumed(write: Write, assumed: dict[str, Any]) -> dict[str, Any] | None:
    """What a write leaves of the values that stand for fields which the document lacks or has refused."""
    if write.kind in (WriteKind.INSERT, WriteKind.REPLACE):
        return None
    written = {path.partition(".")[0] for path in write.changes.paths()}
    return {key: value for key, value in assumed.items() if key not in written} or None


def take_home(write: Write) -> None:
    """Give a new object its id and its place in the cache; a taken place leaves it a second, guarded writer."""
    obj = write.obj
    if obj._id is None:
        obj._id = write.id
    mark_loaded(obj)
    write.cache.adopt(obj, write.id)
    obj.__home__ = write.cache
    tracking = obj.__track__()
    tracking.reserved_id = tracking.former_id = tracking.former_home = tracking.former_snapshot = None
