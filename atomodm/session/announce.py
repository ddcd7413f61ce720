"""Telling observers what a load changed, after all of it is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any

from atom.catom import ChangeType

from ..errors import ObserverError
from ..model import FieldSpec, spec_of

_KINDS = {"create": ChangeType.CREATE, "update": ChangeType.UPDATE}


class Announcements:
    """The changes of one load, kept until all objects are filled."""

    def __init__(self) -> None:
        self._pending: list[tuple[Any, FieldSpec | None, dict[str, Any]]] = []

    def add_new(self, obj: Any) -> None:
        """Announce every member of an object that was just made."""
        for field in spec_of(type(obj)).ordered_fields:
            if field.observers:
                value = field.member.get_slot(obj)
                self._add(obj, field, field.name, {"type": "create", "value": value})

    def add_changes(self, obj: Any, before: dict[str, Any]) -> None:
        """Announce what differs from an object's former values.

        Parameters
        ----------
        obj : Model
            The object as it is now.
        before : dict
            What `values_of` gave.
        """
        for field in spec_of(type(obj)).ordered_fields:
            old, new = before[field.name], field.member.get_slot(obj)
            if old is not new and not _equal(old, new):
                change = (
                    {"type": "create", "value": new}
                    if old is None
                    else {"type": "update", "oldvalue": old, "value": new}
                )
                self._add(obj, field, field.name, change)
        if not before["__restored__"]:
            self._add(obj, None, "__restored__", {"type": "update", "oldvalue": False, "value": True})

    def _add(self, obj: Any, field: FieldSpec | None, name: str, change: dict[str, Any]) -> None:
        if (field is not None and field.observers) or obj.has_observers(name):
            self._pending.append((obj, field, {"object": obj, "name": name, **change}))

    def sent_after_failure(self) -> AbstractContextManager[None]:
        """Tell observers of what was done when the block fails or is cancelled, which is what is raised then."""
        return _SentAfterFailure(self)

    def send(self) -> None:
        """Tell all observers.

        Raises
        ------
        ObserverError
            Some raised; all others were told nevertheless.
        """
        errors: list[tuple[Exception, Any, str]] = []
        pending, self._pending = self._pending, []
        for obj, field, change in pending:
            for error in _tell(obj, field, change):
                errors.append((error, obj, change["name"]))
        if errors:
            _, obj, name = errors[0]
            raise ObserverError([error for error, _, _ in errors], model=obj.__model__, path=name) from errors[0][0]


class _SentAfterFailure(AbstractContextManager[None]):
    # A class and no generator: each read of one document enters two.
    __slots__ = ("_told",)

    def __init__(self, told: Announcements) -> None:
        self._told = told

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            with suppress(ObserverError):
                self._told.send()


def _tell(obj: Any, field: FieldSpec | None, change: dict[str, Any]) -> Iterator[Exception]:
    kind = _KINDS[change["type"]]
    for observer in field.observers if field is not None else ():
        if field is not None and field.member.has_observer(observer, kind):
            try:
                (getattr(obj, observer) if isinstance(observer, str) else observer)(change)
            except Exception as error:
                yield error
    try:
        obj.notify(change["name"], change)
    except Exception as error:
        yield error


def values_of(obj: Any) -> dict[str, Any]:
    """What an object's members hold now, unset ones as None."""
    values = {field.name: field.member.get_slot(obj) for field in spec_of(type(obj)).fields}
    values["__restored__"] = obj.__restored__
    return values


def observed(obj: Any) -> bool:
    """Whether anybody might be told of changes of an object."""
    return obj.has_observers("__restored__") or any(
        field.observers or obj.has_observers(field.name) for field in spec_of(type(obj)).fields
    )


def _equal(one: Any, other: Any) -> bool:
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # values are the program's own; what cannot be compared counts as changed
        return False
