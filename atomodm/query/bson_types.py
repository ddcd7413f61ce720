"""The types of BSON, as MongoDB's ``$type`` names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

#: Aliases by the number of a type in BSON's specification. The deprecated ones are never stored by this library.
TYPE_NAMES: Final[Mapping[int, str]] = {
    -1: "minKey",
    1: "double",
    2: "string",
    3: "object",
    4: "array",
    5: "binData",
    6: "undefined",
    7: "objectId",
    8: "bool",
    9: "date",
    10: "null",
    11: "regex",
    12: "dbPointer",
    13: "javascript",
    14: "symbol",
    15: "javascriptWithScope",
    16: "int",
    17: "timestamp",
    18: "long",
    19: "decimal",
    127: "maxKey",
}

#: Stands for every type of number.
NUMBER: Final = "number"
#: The types that it stands for.
NUMBER_TYPES: Final = frozenset({"double", "int", "long", "decimal"})

_INT32_MIN, _INT32_MAX = -(2**31), 2**31 - 1

_BY_TYPE: dict[type, str] = {
    float: "double",
    str: "string",
    dict: "object",
    DBRef: "object",
    list: "array",
    tuple: "array",
    bytes: "binData",
    Binary: "binData",
    UUID: "binData",
    ObjectId: "objectId",
    bool: "bool",
    datetime: "date",
    DatetimeMS: "date",
    type(None): "null",
    Regex: "regex",
    re.Pattern: "regex",
    Timestamp: "timestamp",
    Int64: "long",
    Decimal128: "decimal",
    MinKey: "minKey",
    MaxKey: "maxKey",
}


def bson_type(value: Any) -> str:
    """Give the alias of the type that `value` is stored with; ``""`` for what BSON has no type for."""
    kind = type(value)
    if kind is int:
        return "int" if _INT32_MIN <= value <= _INT32_MAX else "long"
    if kind is Code:
        return "javascript" if value.scope is None else "javascriptWithScope"
    return _BY_TYPE.get(kind) or ("object" if isinstance(value, Mapping) else "")
