"""Indexes through the collection's API."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError, OperationFailure

from ..stores import Stores
from .people import PEOPLE, filled

_ID = {"v": 2, "key": [("_id", 1)]}


class IndexingContract:
    """``create_index`` and its relatives."""

    async def test_indexes_are_named_as_pymongo_names_them(self, stores: Stores) -> None:
        people = await filled(stores)
        assert await people.create_index("name") == "name_1"
        assert await people.create_index([("age", DESCENDING)]) == "age_-1"
        assert await people.create_index(["name", ("age", ASCENDING)]) == "name_1_age_1"
        assert await people.create_index({"address.city": 1}, name="cities") == "cities"
        assert await people.create_index("_id") == "_id_"
        names = await people.create_indexes([IndexModel("x"), IndexModel([("y", -1)], name="ys", sparse=True)])
        assert names == ["x_1", "ys"]
        assert await people.index_information() == {
            "_id_": _ID,
            "name_1": {"v": 2, "key": [("name", 1)]},
            "age_-1": {"v": 2, "key": [("age", -1)]},
            "name_1_age_1": {"v": 2, "key": [("name", 1), ("age", 1)]},
            "cities": {"v": 2, "key": [("address.city", 1)]},
            "x_1": {"v": 2, "key": [("x", 1)]},
            "ys": {"v": 2, "key": [("y", -1)], "sparse": True},
        }

    async def test_options_of_indexes_are_kept(self, stores: Stores) -> None:
        people = await filled(stores)
        await people.create_index("a", unique=True, sparse=True, background=True)
        await people.create_index("b", partialFilterExpression={"b": {"$gt": 5}})
        await people.create_index("c", expireAfterSeconds=3600)
        cursor = await people.list_indexes()
        listed = {document["name"]: document async for document in cursor}
        assert listed["_id_"] == {"v": 2, "key": {"_id": 1}, "name": "_id_"}
        assert (listed["a_1"]["unique"], listed["a_1"]["sparse"]) == (True, True)
        assert listed["b_1"]["partialFilterExpression"] == {"b": {"$gt": 5}}
        assert listed["c_1"]["expireAfterSeconds"] == 3600
        information = await people.index_information()
        assert list(information) == list(listed)
        assert information["c_1"]["key"] == [("c", 1)]
        assert len(await (await people.list_indexes()).to_list()) == 4

    async def test_what_was_created_is_not_created_again(self, stores: Stores) -> None:
        people = await filled(stores)
        await people.create_index("name", unique=True)
        assert await people.create_index("name", unique=True) == "name_1"
        for keys, options, codes in (
            ("name", {}, (85, 86)),
            ("name", {"name": "other", "unique": True}, (85,)),
            ("age", {"name": "name_1"}, (86,)),
        ):
            with pytest.raises(OperationFailure) as caught:
                await people.create_index(keys, **options)
            assert caught.value.code in codes
            assert type(caught.value.code) is int
        assert list(await people.index_information()) == ["_id_", "name_1"]

    async def test_a_unique_index_is_not_created_over_duplicates(self, stores: Stores) -> None:
        people = await filled(stores, [*PEOPLE, {"_id": 9, "name": "Ann"}])
        with pytest.raises(DuplicateKeyError):
            await people.create_index("name", unique=True)
        assert list(await people.index_information()) == ["_id_"]

    async def test_indexes_that_make_no_sense_are_refused(self, stores: Stores) -> None:
        people: Any = await filled(stores)
        specifications: list[tuple[Any, dict[str, Any]]] = [
            ([("a", 0)], {}),
            ("a", {"no_such_option": 1}),
            ("a", {"expireAfterSeconds": "soon"}),
            ("a", {"sparse": True, "partialFilterExpression": {"a": 1}}),
            ("", {}),
            ("_id", {"sparse": True}),
            ("_id", {"expireAfterSeconds": 5}),
        ]
        for keys, options in specifications:
            with pytest.raises(OperationFailure):
                await people.create_index(keys, **options)
        others: list[Any] = [5, None, [(1, 1)], [("a", None)]]
        for keys in others:
            with pytest.raises(TypeError):
                await people.create_index(keys)
        with pytest.raises(ValueError, match=r"empty|one path"):
            await people.create_index([])
        with pytest.raises(TypeError):
            await people.create_indexes(IndexModel("a"))
        with pytest.raises(TypeError):
            await people.create_indexes(["a"])
        assert list(await people.index_information()) == ["_id_"]

    async def test_indexes_are_dropped_by_name_or_keys(self, stores: Stores) -> None:
        people = await filled(stores)
        for keys in ("a", "b", [("c", -1), ("d", 1)], "e", "f"):
            await people.create_index(keys)
        await people.drop_index("a_1")
        await people.drop_index([("c", -1), ("d", 1)])
        assert list(await people.index_information()) == ["_id_", "b_1", "e_1", "f_1"]
        for name, code in (("a_1", 27), ("_id_", 72)):
            with pytest.raises(OperationFailure) as caught:
                await people.drop_index(name)
            assert caught.value.code == code
        with pytest.raises(TypeError):
            await people.drop_index(5)
        await people.drop_indexes()
        assert list(await people.index_information()) == ["_id_"]
        assert await people.count_documents({}) == 4

    async def test_a_collection_that_does_not_exist_has_no_indexes(self, stores: Stores) -> None:
        nobody = (await stores.open())["nobody"]
        assert await nobody.index_information() == {}
        assert await (await nobody.list_indexes()).to_list() == []
        await nobody.drop_index("a_1")
        await nobody.drop_indexes()
        await nobody.create_index("a")
        assert list(await nobody.index_information()) == ["_id_", "a_1"]
