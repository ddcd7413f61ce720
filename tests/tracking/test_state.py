"""``__state__``, saves under way, saves that fail, and what observers are told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from atomodm import ObserverError, Store, ValueNotStorable
from atomodm.contract.operations import Batch, Outcome
from tests.stores import change_stored, read_again, stored_document
from tests.zoo.tracked import Address, Fragile, Person, Witness


class Gate:
    """Holds the writes of a store until told to let them through."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered = asyncio.Event()
        self.opened = asyncio.Event()
        self.error: Exception | None = None
        write = store.write

        async def held(batch: Batch) -> Outcome:
            self.entered.set()
            await self.opened.wait()
            if self.error is not None:
                raise self.error
            return await write(batch)

        monkeypatch.setattr(store, "write", held)


def heard_of(state: Any, *names: str) -> list[tuple[str, Any]]:
    heard: list[tuple[str, Any]] = []
    for name in names:
        state.observe(name, lambda change: heard.append((change["name"], change["value"])))
    return heard


async def test_a_new_object_is_dirty_in_all_members_and_not_persistent() -> None:
    person = Person(name="x")
    state = person.__state__
    assert state.dirty
    assert not state.persistent
    assert state.dirty_fields == set(Person.__fields__)
    assert state.revision is None
    assert person.__state__ is state


async def test_state_tells_its_observers_of_a_save(store: Store) -> None:
    person = Person(name="x")
    heard = heard_of(person.__state__, "dirty", "persistent", "saving")
    await person.save()
    assert ("saving", True) in heard
    assert heard.index(("saving", True)) < heard.index(("saving", False))
    assert ("persistent", True) in heard
    assert ("dirty", False) in heard
    assert (person.__state__.persistent, person.__state__.dirty, person.__state__.saving) == (True, False, False)
    assert person.__state__.revision is not None


async def test_state_tells_its_observers_of_edits_once_for_each_member(store: Store) -> None:
    person = Person(name="x")
    await person.save()
    heard = heard_of(person.__state__, "dirty", "dirty_fields")
    person.name = "y"
    person.name = "z"
    person.age = 3
    assert heard == [
        ("dirty_fields", frozenset({"name"})),
        ("dirty", True),
        ("dirty_fields", frozenset({"name", "age"})),
    ]
    heard.clear()
    person.revert()
    assert ("dirty", False) in heard
    assert ("dirty_fields", frozenset()) in heard
    assert (person.name, person.age) == ("x", 0)


async def test_the_revision_moves_with_every_write_and_only_then(store: Store) -> None:
    person = Person(name="x")
    await person.save()
    first = person.__state__.revision
    await person.save()
    assert person.__state__.revision == first
    person.name = "y"
    await person.save()
    assert person.__state__.revision != first


async def test_loading_is_told_and_never_dirty(store: Store) -> None:
    person = Person(name="x", tags=["a"])
    await person.save()
    _id = person._id
    Person.objects.cache.clear()
    handle = Person(_id=_id)
    heard = heard_of(handle.__state__, "loading", "dirty")
    await handle.load()
    assert [pair for pair in heard if pair[0] == "loading"] == [("loading", True), ("loading", False)]
    assert handle.tags == ["a"]
    assert not handle.__state__.dirty
    assert not handle.__state__.changes()


async def test_loading_querying_refreshing_and_restoring_never_make_an_object_dirty(store: Store) -> None:
    person = Person(name="x", watched=[1], home=Address(lines=["1"]))
    await person.save()
    found = await read_again(person)
    assert not found.__state__.dirty
    await change_stored(found, name="y", watched=[1, 2])
    await found.refresh()
    assert (found.name, found.watched) == ("y", [1, 2])
    assert not found.__state__.dirty
    assert [other async for other in Person.objects.all()] == [found]
    assert not found.__state__.dirty
    state = {**found.__getstate__(), "name": "z"}
    assert await Person.restore(state, force=True) is found
    assert found.name == "z"
    assert not found.__state__.dirty


async def test_reading_defaults_never_makes_an_object_dirty(store: Store) -> None:
    result = await Person.objects.insert_one({"__model__": Person.__model__, "name": "old"})
    found = await Person.objects.get(_id=result.inserted_id)
    for name in Person.__fields__:
        getattr(found, name)
    assert not found.__state__.dirty
    assert not found.__state__.changes()
    await found.save()
    assert set(await stored_document(found)) == {"_id", "__model__", "name"}, "defaults are not written back"


