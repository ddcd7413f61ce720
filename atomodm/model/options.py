"""``class Meta``: what a model says about itself beyond its members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from ..errors import ModelDefinitionError
from .expiry import LONGEST, time_to_live


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one model class.

    Attributes
    ----------
    name : str or None
        The collection. Subclasses share it unless they name their own; None takes the class's ``__model__``.
    app_label : str or None
        Stands for the module in ``__model__``, so that moving a class keeps its documents readable.
    abstract : bool
        The class is only a base: it has no collection and is not registered. Not inherited.
    ordering : tuple of str
        Default order of queries, as for ``order_by``.
    indexes : tuple
        Indexes in addition to those of tags: the name of a member, as ``order_by`` takes it; a sequence of names for
        one index over several; an ``IndexSpec`` or pymongo's ``IndexModel`` for one with options.
    store : object
        A database for this model alone, as accepted by ``NoSQLModelManager.database``; None takes the manager's.
    unknown : str
        ``"keep"`` leaves stored fields that the model does not know as they are; ``"drop"`` removes them on save.
    ttl : timedelta or None
        How long after it was last saved a document expires, given in seconds or as a `timedelta`; None for never.
    """

    name: str | None = None
    app_label: str | None = None
    abstract: bool = False
    ordering: tuple[str, ...] = ()
    indexes: tuple[Any, ...] = ()
    store: Any = None
    unknown: str = "keep"
    ttl: timedelta | None = None


_NAMES = tuple(Options.__dataclass_fields__)


def read_options(class_name: str, meta: type | None, inherited: Options) -> Options:
    """Combine a ``class Meta`` with the options of the base class.

    Raises
    ------
    ModelDefinitionError
        An option is unknown or of the wrong type.
    """
    options = replace(inherited, abstract=False)
    if meta is None:
        return options
    given = {name: value for name, value in vars(meta).items() if not name.startswith("__")}
    for name, value in given.items():
        if name not in _NAMES:
            raise ModelDefinitionError(f"Meta has no option {name!r}; there are {', '.join(_NAMES)}", model=class_name)
        _check(class_name, name, value)
        if name in ("ordering", "indexes"):
            given[name] = tuple(value)
        elif name == "ttl":
            given[name] = time_to_live(value)
    return replace(options, **given)


def _check(class_name: str, name: str, value: Any) -> None:
    if name == "indexes":
        valid = isinstance(value, Sequence) and not isinstance(value, str) and all(map(_is_index, value))
        expected = "a sequence of member names, sequences of them, and objects that describe an index"
    elif name == "ordering":
        valid = isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(v, str) for v in value)
        expected = "a sequence of member names"
    elif name == "abstract":
        valid, expected = isinstance(value, bool), "a bool"
    elif name in ("name", "app_label"):
        valid, expected = value is None or (isinstance(value, str) and value != "" and "\0" not in value), "a text"
    elif name == "unknown":
        valid, expected = value in ("keep", "drop"), "'keep' or 'drop'"
    elif name == "ttl":
        valid = value is None or time_to_live(value) is not None
        expected = f"a timedelta, or seconds above 0 up to {LONGEST}"
    else:
        return
    if not valid:
        raise ModelDefinitionError(f"Meta.{name} must be {expected}", model=class_name)


def _is_index(value: Any) -> bool:
    """Whether a value can declare an index, as far as it is known here: what the objects are, stores know."""
    if isinstance(value, str):
        return value.removeprefix("-") != ""
    if isinstance(value, Sequence):
        return len(value) > 0 and all(isinstance(name, str) and _is_index(name) for name in value)
    return value is not None and not isinstance(value, bool | int | float | Mapping)
