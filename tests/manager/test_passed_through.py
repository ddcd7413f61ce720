"""What the collection's own API, called on ``Model.objects``, does to objects."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from atom.api import Int, Str
from pymongo import DeleteMany, DeleteOne, InsertOne, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from atomodm import DuplicateKey, NoSQLModel, Store, UnsupportedOperation
from atomodm.contract.finding import Chunk
from atomodm.contract.operations import Batch, Delete
from atomodm.engine.collection import EngineCollection
from atomodm.store.registry import create_store


class Ticket(NoSQLModel):
    """Something to be done."""

    title = Str().tag(unique=True)
    priority = Int().tag(index=True)


@pytest.fixture
async def tickets(store: Store) -> list[Ticket]:
    """Four saved tickets."""
    made = [Ticket(title=title, priority=number) for number, title in enumerate("abcd")]
    for ticket in made:
        await ticket.save()
    return made


def gone(tickets: list[Ticket]) -> list[str]:
    """The titles of those that are no longer in the cache."""
    return [ticket.title for ticket in tickets if ticket not in list(Ticket.objects.cache.values())]


async def test_objects_of_documents_that_a_delete_removed_leave_the_cache(tickets: list[Ticket]) -> None:
    assert (await Ticket.objects.delete_one({"title": "a"})).deleted_count == 1
    assert gone(tickets) == ["a"]
    taken = await Ticket.objects.find_one_and_delete({}, {"title": 1, "_id": 0}, sort=[("priority", -1)])
    assert taken == {"title": "d"}
    assert gone(tickets) == ["a", "d"]
    await Ticket.objects.delete_many({})
    assert gone(tickets) == ["a", "b", "c", "d"]


async def test_objects_follow_deletes_in_bulk_also_where_another_request_failed(tickets: list[Ticket]) -> None:
    await Ticket.objects.bulk_write([InsertOne({"title": "e"}), DeleteOne({"title": "b"})])
    assert gone(tickets) == ["b"]
    with pytest.raises(BulkWriteError):
        await Ticket.objects.bulk_write(requests=[DeleteMany({"priority": {"$gte": 2}}), InsertOne({"title": "a"})])
    assert gone(tickets) == ["b", "c", "d"]


async def test_only_calls_that_may_delete_ask_for_what_is_left(store: Store, tickets: list[Ticket]) -> None:
    async def requests(call: Any) -> int:
        before = store.requests
        await call
        return store.requests - before

    objects = Ticket.objects
    assert await requests(objects.bulk_write([InsertOne({"title": "x"}), InsertOne({"title": "y"})])) == 1
    # What this process wrote last need not be read.
    assert await requests(objects.update_one({"_id": tickets[0]._id}, {"$inc": {"priority": 1}})) == 1
    assert await requests(objects.delete_one({"_id": tickets[0]._id})) == 2


async def test_deletes_ask_about_no_more_documents_than_may_be_gone(
    store: Store, tickets: list[Ticket], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    get = store.get

    async def listening(collection: str, ids: Sequence[Any]) -> Chunk:
        asked.extend(ids)
        return await get(collection, ids)

    monkeypatch.setattr(store, "get", listening)
    await Ticket.objects.delete_many({"title": "nobody has this"})
    assert await Ticket.objects.find_one_and_delete({"title": "nobody has this"}) is None
    assert asked == []
    taken, *taken_by_id = [ticket._id for ticket in tickets[:3]]
    await Ticket.objects.find_one_and_delete({"title": "a"})
    assert asked == [taken]
    await Ticket.objects.delete_one({"_id": tickets[1]._id, "title": "b"})
    await Ticket.objects.delete_many(filter={"_id": {"$in": [tickets[2]._id]}})
    assert set(asked) == {taken, *taken_by_id}
    assert gone(tickets) == ["a", "b", "c"]
    await Ticket.objects.delete_many({"_id": {"$type": "objectId"}})
    assert gone(tickets) == ["a", "b", "c", "d"]


async def test_objects_that_others_save_during_a_delete_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, new, kept = Ticket(title="gone"), Ticket(title="new"), Ticket(title="kept")
    await gone.save()
    await kept.save()
    get = store.get

    async def meanwhile(collection: str, ids: Sequence[Any]) -> Chunk:
        # One is saved for the first time while the store is asked what is left; one was being saved all the time.
        chunk = await get(collection, ids)
        await new.save()
        await Ticket.objects.cache.store.write(Batch([Delete(collection, kept._id)]))
        await kept.save(replace=True)
        return chunk

    monkeypatch.setattr(store, "get", meanwhile)
    await Ticket.objects.delete_one({"title": "gone"})
    monkeypatch.undo()
    assert gone not in list(Ticket.objects.cache.values())
    assert [ticket.__state__.persistent for ticket in (gone, new, kept)] == [False, True, True]
    assert Ticket.objects.cache[new._id] is new
    new.priority = 5
    await new.save()
    assert await Ticket.objects.count_documents({}) == 2


async def test_deletes_and_saves_at_once_forget_nobody(store: Store) -> None:
    saved: list[Ticket] = []

    async def save(name: str) -> None:
        for number in range(40):
            ticket = Ticket(title=f"{name}{number}")
            await ticket.save()
            saved.append(ticket)

    async def delete(name: str) -> None:
        for _ in range(20):
            await Ticket.objects.insert_one({"title": name})
            await Ticket.objects.delete_many({"title": name})

    await asyncio.gather(save("a"), save("b"), delete("x"), delete("y"))
    assert all(ticket.__state__.persistent for ticket in saved)
    assert await Ticket.objects.count_documents({}) == len(saved)


async def test_objects_that_are_saved_while_their_collection_is_dropped_know_whether_they_are_stored(
    store: Store,
) -> None:
    saved = [Ticket(title=f"{number}") for number in range(60)]
    await Ticket.objects.create(title="first")
    await asyncio.gather(*(ticket.save() for ticket in saved), Ticket.objects.drop())
    there = {document["_id"] for document in await Ticket.objects.find().to_list()}
    assert [ticket.__state__.persistent for ticket in saved] == [ticket._id in there for ticket in saved]


async def test_an_object_whose_document_was_deleted_is_inserted_by_its_next_save(tickets: list[Ticket]) -> None:
    await Ticket.objects.find_one_and_delete({"title": "a"})
    await tickets[0].save()
    assert await Ticket.objects.count_documents({"title": "a"}) == 1


async def test_dropping_and_renaming_leave_no_objects_and_indexes_come_back_with_the_next_use(
    store: Store, tickets: list[Ticket]
) -> None:
    if not store.capabilities.rename:
        with pytest.raises(UnsupportedOperation, match="rename"):
            await Ticket.objects.rename("archive")
        assert gone(tickets) == []
        return
    await Ticket.objects.rename("archive")
    assert gone(tickets) == ["a", "b", "c", "d"]
    await tickets[0].save()
    assert "title_1" in await Ticket.objects.index_information()
    with pytest.raises(DuplicateKeyError):
        await Ticket.objects.insert_one({"title": "a"})
    await Ticket.objects.drop()
    assert gone(tickets) == ["a", "b", "c", "d"]
    assert await Ticket.objects.count_documents({}) == 0
    assert await store["archive"].count_documents({}) == 4


async def test_declared_indexes_come_back_after_a_collection_was_removed_past_the_model(store: Store) -> None:
    async def is_in_force() -> bool:
        await Ticket(title="a").save()
        try:
            await Ticket(title="a").save()
        except DuplicateKey:
            return True
        return False

    tickets, archive = store[Ticket.objects.name], store["archive"]
    assert await is_in_force()
    await store.drop_database()
    assert await is_in_force()
    await tickets.drop()
    assert await is_in_force()
    if not store.capabilities.rename:
        return
    await tickets.rename("archive")
    assert await is_in_force()
    await archive.drop_indexes()
    await archive.delete_many({})
    await archive.insert_one({"title": "b"})
    await archive.rename(tickets.name, dropTarget=True)
    assert await is_in_force()


async def test_declared_indexes_come_back_after_another_program_dropped_the_collection(
    store: Store, store_url: str
) -> None:
    await Ticket(title="a").save()
    other = create_store(store_url)
    await other.open()
    await other.drop(Ticket.objects.name)
    await other.close()
    await Ticket(title="a").save()
    with pytest.raises(DuplicateKey):
        await Ticket(title="a").save()


async def test_declared_indexes_are_in_force_from_the_first_call_that_is_passed_on(store: Store) -> None:
    await Ticket.objects.insert_one({"title": "a"})
    with pytest.raises(DuplicateKeyError):
        await Ticket.objects.update_one({"priority": 5}, {"$set": {"title": "a"}}, upsert=True)


async def test_what_is_passed_on_gives_documents_and_queries_give_objects(tickets: list[Ticket]) -> None:
    result = await Ticket.objects.find_one_and_update(
        {"title": "a"}, {"$inc": {"priority": 10}}, {"priority": 1, "_id": 0}, return_document=ReturnDocument.AFTER
    )
    assert result == {"priority": 10}
    await Ticket.objects.bulk_write([UpdateOne({"title": "b"}, {"$set": {"priority": 20}})])
    assert sorted(await Ticket.objects.distinct("priority", {"priority": {"$gt": 2}})) == [3, 10, 20]
    # A query reads what is stored, into the objects that there are.
    assert await Ticket.objects.filter(priority__gte=10).order_by("priority").all() == tickets[:2]
    assert [ticket.priority for ticket in tickets[:2]] == [10, 20]


def test_the_proxy_has_the_whole_portable_api_and_no_word_of_it_twice(store: Store) -> None:
    names = [name for name in dir(EngineCollection) if not name.startswith("_")]
    for name in names:
        assert getattr(Ticket.objects, name) is not None
    assert not {name for name in vars(type(Ticket.objects)) if not name.startswith("_")}.intersection(names)


@pytest.mark.parametrize(("name", "said"), [("aggregate", "only on MongoDB"), ("inser_one", "did you mean insert_one")])
def test_a_name_that_the_store_does_not_have_is_an_error_that_says_what_there_is(
    store: Store, name: str, said: str
) -> None:
    with pytest.raises(AttributeError, match=said):
        getattr(Ticket.objects, name)
    assert not hasattr(Ticket.objects, name)
