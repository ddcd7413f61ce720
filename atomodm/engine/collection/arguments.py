"""What callers may pass: PyMongo's checks of arguments, and options outside of the portable set refused by name."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Mapping, Sequence, Set
from typing import Any

from pymongo import ASCENDING

from ...contract.store import Store
from ...errors import InvalidQuery, UnsupportedOperation, describe_type
from ...query.filters import parse_filter
from ...query.nodes import ALL, Node
from ...query.paths import field_parts
from .faults import SORT_DIRECTION

#: Documents of one chunk unless the caller says otherwise.
BATCH_SIZE = 128


def refuse(**options: Any) -> None:
    """Refuse options that are set: None and False, PyMongo's defaults, ask for nothing.

    Raises
    ------
    UnsupportedOperation
    """
    for name, value in options.items():
        if value is not None and value is not False:
            raise UnsupportedOperation(f"the option {name!r} works on MongoDB only")


def check_mapping(name: str, value: Any) -> None:
    """Raise TypeError unless the argument `name` is a mapping."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping, not {describe_type(value)}")


def check_flag(name: str, value: Any) -> None:
    """Raise TypeError unless the argument `name` is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {describe_type(value)}")


def check_list(name: str, value: Any) -> None:
    """Raise TypeError unless the argument `name` is a list."""
    if not isinstance(value, list):
        raise TypeError(f"{name} must be a list, not {describe_type(value)}")


def check_integer(name: str, value: Any, *, least: int | None = None) -> int:
    """Give the argument `name` back when it is an integer, and `least` or more.

    Raises
    ------
    TypeError, ValueError
    """
    if not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {describe_type(value)}")
    if least is not None and value < least:
        raise ValueError(f"{name} must be {least} or more")
    return value


def check_replacement(replacement: Any) -> None:
    """Raise unless `replacement` is a document without update operators.

    Raises
    ------
    TypeError, ValueError
    """
    check_mapping("replacement", replacement)
    if str(next(iter(replacement), "")).startswith("$"):
        raise ValueError("replacement can not include $ operators")


def check_update(update: Any) -> None:
    """Raise unless `update` is a document of update operators.

    Raises
    ------
    TypeError, ValueError
    UnsupportedOperation
        It is a pipeline.
    """
    if not isinstance(update, Mapping | list):
        raise TypeError(f"update must be a mapping or a list, not {describe_type(update)}")
    if not update:
        raise ValueError("update cannot be empty")
    if isinstance(update, list):
        raise UnsupportedOperation("updates by an aggregation pipeline work on MongoDB only")
    if not str(next(iter(update))).startswith("$"):
        raise ValueError("update only works with $ operators")


def read_filter(filter: Any) -> Node:
    """Read a filter.

    Raises
    ------
    TypeError
    InvalidQuery
    """
    check_mapping("filter", filter)
    return parse_filter(filter) if filter else ALL


def keys_with_directions(keys: Any, direction: Any = None) -> dict[str, Any]:
    """Read keys as PyMongo takes them: a path, paths with or without directions, or a mapping.

    Raises
    ------
    TypeError, ValueError
    """
    if isinstance(keys, str):
        return {keys: ASCENDING if direction is None else direction}
    if direction is not None:
        raise TypeError(f"a direction goes with one path, not with {describe_type(keys)}")
    return several_keys(keys)


def several_keys(keys: Any) -> dict[str, Any]:
    """Read keys as `keys_with_directions` does, but for a path alone: PyMongo does not take one everywhere.

    Raises
    ------
    TypeError, ValueError
    """
    if isinstance(keys, Mapping):
        items: Iterable[Any] = keys.items()
    elif isinstance(keys, list | tuple | ItemsView):
        items = keys
    else:
        raise TypeError(f"keys are a path, a list or a mapping, not {describe_type(keys)}")
    document: dict[str, Any] = {}
    for item in items:
        path, way = (item, ASCENDING) if isinstance(item, str) else item
        if not isinstance(path, str):
            raise TypeError(f"a key is a path, a string, not {describe_type(path)}")
        if not isinstance(way, int | float | str | Mapping):
            raise TypeError(f"a direction is 1 or -1, not {describe_type(way)}")
        document[path] = way
    if not document:
        raise ValueError("keys name one path or more")
    return document


def read_sort(keys: Mapping[str, Any] | None) -> tuple[tuple[str, int], ...]:
    """Read the directions of `keys_with_directions` as an order.

    Raises
    ------
    UnsupportedOperation
        It sorts by something else than paths.
    InvalidQuery
        A path is none, or a direction is neither 1 nor -1.
    """
    order: list[tuple[str, int]] = []
    for path, way in (keys or {}).items():
        if path == "$natural" or isinstance(way, Mapping):
            what = path if path == "$natural" else f"{path} with something else than a direction"
            raise UnsupportedOperation(f"sorting by {what} works on MongoDB only")
        field_parts(path, "an order")
        if isinstance(way, bool | str) or way not in (1, -1):
            raise InvalidQuery("a sort direction is 1 or -1", path=path, server_code=SORT_DIRECTION)
        order.append((path, int(way)))
    return tuple(order)


def read_hint(hint: Any) -> str | dict[str, Any] | None:
    """Read a hint: an index's name, or its keys.

    Raises
    ------
    TypeError, ValueError
    """
    return hint if hint is None or isinstance(hint, str) else several_keys(hint)


async def index_name(store: Store, collection: str, hint: str | Mapping[str, Any] | None) -> str | None:
    """The name of the index that a hint means.

    Raises
    ------
    InvalidQuery
        No index has these keys.
    """
    if hint is None or isinstance(hint, str):
        return hint
    keys = tuple(hint.items())
    # Documents are kept in the order of their ids, which so is the natural order.
    if keys in ((("_id", 1),), (("$natural", 1),)):
        return "_id_"
    for spec in await store.list_indexes(collection):
        if tuple((path, way) for path, way in spec.fields) == keys:
            return spec.name
    raise InvalidQuery("the hint does not correspond to an existing index")


def read_projection(projection: Any) -> Mapping[str, Any] | None:
    """Read a projection: names to include, or a mapping.

    Raises
    ------
    TypeError
    """
    if projection is None or isinstance(projection, Mapping):
        return projection
    if not isinstance(projection, Sequence | Set) or not all(isinstance(name, str) for name in projection):
        raise TypeError("projection must be a mapping, or a list of names")
    return dict.fromkeys(projection, 1)
