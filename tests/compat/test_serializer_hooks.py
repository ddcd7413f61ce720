"""Serializer hooks that a program overrides are called on every save and restore."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from atomodm import Store
from tests.zoo import hooked
from tests.zoo.hooked import CALLS, Hooked


@pytest.fixture(autouse=True)
def calls() -> Iterator[None]:
    CALLS.clear()
    yield
    CALLS.clear()


async def _pair(model: type[Hooked]) -> tuple[Any, Any]:
    """Ids of a document that refers to another one and of the other one, neither in the cache."""
    other = model(name="other", size=2)
    one = model(name="one", size=1, other=other, others=[other])
    await one.save()
    one_id, other_id = one._id, other._id
    model.objects.cache.clear()
    CALLS.clear()
    return one_id, other_id


async def _by_query(model: type[Hooked], _id: Any) -> Any:
    return await model.objects.filter(_id=_id).fetch(None).first()


async def _by_get(model: type[Hooked], _id: Any) -> Any:
    return await model.objects.get(_id=_id)


async def _by_restore(model: type[Hooked], _id: Any) -> Any:
    return await model.restore(await model.objects.find_one({"_id": _id}))


async def _by_load(model: type[Hooked], _id: Any) -> Any:
    handle = model(_id=_id)
    await handle.load()
    return handle


async def _by_reference(model: type[Hooked], _id: Any) -> Any:
    holder = hooked.Unhooked(name="holder", others=[model.objects.cache.object_for(model, _id)])
    await holder.save()
    holder_id = holder._id
    hooked.Unhooked.objects.cache.clear()
    model.objects.cache.clear()
    del holder
    (restored,) = (await hooked.Unhooked.objects.get(_id=holder_id)).others
    if not restored.other.__restored__:
        await restored.other.load()
    return restored


Way = Callable[[type[Hooked], Any], Awaitable[Any]]
ways = pytest.mark.parametrize("restored_by", [_by_query, _by_get, _by_restore, _by_load, _by_reference])
restoring = pytest.mark.parametrize(
    "model",
    [
        hooked.Unhooked,
        hooked.UnflattenHooked,
        hooked.UnflattenObjectHooked,
        hooked.GetOrCreateHooked,
        hooked.OwnObjectsHooked,
        hooked.GetObjectStateHooked,
    ],
)


@ways
@restoring
async def test_a_graph_restores_with_any_hook_overridden(store: Store, model: type[Hooked], restored_by: Way) -> None:
    one_id, other_id = await _pair(model)
    one = await restored_by(model, one_id)
    assert (type(one), one.name, one.size, one.__restored__) == (model, "one", 1, True)
    assert (one.other._id, one.other.name, one.other.size, one.other.__restored__) == (other_id, "other", 2, True)
    assert not one.__state__.dirty
    assert not one.__state__.changes()


@restoring
async def test_an_object_that_hooks_restored_saves_its_changes(store: Store, model: type[Hooked]) -> None:
    one_id, other_id = await _pair(model)
    one = await _by_get(model, one_id)
    one.other.size = 20
    assert one.other.__state__.dirty_fields == {"size"}
    result = await one.other.save()
    assert result.modified_count == 1
    one.size = 10
    await one.save()
    documents = {document["_id"]: document["size"] for document in await model.objects.find({}).to_list()}
    assert documents == {one_id: 10, other_id: 20}


@restoring
async def test_a_saved_graph_saves_an_edit_of_a_reference_that_hooks_restored(
    store: Store, model: type[Hooked]
) -> None:
    one_id, other_id = await _pair(model)
    one = await _by_get(model, one_id)
    one.other.size = 20
    await one.save()
    assert (await model.objects.find_one({"_id": other_id}))["size"] == 20


@restoring
async def test_a_ring_restores_with_any_hook_overridden(store: Store, model: type[Hooked]) -> None:
    if model is hooked.OwnObjectsHooked:
        return  # objects of one's own for each mention make no ring
    one, two = model(name="one"), model(name="two")
    one.other, two.other = two, one
    await one.save()
    one_id = one._id
    model.objects.cache.clear()
    restored = await _by_query(model, one_id)
    assert restored.other.other is restored
    assert restored.other.name == "two"


@restoring
async def test_a_reference_to_a_missing_document_stays_an_unloaded_object(store: Store, model: type[Hooked]) -> None:
    one_id, other_id = await _pair(model)
    await store[model.__model__].delete_one({"_id": other_id})
    one = await _by_query(model, one_id)
    if model is hooked.OwnObjectsHooked:
        return  # what the program makes is the program's
    assert (one.other._id, one.other.__restored__) == (other_id, False)
    one.size = 5
    await one.save()
    document = await model.objects.find_one({"_id": one_id})
    assert (document["size"], document["other"]["_id"]) == (5, other_id)


async def test_flatten_is_called_for_every_member_on_every_save(store: Store) -> None:
    one = hooked.FlattenHooked(name="one", size=1)
    await one.save()
    assert ("flatten", "one") in CALLS
    assert ("flatten", 1) in CALLS
    assert (await hooked.FlattenHooked.objects.find_one({}))["name"] == "ONE"
    one.name = "two"
    assert one.__state__.changes().as_update() == {"$set": {"name": "TWO"}}
    await one.save()
    assert (await hooked.FlattenHooked.objects.find_one({}))["name"] == "TWO"


async def test_flatten_stores_references_of_new_objects_too(store: Store) -> None:
    one = hooked.FlattenHooked(name="one", other=hooked.FlattenHooked(name="other"))
    await one.save()
    document = await hooked.FlattenHooked.objects.find_one({"name": "ONE"})
    assert document["other"] == {"_id": one.other._id, "__model__": hooked.FlattenHooked.__model__}


async def test_flatten_object_is_called_for_every_reference(store: Store) -> None:
    other = hooked.FlattenObjectHooked(name="other")
    one = hooked.FlattenObjectHooked(name="one", other=other, others=[{"deep": other}])
    await one.save()
    document = await hooked.FlattenObjectHooked.objects.find_one({"name": "one"})
    reference = {"_id": other._id, "__model__": hooked.FlattenObjectHooked.__model__, "label": "other"}
    assert document["other"] == reference
    assert document["others"] == [{"deep": reference}]
    assert CALLS.count(("flatten_object", "other")) == 2
    hooked.FlattenObjectHooked.objects.cache.clear()
    restored = await hooked.FlattenObjectHooked.objects.get(_id=one._id)
    assert restored.others[0]["deep"] is restored.other
    assert not restored.__state__.changes()


@ways
async def test_unflatten_is_called_for_the_members_of_every_restore(store: Store, restored_by: Way) -> None:
    _id = (await hooked.UnflattenHooked.objects.insert_one({"name": "LOUD", "size": 1})).inserted_id
    other = (await hooked.UnflattenHooked.objects.insert_one({"name": "ALSO"})).inserted_id
    tag = hooked.UnflattenHooked.__model__
    document = {"name": "LOUD", "size": 1, "other": {"_id": other, "__model__": tag}}
    await hooked.UnflattenHooked.objects.replace_one({"_id": _id}, document)
    restored = await restored_by(hooked.UnflattenHooked, _id)
    assert (restored.name, restored.other.name) == ("loud", "also")
    assert ("unflatten", "LOUD") in CALLS


async def test_unflatten_object_is_called_for_every_reference(store: Store) -> None:
    one_id, other_id = await _pair(hooked.UnflattenObjectHooked)
    await _by_query(hooked.UnflattenObjectHooked, one_id)
    assert ("unflatten_object", other_id) in CALLS


async def test_get_or_create_is_called_for_every_reference(store: Store) -> None:
    one_id, _ = await _pair(hooked.GetOrCreateHooked)
    one = await _by_query(hooked.GetOrCreateHooked, one_id)
    assert CALLS == [("get_or_create", True), ("get_or_create", False)]
    assert one.others == [one.other]


async def test_get_object_state_is_called_for_every_reference_that_is_not_cached(store: Store) -> None:
    one_id, other_id = await _pair(hooked.GetObjectStateHooked)
    await _by_query(hooked.GetObjectStateHooked, one_id)
    assert [("get_object_state", other_id)] == CALLS


async def test_objects_that_hooks_restored_are_in_the_cache(store: Store) -> None:
    one_id, other_id = await _pair(hooked.GetObjectStateHooked)
    one = await _by_query(hooked.GetObjectStateHooked, one_id)
    assert hooked.GetObjectStateHooked.objects.cache[other_id] is one.other
    assert await hooked.GetObjectStateHooked.objects.get(_id=other_id) is one.other


async def test_the_hooks_of_one_model_are_not_called_for_others(store: Store) -> None:
    hidden = hooked.Unhooked(name="plain", other=hooked.Unhooked(name="other"))
    await hidden.save()
    hooked.Unhooked.objects.cache.clear()
    await _by_query(hooked.Unhooked, hidden._id)
    assert CALLS == []


async def test_hooks_of_embedded_values_are_called_on_save_and_restore(store: Store) -> None:
    value = hooked.HookedValue(text="one")
    holder = hooked.HoldsHooked(first=value, rest=[hooked.HookedValue(text="two"), value], plain={"deep": value})
    await holder.save()
    assert [name for name, _ in CALLS] == ["flatten_object"] * 4
    hooked.HoldsHooked.objects.cache.clear()
    CALLS.clear()
    restored = await hooked.HoldsHooked.objects.get(_id=holder._id)
    assert CALLS == [("get_or_create", "one"), ("get_or_create", "two")]
    assert restored.rest[0].text == "two"
    assert restored.rest[1] is restored.first
    assert restored.plain["deep"] is restored.first
    assert not restored.__state__.changes()


async def test_an_embedded_value_with_hooks_may_hold_plain_ones_that_are_shared(store: Store) -> None:
    shared = hooked.VersionedValue(text="shared")
    value = hooked.HookedValue(text="one", more=shared)
    holder = hooked.HoldsHooked(first=value, rest=[shared], plain=shared)
    await holder.save()
    hooked.HoldsHooked.objects.cache.clear()
    restored = await hooked.HoldsHooked.objects.get(_id=holder._id)
    assert restored.first.more.text == "shared"
    assert restored.rest[0] is restored.first.more
    assert restored.plain is restored.first.more
