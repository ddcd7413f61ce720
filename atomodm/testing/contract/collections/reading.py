"""Counts and distinct values."""

from __future__ import annotations

from datetime import datetime

import pytest
from bson import Decimal128, Int64
from pymongo.errors import OperationFailure

from ..stores import Stores
from .people import filled


class ReadingContract:
    """``count_documents``, ``estimated_document_count`` and ``distinct``."""

    async def test_documents_are_counted(self, stores: Stores) -> None:
        people = await filled(stores)
        assert await people.count_documents({}) == await people.estimated_document_count() == 4
        assert await people.count_documents({"age": {"$gt": 20}}) == 3
        assert await people.count_documents({}, limit=3) == 3
        assert await people.count_documents({}, limit=30) == 4
        assert await people.count_documents({}, skip=3, limit=3) == 1
        assert await people.count_documents({"age": {"$gt": 20}}, skip=1, limit=1) == 1
        assert await people.count_documents({}, skip=9) == 0
        assert await (await stores.open())["nobody"].count_documents({}) == 0

    async def test_counting_makes_sense_or_is_refused(self, stores: Stores) -> None:
        people = await filled(stores)
        for options in ({"limit": 0}, {"limit": -1}, {"skip": -1}, {"hint": "no_such_index"}):
            with pytest.raises(OperationFailure):
                await people.count_documents({}, **options)
        with pytest.raises(OperationFailure) as caught:
            await people.count_documents({"a": {"$unknown": 1}})
        assert caught.value.code == 2

    async def test_distinct_values_count_once(self, stores: Stores) -> None:
        things = await filled(
            stores,
            [
                {"kind": "a", "sizes": [1, 2]},
                {"kind": "b", "sizes": [2, 3]},
                {"kind": "a", "sizes": 3},
                {"kind": None, "sizes": []},
                {"sizes": [[1, 2], 1]},
            ],
        )
        kinds = await things.distinct("kind")
        assert set(kinds) == {"a", "b", None}
        assert len(kinds) == 3
        sizes = await things.distinct("sizes")
        assert [1, 2] in sizes
        assert {size for size in sizes if size != [1, 2]} == {1, 2, 3}
        assert sorted(await things.distinct("sizes", {"kind": "a"})) == [1, 2, 3]
        assert await things.distinct("nothing") == []
        assert sorted(await things.find({"kind": "b"}).distinct("sizes")) == [2, 3]

    async def test_distinct_follows_paths_through_arrays(self, stores: Stores) -> None:
        things = await filled(stores, [{"a": [{"b": 1}, {"b": [2, 3]}, {"c": 4}]}, {"a": {"b": 5}}, {"a": 6}])
        assert sorted(await things.distinct("a.b")) == [1, 2, 3, 5]
        assert sorted(await things.distinct("a.0.b")) == [1]

    async def test_distinct_values_are_those_that_compare_unequal(self, stores: Stores) -> None:
        day = datetime(2020, 1, 1)
        values = [1, 1.0, Int64(1), Decimal128("1"), True, "1", day, {"x": 1, "y": 2}, {"y": 2, "x": 1}, {"x": 1.0}]
        things = await filled(stores, [{"v": value} for value in values])
        found = await things.distinct("v")
        assert len(found) == 7
        assert sum(1 for value in found if not isinstance(value, bool | str | dict | datetime)) == 1
        assert day in found

    async def test_distinct_takes_a_path_and_a_filter(self, stores: Stores) -> None:
        things = await filled(stores)
        with pytest.raises(TypeError):
            await things.distinct(5)  # type: ignore[arg-type]
        with pytest.raises(OperationFailure):
            await things.distinct("age", {"$unknown": 1})
        await things.create_index("age")
        assert sorted(await things.distinct("age", {"age": {"$gt": 21}}, hint="age_1")) == [22, 23]
