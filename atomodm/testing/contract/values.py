"""Values and names: every type and text in every role, and what cannot be stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from bson import Decimal128, Int64
from bson.errors import InvalidDocument
from pymongo import InsertOne, UpdateOne
from pymongo.errors import OperationFailure

from ...contract import Batch, ChangeKind, Delete, Find, IndexSpec, Patch
from ...encoding import MAX_SIZE, decode, encode
from ...errors import InvalidQuery, ValueNotStorable
from ...query.changes import Changes
from ...query.keys import encode_key
from ...query.nodes import Compare, In, Operator
from .samples import EXACT, IDS, OUTSIDE, TEXTS, VALUES, Outside
from .stores import Stores, contents, find_all, ids, insert_all, read

NAMES = [
    "people",
    "with space",
    "quote'\"`",
    "semi;colon -- comment",
    "ünïcödé",
    "日本語",
    "\U0001f600",
    "a.b.c",
    "percent%s ? :name {} []",
    "slash/back\\slash",
    "line\nbreak\ttab",
    "sqlite_master",
    "x" * 2000,
    "CASE",
    "case",
    *(text for text in TEXTS if text and text != "*" and not set("\0$") & set(text) and ".." not in f".{text}."),
]

#: The ways of the collection API to write a field's value.
WRITES: list[Callable[[Any, Any], Awaitable[Any]]] = [
    lambda people, value: people.insert_one({"_id": 2, "a": value}),
    lambda people, value: people.insert_one({"_id": 2, "x": 1, "a": value}),
    lambda people, value: people.insert_many([{"_id": 2, "a": value}, {"_id": 3}]),
    lambda people, value: people.replace_one({"_id": 1}, {"a": value}),
    lambda people, value: people.replace_one({"_id": 2}, {"a": value}, upsert=True),
    lambda people, value: people.update_one({"_id": 1}, {"$set": {"a": value}}),
    lambda people, value: people.update_one({"_id": 2}, {"$setOnInsert": {"a": value}}, upsert=True),
    lambda people, value: people.update_many({}, {"$push": {"a": {"$each": [value]}}}),
    lambda people, value: people.find_one_and_update({"_id": 1}, {"$set": {"a": value}}),
    lambda people, value: people.find_one_and_replace({"_id": 1}, {"a": value}),
    lambda people, value: people.bulk_write([UpdateOne({"_id": 1}, {"$set": {"a": value}})]),
    lambda people, value: people.bulk_write([InsertOne({"_id": 2, "a": value})]),
]


class ValueContract:
    """What can be stored, and under which names."""

    async def test_every_type_is_an_id(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": id, "place": place} for place, id in enumerate(IDS)])
        for place, id in enumerate(IDS):
            found = await read(store, "people", id)
            assert found is not None
            assert found[1]["place"] == place
            assert type(found[1]["_id"]) is type(decode_id(id))
            if id == id:
                assert await ids(store, "people", Compare("_id", Operator.EQ, id)) == [decode_id(id)]
        assert len(await find_all(store, "people", In("_id", tuple(IDS)))) == len(IDS)
        expected = sorted(range(len(IDS)), key=lambda place: encode_key(IDS[place]))
        assert [document["place"] for document in await find_all(store, "people", sort=[("_id", 1)])] == expected

    async def test_ids_of_every_type_are_changed_deleted_and_logged(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": id} for id in IDS])
        start = await store.position() if store.capabilities.change_log else 0
        await store.write(Batch([Patch("people", id, Changes(set={"x": 1})) for id in IDS]))
        outcome = await store.write(Batch([Delete("people", id) for id in IDS]))
        assert all(outcome.existed)
        assert await contents(store) == {}
        if store.capabilities.change_log:
            deleted = [entry for entry in (await store.changes(start)).entries if entry.kind is ChangeKind.DELETE]
            assert [encode_key(entry.id) for entry in deleted] == [encode_key(id) for id in IDS]
            assert [type(entry.id) for entry in deleted] == [type(decode_id(id)) for id in IDS]

    @pytest.mark.parametrize("id", [2**63, -(2**70), "lone \ud800", object()], ids=["int", "-int", "text", "object"])
    async def test_what_cannot_be_stored_is_no_id(self, stores: Stores, id: Any) -> None:
        store = await stores.open()
        with pytest.raises(ValueNotStorable):
            await store.write(Batch([Delete("people", id)]))
        assert await store.list_collection_names() == []

    async def test_numbers_of_equal_value_are_one_id_and_other_types_are_not(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": 1}, {"_id": True}, {"_id": "1"}, {"_id": b"1"}])
        for id in (1, 1.0, Int64(1), Decimal128("1.00")):
            assert await read(store, "people", id) is not None
        assert len((await store.get("people", [1, 1.0, Decimal128("1")])).documents) == 1
        assert len((await store.get("people", [1, True, "1", b"1"])).documents) == 4

    async def test_every_type_is_indexed_and_sorted(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("indexed", [IndexSpec(name="value_1", fields=[("value", 1)])])
        for name in ("indexed", "plain"):
            await insert_all(store, name, [{"_id": place, "value": value} for place, value in enumerate(VALUES)])
        for way in (1, -1):
            assert await ids(store, "indexed", sort=[("value", way)]) == await ids(
                store, "plain", sort=[("value", way)]
            )
        for value in VALUES:
            for operator in Operator:
                condition = Compare("value", operator, value)
                assert sorted(await ids(store, "indexed", condition)) == sorted(await ids(store, "plain", condition))
        explanation = await store.explain("indexed", Find(filter=Compare("value", Operator.EQ, UUID(int=5))))
        assert (explanation.index, explanation.returned) == ("value_1", 1)

    async def test_every_value_comes_back_bit_for_bit_in_every_place(self, stores: Stores) -> None:
        store = await stores.open()
        for place, value in enumerate(EXACT):
            document = {
                "_id": place,
                "value": value,
                "array": [0, value, [value]],
                "inside": {"of": [{"a": {"document": value}}]},
            }
            await insert_all(store, "people", [document])
            found = await store.get("people", [place])
            assert bytes(found.documents[0]) == encode(document), value

    async def test_every_value_comes_back_bit_for_bit_through_the_collection(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        await people.insert_many([{"_id": place, "value": value} for place, value in enumerate(EXACT)])
        for place, value in enumerate(EXACT):
            for found in (
                await people.find_one({"_id": place}),
                await people.find_one_and_update({"_id": place}, {"$set": {"value": value, "other": value}}),
                await people.find_one({"_id": place}, {"value": 1}),
            ):
                assert found is not None
                assert encode({"": found["value"]}) == encode({"": value}), value
            other = await people.find_one({"_id": place}, ["other"])
            assert other is not None
            assert encode({"": other["other"]}) == encode({"": value}), value

    async def test_every_type_is_part_of_an_id(self, stores: Stores) -> None:
        store = await stores.open()
        keys = [{"number": 0, "value": value} for value in EXACT]
        distinct = list({encode_key(key): key for key in keys}.values())
        await insert_all(store, "people", [{"_id": key, "place": place} for place, key in enumerate(distinct)])
        for place, key in enumerate(distinct):
            found = await read(store, "people", key)
            assert found is not None
            assert found[1]["place"] == place
            assert encode({"": found[1]["_id"]}) == encode({"": key})
        expected = sorted(range(len(distinct)), key=lambda place: encode_key(distinct[place]))
        assert [document["place"] for document in await find_all(store, "people", sort=[("_id", 1)])] == expected

    async def test_values_come_back_as_they_went_in(self, stores: Stores) -> None:
        store = await stores.open()
        document = {"_id": 1, "values": VALUES, "nested": {str(place): value for place, value in enumerate(VALUES)}}
        await insert_all(store, "people", [document])
        found = await read(store, "people", 1)
        assert found is not None
        for back in (found[1]["values"], list(found[1]["nested"].values())):
            assert [encode_key(value) for value in back] == [encode_key(value) for value in VALUES]

    async def test_texts_are_values_ids_and_names_of_fields(self, stores: Stores) -> None:
        store = await stores.open()
        people = store["people"]
        names = [text for text in TEXTS if "\0" not in text]
        await store.ensure_indexes("people", [IndexSpec(name="text_1", fields=[("text", 1)])])
        await insert_all(
            store,
            "people",
            [{"_id": text, "text": text, "inside": dict.fromkeys(names, text), "array": [text]} for text in TEXTS],
        )
        for text in TEXTS:
            for filter in (
                {"_id": text},
                {"text": text},
                {"array": text},
                {"inside.null": text},
                {"text": {"$in": [text]}},
            ):
                found = await people.find(filter).to_list()
                assert [document["_id"] for document in found] == [text], (text, filter)
            assert found[0]["inside"] == dict.fromkeys(names, text)
            assert list(found[0]["inside"]) == names
        assert sorted(await people.distinct("text")) == sorted(TEXTS)
        # By the bytes of UTF-8, which is not the order of Python's code units in other languages.
        assert [document["_id"] for document in await people.find().sort("text").to_list()] == sorted(TEXTS)

    async def test_a_field_of_any_name_is_found_updated_and_indexed(self, stores: Stores) -> None:
        store = await stores.open()
        people = store["people"]
        names = [text for text in TEXTS if text and text != "_id" and not set("\0.$") & set(text)]
        await people.insert_one({"_id": 1, **dict.fromkeys(names, "old")})
        # MongoDB keeps the name of an asterisk for itself.
        indexes = {name if name != "*" else "any": name for name in names}
        specs = [IndexSpec(name=index, fields=[(name, 1)]) for index, name in indexes.items()]
        await store.ensure_indexes("people", specs)
        for name in names:
            assert await people.count_documents({name: "old"}) == 1, name
            assert (
                await people.update_one({name: "old"}, {"$set": {name: "new", f"in.{name}": name}})
            ).modified_count == 1
            assert await people.count_documents({name: "new", f"in.{name}": name}) == 1, name
            assert await people.count_documents({name: "old"}) == 0, name
            assert await people.find_one({}, {name: 1, "_id": 0}) == {name: "new"}, name
        assert {spec.name: spec.fields[0][0] for spec in await store.list_indexes("people")} == indexes

    @pytest.mark.parametrize("write", WRITES, ids=map(str, range(len(WRITES))))
    async def test_what_cannot_be_stored_is_refused_with_its_path_before_anything_is_written(
        self, stores: Stores, write: Callable[[Any, Any], Awaitable[Any]]
    ) -> None:
        store = await stores.open()
        people = store["people"]
        await people.insert_one({"_id": 1})
        before = await contents(store)
        for outside in OUTSIDE:
            with pytest.raises((InvalidDocument, OperationFailure)) as caught:
                await write(people, outside.make())
            assert _names_path(str(caught.value), outside), (outside.why, str(caught.value))
            assert await contents(store) == before, outside.why

    async def test_what_cannot_be_stored_is_no_part_of_an_id_and_not_asked_for(self, stores: Stores) -> None:
        store = await stores.open()
        people = store["people"]
        for outside in OUTSIDE:
            with pytest.raises(InvalidDocument, match="_id"):
                await people.insert_one({"_id": {"a": outside.make()}})
            for filter in ({"a": outside.make()}, {"a": {"$gt": outside.make()}}, {"a": {"$in": [outside.make()]}}):
                with pytest.raises(OperationFailure, match="field a") as caught:
                    await people.find_one(filter)
                assert caught.value.code == 2, outside.why
        assert await store.list_collection_names() == []

    async def test_a_document_may_have_16_megabytes_and_no_more(self, stores: Stores) -> None:
        store = await stores.open()
        people = store["people"]
        room = MAX_SIZE - len(encode({"_id": 1, "a": ""}))
        await people.insert_one({"_id": 1, "a": "x" * room})
        with pytest.raises(InvalidDocument, match="16,777,216"):
            await people.insert_one({"_id": 2, "a": "x" * (room + 1)})
        with pytest.raises(OperationFailure, match="16,777,216") as caught:
            await people.update_one({"_id": 1}, {"$set": {"b": 1}})
        assert caught.value.code == 17419
        found = await people.find_one({"_id": 1})
        assert found is not None
        assert found.keys() == {"_id", "a"}
        assert len(found["a"]) == room
        assert await people.count_documents({}) == 1

    async def test_a_document_may_have_a_hundred_levels_and_no_more(self, stores: Stores) -> None:
        people = (await stores.open())["people"]
        value: Any = 1
        for _ in range(99):
            value = {"a": value}
        await people.insert_one({"_id": 1, "a": value})
        assert await people.find_one({"_id": 1}) == {"_id": 1, "a": value}
        with pytest.raises(InvalidDocument, match="100 levels"):
            await people.insert_one({"_id": 2, "a": {"a": {"a": value}}})
        with pytest.raises(OperationFailure):
            await people.update_one({"_id": 1}, {"$set": {".".join("a" * 100): {"a": {"a": 1}}}})
        assert await people.find().to_list() == [{"_id": 1, "a": value}]

    async def test_collections_have_odd_names(self, stores: Stores) -> None:
        store = await stores.open()
        for place, name in enumerate(NAMES):
            await insert_all(store, name, [{"_id": 1, "place": place}])
            await store.ensure_indexes(name, [IndexSpec(name=name, fields=[(f"in {name}", 1)])])
        assert await store.list_collection_names() == sorted(NAMES)
        for place, name in enumerate(NAMES):
            assert await find_all(store, name) == [{"_id": 1, "place": place}]
            assert [spec.name for spec in await store.list_indexes(name)] == [name]
        for name in NAMES:
            assert await store.drop(name) == 1
        assert await store.list_collection_names() == []

    @pytest.mark.parametrize("name", ["", "nul\0", ".a", "a.", "a..b", "$a", "a$b", "lone \ud800"])
    async def test_names_that_mongodb_refuses_are_refused(self, stores: Stores, name: str) -> None:
        store = await stores.open()
        with pytest.raises(InvalidQuery):
            await insert_all(store, name, [{"_id": 1}])
        with pytest.raises(InvalidQuery):
            await store.get(name, [1])
        with pytest.raises(InvalidQuery):
            await find_all(store, name)
        with pytest.raises(InvalidQuery):
            await store.drop(name)
        assert await store.list_collection_names() == []

    async def test_many_collections_live_in_one_store(self, stores: Stores) -> None:
        store = await stores.open()
        for number in range(200):
            await insert_all(store, f"c{number}", [{"_id": 1, "number": number}])
        assert len(await store.list_collection_names()) == 200
        for number in range(0, 200, 17):
            assert await find_all(store, f"c{number}") == [{"_id": 1, "number": number}]


def _names_path(message: str, outside: Outside) -> bool:
    """Whether an error says where the value is: exactly, but shortened where containers are deep."""
    paths = [f"(field a{place}{outside.path}" for place in ("", ".$each.0")]
    return any(path in message for path in paths)


def decode_id(id: Any) -> Any:
    """What an id is after it was stored."""
    return decode(encode({"": id}))[""]
