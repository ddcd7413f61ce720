"""Objects that were restored from a state of the program's: nobody knows whether that is what is stored."""

from __future__ import annotations

import pytest
from bson import ObjectId
from pymongo.results import InsertOneResult

from atomodm import Conflict, Store
from tests.zoo.links import Link


async def stored(_id: ObjectId) -> dict[str, object]:
    document = await Link.objects.find_one({"_id": _id})
    assert document is not None
    return dict(document)


async def a_state() -> dict[str, object]:
    link = await Link.objects.create(value=1)
    return await stored(link._id)


async def test_saving_what_was_restored_unchanged_writes_nothing(store: Store) -> None:
    state = await a_state()
    link = await Link.restore(state, force=True)
    before = await store.position()
    await link.save()
    assert await store.position() == before


async def test_a_state_that_the_program_edited_is_a_conflict_and_is_written_on_demand(store: Store) -> None:
    state = await a_state()
    link = await Link.restore({**state, "value": 5}, force=True)
    with pytest.raises(Conflict) as caught:
        await link.save()
    assert caught.value.paths == ("value",)
    await link.save(on_conflict="local")
    assert (await stored(link._id))["value"] == 5


async def test_a_document_that_changed_after_its_state_was_read_is_a_conflict(store: Store) -> None:
    state = await a_state()
    await Link.objects.replace_one({"_id": state["_id"]}, {**state, "value": 7})
    link = await Link.restore(state, force=True)
    with pytest.raises(Conflict):
        await link.save()
    await link.save(on_conflict="remote")
    assert link.value == 7
    assert (await stored(link._id))["value"] == 7


async def test_saving_a_state_of_which_there_is_no_document_inserts_it(store: Store) -> None:
    link = await Link.restore({"_id": ObjectId(), "__model__": Link.__model__, "value": 3})
    result = await link.save()
    assert isinstance(result, InsertOneResult)
    assert Link.objects.cache[link._id] is link
    assert (await stored(link._id))["value"] == 3


async def test_an_object_that_was_restored_from_its_own_state_saves_what_is_edited_then(store: Store) -> None:
    state = (await Link.objects.create(value=1)).__getstate__()
    link = await Link.restore(state, force=True)
    link.value = 2
    await link.save()
    assert (await stored(link._id))["value"] == 2
