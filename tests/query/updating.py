"""Applying updates in tests, and saying what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pytest

from atomodm.encoding import encode
from atomodm.errors import InvalidUpdate
from atomodm.query.updates import parse_update

NOW = datetime(2026, 3, 4, 5, 6, 7, 89_000)


class Code(NamedTuple):
    """An error with the code that a MongoDB server gives it."""

    code: int


#: What comes out: a document, or an error.
Result = dict[str, Any] | Code


def updated(
    document: dict[str, Any],
    update: Mapping[str, Any],
    *,
    filters: Sequence[Mapping[str, Any]] | None = None,
    position: int | None = None,
    inserting: bool = False,
) -> dict[str, Any]:
    operators = parse_update(update, array_filters=filters)
    return operators.apply(document, position=position, inserting=inserting, now=NOW)


def check(document: dict[str, Any], update: Mapping[str, Any], result: Result, **options: Any) -> None:
    """Apply an update, and compare what comes out in the order of its fields and in the types of its values."""
    before = encode(document)
    if isinstance(result, Code):
        with pytest.raises(InvalidUpdate) as caught:
            updated(document, update, **options)
        assert caught.value.server_code == result.code
    else:
        found = updated(document, update, **options)
        assert encode(found) == encode(result), found
    assert encode(document) == before
