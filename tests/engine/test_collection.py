"""What our collections do beside being portable: refusing by name, keeping values to themselves, asking little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from bson.errors import InvalidDocument
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WriteError,
)

from atomodm import OutcomeUnknown, RevisionMismatch, StoreBusy, UnsupportedOperation
from atomodm.contract import Store
from atomodm.engine.collection import EngineCollection
from atomodm.engine.collection.time_limit import TimeLimit
from atomodm.engine.writing import patience
from atomodm.store.registry import create_store

SECRET = "a-private-value"


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    store = create_store(store_url)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def people(store: Store) -> Any:
    """A collection that may be called with anything."""
    return store["people"]


# -- what works on MongoDB only ----------------------------------------------------------------------------------------

SOMETHING: dict[str, Any] = {"x": 1}
SET = {"$set": {"a": 1}}
ELSEWHERE: list[tuple[str, tuple[Any, ...], tuple[str, ...]]] = [
    ("count_documents", ({},), ("session", "collation", "no_such_option")),
    ("estimated_document_count", (), ("no_such_option",)),
    ("distinct", ("a",), ("session", "collation")),
    ("insert_one", ({},), ("session", "bypass_document_validation")),
    ("insert_many", ([{}],), ("session", "bypass_document_validation")),
    ("update_one", ({}, SET), ("session", "collation", "let", "bypass_document_validation")),
    ("update_many", ({}, SET), ("session", "collation", "let", "bypass_document_validation")),
    ("replace_one", ({}, {}), ("session", "collation", "let", "bypass_document_validation")),
    ("delete_one", ({},), ("session", "collation", "let")),
    ("delete_many", ({},), ("session", "collation", "let")),
    ("bulk_write", ([InsertOne({})],), ("session", "let", "bypass_document_validation")),
    ("find_one_and_update", ({}, SET), ("session", "let", "collation", "maxTimeMS")),
    ("find_one_and_replace", ({}, {}), ("session", "let", "collation", "maxTimeMS")),
    ("find_one_and_delete", ({},), ("session", "let", "collation", "maxTimeMS")),
    ("create_index", ("a",), ("session", "collation", "wildcardProjection", "hidden", "maxTimeMS")),
    ("drop_index", ("a_1",), ("session", "maxTimeMS")),
    ("drop_indexes", (), ("session", "maxTimeMS")),
    ("list_indexes", (), ("session",)),
    ("index_information", (), ("session",)),
    ("drop", (), ("session", "encrypted_fields")),
    ("rename", ("b",), ("session", "no_such_option")),
]
OF_FINDS = (
    "session",
    "collation",
    "let",
    "min",
    "max",
    "max_scan",
    "return_key",
    "show_record_id",
    "snapshot",
    "oplog_replay",
    "cursor_type",
)


@pytest.mark.parametrize(("method", "arguments", "options"), ELSEWHERE, ids=[name for name, _, _ in ELSEWHERE])
async def test_options_outside_of_the_portable_set_are_refused_by_name(
    people: Any, method: str, arguments: tuple[Any, ...], options: tuple[str, ...]
) -> None:
    await people.insert_one({"_id": 1})
    for option in options:
        value = {"locale": "de"} if option == "collation" else SOMETHING
        with pytest.raises(UnsupportedOperation, match=option):
            await getattr(people, method)(*arguments, **{option: value})
    assert await people.find().to_list() == [{"_id": 1}]


async def test_options_of_finds_outside_of_the_portable_set_are_refused_by_name(people: Any) -> None:
    for option in OF_FINDS:
        with pytest.raises(UnsupportedOperation, match=option):
            people.find({}, **{option: 2})
        with pytest.raises(UnsupportedOperation, match=option):
            await people.find_one({}, **{option: 2})
    with pytest.raises(TypeError, match="no_such_option"):
        people.find(no_such_option=1)


async def test_options_that_ask_for_nothing_are_taken(people: Any) -> None:
    assert await people.find({}, session=None, no_cursor_timeout=False, allow_disk_use=True).to_list() == []
    assert (await people.update_one({}, SET, session=None, let=None, comment="why")).matched_count == 0
    assert await people.find_one_and_delete({}, maxTimeMS=None) is None
    await people.create_index("a", background=True, hidden=False, collation=None)


async def test_requests_with_options_outside_of_the_portable_set_are_refused(people: Any) -> None:
    requests: list[Any] = [
        UpdateOne({}, SET, collation={"locale": "de"}),
        UpdateMany({}, SET, collation={"locale": "de"}),
        ReplaceOne({}, {}, collation={"locale": "de"}),
        DeleteOne({}, collation={"locale": "de"}),
    ]
    for request in requests:
        with pytest.raises(UnsupportedOperation, match="collation"):
            await people.bulk_write([InsertOne({}), request])
    assert await people.count_documents({}) == 0


async def test_operators_outside_of_the_portable_set_are_refused_by_name(people: Any) -> None:
    await people.insert_one({"_id": 1})
    for filter, name in (
        ({"$where": "1"}, r"\$where"),
        ({"$expr": {"$gt": ["$a", 1]}}, r"\$expr"),
        ({"a": {"$near": [1, 2]}}, r"\$near"),
        ({"$or": [{"a": {"$text": 1}}]}, r"\$text"),
    ):
        with pytest.raises(OperationFailure, match=name):
            await people.find_one(filter)
        with pytest.raises(WriteError, match=name):
            await people.delete_many(filter)
    with pytest.raises(UnsupportedOperation, match="pipeline"):
        await people.update_one({}, [{"$set": {"a": 1}}])
    with pytest.raises(UnsupportedOperation, match="pipeline"):
        await people.bulk_write([UpdateOne({}, [{"$set": {"a": 1}}])])
    for keys in ([("a", "text")], [("a", "2dsphere")], [("a", "hashed")], [("$**", 1)]):
        with pytest.raises(UnsupportedOperation, match="kind"):
            await people.create_index(keys)
    with pytest.raises(UnsupportedOperation, match="score"):
        await people.find().sort([("score", {"$meta": "textScore"})]).to_list()
    with pytest.raises(UnsupportedOperation, match="natural"):
        await people.find().sort("$natural", -1).to_list()
    assert await people.count_documents({}) == 1


async def test_a_name_that_is_no_part_of_the_api_is_no_attribute(people: Any) -> None:
    for name in ("aggregate", "watch", "with_options", "next", "anything"):
        with pytest.raises(AttributeError, match=name):
            getattr(people, name)


# -- errors ------------------------------------------------------------------------------------------------------------


async def test_errors_do_not_show_values(people: Any) -> None:
    await people.create_index("name", unique=True)
    await people.insert_many([{"_id": SECRET, "name": SECRET, "n": 1}, {"_id": 2, "name": 2}])
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: people.insert_one({"_id": SECRET}),
        lambda: people.insert_one({"name": SECRET}),
        lambda: people.insert_many([{"name": SECRET}]),
        lambda: people.insert_many([{"name": SECRET}, {"name": SECRET}], ordered=False),
        lambda: people.bulk_write([UpdateOne({"name": 2}, {"$set": {"name": SECRET}})]),
        lambda: people.bulk_write([UpdateOne({"name": SECRET}, {"$inc": {"name": 1}})]),
        lambda: people.bulk_write([UpdateOne({"name": SECRET}, {"$unknown": SECRET})]),
        lambda: people.update_one({"_id": 2}, {"$set": {"name": SECRET}}),
        lambda: people.update_one({"_id": SECRET}, {"$inc": {"name": 1}}),
        lambda: people.update_one({"_id": SECRET}, {"$inc": {"n": SECRET}}),
        lambda: people.update_one({"_id": SECRET}, {"$push": {"n": SECRET}}),
        lambda: people.update_one({"_id": SECRET}, {"$set": {"_id": SECRET + "!"}}),
        lambda: people.update_one({"_id": SECRET}, {"$set": SECRET}),
        lambda: people.replace_one({"_id": SECRET}, {"_id": SECRET + "!"}),
        lambda: people.find_one_and_update({"_id": SECRET}, {"$inc": {"name": 1}}),
        lambda: people.find_one({"a": {"$in": SECRET}}),
        lambda: people.find_one({"a": {"$type": SECRET}}),
        lambda: people.find_one({}, {"a": SECRET, "b": 0}),
        lambda: people.insert_one({"_id": [SECRET]}),
        lambda: people.insert_one({"a": SECRET + "\ud800"}),
        lambda: people.insert_one({"a": {SECRET}}),
        lambda: people.create_index("a", expireAfterSeconds=SECRET),
    ]
    for call in calls:
        with pytest.raises((PyMongoError, InvalidDocument)) as caught:
            await call()
        assert SECRET not in str(caught.value)
        assert SECRET not in repr(caught.value)


async def test_a_bulk_error_has_what_failed_in_its_details_only(people: Any) -> None:
    await people.insert_one({"_id": 1})
    with pytest.raises(BulkWriteError) as caught:
        await people.insert_many([{"_id": 1, "a": SECRET}, {"_id": 1, "b": SECRET}, {"_id": 2}], ordered=False)
    assert [failure["op"] for failure in caught.value.details["writeErrors"]] == [
        {"_id": 1, "a": SECRET},
        {"_id": 1, "b": SECRET},
    ]
    assert str(caught.value).startswith(
        "batch op errors occurred: 2 of 3 operations failed, the first at index 0: E11000"
    )
    assert caught.value.__cause__ is None


async def test_details_of_errors_are_the_servers(people: Any) -> None:
    await people.insert_one({"_id": 1, "a": "text"})
    with pytest.raises(WriteError) as written:
        await people.update_one({}, {"$inc": {"a": 1}})
    assert written.value.details is not None
    assert {"index": 0, "code": 14}.items() <= written.value.details.items()
    assert written.value.details["errmsg"] in str(written.value)
    with pytest.raises(OperationFailure) as commanded:
        await people.find_one_and_update({}, {"$inc": {"a": 1}})
    assert commanded.value.details is not None
    assert {"ok": 0.0, "code": 14, "codeName": "TypeMismatch"}.items() <= commanded.value.details.items()
    with pytest.raises(DuplicateKeyError) as duplicate:
        await people.insert_one({"_id": 1})
    assert duplicate.value.details == {
        "index": 0,
        "code": 11000,
        "errmsg": "E11000 duplicate key error collection: people index: _id_",
        "keyPattern": {"_id": 1},
    }


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(StoreBusy("locked"), ConnectionFailure), (OutcomeUnknown("lost"), AutoReconnect)],
    ids=["busy", "unknown"],
)
async def test_what_a_connection_can_suffer_is_pymongos_error_too(
    store: Store, monkeypatch: pytest.MonkeyPatch, ours: Exception, theirs: type[Exception]
) -> None:
    async def fail(*arguments: Any) -> Any:
        raise ours

    monkeypatch.setattr(store, "write", fail)
    for write in (store["people"].insert_one({}), store["people"].bulk_write([InsertOne({})])):
        with pytest.raises(theirs):
            await write


async def test_a_writer_who_loses_every_race_is_told_so_in_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = store["people"]
    await people.insert_one({"_id": 1})

    async def lose(*arguments: Any) -> Any:
        raise RevisionMismatch([0])

    monkeypatch.setattr(patience, "DEADLINE", 0.05)
    monkeypatch.setattr(store, "write", lose)
    with pytest.raises(WriteError) as caught:
        await people.update_one({"_id": 1}, SET)
    assert caught.value.code == 112
    with pytest.raises(OperationFailure) as commanded:
        await people.find_one_and_delete({})
    assert (commanded.value.details or {})["codeName"] == "WriteConflict"


async def test_reading_that_takes_too_long_is_ended(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    people = store["people"]
    await people.insert_many([{"_id": number} for number in range(10)])
    find, count = store.find, store.count

    async def slow(*arguments: Any, **options: Any) -> Any:
        await asyncio.sleep(0.2)
        return await count(*arguments, **options)

    async def slowly(*arguments: Any) -> Any:
        async for chunk in find(*arguments):
            await asyncio.sleep(0.03)
            yield chunk

    monkeypatch.setattr(store, "count", slow)
    monkeypatch.setattr(store, "find", slowly)
    cursor = people.find(batch_size=1).max_time_ms(100)
    with pytest.raises(ExecutionTimeout) as caught:
        await cursor.to_list()
    assert caught.value.code == 50
    assert caught.value.timeout
    assert await cursor.to_list() == []
    # So is reading that never has to wait, when its time is over.
    limit = TimeLimit(20)
    async with limit:
        time.sleep(0.03)
    with pytest.raises(ExecutionTimeout):
        async with limit:
            pass
    # What the reader does between two batches is not counted.
    cursor = people.find(batch_size=5, max_time_ms=1000)
    found = []
    async for document in cursor:
        await asyncio.sleep(0.15)
        found.append(document["_id"])
    assert found == list(range(10))
    for call in (people.count_documents({}, maxTimeMS=20), people.estimated_document_count(maxTimeMS=20)):
        with pytest.raises(ExecutionTimeout):
            await call


async def test_a_cursor_whose_reader_was_cancelled_is_closed(store: Store) -> None:
    people = store["people"]
    await people.insert_many([{"_id": number} for number in range(10)])
    cursor = people.find().batch_size(2)
    assert await cursor.next() == {"_id": 0}
    await cursor.next()
    task = asyncio.ensure_future(cursor.next())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await cursor.to_list() == [] or not task.cancelled()
    await cursor.rewind()
    assert len(await cursor.to_list()) == 10


# -- requests ----------------------------------------------------------------------------------------------------------


async def requests_of(store: Store, call: Awaitable[Any]) -> int:
    """How often a call asks the store."""
    before = store.requests
    await call
    return store.requests - before


async def test_calls_ask_the_store_no_more_than_they_have_to(store: Store) -> None:
    people = store["people"]
    await people.create_index("age")
    assert await requests_of(store, people.insert_one({"_id": 1, "age": 1})) == 1
    assert await requests_of(store, people.insert_many([{"_id": 10 + n, "age": n} for n in range(10_000)])) <= 4
    assert await requests_of(store, people.find_one({"_id": 1})) == 1
    # What this handle wrote last need not be read...
    assert await requests_of(store, people.update_one({"_id": 1}, SET)) == 1
    assert await requests_of(store, people.update_one({"_id": 1, "age": 1}, {"$set": {"a": 2}})) == 1
    assert await requests_of(store, people.find_one_and_update({"_id": 1}, {"$inc": {"a": 1}})) == 1
    assert await requests_of(store, people.replace_one({"_id": 1}, {"age": 2})) == 1
    # ...unless there seems to be nothing to do.
    assert await requests_of(store, people.update_one({"_id": 1}, {"$set": {"age": 2}})) == 1
    assert await requests_of(store, people.update_one({"_id": 1, "age": 3}, {"$set": {"a": 2}})) == 1
    assert await requests_of(store, people.update_one({"_id": 10}, {"$inc": {"a": 1}})) == 2
    assert await requests_of(store, people.update_one({"age": 77}, {"$inc": {"a": 1}})) == 2
    assert await requests_of(store, people.delete_one({"_id": 11})) == 2
    assert await requests_of(store, people.delete_one({"_id": 1})) == 1
    assert await requests_of(store, people.bulk_write([InsertOne({}) for _ in range(1000)])) == 1
    known = [UpdateOne({"_id": 10 + number}, {"$inc": {"age": 1}}) for number in range(1000)]
    # Once for the indexes, and twice for the first 500 and for the others.
    assert await requests_of(store, people.bulk_write(known)) == 5


async def test_a_find_reads_no_further_than_it_is_asked_to(store: Store, people: Any) -> None:
    await people.insert_many([{"_id": number} for number in range(5000)])
    cursor = people.find(batch_size=100)
    assert await requests_of(store, anext(cursor)) <= 2
    assert cursor.retrieved == 100
    await cursor.close()


async def test_values_that_cannot_be_passed_on_are_refused_after_few_requests(store: Store) -> None:
    people = store["people"]
    await people.create_index("n", unique=True)
    # Those that are read first pass their values on to the next of them, but for the last one.
    await people.insert_many([{"_id": number, "n": number} for number in range(1500)])
    before = store.requests
    with pytest.raises(DuplicateKeyError):
        await people.update_many({}, {"$inc": {"n": 1}})
    assert store.requests - before < 20
    assert await people.count_documents({"n": 1500}) == 0
    assert (await store.check()).ok


@pytest.mark.slow
async def test_many_documents_are_updated_and_deleted_in_batches(store: Store) -> None:
    people = store["people"]
    await people.create_index("n")
    await people.insert_many([{"_id": number, "n": number} for number in range(20_000)])
    assert await requests_of(store, people.update_many({}, {"$inc": {"n": 1}})) < 80
    assert await people.count_documents({"n": {"$gte": 1}}) == 20_000
    # Each is met again ahead of the scan.
    assert await requests_of(store, people.update_many({"n": {"$gte": 1}}, {"$inc": {"n": 50}}, hint="n_1")) < 120
    assert sum([document["n"] - document["_id"] async for document in people.find()]) == 51 * 20_000
    assert await requests_of(store, people.delete_many({"n": {"$gte": 0}})) < 80


# -- values ------------------------------------------------------------------------------------------------------------


async def test_what_is_given_to_a_collection_is_not_changed_but_for_the_id(people: Any) -> None:
    document = {"name": "x", "list": [1], "nested": {"a": [1]}}
    await people.insert_one(document)
    id = document.pop("_id")
    assert document == {"name": "x", "list": [1], "nested": {"a": [1]}}
    update = {"$push": {"list": {"$each": [2]}}, "$set": {"nested.b": {"c": [1]}}}
    after = await people.find_one_and_update({"_id": id}, update, return_document=True)
    after["nested"]["b"]["c"].append(2)
    after["list"].append(3)
    assert update == {"$push": {"list": {"$each": [2]}}, "$set": {"nested.b": {"c": [1]}}}
    replacement = {"a": {"b": [1]}}
    given = await people.find_one_and_replace({"_id": id}, replacement, return_document=True)
    given["a"]["b"].append(2)
    assert replacement == {"a": {"b": [1]}}
    assert await people.find_one() == {"_id": id, "a": {"b": [1]}}


async def test_what_comes_after_an_update_is_what_is_stored(people: Any) -> None:
    await people.insert_one({"_id": 1})
    after = await people.find_one_and_update({}, {"$set": {"pair": (1, 2)}}, return_document=True)
    assert after == {"_id": 1, "pair": [1, 2]} == await people.find_one()
    replaced = await people.find_one_and_replace({}, {"pair": (3, 4)}, return_document=True)
    assert replaced == {"_id": 1, "pair": [3, 4]} == await people.find_one()


def test_a_collection_says_where_it_is() -> None:
    for url, name in (
        ("sqlite:////tmp/people.db", "people.x"),
        ("memory://shared", "shared.x"),
        ("memory://", "memory.x"),
    ):
        collection = create_store(url)["x"]
        assert isinstance(collection, EngineCollection)
        assert collection.full_name == name
        assert collection.database.url == url
        assert len({collection, collection.database["x"]}) == 1
