"""What the collection's own API, called on ``Model.objects``, does to objects."""

from __future__ import annotations

from typing import Any

import pytest
from atom.api import Int, Str
from pymongo import DeleteMany, DeleteOne, InsertOne, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from atomodm import NoSQLModel, Store
from atomodm.engine.collection import EngineCollection


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
    assert await requests(objects.update_one({"_id": tickets[0]._id}, {"$inc": {"priority": 1}})) == 2
    assert await requests(objects.delete_one({"_id": tickets[0]._id})) == 3


async def test_an_object_whose_document_was_deleted_is_inserted_by_its_next_save(tickets: list[Ticket]) -> None:
    await Ticket.objects.find_one_and_delete({"title": "a"})
    await tickets[0].save()
    assert await Ticket.objects.count_documents({"title": "a"}) == 1


async def test_dropping_and_renaming_leave_no_objects_and_indexes_come_back_with_the_next_use(
    store: Store, tickets: list[Ticket]
) -> None:
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
