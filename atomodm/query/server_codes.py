"""The codes with which MongoDB's servers refuse what they are asked, as far as they have names."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class ServerCode(IntEnum):
    """Codes under the names that they have there."""

    BAD_VALUE = 2
    FAILED_TO_PARSE = 9
    TYPE_MISMATCH = 14
    OVERFLOW = 15
    ILLEGAL_OPERATION = 20
    NAMESPACE_NOT_FOUND = 26
    INDEX_NOT_FOUND = 27
    PATH_NOT_VIABLE = 28
    CANNOT_BACKFILL_ARRAY = 34
    CONFLICTING_UPDATE_OPERATORS = 40
    NAMESPACE_EXISTS = 48
    MAX_TIME_MS_EXPIRED = 50
    DOLLAR_PREFIXED_FIELD_NAME = 52
    INVALID_ID_FIELD = 53
    NOT_SINGLE_VALUE_FIELD = 54
    INVALID_DBREF = 55
    EMPTY_FIELD_NAME = 56
    DOTTED_FIELD_NAME = 57
    IMMUTABLE_FIELD = 66
    CANNOT_CREATE_INDEX = 67
    INVALID_OPTIONS = 72
    INVALID_NAMESPACE = 73
    INDEX_OPTIONS_CONFLICT = 85
    INDEX_KEY_SPECS_CONFLICT = 86
    NOT_EXACT_VALUE_FIELD = 111
    WRITE_CONFLICT = 112
    CANNOT_INDEX_PARALLEL_ARRAYS = 171
    QUERY_PLAN_KILLED = 175
    INVALID_INDEX_SPECIFICATION_OPTION = 197
    DUPLICATE_KEY = 11000


#: Names with abbreviations in them; all others follow from the code's own.
_NAMES: Final = {ServerCode.INVALID_DBREF: "InvalidDBRef", ServerCode.MAX_TIME_MS_EXPIRED: "MaxTimeMSExpired"}


def code_name(code: int) -> str:
    """The name that servers give a code, ``"BadValue"``; ``"Location15958"`` for one that has none."""
    try:
        known = ServerCode(code)
    except ValueError:
        return f"Location{code}"
    return _NAMES.get(known) or "".join(map(str.capitalize, known.name.split("_")))
