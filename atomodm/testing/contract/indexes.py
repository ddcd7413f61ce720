"""Indexes: declared, built over what is there, unique or sparse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any

import pytest

from ...contract import Batch, Chunk, Delete, Find, IndexSpec, Operation, Patch, Replace
from ...encoding import decode_all, encode
from ...errors import DuplicateKey, IndexConflict, StaleCatalogue
from ...query.changes import Changes
from ...query.nodes import Compare, Operator
from .stores import Stores, contents, find_all, ids, insert, insert_all, read, update

NAME = IndexSpec(name="name_1", fields=[("name", 1)])
AGE = IndexSpec(name="age_-1", fields=[("age", -1)])
UNIQUE = IndexSpec(name="name_1", fields=[("name", 1)], unique=True)
SPARSE = IndexSpec(name="name_1", fields=[("name", 1)], unique=True, sparse=True)


def named(name: Any) -> Compare:
    """The condition that a document has this name."""
    return Compare("name", Operator.EQ, name)


async def _check_each(chunks: AsyncIterator[Chunk], is_right: Callable[[dict[str, Any]], bool]) -> None:
    async for chunk in chunks:
        assert all(map(is_right, decode_all(chunk.documents)))


class IndexContract:
    """`Store.ensure_indexes`, `Store.list_indexes` and unique indexes."""

    async def test_declared_indexes_are_listed_and_declaring_them_again_changes_nothing(self, stores: Stores) -> None:
        store = await stores.open()
        assert await store.list_indexes("people") == []
        await store.ensure_indexes("people", [NAME, AGE])
        await store.ensure_indexes("people", [AGE, NAME])
        listed = {spec.name: spec for spec in await store.list_indexes("people")}
        assert listed.keys() == {"name_1", "age_-1"}
        assert [tuple(field) for field in listed["age_-1"].fields] == [("age", -1)]
        assert not listed["name_1"].unique
        assert not listed["name_1"].sparse
        assert await store.list_collection_names() == ["people"]
        assert await store.list_indexes("others") == []

    async def test_an_index_of_that_name_with_other_options_is_a_conflict(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [NAME])
        with pytest.raises(IndexConflict):
            await store.ensure_indexes("people", [UNIQUE])
        with pytest.raises(IndexConflict):
            await store.ensure_indexes("people", [IndexSpec(name="name_1", fields=[("age", 1)])])
        assert [spec.unique for spec in await store.list_indexes("people")] == [False]

    async def test_the_index_on_ids_exists_already(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [IndexSpec(name="_id_1", fields=[("_id", 1)])])
        assert await store.list_indexes("people") == []

    async def test_an_index_is_built_over_the_documents_that_are_there(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number, "name": f"n{number % 10}"} for number in range(1200)])
        steps: list[tuple[int, int]] = []
        await store.ensure_indexes("people", [NAME], lambda done, total: steps.append((done, total)))
        assert steps[-1] == (1200, 1200)
        assert [done for done, _ in steps] == sorted(done for done, _ in steps)
        explanation = await store.explain("people", Find(filter=named("n3")))
        assert (explanation.index, explanation.scanned, explanation.returned) == ("name_1", 120, 120)

    async def test_an_index_follows_every_kind_of_write(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [NAME])
        document = {"_id": 1, "name": "Ann"}
        (revision, *_) = (
            await insert_all(store, "people", [document, {"_id": 2, "name": "Ann"}, {"_id": 3}, {"_id": 4}])
        ).revisions
        await store.write(
            Batch(
                [
                    update("people", revision, document, Changes(set={"name": "Bob"})),
                    Patch("people", 2, Changes(unset=["name"])),
                    Replace("people", 3, encode({"_id": 3, "name": "Ann"})),
                    Delete("people", 4),
                ]
            )
        )
        assert await ids(store, "people", named("Ann")) == [3]
        assert await ids(store, "people", named("Bob")) == [1]
        assert await ids(store, "people", named(None)) == [2]
        await store.write(Batch([Delete("people", 1), Delete("people", 3)]))
        assert await ids(store, "people", named("Ann")) == await ids(store, "people", named("Bob")) == []

    async def test_changes_inside_of_an_indexed_path_reach_the_index(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [IndexSpec(name="pets", fields=[("pets.name", 1)])])
        document = {"_id": 1, "pets": [{"name": "Rex"}, {"name": "Tom"}]}
        (revision,) = (await insert_all(store, "people", [document])).revisions
        await store.write(Batch([update("people", revision, document, Changes(set={"pets.1.name": "Kit"}))]))

        def owners(name: str) -> Compare:
            return Compare("pets.name", Operator.EQ, name)

        assert await ids(store, "people", owners("Kit")) == await ids(store, "people", owners("Rex")) == [1]
        assert await ids(store, "people", owners("Tom")) == []
        await store.write(Batch([Patch("people", 1, Changes(set={"pets": {"name": "Tom"}}))]))
        assert await ids(store, "people", owners("Tom")) == [1]
        assert await ids(store, "people", owners("Rex")) == []

    @pytest.mark.parametrize("write", ["insert", "update", "patch", "replace"])
    async def test_a_unique_index_refuses_an_equal_value(self, stores: Stores, write: str) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [UNIQUE])
        document = {"_id": 2, "name": "Bob"}
        (_, revision) = (await insert_all(store, "people", [{"_id": 1, "name": "secret"}, document])).revisions
        before = await contents(store)
        operations: dict[str, Operation] = {
            "insert": insert("people", {"_id": 3, "name": "secret"}),
            "update": update("people", revision, document, Changes(set={"name": "secret"})),
            "patch": Patch("people", 2, Changes(set={"name": "secret"})),
            "replace": Replace("people", 2, encode({"_id": 2, "name": "secret"})),
        }
        with pytest.raises(DuplicateKey) as caught:
            await store.write(Batch([insert("people", {"_id": 9, "name": "other"}), operations[write]]))
        error = caught.value
        assert (error.index, error.fields, error.position) == ("name_1", ("name",), 1)
        assert "people" in str(error)
        assert "name_1" in str(error)
        assert "secret" not in str(error)
        assert await contents(store) == before

    async def test_a_value_is_free_again_once_it_was_given_up(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [UNIQUE])
        await insert_all(store, "people", [{"_id": 1, "name": "Ann"}, {"_id": 2, "name": "Bob"}])
        await store.write(Batch([Delete("people", 1)]))
        await insert_all(store, "people", [{"_id": 3, "name": "Ann"}])
        await store.write(Batch([Patch("people", 3, Changes(set={"name": "Eve"}))]))
        await insert_all(store, "people", [{"_id": 4, "name": "Ann"}])
        await store.write(Batch([Replace("people", 4, encode({"_id": 4, "name": "Ann", "age": 1}))]))
        assert await ids(store, "people", named("Ann")) == [4]

    async def test_unique_values_change_hands_within_a_batch(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [UNIQUE])
        await insert_all(store, "people", [{"_id": 1, "name": "Ann"}, {"_id": 2, "name": "Bob"}])
        await store.write(
            Batch([Patch("people", 1, Changes(set={"name": "Bob"})), Patch("people", 2, Changes(set={"name": "Ann"}))])
        )
        assert await ids(store, "people", named("Ann")) == [2]
        await store.write(Batch([Delete("people", 2), insert("people", {"_id": 3, "name": "Ann"})]))
        assert await ids(store, "people", named("Ann")) == [3]

    async def test_two_documents_of_a_batch_may_not_have_one_unique_value(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [UNIQUE])
        with pytest.raises(DuplicateKey) as caught:
            await insert_all(
                store, "people", [{"_id": 1, "name": "A"}, {"_id": 2, "name": "B"}, {"_id": 3, "name": "A"}]
            )
        assert caught.value.index == "name_1"
        assert await find_all(store, "people") == []

    async def test_values_are_equal_for_a_unique_index_as_they_are_for_a_filter(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [UNIQUE])
        await insert_all(
            store, "people", [{"_id": 1, "name": 5}, {"_id": 2, "name": "5"}, {"_id": 3, "name": {"a": 1}}]
        )
        for name in (5.0, {"a": 1.0}):
            with pytest.raises(DuplicateKey):
                await insert_all(store, "people", [{"_id": 4, "name": name}])
        await insert_all(store, "people", [{"_id": 5, "name": {"a": 1, "b": 1}}, {"_id": 6, "name": True}])

    async def test_a_missing_value_counts_as_null_in_a_unique_index(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [UNIQUE])
        await insert_all(store, "people", [{"_id": 1}])
        for document in ({"_id": 2}, {"_id": 2, "name": None}):
            with pytest.raises(DuplicateKey):
                await insert_all(store, "people", [document])

    async def test_several_may_lack_the_value_of_a_sparse_unique_index(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [SPARSE])
        await insert_all(store, "people", [{"_id": 1}, {"_id": 2}, {"_id": 3, "name": None}, {"_id": 4, "name": "A"}])
        for document in ({"_id": 5, "name": None}, {"_id": 5, "name": "A"}):
            with pytest.raises(DuplicateKey):
                await insert_all(store, "people", [document])
        # What the index lacks is found all the same.
        assert await ids(store, "people", named(None), sort=[("_id", 1)]) == [1, 2, 3]
        assert await ids(store, "people", sort=[("name", 1)]) == [1, 2, 3, 4]
        assert await ids(store, "people", named("A")) == [4]

    async def test_a_unique_index_over_arrays_compares_elements_of_different_documents(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [UNIQUE])
        await insert_all(store, "people", [{"_id": 1, "name": ["a", "b", "a"]}, {"_id": 2, "name": []}])
        for name in (["x", "b"], "a", []):
            with pytest.raises(DuplicateKey):
                await insert_all(store, "people", [{"_id": 3, "name": name}])
        await store.write(Batch([Patch("people", 1, Changes(set={"name": ["b", "c"]}))]))
        await insert_all(store, "people", [{"_id": 3, "name": ["a", "d"]}])
        assert await ids(store, "people", named("a")) == [3]

    async def test_a_unique_index_is_not_created_over_equal_values(self, stores: Stores) -> None:
        store = await stores.open()
        documents = [{"_id": number, "name": f"n{number}"} for number in range(700)]
        await insert_all(store, "people", [*documents, {"_id": 1000, "name": "n650"}])
        with pytest.raises(DuplicateKey) as caught:
            await store.ensure_indexes("people", [UNIQUE])
        assert (caught.value.index, caught.value.fields) == ("name_1", ("name",))
        assert await store.list_indexes("people") == []
        await insert_all(store, "people", [{"_id": 1001, "name": "n650"}])
        await store.write(Batch([Delete("people", 1000), Delete("people", 1001)]))
        await store.ensure_indexes("people", [UNIQUE])
        assert await store.list_indexes("people") == [
            IndexSpec(name="name_1", fields=(("name", 1),), unique=True, sparse=False)
        ]

    async def test_documents_written_while_an_index_is_built_are_in_it(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await insert_all(store, "people", [{"_id": number, "name": "old"} for number in range(2000)])
        written: set[int] = set()
        stop = asyncio.Event()

        async def keep_writing() -> None:
            number = 0
            while not stop.is_set():
                id = (number * 14) % 2000
                await other.write(Batch([Patch("people", id, Changes(set={"name": "new"}))]))
                await other.write(Batch([insert("people", {"_id": 10_000 + number, "name": "new"})]))
                await other.write(Batch([Delete("people", (number * 22 + 3) % 2000)]))
                written.add(number)
                number += 1

        writing = asyncio.create_task(keep_writing())
        while len(written) < 3:
            await asyncio.sleep(0.001)
        await store.ensure_indexes("people", [NAME])
        stop.set()
        await writing
        documents = await find_all(store, "people")
        for name in ("old", "new"):
            explanation = await store.explain("people", Find(filter=named(name)))
            expected = sorted(document["_id"] for document in documents if document["name"] == name)
            assert sorted(await ids(store, "people", named(name))) == expected
            assert explanation.index == "name_1"

    async def test_two_who_build_one_index_at_once_do_not_disturb_each_other(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await insert_all(store, "people", [{"_id": number, "name": number % 50} for number in range(1500)])
        await asyncio.gather(store.ensure_indexes("people", [NAME]), other.ensure_indexes("people", [NAME, AGE]))
        assert {spec.name for spec in await store.list_indexes("people")} == {"name_1", "age_-1"}
        assert len(await ids(other, "people", named(7))) == len(await ids(store, "people", named(7))) == 30

    async def test_a_build_that_was_given_up_half_way_is_taken_up_by_the_next(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number, "name": number % 50} for number in range(1500)])

        def give_up(done: int, total: int) -> None:
            raise KeyError("enough")

        with pytest.raises(KeyError):
            await store.ensure_indexes("people", [NAME], give_up)
        assert await store.list_indexes("people") == []
        assert len(await ids(store, "people", named(7))) == 30
        # Written by all from its declaration on, read by none before it is complete.
        await store.write(Batch([Patch("people", 1400, Changes(set={"name": 7}))]))
        assert (await store.explain("people", Find(filter=named(7)))).index is None
        await store.ensure_indexes("people", [NAME])
        assert [spec.name for spec in await store.list_indexes("people")] == ["name_1"]
        assert len(await ids(store, "people", named(7))) == 31
        assert (await store.explain("people", Find(filter=named(7)))).index == "name_1"

    async def test_a_build_can_be_cancelled_and_is_taken_up_by_the_next(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number, "name": number % 50} for number in range(5000)])
        begun = asyncio.Event()
        building = asyncio.create_task(store.ensure_indexes("people", [NAME], lambda done, total: begun.set()))
        await begun.wait()
        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building
        assert await store.list_indexes("people") == []
        await store.write(Batch([Delete("people", 7), Patch("people", 8, Changes(set={"name": 7}))]))
        await store.ensure_indexes("people", [NAME])
        explanation = await store.explain("people", Find(filter=named(7)))
        assert (explanation.index, explanation.returned) == ("name_1", 100)

    async def test_what_was_read_of_a_dropped_collection_says_nothing_about_the_next_of_its_name(
        self, stores: Stores
    ) -> None:
        store, other = await stores.open(), await stores.open()
        await insert_all(store, "people", [{"_id": number, "name": "old"} for number in range(2500)])
        begun = asyncio.Event()
        building = asyncio.create_task(store.ensure_indexes("people", [NAME], lambda done, total: begun.set()))
        await begun.wait()

        def give_up(done: int, total: int) -> None:
            raise KeyError("enough")

        await other.drop("people")
        await insert_all(other, "people", [{"_id": -number, "name": "new"} for number in range(2500)])
        with suppress(KeyError):
            await other.ensure_indexes("people", [NAME], give_up)
        await building
        # Whether the build that was under way is taken up by this one or was over before: the answer is whole.
        assert await other.count("people", named("new")) == 2500
        await other.ensure_indexes("people", [NAME])
        explanation = await other.explain("people", Find(filter=named("new")))
        assert (explanation.index, explanation.returned) == ("name_1", 2500)

    async def test_a_find_does_not_go_on_with_another_index_of_a_collection_of_the_same_name(
        self, stores: Stores
    ) -> None:
        store, other = await stores.open(), await stores.open()
        await store.ensure_indexes("people", [NAME])
        await insert_all(store, "people", [{"_id": number, "name": number} for number in range(50)])
        low = Compare("name", Operator.GTE, 10)
        async with aclosing(store.find("people", Find(filter=low, batch_size=2))) as chunks:
            await anext(chunks)
            await other.drop("people")
            await other.ensure_indexes("people", [AGE])
            await insert_all(other, "people", [{"_id": number, "age": number} for number in range(50)])
            # What was read before may still be given, and nothing else.
            with pytest.raises(StaleCatalogue):
                await _check_each(chunks, lambda document: "name" in document)

    async def test_dropping_a_collection_takes_its_indexes_along(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await store.ensure_indexes("people", [UNIQUE])
        await insert_all(store, "people", [{"_id": 1, "name": "Ann"}, {"_id": 2, "name": "Bob"}])
        assert await other.count("people") == 2
        assert await store.drop("people") == 2
        assert await store.drop("people") == 0
        assert await store.list_indexes("people") == []
        assert await store.list_collection_names() == []
        # The other handle still knows the unique index that is gone.
        await insert_all(other, "people", [{"_id": 1, "name": "Ann"}, {"_id": 2, "name": "Ann"}])
        assert await ids(other, "people", named("Ann")) == await ids(store, "people", named("Ann")) == [1, 2]
        assert await read(store, "people", 1) is not None
