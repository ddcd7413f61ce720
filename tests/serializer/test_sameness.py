"""Two values are the same exactly when they are stored alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from typing import Any

import bson
import pytest
from bson import Decimal128, Int64, ObjectId

from atomodm.encoding import CODEC_OPTIONS, same

ID = ObjectId("5f9d1b2c3d4e5f6071829304")
NOON = datetime(2024, 5, 1, 12)

SCALARS: list[Any] = [
    None, True, False, 0, 1, -1, 2**31, 2**53 + 1, Int64(1), 0.0, -0.0, 1.0, float("nan"), float("inf"), "", "1", "é",
    b"", b"1", ID, ObjectId(ID.binary), Decimal128("1"), Decimal128("1.0"), NOON, datetime(2024, 5, 1, 12),
    NOON + timedelta(microseconds=1), NOON.replace(tzinfo=UTC), NOON.replace(fold=1),
    datetime(2024, 5, 1, 14, tzinfo=timezone(timedelta(hours=2))),
]  # fmt: skip

VALUES: list[Any] = [
    *SCALARS,
    *([scalar] for scalar in SCALARS),
    *({"a": scalar} for scalar in SCALARS),
    [], {}, [1, 2], [2, 1], [[1], [True]], [[1], [1]], {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": {"b": [1.0]}},
    {"a": {"b": [1]}}, list(range(20)), [*range(19), 19.0], dict.fromkeys("abcdefghijklm", 0),
    dict.fromkeys("abcdefghijklm", False), dict.fromkeys("mlkjihgfedcba", 0),
]  # fmt: skip


def stored(value: Any) -> bytes:
    return bson.encode({"": value}, codec_options=CODEC_OPTIONS)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_are_the_same_exactly_when_their_bytes_are(value: Any) -> None:
    wrong = [other for other in VALUES if same(value, other) != (stored(value) == stored(other))]
    assert not wrong


def test_the_values_have_pairs_that_are_equal_and_yet_not_the_same() -> None:
    assert any(one == other and not same(one, other) for one, other in product(VALUES, VALUES))
