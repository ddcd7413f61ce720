"""What the log keeps of a commit: which documents changed and how, so that the change feed and a repeated batch know.

One record for each commit and not one for each document: a batch of 100,000 documents is one row of the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

import bson
from bson.errors import InvalidDocument

from ..contract.log import ChangeEntry, ChangeKind
from ..contract.operations import Outcome
from ..encoding import CODEC_OPTIONS, check_values, decode
from ..errors import StoreCorrupt
from .driver import LoggedCommit


class Effect(IntEnum):
    """What an operation did. The values are stored."""

    NOTHING = 0
    INSERTED = 1
    REPLACED = 2
    DELETED = 3
    DROPPED = 4


_KINDS = {
    Effect.INSERTED: ChangeKind.PUT,
    Effect.REPLACED: ChangeKind.PUT,
    Effect.DELETED: ChangeKind.DELETE,
    Effect.DROPPED: ChangeKind.DROP,
}
_PUTS = (Effect.INSERTED, Effect.REPLACED)
_EXISTED = (Effect.REPLACED, Effect.DELETED)


class Recorded(NamedTuple):
    """One operation of a record."""

    effect: Effect
    collection: str
    id: Any


def encode_record(effects: Sequence[Effect], collections: Sequence[str], ids: Sequence[Any]) -> bytes:
    """Write the record of a commit's operations, in the order of its batch.

    Raises
    ------
    ValueNotStorable
        An id is outside of the portable domain.
    """
    names = list(dict.fromkeys(collections))
    places: list[int] = []
    if len(names) > 1:  # with one collection there is nothing to tell apart
        numbers = {name: number for number, name in enumerate(names)}
        places = [numbers[collection] for collection in collections]
    record = {"collections": names, "effects": bytes(effects), "places": places, "ids": ids}
    try:
        return bson.encode(record, False, CODEC_OPTIONS)
    except (InvalidDocument, OverflowError, RecursionError, ValueError, TypeError):
        for id in ids:
            check_values(id, "_id")
        raise


def decode_record(record: bytes) -> Iterator[Recorded]:
    """Read what `encode_record` wrote.

    Raises
    ------
    StoreCorrupt
        It is damaged.
    """
    try:
        stored = decode(record)
        names, places = stored["collections"], stored["places"]
        for number, (effect, id) in enumerate(zip(stored["effects"], stored["ids"], strict=True)):
            yield Recorded(Effect(effect), names[places[number] if places else 0], id)
    except (LookupError, TypeError, ValueError):
        raise StoreCorrupt("an entry of the change log is damaged") from None


def positions(effects: Sequence[Effect], first: int) -> Sequence[int]:
    """The log positions of operations whose commit begins at `first`; 0 for those that did nothing."""
    if all(effects):
        return range(first, first + len(effects))
    taken: list[int] = []
    position = first
    for effect in effects:
        taken.append(position if effect else 0)
        position += bool(effect)
    return taken


def log_size(effects: Sequence[Effect]) -> int:
    """How many log positions operations take; a commit takes one at least."""
    return sum(map(bool, effects)) or 1


def outcome(effects: Sequence[Effect], first: int) -> Outcome:
    """The outcome of a batch whose commit begins at `first`."""
    revisions = [
        position if effect in _PUTS else 0 for position, effect in zip(positions(effects, first), effects, strict=True)
    ]
    return Outcome(revisions, [effect in _EXISTED for effect in effects])


def change_entries(commit: LoggedCommit) -> list[ChangeEntry]:
    """The entries of a logged commit."""
    recorded = list(decode_record(commit.record))
    places = positions([operation.effect for operation in recorded], commit.first)
    size = sum(map(bool, places))
    return [
        ChangeEntry(
            position=position,
            transaction=commit.first,
            size=size,
            origin=commit.origin,
            operation_id=commit.operation_id,
            collection=operation.collection,
            kind=_KINDS[operation.effect],
            id=operation.id,
            revision=position if operation.effect in _PUTS else 0,
        )
        for position, operation in zip(places, recorded, strict=True)
        if position
    ]
