"""``__getstate__`` and ``__restorestate__`` that a model overrides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from bson import ObjectId
from pymongo.results import UpdateResult

from atomodm import NotLoaded, Store
from tests.zoo.hooked import CALLS, Fragile, HoldsVersioned, Versioned, VersionedValue


@pytest.fixture(autouse=True)
def calls() -> Iterator[None]:
    CALLS.clear()
    yield
    CALLS.clear()


async def _by_query(_id: Any) -> Any:
    return await Versioned.objects.get(_id=_id)


async def _by_iteration(_id: Any) -> Any:
    (found,) = [obj async for obj in Versioned.objects.filter(_id=_id)]
    return found


async def _by_restore(_id: Any) -> Any:
    return await Versioned.restore(await Versioned.objects.find_one({"_id": _id}))


async def _by_load(_id: Any) -> Any:
    handle = Versioned(_id=_id)
    await handle.load()
    return handle


async def _by_reference(_id: Any) -> Any:
    inserted = await Versioned.objects.insert_one(
        {"version": 2, "other": {"_id": _id, "__model__": Versioned.__model__}}
    )
    holder = await Versioned.objects.filter(_id=inserted.inserted_id).fetch(None).first()
    assert holder is not None
    return holder.other


async def _by_force(_id: Any) -> Any:
    loaded = await Versioned.objects.get(_id=_id)
    loaded.first = "edited"
    return await Versioned.restore(await Versioned.objects.find_one({"_id": _id}), force=True)


Way = Callable[[Any], Awaitable[Any]]
ways = pytest.mark.parametrize(
    "restored_by", [_by_query, _by_iteration, _by_restore, _by_load, _by_reference, _by_force]
)


@ways
async def test_a_migration_runs_however_the_document_is_restored(store: Store, restored_by: Way) -> None:
    _id = (await Versioned.objects.insert_one({"name": "Ada Lovelace", "size": 3})).inserted_id
    restored = await restored_by(_id)
    assert (restored.first, restored.last, restored.size) == ("Ada", "Lovelace", 3)
    assert restored.__restored__
    assert ("__restorestate__", _id) in CALLS


@ways
async def test_a_migrated_object_is_not_dirty_and_its_save_stores_the_migration(store: Store, restored_by: Way) -> None:
    _id = (await Versioned.objects.insert_one({"name": "Ada Lovelace", "size": 3})).inserted_id
    restored = await restored_by(_id)
    assert restored.__state__.dirty_fields == frozenset()
    await restored.save()
    document = await Versioned.objects.find_one({"_id": _id})
    assert (document["first"], document["last"], document["version"]) == ("Ada", "Lovelace", 2)
    assert document["search"] == "ada lovelace"


@ways
async def test_a_migrated_graph_restores_level_by_level(store: Store, restored_by: Way) -> None:
    tag = Versioned.__model__
    first, second, third = (ObjectId() for _ in range(3))
    for _id, other, name in ((first, second, "A a"), (second, third, "B b"), (third, first, "C c")):
        await Versioned.objects.insert_one({"_id": _id, "name": name, "other": {"_id": other, "__model__": tag}})
    restored = await restored_by(first)
    await restored.other.load()
    await restored.other.other.load()
    assert (restored.other.first, restored.other.other.first) == ("B", "C")
    assert restored.other.other.other._id == first


async def test_added_keys_are_stored(store: Store) -> None:
    person = Versioned(first="Ada", last="Lovelace")
    await person.save()
    document = await Versioned.objects.find_one({"_id": person._id})
    assert (document["version"], document["search"]) == (2, "ada lovelace")
    assert "__ref__" not in document
    assert document["__model__"] == Versioned.__model__


async def test_added_keys_can_be_asked_for(store: Store) -> None:
    await Versioned(first="Ada", last="Lovelace").save()
    assert (await Versioned.objects.find_one({"search": "ada lovelace"}))["first"] == "Ada"


async def test_a_partial_save_diffs_what_the_override_gives(store: Store) -> None:
    person = Versioned(first="Ada", last="Lovelace")
    await person.save()
    person.last = "King"
    assert person.__state__.changes().as_update() == {"$set": {"last": "King", "search": "ada king"}}
    result = await person.save()
    assert isinstance(result, UpdateResult)
    assert result.modified_count == 1
    assert (await Versioned.objects.find_one({"_id": person._id}))["search"] == "ada king"


async def test_an_unchanged_object_writes_nothing(store: Store) -> None:
    person = Versioned(first="Ada", last="Lovelace")
    await person.save()
    result = await person.save()
    assert isinstance(result, UpdateResult)
    assert result.modified_count == 0
    Versioned.objects.cache.clear()
    restored = await Versioned.objects.get(first="Ada")
    assert not restored.__state__.changes()


async def test_references_of_an_override_are_saved_with_it(store: Store) -> None:
    person = Versioned(first="Ada", other=Versioned(first="Charles"))
    person.other.other = person
    await person.save()
    document = await Versioned.objects.find_one({"first": "Ada"})
    assert document["other"] == {"_id": person.other._id, "__model__": Versioned.__model__}
    assert (await Versioned.objects.find_one({"first": "Charles"}))["other"]["_id"] == person._id


async def test_an_edit_made_before_loading_is_kept(store: Store) -> None:
    person = Versioned(first="Ada", other=Versioned(first="Charles", last="Babbage"))
    await person.save()
    _id = person._id
    Versioned.objects.cache.clear()
    restored = await Versioned.objects.filter(_id=_id).fetch(0).first()
    assert restored is not None
    restored.other.last = "B."
    await restored.other.load()
    assert (restored.other.first, restored.other.last) == ("Charles", "B.")
    assert restored.other.__state__.dirty_fields == {"last"}


async def test_an_object_that_refuses_its_document_stays_unloaded_and_can_be_loaded_later(store: Store) -> None:
    _id = (await Fragile.objects.insert_one({"name": "broken"})).inserted_id
    reference = Fragile.objects.cache.object_for(Fragile, _id)
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot be migrated"):
            await reference.load()
        assert reference.__state__.dirty_fields == frozenset()
    await Fragile.objects.replace_one({"_id": _id}, {"name": "whole"})
    await reference.load()
    assert (reference.name, reference.__restored__, reference.__state__.dirty) == ("whole", True, False)


async def test_an_unloaded_object_whose_document_is_gone_is_not_read_as_defaults(store: Store) -> None:
    reference = Versioned.objects.cache.object_for(Versioned, ObjectId())
    await reference.load()
    assert not reference.__restored__
    with pytest.raises(NotLoaded):
        _ = reference.first


async def test_overrides_of_embedded_values_are_used_on_save_and_restore(store: Store) -> None:
    value = VersionedValue(text="abc")
    holder = HoldsVersioned(one=value, two=value, any={"deep": [value]}, name="a")
    await holder.save()
    document = await HoldsVersioned.objects.find_one({"_id": holder._id})
    assert (document["one"]["text"], document["one"]["length"]) == ("abc", 3)
    HoldsVersioned.objects.cache.clear()
    restored = await HoldsVersioned.objects.get(_id=holder._id)
    assert restored.one.text == "abc"
    assert restored.two is restored.one
    assert restored.any["deep"][0] is restored.one
    assert not restored.__state__.changes()
    restored.one.text = "abcd"
    assert restored.__state__.changes().as_update() == {"$set": {"one.text": "abcd", "one.length": 4}}


async def test_an_embedded_value_is_migrated(store: Store) -> None:
    tag = VersionedValue.__model__
    await HoldsVersioned.objects.insert_one({"name": "a", "one": {"__model__": tag, "body": "old"}})
    assert (await HoldsVersioned.objects.get(name="a")).one.text == "old"


def test_the_state_of_an_unsaved_object_has_its_tag_and_number_and_no_id() -> None:
    state = VersionedValue(text="abc").__getstate__()
    assert state == {"__model__": VersionedValue.__model__, "__ref__": state["__ref__"], "text": "abc", "length": 3}
