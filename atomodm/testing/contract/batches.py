"""Batches: all or nothing, revisions, duplicates, and what is applied twice."""

from __future__ import annotations

import re

import pytest
from bson import ObjectId

from ...contract import Atomicity, Batch, Delete, IndexSpec, Insert, Operation, Patch, Replace
from ...encoding import encode
from ...errors import (
    BatchTooLarge,
    DuplicateKey,
    InvalidQuery,
    RevisionMismatch,
    UnsupportedOperation,
    ValueNotStorable,
)
from ...query.changes import Changes
from ...query.nodes import Compare, Operator
from .stores import Stores, contents, find_all, ids, insert, insert_all, read, update


class BatchContract:
    """`Store.write` and `Store.get`."""

    async def test_inserted_documents_are_read_back_with_their_revisions(self, stores: Stores) -> None:
        store = await stores.open()
        outcome = await insert_all(store, "people", [{"_id": 1, "name": "Ann"}, {"_id": 2, "name": "Bob"}])
        assert list(outcome.existed) == [False, False]
        assert await read(store, "people", 1) == (outcome.revisions[0], {"_id": 1, "name": "Ann"})
        assert await read(store, "people", 2) == (outcome.revisions[1], {"_id": 2, "name": "Bob"})

    async def test_ids_that_do_not_exist_are_left_out_and_repeated_ones_are_read_once(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number} for number in range(300)])
        chunk = await store.get("people", [*range(0, 300, 2), 998, 999, 0, 2])
        assert len(chunk.documents) == len(chunk.revisions) == 150
        assert sorted(chunk.documents) == sorted(encode({"_id": number}) for number in range(0, 300, 2))
        assert list((await store.get("people", [])).documents) == []
        assert list((await store.get("nobody", [1])).documents) == []

    async def test_stored_bytes_come_back_bit_by_bit(self, stores: Stores) -> None:
        store = await stores.open()
        data = encode({"_id": "x", "b": 1, "a": {"z": [None, 2.5, b"\0"], "": "empty name"}})
        await store.write(Batch([Insert("people", "x", data)]))
        assert list((await store.get("people", ["x"])).documents) == [data]

    async def test_an_update_writes_the_new_form_and_gives_a_new_revision(self, stores: Stores) -> None:
        store = await stores.open()
        document = {"_id": 1, "age": 30}
        (first,) = (await insert_all(store, "people", [document])).revisions
        outcome = await store.write(Batch([update("people", first, document, Changes(set={"age": 31}))]))
        assert list(outcome.existed) == [True]
        assert outcome.revisions[0] != first
        assert await read(store, "people", 1) == (outcome.revisions[0], {"_id": 1, "age": 31})

    async def test_an_update_at_another_revision_is_refused(self, stores: Stores) -> None:
        store = await stores.open()
        document = {"_id": 1, "age": 30}
        (first,) = (await insert_all(store, "people", [document])).revisions
        await store.write(Batch([update("people", first, document, Changes(set={"age": 31}))]))
        with pytest.raises(RevisionMismatch) as caught:
            await store.write(Batch([update("people", first, document, Changes(set={"age": 99}))]))
        assert caught.value.positions == (0,)
        assert await find_all(store, "people") == [{"_id": 1, "age": 31}]

    async def test_a_mismatch_names_every_position_and_nothing_is_written(self, stores: Stores) -> None:
        store = await stores.open()
        documents = [{"_id": number, "age": number} for number in range(5)]
        revisions = (await insert_all(store, "people", documents)).revisions
        await store.write(Batch([Patch("people", number, Changes(set={"age": -1})) for number in (1, 3)]))
        before = await contents(store)
        batch = Batch(
            [
                *(
                    update("people", revision, document, Changes(set={"age": 9}))
                    for revision, document in zip(revisions, documents, strict=True)
                ),
                insert("people", {"_id": 10}),
                Delete("people", 11, revision=1),
            ]
        )
        with pytest.raises(RevisionMismatch) as caught:
            await store.write(batch)
        assert caught.value.positions == (1, 3, 6)
        assert await contents(store) == before

    async def test_an_update_of_a_deleted_document_is_a_mismatch(self, stores: Stores) -> None:
        store = await stores.open()
        document = {"_id": 1, "age": 30}
        (first,) = (await insert_all(store, "people", [document])).revisions
        await store.write(Batch([Delete("people", 1)]))
        with pytest.raises(RevisionMismatch):
            await store.write(Batch([update("people", first, document, Changes(set={"age": 31}))]))
        with pytest.raises(RevisionMismatch):
            await store.write(Batch([update("nobody", first, document, Changes(set={"age": 31}))]))
        assert await contents(store) == {}

    async def test_revisions_never_repeat_for_an_id(self, stores: Stores) -> None:
        store = await stores.open()
        seen: list[int] = []
        document = {"_id": 1, "age": 0}
        for _ in range(5):
            seen += (await insert_all(store, "people", [document])).revisions
            seen += (await store.write(Batch([Patch("people", 1, Changes(set={"age": 1}))]))).revisions
            seen += (await store.write(Batch([Replace("people", 1, encode(document))]))).revisions
            await store.write(Batch([Delete("people", 1)]))
        await insert_all(store, "people", [document])
        await store.drop("people")
        seen += (await insert_all(store, "people", [document])).revisions
        assert len(set(seen)) == len(seen) == 16

    async def test_a_patch_changes_what_is_there_and_leaves_the_rest(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": 1, "age": 30, "tags": ["a"], "home": {"city": "X", "zip": "1"}}])
        changes = Changes(set={"home.city": "Y", "new": None}, unset=["age", "home.zip"], push={"tags": ["b", "c"]})
        outcome = await store.write(Batch([Patch("people", 1, changes)]))
        assert list(outcome.existed) == [True]
        assert await read(store, "people", 1) == (
            outcome.revisions[0],
            {"_id": 1, "tags": ["a", "b", "c"], "home": {"city": "Y"}, "new": None},
        )

    async def test_a_patch_of_an_absent_document_is_a_mismatch(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": 1}])
        with pytest.raises(RevisionMismatch) as caught:
            await store.write(
                Batch([Patch("people", 1, Changes(set={"age": 1})), Patch("people", 2, Changes(set={"age": 1}))])
            )
        assert caught.value.positions == (1,)
        assert await find_all(store, "people") == [{"_id": 1}]

    async def test_a_patch_that_does_not_fit_or_moves_the_document_is_refused(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": 1, "name": "secret"}])
        for changes in (
            Changes(set={"name.first": 1}),
            Changes(push={"name": [1]}),
            Changes(set={"_id": 2}),
            Changes(unset=["_id"]),
        ):
            with pytest.raises(InvalidQuery) as caught:
                await store.write(Batch([Patch("people", 1, changes)]))
            assert "secret" not in str(caught.value)
        assert await find_all(store, "people") == [{"_id": 1, "name": "secret"}]

    async def test_a_replacement_writes_whatever_is_there(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": 1, "age": 30}])
        outcome = await store.write(
            Batch([Replace("people", 1, encode({"_id": 1, "name": "Ann"})), Replace("people", 2, encode({"_id": 2}))])
        )
        assert list(outcome.existed) == [True, False]
        assert await find_all(store, "people", sort=[("_id", 1)]) == [{"_id": 1, "name": "Ann"}, {"_id": 2}]

    async def test_deleting_says_what_was_there(self, stores: Stores) -> None:
        store = await stores.open()
        (revision, _) = (await insert_all(store, "people", [{"_id": 1}, {"_id": 2}])).revisions
        with pytest.raises(RevisionMismatch):
            await store.write(Batch([Delete("people", 1, revision=revision + 1_000_000)]))
        outcome = await store.write(
            Batch([Delete("people", 1, revision=revision), Delete("people", 2), Delete("people", 3)])
        )
        assert list(outcome.existed) == [True, True, False]
        assert list(outcome.revisions) == [0, 0, 0]
        assert await find_all(store, "people") == []

    async def test_inserting_an_id_that_exists_is_a_duplicate(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": "secret", "age": 1}])
        with pytest.raises(DuplicateKey) as caught:
            await store.write(Batch([insert("people", {"_id": "new"}), insert("people", {"_id": "secret", "age": 2})]))
        assert (caught.value.index, caught.value.fields, caught.value.position) == ("_id_", ("_id",), 1)
        assert "secret" not in str(caught.value)
        assert await find_all(store, "people") == [{"_id": "secret", "age": 1}]

    async def test_two_inserts_of_one_id_are_a_duplicate(self, stores: Stores) -> None:
        store = await stores.open()
        with pytest.raises(DuplicateKey) as caught:
            await insert_all(store, "people", [{"_id": 1}, {"_id": 2}, {"_id": 1.0}])
        assert (caught.value.index, caught.value.position) == ("_id_", 2)
        assert await contents(store) == {}

    async def test_a_batch_has_one_operation_for_a_document(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": 1}])
        with pytest.raises(ValueError, match="same document"):
            await store.write(Batch([Delete("people", 1), Replace("people", 1, encode({"_id": 1}))]))
        assert await find_all(store, "people") == [{"_id": 1}]

    async def test_a_batch_without_operations_does_nothing(self, stores: Stores) -> None:
        store = await stores.open()
        outcome = await store.write(Batch([]))
        assert (list(outcome.revisions), list(outcome.existed)) == ([], [])

    @pytest.mark.parametrize("culprit", ["mismatch", "duplicate id", "duplicate key", "patch of nothing"])
    async def test_a_batch_that_fails_in_the_middle_leaves_nothing(self, stores: Stores, culprit: str) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [IndexSpec(name="name_1", fields=[("name", 1)], unique=True)])
        (revision, _) = (
            await insert_all(store, "people", [{"_id": 1, "name": "Ann"}, {"_id": 2, "name": "Bob"}])
        ).revisions
        failing: dict[str, Operation] = {
            "mismatch": update("people", revision + 1_000_000, {"_id": 2}, Changes(set={"name": "Eve"})),
            "duplicate id": insert("people", {"_id": 2, "name": "Eve"}),
            "duplicate key": insert("people", {"_id": 3, "name": "Bob"}),
            "patch of nothing": Patch("people", 3, Changes(set={"name": "Eve"})),
        }
        other = "people" if store.capabilities.atomic is not Atomicity.STORE else "elsewhere"
        before, position = await contents(store), await store.position() if store.capabilities.change_log else 0
        with pytest.raises((RevisionMismatch, DuplicateKey)):
            await store.write(
                Batch(
                    [
                        insert(other, {"_id": 10, "name": "new"}),
                        Patch("people", 1, Changes(set={"name": "changed"})),
                        failing[culprit],
                        insert(other, {"_id": 11, "name": "newer"}),
                    ]
                )
            )
        assert await contents(store) == before
        assert await ids(store, "people", Compare("name", Operator.EQ, "changed")) == []
        assert await ids(store, "people", Compare("name", Operator.EQ, "Ann")) == [1]
        if store.capabilities.change_log:
            assert await store.position() == position
            assert (await store.changes(position)).entries == []

    async def test_a_batch_over_several_collections_is_applied_or_refused(self, stores: Stores) -> None:
        store = await stores.open()
        batch = Batch(
            [insert("a", {"_id": 1}), insert("b", {"_id": 1}), insert("a", {"_id": 2}), insert("c", {"_id": 1})]
        )
        if store.capabilities.atomic is not Atomicity.STORE:
            with pytest.raises(UnsupportedOperation, match=store.capabilities.atomic.value):
                await store.write(batch)
            assert await contents(store) == {}
            return
        outcome = await store.write(batch)
        assert len(set(outcome.revisions)) == 4
        assert await contents(store) == {"a": [{"_id": 1}, {"_id": 2}], "b": [{"_id": 1}], "c": [{"_id": 1}]}

    async def test_an_operation_id_is_applied_once_and_answered_as_the_first_time(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await insert_all(store, "people", [{"_id": number, "count": 0} for number in range(3)])
        batch = Batch(
            [
                Patch("people", 1, Changes(push={"seen": ["x"]})),
                Delete("people", 99),
                insert("people", {"_id": 5}),
                Delete("people", 2),
                Replace("people", 6, encode({"_id": 6})),
                Replace("people", 0, encode({"_id": 0})),
            ]
        )
        first = await store.write(batch)
        assert list(first.existed) == [True, False, False, True, False, True]
        await store.write(Batch([insert("people", {"_id": 99}), Delete("people", 5)]))
        before = await contents(store)
        for handle in (store, other):
            again = await handle.write(batch)
            assert (list(again.revisions), list(again.existed)) == (list(first.revisions), list(first.existed))
        assert await contents(store) == before

    async def test_an_id_is_no_array_and_no_regular_expression(self, stores: Stores) -> None:
        store = await stores.open()
        for id in ([1, 2], re.compile("x")):
            with pytest.raises(ValueNotStorable):
                await store.write(Batch([Replace("people", id, encode({"_id": 1}))]))

    async def test_a_batch_beyond_what_the_store_declares_is_refused(self, stores: Stores) -> None:
        store = await stores.open()
        limit = store.capabilities.max_batch
        number = 3_000 if limit is None else limit + 1
        documents = [{"_id": ObjectId()} for _ in range(number)]
        if limit is None:
            assert len((await insert_all(store, "people", documents)).revisions) == number
        else:
            with pytest.raises(BatchTooLarge):
                await insert_all(store, "people", documents)
        assert await store.count("people") == (number if limit is None else 0)

    async def test_a_big_batch_is_applied_while_the_event_loop_goes_on(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [IndexSpec(name="age_1", fields=[("age", 1)])])
        number = min(store.capabilities.max_batch or 20_000, 20_000)
        outcome = await insert_all(store, "people", [{"_id": place, "age": place % 100} for place in range(number)])
        assert len(set(outcome.revisions)) == number
        assert await store.count("people") == number
        assert await store.count("people", Compare("age", Operator.EQ, 7)) == number // 100
