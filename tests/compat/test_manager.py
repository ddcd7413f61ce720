"""Managers and proxies: the way from a model to its database."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pymongo
import pytest
from atom.api import Str

from atomodm import (
    JSONModel,
    Model,
    ModelManager,
    NoSQLDatabaseProxy,
    NoSQLModel,
    NoSQLModelManager,
    Store,
    UnsavedChangesWarning,
    connect,
    create_store,
)
from tests.zoo.wiki import Address, Author, Page


class SecondManager(NoSQLModelManager):
    """The way to another database."""


class InSecond(NoSQLModel):
    """A model with a database of its own."""

    name = Str()
    objects = SecondManager.instance()


class Owner:
    """No model at all."""

    objects = NoSQLModelManager.instance()
    nothing = ModelManager.instance()


@pytest.fixture
async def second() -> AsyncIterator[Store]:
    other = create_store("memory://")
    await other.open()
    SecondManager.instance().database = other
    yield other
    del SecondManager.instance().database
    await other.close()


@pytest.fixture(autouse=True)
def nothing_stays_assigned() -> Iterator[None]:
    yield
    del NoSQLModelManager.instance().database


@pytest.fixture
def no_database() -> None:
    del NoSQLModelManager.instance().database


# -- the descriptor ----------------------------------------------------------------------------------------------------


async def test_class_and_instance_have_the_same_proxy(store: Store) -> None:
    assert isinstance(Author.objects, NoSQLDatabaseProxy)
    assert Author().objects is Author.objects
    proxies = NoSQLModelManager.instance().proxies
    for model in (Author, Page):
        assert model.objects is proxies[model]


async def test_an_owner_that_is_no_model_gets_the_manager(store: Store) -> None:
    assert Owner.objects is NoSQLModelManager.instance()
    assert Owner().objects is NoSQLModelManager.instance()
    assert Owner().nothing is ModelManager.instance()


def test_there_is_one_instance_of_each_manager_class() -> None:
    assert NoSQLModelManager.instance() is NoSQLModelManager.instance()
    assert SecondManager.instance() is SecondManager.instance()
    assert SecondManager.instance() is not NoSQLModelManager.instance()
    assert type(SecondManager.instance()) is SecondManager


# -- no database -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_database")
async def test_without_a_database_everything_is_an_environment_error() -> None:
    with pytest.raises(EnvironmentError, match="database"):
        _ = Author.objects
    with pytest.raises(EnvironmentError, match="database"):
        _ = NoSQLModelManager.instance().database
    with pytest.raises(EnvironmentError, match="database"):
        await Author().save()
    with pytest.raises(EnvironmentError, match="database"):
        await Author(_id=1).load()
    with pytest.raises(EnvironmentError, match="database"):
        await Author(_id=1).delete()


async def test_after_the_database_is_deleted_there_is_none(store: Store) -> None:
    assert Author.objects.store is store
    del NoSQLModelManager.instance().database
    with pytest.raises(EnvironmentError, match="database"):
        _ = Author.objects


@pytest.mark.parametrize("model", [Model, JSONModel, Address])
def test_models_without_a_database_have_no_objects(model: type[Model]) -> None:
    with pytest.raises(NotImplementedError):
        _ = model.objects


@pytest.mark.parametrize("name", ["save", "load", "delete"])
async def test_models_without_a_database_cannot_be_saved_loaded_or_deleted(name: str) -> None:
    with pytest.raises(NotImplementedError):
        await getattr(Address(), name)()


def test_the_base_manager_has_no_database() -> None:
    with pytest.raises(NotImplementedError):
        _ = ModelManager.instance().database


# -- two databases -----------------------------------------------------------------------------------------------------


async def test_a_manager_class_of_ones_own_has_a_database_of_its_own(store: Store, second: Store) -> None:
    await InSecond(name="here").save()
    await Author(name="there").save()
    assert InSecond.objects.store is second
    assert Author.objects.store is store
    assert await second.list_collection_names() == [InSecond.__model__]
    assert await store.list_collection_names() == ["wiki.Author"]
    assert InSecond not in NoSQLModelManager.instance().proxies
    assert InSecond in SecondManager.instance().proxies


async def test_assigning_a_database_takes_effect_at_once(store: Store, second: Store) -> None:
    await Author(name="first").save()
    manager = NoSQLModelManager.instance()
    manager.database = second
    assert Author.objects.store is second
    assert await Author.objects.find_one({}) is None
    await Author(name="second").save()
    manager.database = store
    assert [author["name"] async for author in Author.objects.find({})] == ["first"]


async def test_an_object_stays_with_the_database_it_came_from(store: Store, second: Store) -> None:
    author = Author(name="a")
    await author.save()
    NoSQLModelManager.instance().database = second
    author.name = "b"
    await author.save()
    NoSQLModelManager.instance().database = store
    assert (await Author.objects.find_one({}))["name"] == "b"


@pytest.mark.parametrize("handle", [object(), 5, {"a": 1}, lambda: None], ids=["object", "int", "dict", "function"])
def test_handles_of_unknown_kinds_are_refused_with_the_kinds_that_are_not(handle: Any) -> None:
    with pytest.raises(TypeError, match="sqlite"):
        NoSQLModelManager.instance().database = handle


def test_a_synchronous_database_is_refused() -> None:
    with pymongo.MongoClient[dict[str, Any]]("mongodb://user:secret@localhost:1", connect=False) as client:
        with pytest.raises(TypeError, match=r"pymongo.*sqlite") as caught:
            NoSQLModelManager.instance().database = client["db"]
        assert "secret" not in str(caught.value)


# -- proxies and caches ------------------------------------------------------------------------------------------------


async def test_assigning_no_proxies_forgets_proxies_and_objects(store: Store) -> None:
    page = Page(title="p", author=Author(name="a"))
    await page.save()
    former = Page.objects
    NoSQLModelManager.instance().proxies = {}
    assert Page.objects is not former
    assert len(Page.objects.cache) == 0
    again = await Page.objects.get(title="p")
    assert again is not page
    assert again.author is not page.author


async def test_assigning_no_proxies_forgets_objects_that_came_through_references_only(store: Store) -> None:
    page = Page(title="p", author=Author(name="a"))
    await page.save()
    manager = NoSQLModelManager.instance()
    manager.proxies = {}
    held = await Page.objects.get(title="p")
    assert Author not in manager.proxies
    manager.proxies = {}
    again = await Page.objects.get(title="p")
    assert again.author is not held.author


async def test_assigning_no_proxies_leaves_other_managers_alone(store: Store, second: Store) -> None:
    mine = InSecond(name="a")
    await mine.save()
    NoSQLModelManager.instance().proxies = {}
    assert InSecond.objects.cache[mine._id] is mine


async def test_the_cache_is_a_mapping_by_id(store: Store) -> None:
    author, other = Author(name="a"), Author(name="b")
    await author.save()
    cache = Author.objects.cache
    assert dict(cache) == {author._id: author}
    assert author._id in cache
    assert cache.get(other._id) is None
    cache["x"] = other
    assert cache["x"] is other
    assert cache.pop("x") is other
    with pytest.raises(KeyError):
        del cache["x"]


async def test_a_clean_object_lives_as_long_as_somebody_holds_it(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    del author
    gc.collect()
    assert len(Author.objects.cache) == 0


async def _delete(author: Author) -> None:
    del Author.objects.cache[author._id]


async def _clear(author: Author) -> None:
    Author.objects.cache.clear()


async def _no_proxies(author: Author) -> None:
    NoSQLModelManager.instance().proxies = {}


async def _revert(author: Author) -> None:
    author.revert()


@pytest.mark.parametrize("forget", [_delete, _clear, _no_proxies, _revert])
async def test_an_object_with_unsaved_edits_is_held_until_it_is_forgotten(store: Store, forget: Any) -> None:
    author = Author(name="a")
    await author.save()
    _id = author._id
    author.name = "edited"
    del author
    gc.collect()
    assert Author.objects.cache[_id].name == "edited"
    await forget(Author.objects.cache[_id])
    gc.collect()
    assert _id not in Author.objects.cache
    assert (await Author.objects.get(_id=_id)).name == "a"


async def test_closing_the_store_forgets_objects_with_unsaved_edits_and_says_so() -> None:
    async with connect("memory://") as other:
        author = Author(name="a")
        await author.save()
        author.name = "edited"
        cache = Author.objects.cache
        with pytest.warns(UnsavedChangesWarning, match="1 Author"):
            await other.close()
    assert len(cache) == 0


# -- the collection behind the proxy -----------------------------------------------------------------------------------


async def test_names_of_the_collection_are_passed_on_and_give_documents(store: Store) -> None:
    inserted = await Author.objects.insert_one({"name": "a"})
    assert await Author.objects.find_one({"name": "a"}) == {"_id": inserted.inserted_id, "name": "a"}
    assert await Author.objects.find({}).to_list() == [{"_id": inserted.inserted_id, "name": "a"}]
    assert [document["name"] async for document in Author.objects.find({"name": "a"})] == ["a"]
    replaced = await Author.objects.replace_one({"name": "a"}, {"name": "b"})
    assert replaced.modified_count == 1
    upserted = await Author.objects.replace_one({"_id": 5}, {"name": "c"}, upsert=True)
    assert upserted.upserted_id == 5
    assert await Author.objects.count_documents({}) == 2
    assert (await Author.objects.delete_one({"name": "b"})).deleted_count == 1
    assert (await Author.objects.delete_many({})).deleted_count == 1


async def test_the_table_is_the_collection_itself(store: Store) -> None:
    await Author.objects.table.insert_one({"name": "a"})
    assert (await Author.objects.find_one({}))["name"] == "a"
    assert Author.objects.table.name == "wiki.Author"


async def test_our_own_words_give_objects(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    assert await Author.objects.get(name="a") is author
    assert await Author.objects.filter(name="a") == [author]
    assert await Author.objects.all() == [author]
    assert await Author.objects.first() is author


async def test_a_name_that_the_collection_does_not_have_is_an_attribute_error(store: Store) -> None:
    with pytest.raises(AttributeError, match="find_one"):
        _ = Author.objects.find_on
    assert not hasattr(Author.objects, "no_such_collection")
