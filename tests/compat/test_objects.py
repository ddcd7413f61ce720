"""What programs do with the objects of document models."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from bson import ObjectId
from pymongo.results import DeleteResult, InsertOneResult, UpdateResult

from atomodm import Conflict, DoesNotExist, DuplicateKey, Store
from tests.zoo.facts import Country
from tests.zoo.wiki import Address, Author, Page


async def _stored(**fields: Any) -> Any:
    """The id of a document that no object stands for."""
    author = Author(name="a", **fields)
    await author.save()
    _id = author._id
    Author.objects.cache.clear()
    return _id


# -- ids ---------------------------------------------------------------------------------------------------------------


async def test_the_id_is_none_until_the_first_save(store: Store) -> None:
    author = Author()
    assert author._id is None
    await author.save()
    assert isinstance(author._id, ObjectId)


async def test_the_save_of_a_graph_gives_ids_to_all_its_objects(store: Store) -> None:
    page = Page(author=Author(friend=Author()))
    await page.save()
    assert isinstance(page.author._id, ObjectId)
    assert isinstance(page.author.friend._id, ObjectId)


# -- restored ----------------------------------------------------------------------------------------------------------


def test_a_constructed_object_is_not_restored_and_an_embedded_value_is() -> None:
    assert Author().__restored__ is False
    assert Address().__restored__ is True


async def test_an_object_is_restored_after_saving_it(store: Store) -> None:
    author = Author()
    await author.save()
    assert author.__restored__ is True


async def test_an_object_is_restored_after_restoring_or_loading_it(store: Store) -> None:
    _id = await _stored()
    assert (await Author.restore({"_id": _id, "name": "a"})).__restored__ is True
    handle = Author(_id=_id)
    assert handle.__restored__ is False
    await handle.load()
    assert handle.__restored__ is True


async def test_observers_are_told_when_an_object_is_restored(store: Store) -> None:
    _id = await _stored()
    handle = Author(_id=_id)
    told: list[Any] = []
    handle.observe("__restored__", told.append)
    await handle.load()
    assert [change["value"] for change in told if change["type"] == "update"] == [True]
    fresh = Author()
    fresh.observe("__restored__", told.append)
    await fresh.save()
    assert [change["value"] for change in told if change["type"] == "update"] == [True, True]


async def test_an_object_that_a_program_calls_unrestored_is_loaded_again(store: Store) -> None:
    author = Author(name="a", email="a@example.org")
    await author.save()
    await store["wiki.Author"].replace_one({"_id": author._id}, {"__model__": "wiki.Author", "name": "b"})
    author.__restored__ = False
    assert author.__state__.dirty is False
    await author.load()
    assert (author.__restored__, author.name) == (True, "b")


async def test_an_object_that_a_program_calls_unrestored_stays_so_when_its_document_is_gone(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    await store["wiki.Author"].delete_one({"_id": author._id})
    author.__restored__ = False
    await author.load()
    assert author.__restored__ is False


# -- load --------------------------------------------------------------------------------------------------------------


async def test_loading_a_restored_object_asks_nothing_of_the_store(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    author.name = "edited"
    before = store.requests
    await author.load()
    assert (store.requests, author.name) == (before, "edited")


async def test_loading_an_object_without_id_does_nothing(store: Store) -> None:
    author = Author(name="a")
    before = store.requests
    await author.load()
    assert (store.requests, author.__restored__, author.name) == (before, False, "a")


async def test_loading_an_object_whose_document_is_gone_raises_nothing(store: Store) -> None:
    handle = Author(_id=ObjectId())
    await handle.load()
    assert handle.__restored__ is False


async def test_refreshing_always_fetches_and_raises_when_the_document_is_gone(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    await store["wiki.Author"].replace_one({"_id": author._id}, {"name": "b"})
    await author.refresh()
    assert author.name == "b"
    await store["wiki.Author"].delete_one({"_id": author._id})
    with pytest.raises(DoesNotExist):
        await author.refresh()
    with pytest.raises(DoesNotExist):
        await Author(_id=ObjectId()).refresh()
    with pytest.raises(DoesNotExist):
        await Author().refresh()


# -- handles -----------------------------------------------------------------------------------------------------------


async def test_a_handle_is_outside_the_cache_until_it_is_loaded_in_place(store: Store) -> None:
    _id = await _stored(email="e")
    handle = Author(_id=_id)
    assert _id not in Author.objects.cache
    assert handle.name == ""
    await handle.load()
    assert (handle.name, handle.email) == ("a", "e")
    assert Author.objects.cache[_id] is handle


async def test_a_handle_of_an_absent_document_is_inserted_under_its_id(store: Store) -> None:
    _id = ObjectId()
    result = await Author(_id=_id, name="mine").save()
    assert isinstance(result, InsertOneResult)
    assert result.inserted_id == _id
    assert (await Author.objects.find_one({"_id": _id}))["name"] == "mine"


async def test_a_handle_that_was_never_loaded_does_not_overwrite_a_document(store: Store) -> None:
    _id = await _stored()
    handle = Author(_id=_id, name="mine")
    with pytest.raises(DuplicateKey):
        await handle.save()
    assert (await Author.objects.find_one({"_id": _id}))["name"] == "a"
    await handle.save(replace=True)
    assert (await Author.objects.find_one({"_id": _id}))["name"] == "mine"


# -- save --------------------------------------------------------------------------------------------------------------


async def test_the_first_save_gives_what_inserting_gives_and_later_ones_what_updating_gives(store: Store) -> None:
    author = Author(name="a")
    inserted = await author.save()
    assert isinstance(inserted, InsertOneResult)
    assert (inserted.inserted_id, inserted.acknowledged) == (author._id, True)
    author.name = "b"
    updated = await author.save()
    assert isinstance(updated, UpdateResult)
    assert (updated.matched_count, updated.modified_count, updated.upserted_id) == (1, 1, None)
    unchanged = await author.save()
    assert isinstance(unchanged, UpdateResult)
    assert (unchanged.matched_count, unchanged.modified_count) == (1, 0)


async def test_a_save_writes_what_changed_and_leaves_what_others_wrote(store: Store) -> None:
    author = Author(name="a", email="a@example.org")
    await author.save()
    document = await Author.objects.find_one({"_id": author._id})
    await store["wiki.Author"].replace_one({"_id": author._id}, {**document, "email": "theirs", "more": 1})
    author.name = "b"
    await author.save()
    saved = await Author.objects.find_one({"_id": author._id})
    assert (saved["name"], saved["email"], saved["more"]) == ("b", "theirs", 1)


async def test_a_save_writes_new_and_dirty_objects_that_can_be_reached(store: Store) -> None:
    page = Page(title="p", author=Author(name="a"))
    await page.save()
    page.author.name = "b"
    page.author.friend = Author(name="new")
    await page.save()
    assert sorted([author["name"] async for author in Author.objects.find({})]) == ["b", "new"]


async def test_a_save_without_its_graph_writes_one_object(store: Store) -> None:
    page = Page(title="p", author=Author(name="a"))
    await page.save()
    page.title, page.author.name = "q", "b"
    await page.save(graph=False)
    assert (await Page.objects.find_one({}))["title"] == "q"
    assert (await Author.objects.find_one({}))["name"] == "a"
    assert page.author.__state__.dirty


# -- documents that are deleted ----------------------------------------------------------------------------------------


async def test_deleting_gives_the_result_clears_the_id_and_empties_the_place_in_the_cache(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    _id = author._id
    result = await author.delete()
    assert isinstance(result, DeleteResult)
    assert result.deleted_count == 1
    assert author._id is None
    assert _id not in Author.objects.cache
    assert await Author.objects.find_one({"_id": _id}) is None


async def test_deleting_an_unsaved_object_gives_none(store: Store) -> None:
    assert await Author().delete() is None


async def test_a_deleted_object_is_inserted_by_its_next_save(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    await author.delete()
    assert isinstance(await author.save(), InsertOneResult)
    assert author._id is not None
    assert (await Author.objects.find_one({"_id": author._id}))["name"] == "a"
    assert Author.objects.cache[author._id] is author


async def test_a_declared_primary_key_stays_when_its_document_is_deleted(store: Store) -> None:
    country = Country(code="AT", name="Austria")
    await country.save()
    assert country._id == "AT"
    await country.delete()
    assert (country.code, await Country.objects.find_one({})) == ("AT", None)
    assert isinstance(await country.save(), InsertOneResult)
    assert (await Country.objects.find_one({}))["_id"] == "AT"


async def _drop(author: Author) -> None:
    await Author.objects.drop()


async def _delete_one(author: Author) -> None:
    await Author.objects.delete_one({"_id": author._id})


async def _delete_many(author: Author) -> None:
    await Author.objects.delete_many({"name": "a"})


@pytest.mark.parametrize("remove", [_drop, _delete_one, _delete_many])
async def test_objects_of_documents_that_are_removed_through_objects_are_deleted_ones(
    store: Store, remove: Any
) -> None:
    page = Page(title="p", author=Author(name="a"))
    await page.save()
    author = page.author
    _id = author._id
    await remove(author)
    assert _id not in Author.objects.cache
    page.title = "q"
    await page.save()
    assert await Author.objects.find_one({}) is None
    assert isinstance(await author.save(), InsertOneResult)
    assert (await Author.objects.find_one({}))["name"] == "a"


@pytest.mark.parametrize("remove", [_delete_one, _delete_many])
async def test_objects_of_other_documents_are_left_alone(store: Store, remove: Any) -> None:
    author, other = Author(name="a"), Author(name="b")
    await author.save()
    await other.save()
    await remove(author)
    assert Author.objects.cache[other._id] is other
    assert (await other.save()).acknowledged
    assert await Author.objects.count_documents({}) == 1


async def test_a_document_that_somebody_else_deleted_is_not_silently_made_again(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    await store["wiki.Author"].delete_one({"_id": author._id})
    author.name = "b"
    with pytest.raises(Conflict):
        await author.save()
    assert await Author.objects.find_one({}) is None
    await author.save(replace=True)
    assert (await Author.objects.find_one({}))["name"] == "b"


# -- restore -----------------------------------------------------------------------------------------------------------


async def test_restoring_the_state_of_a_cached_object_gives_it_untouched(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    author.name = "edited"
    restored = await Author.restore({"_id": author._id, "__model__": "wiki.Author", "name": "b"})
    assert restored is author
    assert (author.name, author.__state__.dirty_fields) == ("edited", {"name"})


async def test_restoring_by_force_overwrites_edits(store: Store) -> None:
    author = Author(name="a", email="e")
    await author.save()
    author.name = author.email = "edited"
    state = {"_id": author._id, "__model__": "wiki.Author", "name": "b", "email": "f"}
    assert await Author.restore(state, force=True) is author
    assert (author.name, author.email) == ("b", "f")
    assert author.__state__.dirty_fields == frozenset()


async def test_restoring_by_force_tells_observers(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    told: list[Any] = []
    author.observe("name", told.append)
    await Author.restore({"_id": author._id, "name": "b"}, force=True)
    assert [(change["oldvalue"], change["value"]) for change in told] == [("a", "b")]


async def test_restoring_puts_the_object_into_the_cache(store: Store) -> None:
    _id = await _stored()
    restored = await Author.restore({"_id": _id, "name": "a"})
    assert Author.objects.cache[_id] is restored
    assert await Author.objects.get(_id=_id) is restored


async def test_what_a_find_gives_is_restored_with_its_references(store: Store) -> None:
    page = Page(title="p", author=Author(name="a", friend=Author(name="f")))
    await page.save()
    for model in (Page, Author):
        model.objects.cache.clear()
    del page
    gc.collect()
    restored = [await Page.restore(state) async for state in Page.objects.find({"title": "p"})]
    assert [page.author.friend.name for page in restored] == ["f"]


async def test_a_state_of_another_model_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match=r"wiki\.Page"):
        await Author.restore({"_id": ObjectId(), "__model__": "wiki.Page"})


async def test_a_state_of_an_unknown_model_is_refused(store: Store) -> None:
    with pytest.raises(KeyError):
        await Author.restore({"_id": ObjectId(), "__model__": "no.Such"})
    with pytest.raises(KeyError):
        await Address.restore({"__model__": "no.Such"})
    with pytest.raises(ValueError, match=r"wiki\.Comment"):
        await Address.restore({"__model__": "wiki.Comment"})


# -- states ------------------------------------------------------------------------------------------------------------


def test_the_state_of_an_unsaved_object_has_no_id() -> None:
    state = Author(name="a").__getstate__()
    assert state.keys() == {"name", "email", "address", "former", "friend", "__model__", "__ref__"}
    assert (state["name"], state["__model__"]) == ("a", "wiki.Author")


async def test_the_state_of_a_saved_object_has_its_id(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    assert author.__getstate__()["_id"] == author._id
    assert author.__getstate__() == author.__getstate__({})


async def test_a_state_restores_what_it_was_made_of(store: Store) -> None:
    author = Author(name="a", address=Address(street="s", zip=1), friend=Author(name="f"))
    author.friend.friend = author
    restored = await Author.restore(author.__getstate__())
    assert (restored.name, restored.address.street, restored.friend.name) == ("a", "s", "f")
    assert restored.friend.friend is restored
    assert restored is not author


async def test_restorestate_fills_an_object_that_a_program_made(store: Store) -> None:
    _id = ObjectId()
    author = Author()
    told: list[Any] = []
    author.observe("name", told.append)
    await author.__restorestate__({"_id": _id, "__model__": "wiki.Author", "name": "a", "address": {"street": "s"}})
    assert (author._id, author.name, author.address.street, author.__restored__) == (_id, "a", "s", True)
    assert len(told) == 1


async def test_restorestate_refuses_the_state_of_another_model(store: Store) -> None:
    with pytest.raises(ValueError, match=r"wiki\.Page"):
        await Author().__restorestate__({"__model__": "wiki.Page"})
