"""Values and names: every type as an id and in an index, odd collection names."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from ...contract import Batch, ChangeKind, Delete, Find, IndexSpec, Patch
from ...encoding import decode
from ...errors import InvalidQuery, ValueNotStorable
from ...query.changes import Changes
from ...query.keys import encode_key
from ...query.nodes import Compare, In, Operator
from .stores import Stores, contents, find_all, ids, insert_all, read

IDS: list[Any] = [
    MinKey(),
    None,
    float("nan"),
    float("-inf"),
    -(2**63),
    -1.5,
    0,
    Int64(1),
    2**53,
    2**53 + 1,
    Decimal128("9007199254740993.5"),
    2**63 - 1,
    float("inf"),
    "",
    "a",
    "a\0b",
    "ä",
    "\U0001f600",
    "x" * 5000,
    {},
    {"a": 1},
    {"a": {"b": [1, 2]}},
    {"b": 0},
    b"",
    b"\0",
    Binary(b"abc", 128),
    UUID(int=5),
    ObjectId("5f0000000000000000000000"),
    ObjectId("5f0000000000000000000001"),
    False,
    True,
    datetime(1900, 1, 1),
    datetime(2026, 1, 2, 3, 4, 5, 678000),
    Timestamp(1, 2),
    DBRef("people", 1),
    Code("x = 1"),
    MaxKey(),
]

#: What only documents can hold.
VALUES: list[Any] = [*IDS, [], [1], [[1, 2], "x"], Regex("a.*", "i")]

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
    " ",
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
            deleted = [entry for entry in await store.changes(start) if entry.kind is ChangeKind.DELETE]
            assert [encode_key(entry.id) for entry in deleted] == [encode_key(id) for id in IDS]
            assert [type(entry.id) for entry in deleted] == [type(decode_id(id)) for id in IDS]

    @pytest.mark.parametrize("id", [2**63, -(2**70), "lone \ud800", object()], ids=["int", "-int", "text", "object"])
    async def test_what_cannot_be_stored_is_no_id(self, stores: Stores, id: Any) -> None:
        store = await stores.open()
        with pytest.raises(ValueNotStorable):
            await store.write(Batch([Delete("people", id)]))
        assert await store.list_collections() == []

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

    async def test_values_come_back_as_they_went_in(self, stores: Stores) -> None:
        store = await stores.open()
        document = {"_id": 1, "values": VALUES, "nested": {str(place): value for place, value in enumerate(VALUES)}}
        await insert_all(store, "people", [document])
        found = await read(store, "people", 1)
        assert found is not None
        for back in (found[1]["values"], list(found[1]["nested"].values())):
            assert [encode_key(value) for value in back] == [encode_key(value) for value in VALUES]

    async def test_collections_have_odd_names(self, stores: Stores) -> None:
        store = await stores.open()
        for place, name in enumerate(NAMES):
            await insert_all(store, name, [{"_id": 1, "place": place}])
            await store.ensure_indexes(name, [IndexSpec(name=name, fields=[(name, 1)])])
        assert await store.list_collections() == sorted(NAMES)
        for place, name in enumerate(NAMES):
            assert await find_all(store, name) == [{"_id": 1, "place": place}]
            assert [spec.name for spec in await store.list_indexes(name)] == [name]
        for name in NAMES:
            assert await store.drop(name) == 1
        assert await store.list_collections() == []

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
        assert await store.list_collections() == []

    async def test_many_collections_live_in_one_store(self, stores: Stores) -> None:
        store = await stores.open()
        for number in range(200):
            await insert_all(store, f"c{number}", [{"_id": 1, "number": number}])
        assert len(await store.list_collections()) == 200
        for number in range(0, 200, 17):
            assert await find_all(store, f"c{number}") == [{"_id": 1, "number": number}]


def decode_id(id: Any) -> Any:
    """What an id is after it was stored."""
    from ...encoding import encode

    return decode(encode({"": id}))[""]
