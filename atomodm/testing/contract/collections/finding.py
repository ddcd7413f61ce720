"""Finds and their cursors."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy, deepcopy
from typing import Any

import pytest
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import InvalidOperation, OperationFailure

from ..stores import Stores
from .people import PEOPLE, filled


class FindingContract:
    """``find`` and ``find_one``."""

    async def test_find_gives_an_async_cursor(self, stores: Stores) -> None:
        people = await filled(stores)
        assert [document async for document in people.find().sort("_id")] == PEOPLE
        assert await people.find({"age": {"$gte": 22}}).sort("_id").to_list() == PEOPLE[2:]
        assert await people.find().sort("age", -1).skip(1).limit(2).to_list() == [PEOPLE[2], PEOPLE[1]]
        assert await people.find().sort([("age", DESCENDING), ("name", ASCENDING)]).to_list() == PEOPLE[::-1]
        assert await people.find().sort({"age": -1}).to_list() == PEOPLE[::-1]
        assert await people.find().sort(["name", "age"]).to_list() == PEOPLE
        assert await people.find({}, None, 1, 2, sort={"name": -1}).to_list() == [PEOPLE[2], PEOPLE[1]]
        assert await people.find(sort=[("name", 1)], limit=0).to_list() == PEOPLE
        assert await people.find(sort=[("name", 1)], limit=-2).to_list() == PEOPLE[:2]
        assert await people.find(filter={"age": 21}, projection=None, batch_size=1).to_list() == [PEOPLE[1]]

    async def test_orders_go_through_arrays(self, stores: Stores) -> None:
        games = (await stores.open())["games"]
        rounds = [[{"a": 1, "b": 9}, {"a": 2, "b": 0}], [{"a": 1, "b": 5}], [{"a": 0, "b": 7}, {"a": 3, "b": 7}]]
        await games.insert_many([{"_id": number, "rounds": played} for number, played in enumerate(rounds)])

        async def order(*sort: tuple[str, int]) -> list[int]:
            return [document["_id"] for document in await games.find({}, ["_id"]).sort(list(sort)).to_list()]

        for index in (None, "rounds.a", "rounds.0.a", [("rounds.a", 1), ("rounds.b", 1)]):
            if index is not None:
                await games.create_index(index)
            # paths through one array count by the same element
            assert await order(("rounds.a", 1), ("rounds.b", 1)) == [2, 1, 0]
            assert await order(("rounds.a", -1), ("rounds.b", -1)) == [2, 0, 1]
            # a position counts only what is there
            assert await order(("rounds.0.a", 1), ("_id", -1)) == [2, 1, 0]
            assert await order(("rounds.1.a", -1), ("_id", 1)) == [2, 0, 1]

    async def test_there_is_no_order_by_two_arrays(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        await people.insert_one({"a": [1], "b": [2]})
        with pytest.raises(OperationFailure, match="parallel arrays") as caught:
            await people.find().sort([("a", 1), ("b", 1)]).to_list()
        assert caught.value.code == 2

    @pytest.mark.parametrize(
        ("path", "code"), [("", 40352), ("a.", 40353), ("a..b", 15998), ("$a", 16410), ("a.$b", 16410)]
    )
    async def test_an_order_by_what_is_no_field_is_refused(self, stores: Stores, path: str, code: int) -> None:
        people = (await stores.open())["people"]
        with pytest.raises(OperationFailure) as caught:
            await people.find().sort(path).to_list()
        assert caught.value.code == code

    async def test_a_cursor_is_read_in_parts(self, stores: Stores) -> None:
        people = await filled(stores)
        cursor = people.find().sort("_id")
        assert await cursor.to_list(3) == PEOPLE[:3]
        assert await cursor.to_list(3) == PEOPLE[3:]
        assert await cursor.to_list() == []
        cursor = people.find().sort("_id").batch_size(2)
        assert await cursor.next() == PEOPLE[0]
        assert await anext(cursor) == PEOPLE[1]
        assert await cursor.to_list() == PEOPLE[2:]
        with pytest.raises(StopAsyncIteration):
            await cursor.next()
        assert not cursor.alive
        with pytest.raises(ValueError, match="length"):
            await people.find().to_list(0)

    async def test_a_cursor_knows_when_it_is_at_its_end(self, stores: Stores) -> None:
        people = await filled(stores)
        cursor = people.find().sort("_id")
        found = []
        while cursor.alive:
            found.append(await cursor.next())
        assert found == PEOPLE

    async def test_a_cursor_is_asked_when_it_is_read_and_closed_when_it_is_given_up(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        cursor = people.find()
        await people.insert_many([dict(document) for document in PEOPLE])
        assert len(await cursor.to_list()) == 4
        given_up = people.find().batch_size(2)
        await anext(aiter(given_up))
        changes: list[Callable[[], object]] = [
            lambda: given_up.sort("age"),
            lambda: given_up.limit(1),
            lambda: given_up.skip(1),
            lambda: given_up.batch_size(1),
            lambda: given_up.hint("_id_"),
            lambda: given_up.max_time_ms(5),
        ]
        for change in changes:
            with pytest.raises(InvalidOperation):
                change()
        await given_up.close()
        assert not given_up.alive or len(await given_up.to_list()) < 4

    async def test_a_clone_and_a_rewound_cursor_start_again(self, stores: Stores) -> None:
        people = await filled(stores)
        cursor = people.find({"age": {"$gt": 20}}, {"name": 1, "_id": 0}).sort("age", -1).skip(1).limit(2)
        expected = [{"name": "Cid"}, {"name": "Bob"}]
        assert await cursor.next() == expected[0]
        clone = cursor.clone()
        assert await clone.to_list() == expected
        assert await cursor.to_list() == expected[1:]
        await cursor.rewind()
        assert await cursor.to_list() == expected
        await people.insert_one({"_id": 9, "name": "Eve", "age": 22.5})
        assert await clone.clone().to_list() == [{"name": "Eve"}, {"name": "Cid"}]
        # A copy is a clone: two cursors do not read on from one place.
        await cursor.rewind()
        assert await cursor.next() == {"name": "Eve"}
        for copied in (copy(cursor), deepcopy(cursor)):
            assert await copied.to_list() == [{"name": "Eve"}, {"name": "Cid"}]
        assert await cursor.to_list() == [{"name": "Cid"}]

    async def test_many_documents_come_in_batches(self, stores: Stores) -> None:
        people = await filled(stores, [{"_id": number} for number in range(1000)])
        for batch_size in (0, 1, 7, 101, 5000):
            cursor = people.find().sort("_id").batch_size(batch_size)
            assert [document["_id"] async for document in cursor] == list(range(1000))
        assert len(await people.find(limit=250, batch_size=100).to_list()) == 250
        assert len(await people.find(limit=-250).to_list()) == 250

    async def test_find_one_gives_the_first_document_or_none(self, stores: Stores) -> None:
        people = await filled(stores)
        assert await people.find_one({"name": "Bob"}) == PEOPLE[1]
        assert await people.find_one({"name": "Eve"}) is None
        assert await people.find_one(2) == PEOPLE[2]
        assert await people.find_one("Ann") is None
        assert await people.find_one({}, sort=[("age", -1)]) == PEOPLE[3]
        assert await people.find_one(sort=[("age", 1)], skip=1) == PEOPLE[1]
        assert await people.find_one({"_id": 1}, {"name": 1, "_id": 0}) == {"name": "Bob"}
        assert await people.find_one({"_id": 1}, ["age"]) == {"_id": 1, "age": 21}

    async def test_projections_choose_fields(self, stores: Stores) -> None:
        document: dict[str, Any] = {
            "_id": 1,
            "name": "Ann",
            "address": {"city": "Bern", "zip": 3000},
            "grades": [{"course": "a", "mark": 4}, {"course": "b", "mark": 6}, {"course": "c", "mark": 5}],
        }
        people = await filled(stores, [document])

        async def projected(projection: Any, filter: Any = None) -> dict[str, Any] | None:
            return await people.find_one(filter or {}, projection)

        assert await projected({"name": True}) == {"_id": 1, "name": "Ann"}
        assert await projected(["name", "address.city"]) == {"_id": 1, "name": "Ann", "address": {"city": "Bern"}}
        assert await projected({"_id": 0, "grades": 0, "address.zip": 0}) == {
            "name": "Ann",
            "address": {"city": "Bern"},
        }
        assert await projected({"grades": {"$slice": 1}, "address": 0}) == {
            "_id": 1,
            "name": "Ann",
            "grades": document["grades"][:1],
        }
        assert await projected({"grades": {"$elemMatch": {"mark": {"$gt": 4}}}}) == {
            "_id": 1,
            "grades": [document["grades"][1]],
        }
        assert await projected({"grades.$": 1}, {"grades.course": "c"}) == {"_id": 1, "grades": [document["grades"][2]]}
        assert await projected({"_id": 1}) == {"_id": 1}
        assert await projected({}) == document

    @pytest.mark.parametrize(
        ("options", "code"),
        [
            ({"filter": {"a": {"$unknown": 1}}}, 2),
            ({"filter": {"$unknown": 1}}, 2),
            ({"filter": {"$or": []}}, 2),
            ({"filter": {"a": {"$in": 5}}}, 2),
            ({"projection": {"a": 1, "b": 0}}, 31254),
            ({"projection": {"a": 1, "a.b": 1}}, 31249),
            ({"hint": "no_such_index"}, 2),
            ({"hint": [("nothing", 1)]}, 2),
            ({"sort": [("a", 3)]}, 15975),
            ({"skip": -1}, 51024),
        ],
        ids=str,
    )
    async def test_what_makes_no_sense_is_refused_when_the_cursor_is_read(
        self, stores: Stores, options: dict[str, Any], code: int
    ) -> None:
        people = await filled(stores)
        cursor = people.find(**options)
        with pytest.raises(OperationFailure) as caught:
            await cursor.to_list()
        assert caught.value.code == code

    async def test_arguments_of_other_types_are_refused(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        for options in (
            {"filter": 5},
            {"filter": [("a", 1)]},
            {"projection": 5},
            {"projection": [1]},
            {"skip": "1"},
            {"limit": None},
            {"batch_size": 1.5},
            {"sort": 5},
            {"sort": [(1, 1)]},
            {"sort": "age"},
            {"hint": 5},
            {"no_cursor_timeout": "yes"},
        ):
            with pytest.raises(TypeError):
                people.find(**options)
        with pytest.raises(ValueError, match="batch_size"):
            people.find(batch_size=-1)
        with pytest.raises(ValueError, match="cursor_type"):
            people.find(cursor_type=99)
        with pytest.raises(ValueError, match="skip"):
            people.find().skip(-1)
        with pytest.raises(TypeError):
            people.find().limit("1")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            people.find().max_time_ms("1")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            people.find().sort([("a", 1)], 1)
        with pytest.raises(ValueError, match=r"empty|one path"):
            people.find().sort([])

    async def test_a_hint_names_an_index_or_its_keys(self, stores: Stores) -> None:
        people = await filled(stores)
        await people.create_index([("age", -1)], name="by_age")
        for hint in ("by_age", [("age", -1)], {"age": -1}, "_id_", [("_id", 1)], [("$natural", 1)]):
            assert await people.find({"age": 21}, hint=hint).to_list() == [PEOPLE[1]]
            assert await people.find({"age": 21}).hint(hint).to_list() == [PEOPLE[1]]
            assert await people.count_documents({"age": {"$gt": 20}}, hint=hint) == 3
        assert await people.find({"age": 21}).hint("by_age").hint(None).to_list() == [PEOPLE[1]]

    async def test_a_comment_changes_nothing(self, stores: Stores) -> None:
        people = await filled(stores)
        assert await people.find({"age": 21}, comment="why").comment("because").to_list() == [PEOPLE[1]]
        assert await people.find({"age": 21, "$comment": "why"}).to_list() == [PEOPLE[1]]
        assert await people.count_documents({"age": 21}, comment="why") == 1

    async def test_enough_time_is_enough(self, stores: Stores) -> None:
        people = await filled(stores)
        assert await people.find({"age": 21}, max_time_ms=50_000).to_list() == [PEOPLE[1]]
        assert await people.find({"age": 21}).max_time_ms(50_000).to_list() == [PEOPLE[1]]
        assert await people.find({"age": 21}).max_time_ms(None).to_list() == [PEOPLE[1]]
        assert await people.count_documents({"age": 21}, maxTimeMS=50_000) == 1

    async def test_cursors_have_no_items_by_position(self, stores: Stores) -> None:
        people = await filled(stores)
        with pytest.raises(IndexError):
            people.find()[0]  # type: ignore[index]

    async def test_a_find_explains_itself(self, stores: Stores) -> None:
        people = await filled(stores)
        await people.create_index("age")
        explained = await people.find({"age": 21}).explain()
        assert "queryPlanner" in explained
        assert explained["executionStats"]["nReturned"] == 1
