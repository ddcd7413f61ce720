"""Collections and indexes by name: dropping and renaming."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from ...contract import Batch, ChangeKind, Find, IndexSpec, Store
from ...errors import (
    DuplicateKey,
    IndexConflict,
    InvalidQuery,
    NamespaceConflict,
    RevisionMismatch,
    UnsupportedOperation,
)
from ...query.changes import Changes
from ...query.filters import parse_filter
from .stores import Stores, contents, find_all, ids, insert_all, read, update

NAME = IndexSpec(name="name_1", fields=[("name", 1)])
UNIQUE = IndexSpec(name="age_1", fields=[("age", 1)], unique=True)


async def _refuses_renaming(store: Store) -> bool:
    """Whether the store renames no collections, and says so before it does anything."""
    if store.capabilities.rename:
        return False
    await insert_all(store, "refused", [{"_id": 1}])
    before = await contents(store)
    for name, new_name, drop_target in (("refused", "other", False), ("refused", "x", True), ("nobody", "x", False)):
        with pytest.raises(UnsupportedOperation, match="rename"):
            await store.rename(name, new_name, drop_target=drop_target)
    assert await contents(store) == before
    return True


class NamespaceContract:
    """`Store.drop_indexes`, `Store.rename`, `Store.drop_database`."""

    async def test_indexes_are_dropped_by_name(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await store.ensure_indexes("people", [NAME, UNIQUE])
        await insert_all(store, "people", [{"_id": 1, "name": "a", "age": 1}])
        assert len(await ids(other, "people")) == 1
        await store.drop_indexes("people", ["age_1"])
        assert [index.name for index in await other.list_indexes("people")] == ["name_1"]
        # The other handle still knows the unique index.
        await insert_all(other, "people", [{"_id": 2, "name": "b", "age": 1}])
        assert await ids(other, "people", parse_filter({"age": 1}), sort=[("_id", 1)]) == [1, 2]
        with pytest.raises(DuplicateKey):
            await store.ensure_indexes("people", [UNIQUE])
        await store.drop_indexes("people")
        assert await store.list_indexes("people") == []
        assert (await store.explain("people", Find(filter=parse_filter({"name": "a"})))).index is None
        await store.drop_indexes("people")
        await store.drop_indexes("nothing")

    async def test_an_index_that_is_not_there_cannot_be_dropped(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [NAME])
        for names, code in ((["age_1"], 27), (["name_1", "age_1"], 27), (["_id_"], 72), (["name_1", "_id_"], 72)):
            with pytest.raises(IndexConflict) as caught:
                await store.drop_indexes("people", names)
            assert caught.value.server_code == code
        assert [index.name for index in await store.list_indexes("people")] == ["name_1"]

    @pytest.mark.slow
    @pytest.mark.parametrize("unique", [False, True])
    async def test_a_large_index_is_dropped_while_others_write(self, stores: Stores, unique: bool) -> None:
        store, other = await stores.open(), await stores.open()
        index = IndexSpec(name="name_1", fields=[("name", 1)], unique=unique)
        await store.ensure_indexes("people", [index])
        for start in range(0, 25_000, 5_000):  # not more at once than stores take
            await insert_all(
                store, "people", [{"_id": number, "name": number} for number in range(start, start + 5_000)]
            )
        dropping = asyncio.create_task(store.drop_indexes("people", ["name_1"]))
        number = 25_000
        while not dropping.done():
            # Equal values are refused for as long as a unique index is there.
            with suppress(DuplicateKey):
                await insert_all(other, "people", [{"_id": number, "name": 5}])
            number += 1
        await dropping
        await store.ensure_indexes("people", [NAME])
        found = await ids(store, "people", parse_filter({"name": 5}))
        documents = await find_all(store, "people")
        assert sorted(found) == sorted(document["_id"] for document in documents if document["name"] == 5)
        assert unique or len(documents) == number

    async def test_a_renamed_collection_keeps_documents_revisions_and_indexes(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        if await _refuses_renaming(store):
            return
        await store.ensure_indexes("people", [NAME, UNIQUE])
        document = {"_id": 1, "name": "a", "age": 1}
        (revision,) = (await insert_all(store, "people", [document])).revisions
        assert await read(other, "people", 1) == (revision, document)
        await store.rename("people", "folk")
        assert await store.list_collection_names() == ["folk"]
        assert await read(other, "people", 1) is None
        assert await read(other, "folk", 1) == (revision, document)
        assert {index.name for index in await other.list_indexes("folk")} == {"name_1", "age_1"}
        assert (await other.explain("folk", Find(filter=parse_filter({"name": "a"})))).index == "name_1"
        with pytest.raises(DuplicateKey):
            await insert_all(other, "folk", [{"_id": 2, "age": 1}])
        await other.write(Batch([update("folk", revision, document, Changes(set={"name": "b"}))]))
        # The former name is free, and what is written under it is another collection.
        await insert_all(other, "people", [{"_id": 2, "age": 1}])
        with pytest.raises(RevisionMismatch):
            await other.write(Batch([update("people", revision, document, Changes(set={"name": "b"}))]))
        assert await ids(store, "people") == [2]
        assert await ids(store, "folk", parse_filter({"name": "b"})) == [1]

    async def test_renaming_says_what_is_in_the_way(self, stores: Stores) -> None:
        store = await stores.open()
        if await _refuses_renaming(store):
            return
        await insert_all(store, "people", [{"_id": 1}])
        await insert_all(store, "folk", [{"_id": 2}])
        for name, new_name, code in (("nobody", "x", 26), ("people", "folk", 48), ("people", "people", 20)):
            with pytest.raises(NamespaceConflict) as caught:
                await store.rename(name, new_name)
            assert caught.value.server_code == code
        for new_name in ("", "a$b", ".a", "a\0"):
            with pytest.raises(InvalidQuery) as refused:
                await store.rename("people", new_name)
            assert refused.value.server_code == 73
        assert await store.list_collection_names() == ["folk", "people"]
        await store.rename("people", "folk", drop_target=True)
        assert await store.list_collection_names() == ["folk"]
        assert await ids(store, "folk") == [1]

    async def test_a_collection_that_was_emptied_is_not_in_the_way(self, stores: Stores) -> None:
        store = await stores.open()
        if await _refuses_renaming(store):
            return
        await insert_all(store, "people", [{"_id": 1}])
        await store.ensure_indexes("folk", [NAME])
        await store.drop_indexes("folk")
        await store.rename("people", "folk")
        assert await ids(store, "folk") == [1]
        assert await store.list_indexes("folk") == []

    async def test_renaming_drops_both_names_for_those_who_follow(self, stores: Stores) -> None:
        store = await stores.open()
        if await _refuses_renaming(store):
            return
        await insert_all(store, "people", [{"_id": 1}])
        position = await store.position()
        await store.rename("people", "folk")
        entries = (await store.changes(position)).entries
        assert {(entry.collection, entry.kind) for entry in entries} == {
            ("people", ChangeKind.DROP),
            ("folk", ChangeKind.DROP),
        }
        assert len({entry.transaction for entry in entries}) == 1

    async def test_dropping_the_database_removes_everything(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await store.ensure_indexes("people", [UNIQUE])
        await insert_all(store, "people", [{"_id": 1, "age": 1}])
        await insert_all(store, "folk", [{"_id": 2}])
        assert await other.count("people") == 1
        position = await store.position()
        await store.drop_database()
        assert await other.list_collection_names() == []
        assert {entry.collection for entry in (await other.changes(position)).entries} == {"people", "folk"}
        await insert_all(other, "people", [{"_id": 1, "age": 1}, {"_id": 2, "age": 1}])
        assert await other.list_indexes("people") == []
        await store.drop_database()
        await store.drop_database()
