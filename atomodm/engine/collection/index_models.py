"""Indexes in PyMongo's words and in ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo import IndexModel

from ...contract.indexes import IndexSpec
from ...errors import InvalidQuery, UnsupportedOperation, describe_type
from ...query.server_codes import ServerCode

#: Options that say how an index is built or kept, and mean nothing here.
_WITHOUT_MEANING = frozenset({"background", "v"})
#: Options that have a meaning on MongoDB only.
_ELSEWHERE = frozenset(
    {
        "2dsphereIndexVersion",
        "bits",
        "bucketSize",
        "clustered",
        "collation",
        "default_language",
        "dropDups",
        "hidden",
        "language_override",
        "max",
        "min",
        "prepareUnique",
        "storageEngine",
        "textIndexVersion",
        "weights",
        "wildcardProjection",
    }
)


def index_spec(model: IndexModel) -> IndexSpec:
    """Read an index of PyMongo's.

    Raises
    ------
    TypeError
    UnsupportedOperation
        An option, or a kind of index, works on MongoDB only.
    InvalidQuery
        The keys or options make no sense.
    """
    if not isinstance(model, IndexModel):
        raise TypeError(f"an index is a pymongo.IndexModel, not {describe_type(model)}")
    options = {name: value for name, value in model.document.items() if name not in _WITHOUT_MEANING}
    keys, name = options.pop("key"), options.pop("name")
    unique, sparse = options.pop("unique", False), options.pop("sparse", False)
    partial, expire_after = options.pop("partialFilterExpression", None), options.pop("expireAfterSeconds", None)
    for option, value in options.items():
        if option not in _ELSEWHERE:
            message = f"the field {option!r} is not valid for an index specification"
            raise InvalidQuery(message, server_code=ServerCode.INVALID_INDEX_SPECIFICATION_OPTION)
        if value is not None and value is not False:
            raise UnsupportedOperation(f"the index option {option!r} works on MongoDB only")
    return IndexSpec(
        name=name,
        fields=tuple(_field(path, way) for path, way in keys.items()),
        unique=False if unique is None else unique,
        sparse=False if sparse is None else sparse,
        partial=partial,
        expire_after=None if expire_after is None else _seconds(expire_after),
    )


def _field(path: str, way: Any) -> tuple[str, int]:
    if isinstance(way, str) or "$**" in path.split("."):
        raise UnsupportedOperation(f"an index of this kind ({path}: {way}) works on MongoDB only")
    if isinstance(way, bool | Mapping) or way not in (1, -1):
        raise InvalidQuery("a direction of an index is 1 or -1", path=path, server_code=ServerCode.CANNOT_CREATE_INDEX)
    return path, int(way)


def _seconds(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        message = f"expireAfterSeconds is a number, not {describe_type(value)}"
        raise InvalidQuery(message, server_code=ServerCode.CANNOT_CREATE_INDEX)
    return int(value)


def index_document(spec: IndexSpec) -> dict[str, Any]:
    """Describe an index as a server lists it."""
    document: dict[str, Any] = {"v": 2, "key": dict(spec.fields), "name": spec.name}
    if spec.unique:
        document["unique"] = True
    if spec.sparse:
        document["sparse"] = True
    if spec.partial is not None:
        document["partialFilterExpression"] = dict(spec.partial)
    if spec.expire_after is not None:
        document["expireAfterSeconds"] = spec.expire_after
    return document


#: The index that each collection has.
ID_INDEX = IndexSpec(name="_id_", fields=(("_id", 1),))
