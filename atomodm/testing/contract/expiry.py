"""Documents that expire: gone at their time for every reader, and removed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import DeleteOne, UpdateMany, UpdateOne

from ...contract import Batch, ChangeKind, Delete, Find, IndexSpec, Patch, Replace
from ...encoding import encode
from ...errors import DuplicateKey, RevisionMismatch
from ...query.changes import Changes
from ...query.filters import parse_filter
from .stores import Stores, ids, insert_all, read, update

#: An hour after `at`.
EXPIRING = IndexSpec(name="at_1", fields=[("at", 1)], expire_after=3600)
NAME = IndexSpec(name="name_1", fields=[("name", 1)])


def ago(hours: float) -> datetime:
    """A date in the past, as documents have it."""
    return (datetime.now(UTC) - timedelta(hours=hours)).replace(tzinfo=None)


class ExpiryContract:
    """Indexes with `IndexSpec.expire_after`."""

    @pytest.mark.parametrize("direction", [1, -1])
    async def test_an_expired_document_is_never_given_out(self, stores: Stores, direction: int) -> None:
        store, other = await stores.open(), await stores.open()
        index = IndexSpec(name="expiring", fields=[("at", direction)], expire_after=3600)
        await store.ensure_indexes("notes", [index, NAME])
        documents: list[dict[str, Any]] = [
            {"_id": "fresh", "name": "x", "at": ago(0.5)},
            {"_id": "stale", "name": "x", "at": ago(1.5)},
            {"_id": "future", "name": "x", "at": ago(-5)},
            {"_id": "never", "name": "x"},
            {"_id": "no date", "name": "x", "at": "yesterday"},
            {"_id": "null", "name": "x", "at": None},
            {"_id": "one of several", "name": "x", "at": [ago(-5), ago(2)]},
            {"_id": "none of several", "name": "x", "at": [ago(-5), "text"]},
        ]
        await insert_all(store, "notes", documents)
        alive = ["fresh", "future", "never", "no date", "none of several", "null"]
        for handle in (store, other):
            assert await ids(handle, "notes", sort=[("_id", 1)]) == alive
            assert sorted(await ids(handle, "notes", parse_filter({"name": "x"}))) == alive
            assert sorted(await ids(handle, "notes", sort=[("at", 1)])) == alive
            assert await handle.count("notes") == len(alive)
            assert await handle.count("notes", parse_filter({"name": "x"})) == len(alive)
            assert await ids(handle, "notes", parse_filter({"_id": "stale"})) == []
            assert len((await handle.get("notes", [document["_id"] for document in documents])).documents) == len(alive)
            assert await read(handle, "notes", "stale") is None
            assert (await handle.explain("notes", Find())).returned == len(alive)

    async def test_documents_expire_from_the_moment_that_the_index_is_there(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await insert_all(store, "notes", [{"_id": 1, "at": ago(2)}, {"_id": 2, "at": ago(0)}])
        assert await read(other, "notes", 1) is not None
        await store.ensure_indexes("notes", [EXPIRING])
        # The other handle read the collection before.
        assert await read(other, "notes", 1) is None
        assert await read(other, "notes", 2) is not None
        assert await ids(other, "notes") == [2]

    async def test_what_was_written_before_the_index_is_absent_for_who_removes_it(self, stores: Stores) -> None:
        store = await stores.open()
        notes = store["notes"]
        await notes.insert_one({"_id": 1, "at": ago(2)})
        await store.ensure_indexes("notes", [EXPIRING])
        assert await notes.find_one_and_delete({"_id": 1}) is None
        assert (await notes.delete_one({"_id": 1})).deleted_count == 0

    async def test_the_store_s_time_decides_and_is_known_without_asking(self, stores: Stores) -> None:
        store = await stores.open()
        requests = store.requests
        now = store.now()
        assert store.requests == requests
        await store.ensure_indexes("notes", [IndexSpec(name="at_1", fields=[("at", 1)], expire_after=0)])
        dates = {"over": now - 1, "now": now, "later": now + 60_000}
        documents = [{"_id": id, "at": datetime(1970, 1, 1) + timedelta(milliseconds=at)} for id, at in dates.items()]
        await insert_all(store, "notes", documents)
        assert await ids(store, "notes") == ["later"]
        assert store.now() >= now

    async def test_a_partial_index_lets_those_expire_that_match(self, stores: Stores) -> None:
        store = await stores.open()
        index = IndexSpec(name="at_1", fields=[("at", 1)], expire_after=0, partial={"draft": True})
        await store.ensure_indexes("notes", [index])
        await insert_all(store, "notes", [{"_id": 1, "at": ago(2), "draft": True}, {"_id": 2, "at": ago(2)}])
        assert await ids(store, "notes") == [2]

    async def test_an_expired_document_does_not_keep_its_id_or_unique_value(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("notes", [EXPIRING, IndexSpec(name="name_1", fields=[("name", 1)], unique=True)])
        await insert_all(store, "notes", [{"_id": 1, "name": "a", "at": ago(2)}, {"_id": 2, "name": "b", "at": ago(2)}])
        await insert_all(store, "notes", [{"_id": 1, "name": "c", "at": ago(0)}])
        await insert_all(store, "notes", [{"_id": 3, "name": "b", "at": ago(0)}])
        assert await ids(store, "notes", sort=[("_id", 1)]) == [1, 3]
        for document in ({"_id": 1, "name": "z"}, {"_id": 4, "name": "b"}):
            with pytest.raises(DuplicateKey):
                await insert_all(store, "notes", [document])

    async def test_many_may_take_what_expired_documents_had_at_once(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        unique = IndexSpec(name="name_1", fields=[("name", 1)], unique=True)
        await store.ensure_indexes("notes", [EXPIRING, unique])
        await insert_all(store, "notes", [{"_id": number, "name": number, "at": ago(2)} for number in range(40)])
        fresh = [{"_id": number, "name": number + 100} for number in range(20)]
        fresh += [{"_id": number + 100, "name": number} for number in range(20, 40)]
        handles = [store, other] * 20
        await asyncio.gather(*(insert_all(handle, "notes", [one]) for handle, one in zip(handles, fresh, strict=True)))
        assert await store.count("notes") == 40

    async def test_an_expired_document_does_not_stand_in_the_way_of_a_unique_index(self, stores: Stores) -> None:
        store = await stores.open()
        unique = IndexSpec(name="name_1", fields=[("name", 1)], unique=True)
        await store.ensure_indexes("notes", [EXPIRING])
        await insert_all(store, "notes", [{"_id": 1, "name": "a", "at": ago(2)}, {"_id": 2, "name": "a", "at": ago(0)}])
        await store.ensure_indexes("notes", [unique])
        assert {index.name for index in await store.list_indexes("notes")} == {"at_1", "name_1"}
        await store.drop_indexes("notes", ["name_1"])
        await insert_all(store, "notes", [{"_id": 3, "name": "a", "at": ago(0)}])
        with pytest.raises(DuplicateKey):
            await store.ensure_indexes("notes", [unique])

    async def test_a_document_lives_on_when_its_date_is_set_anew_in_time(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("notes", [EXPIRING])
        await insert_all(store, "notes", [{"_id": 1, "at": ago(0.5)}])
        await store.write(Batch([Patch("notes", 1, Changes(set={"at": ago(0)}))]))
        assert await read(store, "notes", 1) is not None
        await store.write(Batch([Patch("notes", 1, Changes(set={"at": ago(1.5)}))]))
        assert await read(store, "notes", 1) is None
        await store.drop_indexes("notes", ["at_1"])
        assert await ids(store, "notes") in ([1], [])

    async def test_an_expired_document_is_absent_for_whoever_changes_it(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        document = {"_id": 1, "at": ago(2), "name": "a"}
        await insert_all(store, "notes", [document])
        # This handle wrote the document last, and knows of no index by which it expires.
        (revision,) = (await other.write(Batch([Replace("notes", 1, encode(document))]))).revisions
        await store.ensure_indexes("notes", [EXPIRING])
        alive = {"_id": 2, "at": ago(0)}
        await insert_all(store, "notes", [alive])
        later = Changes(set={"at": ago(0)})
        for handle in (store, other):
            for operation in (Patch("notes", 1, later), update("notes", revision, document, later)):
                with pytest.raises(RevisionMismatch) as caught:
                    await handle.write(Batch([Patch("notes", 2, Changes(set={"name": "x"})), operation]))
                assert list(caught.value.positions) == [1]
        assert await read(store, "notes", 1) is None
        assert "name" not in ((await read(store, "notes", 2)) or (0, {}))[1]
        assert (await other.write(Batch([Delete("notes", 1)]))).existed == [False]

    async def test_an_expired_document_is_replaced_by_a_new_one(self, stores: Stores) -> None:
        store = await stores.open()
        unique = IndexSpec(name="name_1", fields=[("name", 1)], unique=True)
        await store.ensure_indexes("notes", [EXPIRING, unique])
        await insert_all(store, "notes", [{"_id": 1, "at": ago(2), "name": "a"}])
        fresh = {"_id": 1, "at": ago(0), "name": "b"}
        outcome = await store.write(Batch([Replace("notes", 1, encode(fresh))]))
        assert outcome.existed == [False]
        revision, stored = await read(store, "notes", 1) or (0, {})
        assert (revision, stored["name"]) == (outcome.revisions[0], "b")
        # The value that the former one had is free.
        await insert_all(store, "notes", [{"_id": 2, "name": "a"}])
        assert not store.capabilities.check or (await store.check()).ok

    async def test_a_removal_of_an_expired_document_is_logged_once(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("notes", [EXPIRING])
        await insert_all(store, "notes", [{"_id": 1, "at": ago(2)}])
        position = await store.position()
        await store.write(Batch([Delete("notes", 1)]))
        assert (await store.changes(position)).entries == []
        await insert_all(store, "notes", [{"_id": 1, "at": ago(0)}])
        entries = (await store.changes(position)).entries
        assert [(entry.kind, entry.id) for entry in entries] == [(ChangeKind.DELETE, 1), (ChangeKind.PUT, 1)]

    @pytest.mark.parametrize("by_id", [True, False])
    async def test_an_expired_document_is_absent_for_every_write_of_a_collection(
        self, stores: Stores, by_id: bool
    ) -> None:
        store = await stores.open()
        notes = store["notes"]
        unique = IndexSpec(name="name_1", fields=[("name", 1)], unique=True, sparse=True)
        await store.ensure_indexes("notes", [EXPIRING, unique])
        renew = {"$set": {"at": ago(0)}}

        async def expired(id: Any) -> dict[str, Any]:
            await insert_all(store, "notes", [{"_id": id, "name": f"n{id}", "at": ago(2)}])
            return {"_id": id} if by_id else {"name": f"n{id}"}

        one = await expired(1)
        assert (await notes.update_one(one, renew)).matched_count == 0
        assert (await notes.update_many(one, renew)).matched_count == 0
        assert (await notes.replace_one(one, {"name": "n1"})).matched_count == 0
        assert await notes.find_one_and_update(one, renew) is None
        assert await notes.find_one_and_replace(one, {"name": "n1"}) is None
        assert await notes.find_one_and_delete(one) is None
        assert (await notes.delete_one(one)).deleted_count == 0
        assert (await notes.delete_many(one)).deleted_count == 0
        result = await notes.bulk_write([UpdateOne(one, renew), UpdateMany(one, renew), DeleteOne(one)])
        assert (result.matched_count, result.modified_count, result.deleted_count) == (0, 0, 0)
        assert await notes.count_documents({}) == 0
        upserted = [
            (await notes.update_one(one, renew, upsert=True)).did_upsert,
            (await notes.update_many(await expired(2), renew, upsert=True)).did_upsert,
            (await notes.replace_one(await expired(3), {"name": "n3"}, upsert=True)).did_upsert,
            (await notes.bulk_write([UpdateOne(await expired(4), renew, upsert=True)])).upserted_count,
        ]
        assert upserted == [True, True, True, 1]
        assert await notes.find_one_and_update(await expired(5), renew, upsert=True) is None
        await expired(6)
        await notes.insert_one({"_id": 6, "name": "n6"} if by_id else {"name": "n6"})
        await expired(7)
        many = await notes.insert_many([{"_id": 7} if by_id else {"name": "n7"}, {"name": "n8"}])
        assert len(many.inserted_ids) == 2
        assert await notes.count_documents({}) == 8
        assert not store.capabilities.check or (await store.check()).ok