async def test_an_edit_made_while_a_save_is_under_way_stays_dirty(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(name="x", age=1)
    await person.save()
    gate = Gate(store, monkeypatch)
    person.name = "y"
    saving = asyncio.create_task(person.save())
    await gate.entered.wait()
    assert person.__state__.saving
    person.age = 2
    person.name = "z"
    gate.opened.set()
    await saving
    assert person.__state__.dirty_fields == {"name", "age"}
    assert (await stored_document(person))["name"] == "y"
    assert person.__state__.changes().set == {"name": "z", "age": 2}
    await person.save()
    assert (await read_again(person)).name == "z"


async def test_an_in_place_edit_made_while_a_save_is_under_way_is_found_by_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(tags=["a"], scores={"a": 1}, home=Address(lines=["1"]))
    gate = Gate(store, monkeypatch)
    saving = asyncio.create_task(person.save())
    await gate.entered.wait()
    person.tags.append("b")
    person.scores["b"] = 2
    assert person.home is not None
    person.home.lines.append("2")
    gate.opened.set()
    await saving
    stored = await stored_document(person)
    assert (stored["tags"], stored["scores"], stored["home"]["lines"]) == (["a"], {"a": 1}, ["1"])
    assert person.__state__.changes().as_update() == {
        "$set": {"scores.b": 2},
        "$push": {"tags": {"$each": ["b"]}, "home.lines": {"$each": ["2"]}},
    }


async def test_an_edit_back_to_the_old_value_while_a_save_is_under_way_is_saved_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(name="x")
    await person.save()
    gate = Gate(store, monkeypatch)
    person.name = "y"
    saving = asyncio.create_task(person.save())
    await gate.entered.wait()
    person.name = "x"
    gate.opened.set()
    await saving
    assert person.__state__.dirty
    await person.save()
    assert (await stored_document(person))["name"] == "x"


async def test_a_failed_save_leaves_everything_as_it_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person(name="x")
    await person.save()
    gate = Gate(store, monkeypatch)
    gate.error = ConnectionError("lost")
    gate.opened.set()
    person.name = "y"
    person.tags.append("t")
    revision = person.__state__.revision
    with pytest.raises(ConnectionError):
        await person.save()
    assert person.__state__.dirty
    assert person.__state__.dirty_fields == {"name"}
    assert not person.__state__.saving
    assert [type(person.__state__.error)] == [ConnectionError]
    assert person.__state__.revision == revision
    assert person.__state__.changes().as_update() == {"$set": {"name": "y"}, "$push": {"tags": {"$each": ["t"]}}}
    gate.error = None
    await person.save()
    assert person.__state__.error is None
    assert (await read_again(person)).tags == ["t"]


async def test_an_edit_made_while_a_save_fails_stays_dirty_with_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(name="x")
    await person.save()
    gate = Gate(store, monkeypatch)
    gate.error = ConnectionError("lost")
    person.name = "y"
    saving = asyncio.create_task(person.save())
    await gate.entered.wait()
    person.age = 7
    gate.opened.set()
    with pytest.raises(ConnectionError):
        await saving
    assert person.__state__.dirty_fields == {"name", "age"}


async def test_a_new_object_whose_save_failed_is_still_new(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person(name="x")
    gate = Gate(store, monkeypatch)
    gate.error = ConnectionError("lost")
    gate.opened.set()
    with pytest.raises(ConnectionError):
        await person.save()
    assert person._id is None
    assert not person.__restored__
    assert not person.__state__.persistent
    assert person.__state__.dirty
    gate.error = None
    await person.save()
    assert await Person.objects.count() == 1


async def test_a_value_that_cannot_be_stored_leaves_the_object_dirty(store: Store) -> None:
    person = Person(name="x")
    await person.save()
    person.value = 2**63
    with pytest.raises(ValueNotStorable):
        await person.save()
    assert person.__state__.dirty_fields == {"value"}
    assert (await stored_document(person))["value"] is None
    person.value = 1
    await person.save()
    assert not person.__state__.dirty


async def test_cancelling_a_save_leaves_the_object_dirty_and_free(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(name="x")
    await person.save()
    gate = Gate(store, monkeypatch)
    person.name = "y"
    saving = asyncio.create_task(person.save())
    await gate.entered.wait()
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert person.__state__.dirty
    assert not person.__state__.saving
    gate.opened.set()
    await person.save()
    assert (await stored_document(person))["name"] == "y"


# -- observers ---------------------------------------------------------------------------------------------------------


async def test_a_static_observer_is_told_once_for_each_member_with_all_others_in_place(store: Store) -> None:
    witness = Witness(first=1, second=2, third=[3])
    await witness.save()
    found = await read_again(witness)
    assert sorted(found.heard) == [
        ("first", "create", 1, 2, [3]),
        ("second", "create", 1, 2, [3]),
        ("third", "create", 1, 2, [3]),
    ]
    assert found.heard[0][0] == "second", "setstate_order is the order of notification too"


async def test_a_static_observer_is_told_once_when_a_handle_is_loaded(store: Store) -> None:
    witness = Witness(first=1, second=2, third=[3])
    await witness.save()
    Witness.objects.cache.clear()
    handle = Witness(_id=witness._id)
    await handle.load()
    assert sorted(change[0] for change in handle.heard) == ["first", "second", "third"]
    assert {change[2:4] for change in handle.heard} == {(1, 2)}


async def test_a_refresh_tells_of_what_changed_and_of_nothing_else(store: Store) -> None:
    witness = Witness(first=1, second=2, third=[3])
    await witness.save()
    witness.heard.clear()
    await change_stored(witness, first=5, third=[3, 4])
    await witness.refresh()
    assert sorted(witness.heard) == [("first", "update", 5, 2, [3, 4]), ("third", "update", 5, 2, [3, 4])]
    witness.heard.clear()
    await witness.refresh()
    assert witness.heard == []


async def test_a_save_tells_observers_of_members_nothing(store: Store) -> None:
    witness = Witness(first=1)
    witness.third.append(1)
    witness.heard.clear()
    await witness.save()
    assert witness.heard == []


async def test_a_dynamic_observer_of_an_unloaded_object_is_told_when_it_is_loaded(store: Store) -> None:
    friend = Person(name="friend", age=7)
    person = Person(name="x", friend=friend)
    await person.save()
    Person.objects.cache.clear()
    unloaded = Person.objects.cache.object_for(Person, friend._id)
    assert not unloaded.__restored__
    heard: list[tuple[str, Any, int]] = []
    for name in ("name", "age", "__restored__"):
        unloaded.observe(name, lambda change: heard.append((change["name"], change["value"], unloaded.age)))
    await unloaded.load()
    assert sorted(heard, key=str) == [("__restored__", True, 7), ("age", 7, 7), ("name", "friend", 7)]


async def test_an_observer_that_raises_during_a_load_stops_neither_the_load_nor_the_others(store: Store) -> None:
    one, other = Fragile(good=1), Fragile(bad=1, good=2)
    one.set_notifications_enabled(False)
    one.bad = 13
    one.set_notifications_enabled(True)
    for obj in (one, other):
        await obj.save()
    ids = [one._id, other._id]
    Fragile.objects.cache.clear()
    handles = [Fragile(_id=_id) for _id in ids]
    with pytest.raises(ObserverError) as caught:
        await handles[0].load()
    assert [type(error) for error in caught.value.errors] == [RuntimeError]
    assert "the observer's own" not in str(caught.value)
    assert (handles[0].bad, handles[0].good, handles[0].heard) == (13, 1, ["good"])
    assert handles[0].__restored__
    assert not handles[0].__state__.dirty
    await handles[1].load()
    assert handles[1].heard == ["good"]
    handles[0].good = 5
    await handles[0].save()
    assert (await stored_document(handles[0]))["good"] == 5


async def test_one_error_is_raised_for_one_fetch_of_many(store: Store) -> None:
    for number in range(3):
        obj = Fragile(good=number)
        obj.set_notifications_enabled(False)
        obj.bad = 13
        obj.set_notifications_enabled(True)
        await obj.save()
    Fragile.objects.cache.clear()
    with pytest.raises(ObserverError) as caught:
        [obj async for obj in Fragile.objects.all()]
    assert len(caught.value.errors) == 3


async def test_notifications_are_on_again_after_a_load_that_was_refused(store: Store) -> None:
    witness = Witness(first=1)
    await witness.save()
    await change_stored(witness, first="not a number")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Witness, "__on_error__", "raise")
        with pytest.raises(Exception, match="first"):
            await witness.refresh()
    witness.heard.clear()
    witness.second = 9
    assert [change[0] for change in witness.heard] == ["second"]
