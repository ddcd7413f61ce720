"""Collections by name: names, dropping, renaming."""

from __future__ import annotations

import pytest
from pymongo.errors import InvalidName, OperationFailure

from ....contract import IndexSpec
from ....errors import UnsupportedOperation
from ..stores import Stores
from .people import PEOPLE, everything, filled


class NamespaceContract:
    """A store's collections as a whole."""

    async def test_a_collection_has_a_name(self, stores: Stores) -> None:
        store = await stores.open()
        assert store["people"].name == store.collection("people").name == "people"
        assert store["people"].full_name.endswith(".people")
        assert store["a.b"].full_name.endswith(".a.b")
        assert "people" in repr(store["people"])
        assert store["people"] == store["people"] != store["other"]
        for name in ("", "a..b", "$a", ".a"):
            with pytest.raises(InvalidName):
                store[name]
        with pytest.raises(TypeError):
            store.collection(5)  # type: ignore[arg-type]

    async def test_collections_that_have_documents_are_listed(self, stores: Stores) -> None:
        store = await stores.open()
        assert await store.list_collection_names() == []
        await store["b"].insert_one({})
        await store["a"].insert_one({})
        assert sorted(await store.list_collection_names()) == ["a", "b"]

    async def test_dropping_removes_documents_and_indexes(self, stores: Stores) -> None:
        people = await filled(stores)
        store = await stores.open()
        await people.create_index("age")
        await people.drop()
        await store["nobody"].drop()
        assert await people.find().to_list() == []
        assert await people.index_information() == {}
        assert await store.list_collection_names() == []
        await people.insert_one({"_id": 1})
        assert list(await people.index_information()) == ["_id_"]

    async def test_dropping_the_database_removes_all_collections(self, stores: Stores) -> None:
        people = await filled(stores)
        store = await stores.open()
        await store["other"].insert_one({})
        await store.drop_database()
        assert await store.list_collection_names() == []
        assert await people.count_documents({}) == 0

    async def test_renaming_takes_documents_and_indexes_along(self, stores: Stores) -> None:
        people = await filled(stores)
        store = await stores.open()
        await store.ensure_indexes("people", [IndexSpec(name="name_1", fields=[("name", 1)], unique=True)])
        if not store.capabilities.rename:
            with pytest.raises(UnsupportedOperation, match="rename"):
                await people.rename("persons")
            assert await store.list_collection_names() == ["people"]
            return
        await people.rename("persons")
        assert await people.count_documents({}) == 0
        persons = store["persons"]
        assert await everything(persons) == PEOPLE
        assert (await persons.index_information())["name_1"]["unique"] is True
        assert sorted(await store.list_collection_names()) == ["persons"]

    async def test_renaming_does_not_remove_another_collection_unless_it_is_told_to(self, stores: Stores) -> None:
        people = await filled(stores)
        store = await stores.open()
        await store["other"].insert_one({"_id": "other"})
        if not store.capabilities.rename:
            return  # it renames nothing at all
        with pytest.raises(OperationFailure) as caught:
            await people.rename("other")
        assert caught.value.code == 48
        assert await people.count_documents({}) == 4
        await people.rename("other", dropTarget=True)
        assert await everything(store["other"]) == PEOPLE

    async def test_renaming_what_is_not_there_is_an_error(self, stores: Stores) -> None:
        store = await stores.open()
        if store.capabilities.rename:
            with pytest.raises(OperationFailure) as caught:
                await store["nobody"].rename("somebody")
            assert caught.value.code == 26
        for name in ("", "a..b", "$a", ".a"):
            with pytest.raises(InvalidName):
                await store["people"].rename(name)
        with pytest.raises(TypeError):
            await store["people"].rename(5)  # type: ignore[arg-type]
