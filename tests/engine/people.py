"""Documents, and indexes over them, for tests of a far driver."""

from __future__ import annotations

from typing import Any

from atomodm.contract import IndexSpec

INDEXES = [
    IndexSpec(name="age_1", fields=[("age", 1)]),
    IndexSpec(name="city_1", fields=[("city", 1)]),
    IndexSpec(name="email_1", fields=[("email", 1)], unique=True),
]
NUMBER = 5000


def people(number: int) -> list[dict[str, Any]]:
    return [
        {"_id": place, "age": place % 50, "city": f"c{place % 20}", "email": f"{place}@x", "text": "x" * 100}
        for place in range(number)
    ]
