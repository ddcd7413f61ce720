"""Dates and times: what BSON's Date keeps, and what it lacks.

A BSON Date counts milliseconds in UTC. A datetime with microseconds, a zone or a fold needs a note beside it, from
which the value that was stored comes back exactly.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_INT64 = 2**63


def is_exact(value: datetime) -> bool:
    """Whether a BSON Date alone gives `value` back."""
    return value.tzinfo is None and not value.microsecond % 1000 and not value.fold


def _naive_utc(value: datetime) -> datetime:
    offset = value.utcoffset()
    naive = value.replace(tzinfo=None, fold=0)
    return naive if offset is None else naive - offset


def as_date(value: datetime) -> datetime:
    """The naive UTC datetime in whole milliseconds that a BSON Date keeps of `value`."""
    naive = _naive_utc(value)
    return naive.replace(microsecond=naive.microsecond // 1000 * 1000)


def note_of(value: datetime) -> dict[str, Any]:
    """What `as_date` loses of `value`.

    Returns
    -------
    dict
        ``us``: microseconds since the epoch, by which a Date that somebody else changed is told from the one this
        note belongs to; ``tz``: see `zone_of`; ``fold``; ``local``: microseconds to what the clock shows, where clocks
        were set forward past it. Absent where there is nothing to say.
    """
    naive = _naive_utc(value)
    note: dict[str, Any] = {"us": _since_epoch(naive)}
    if value.tzinfo is not None:
        note["tz"] = zone_of(value.tzinfo, value)
        known = value.utcoffset() is not None
        if known and _since_epoch(naive.replace(tzinfo=UTC).astimezone(value.tzinfo)) != _since_epoch(value):
            note["local"] = _since_epoch(value)
    if value.fold:
        note["fold"] = value.fold
    return note


def note_under(document: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The note beside the first of `names` that a document has."""
    name = next((name for name in names if name in document), None)
    return document.get("__dt__", {}).get(name)


def with_notes_of(stored: Any, document: Mapping[str, Any], left: Container[str]) -> dict[str, Any]:
    """A document with those of the notes in `stored` that are beside the fields `left` as they were."""
    if stored.__class__ is not dict:
        return {**document}
    ours = document.get("__dt__", {})
    # In their stored order: a changed order would be a change of all of them.
    notes = {name: ours.get(name, note) for name, note in stored.items() if name in ours or name in left}
    notes.update(ours)
    return {**document, "__dt__": notes} if notes else {**document}


def _since_epoch(value: datetime) -> int:
    """Microseconds from the epoch to what `value` shows, whatever its zone."""
    return (value.replace(tzinfo=None) - _EPOCH) // _MICROSECOND


def with_note(stored: Any, note: Any) -> Any:
    """Give back the datetime of which a Date and a note were stored."""
    if not isinstance(stored, datetime) or not isinstance(note, dict):
        return stored
    moment = _EPOCH + timedelta(microseconds=note["us"])
    if moment.replace(microsecond=moment.microsecond // 1000 * 1000) != stored:
        # The Date was changed without the note: what clocks of the zone show then, the note cannot say.
        return stored.replace(tzinfo=UTC).astimezone(zone_from(note["tz"])) if "tz" in note else stored
    if "local" in note:
        local = _EPOCH + timedelta(microseconds=note["local"])
        return local.replace(tzinfo=zone_from(note["tz"]), fold=note.get("fold", 0))
    if "tz" in note:
        moment = moment.replace(tzinfo=UTC).astimezone(zone_from(note["tz"]))
    return moment.replace(fold=note.get("fold", 0))


def zone_of(zone: tzinfo, moment: datetime | None) -> Any:
    """Name a zone: the key of a `ZoneInfo`, else its offset in seconds with its name where it has one of its own."""
    key = getattr(zone, "key", None)
    if isinstance(key, str):
        return key
    offset = zone.utcoffset(moment)
    if offset is None:
        return {"offset": 0.0}
    fixed: dict[str, Any] = {"offset": offset.total_seconds()}
    name = zone.tzname(moment)
    if name and name != timezone(offset).tzname(None):
        fixed["name"] = name
    return fixed


def zone_from(stored: Any) -> tzinfo:
    """Give back the zone that `zone_of` named; a zone that this machine does not know is an error.

    Raises
    ------
    ValueError
        The zone is unknown here.
    """
    if isinstance(stored, str):
        try:
            return ZoneInfo(stored)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("the stored time zone is unknown on this machine; install tzdata") from None
    offset = timedelta(seconds=stored["offset"])
    name = stored.get("name")
    if name is not None:
        return timezone(offset, name)
    return timezone(offset) if offset else UTC


def microseconds(span: timedelta) -> int:
    """A duration in microseconds."""
    return span // _MICROSECOND


def fits(span: timedelta) -> bool:
    """Whether `microseconds` of `span` fit in 64 bits."""
    return -_INT64 <= microseconds(span) < _INT64


def time_of_day(value: time) -> int:
    """Microseconds since midnight."""
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond


def time_from(stored: int) -> time:
    """The time of day at `stored` microseconds since midnight."""
    return (_EPOCH + timedelta(microseconds=stored)).time() if 0 <= stored < 86_400_000_000 else _refuse_time()


def _refuse_time() -> time:
    raise ValueError("a time of day is outside 0 to 24 hours")


def fields_of(value: date | time | datetime) -> dict[str, Any]:
    """The parts of a date, time or datetime by their names, as ``__py__`` forms keep them."""
    fields: dict[str, Any] = {}
    if isinstance(value, date):
        fields.update(year=value.year, month=value.month, day=value.day)
    if isinstance(value, time | datetime):
        fields.update(hour=value.hour, minute=value.minute, second=value.second, microsecond=value.microsecond)
        if value.tzinfo is not None:
            fields["tz"] = zone_of(value.tzinfo, value if isinstance(value, datetime) else None)
        if value.fold:
            fields["fold"] = value.fold
    return fields


def parts_from(stored: dict[str, Any]) -> dict[str, Any]:
    """Arguments for date, time or datetime from `fields_of`."""
    parts = {key: value for key, value in stored.items() if key not in ("__py__", "tz")}
    if "tz" in stored:
        parts["tzinfo"] = zone_from(stored["tz"])
    return parts
