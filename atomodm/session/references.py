"""Which documents an object refers to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..model import Model, spec_of


def references_of(obj: Any) -> Iterator[tuple[Any, Any]]:
    """Walk what an object holds, embedded values included, and give each reference as (model, id)."""
    places: list[Any] = _held_by(obj)
    seen: set[int] = {id(obj)}
    while places:
        place = places.pop()
        if isinstance(place, Model):
            if id(place) in seen:
                continue
            seen.add(id(place))
            if spec_of(type(place)).embedded:
                places.extend(_held_by(place))
            elif place._id is not None:  # type: ignore[attr-defined]
                yield spec_of(type(place)).model, place._id  # type: ignore[attr-defined]
        elif isinstance(place, Mapping):
            if id(place) not in seen:
                seen.add(id(place))
                places.extend(place.keys())
                places.extend(place.values())
        elif isinstance(place, list | tuple | set | frozenset) and id(place) not in seen:
            seen.add(id(place))
            places.extend(place)


def _held_by(obj: Any) -> list[Any]:
    return [field.member.get_slot(obj) for field in spec_of(type(obj)).fields]
