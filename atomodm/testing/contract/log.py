"""The change log: what was changed, in order, as long as it is kept."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from bson import ObjectId

from ...contract import Atomicity, Batch, ChangeEntry, ChangeKind, Delete, IndexSpec, Patch, Position, Replace, Store
from ...encoding import encode
from ...errors import DuplicateKey, InvalidQuery, TokenLost, UnsupportedOperation
from ...query.changes import Changes
from .stores import Stores, insert, insert_all


async def _refuses_changes(store: Store) -> bool:
    """Whether the store has no change log and says so."""
    if store.capabilities.change_log:
        return False
    with pytest.raises(UnsupportedOperation):
        await store.position()
    with pytest.raises(UnsupportedOperation):
        await store.changes(0)
    return True


async def _entries(store: Store, since: Position) -> Sequence[ChangeEntry]:
    """The changes after a position, as far as one request gives them."""
    return (await store.changes(since)).entries


def _never_reached(position: Position) -> Position:
    """A position far after one."""
    return position + 10**9 if isinstance(position, int) else {name: value + 10**9 for name, value in position.items()}


class LogContract:
    """`Store.position` and `Store.changes`."""

    async def test_a_new_store_has_an_empty_log(self, stores: Stores) -> None:
        store = await stores.open()
        if await _refuses_changes(store):
            return
        assert await _entries(store, await store.position()) == []

    async def test_an_entry_says_what_happened_to_which_document(self, stores: Stores) -> None:
        store = await stores.open()
        if await _refuses_changes(store):
            return
        start = await store.position()
        id = ObjectId()
        first = Batch([insert("people", {"_id": id}), insert("people", {"_id": "x"})], origin=b"me")
        second = Batch(
            [
                Patch("people", id, Changes(set={"age": 1})),
                Delete("people", "nobody"),
                Delete("people", "x"),
                Replace("people", 5, encode({"_id": 5})),
            ],
            origin=b"other",
        )
        outcomes = [await store.write(first), await store.write(second)]
        entries = await _entries(store, start)
        put, delete = ChangeKind.PUT, ChangeKind.DELETE
        assert [(entry.collection, entry.kind, entry.id) for entry in entries] == [
            ("people", put, id),
            ("people", put, "x"),
            ("people", put, id),
            ("people", delete, "x"),
            ("people", put, 5),
        ]
        revisions = [*outcomes[0].revisions, outcomes[1].revisions[0], 0, outcomes[1].revisions[3]]
        assert [entry.revision for entry in entries] == revisions
        assert [entry.size for entry in entries] == [2, 2, 3, 3, 3]
        assert [entry.origin for entry in entries] == [b"me"] * 2 + [b"other"] * 3
        assert [entry.operation_id for entry in entries] == [first.operation_id] * 2 + [second.operation_id] * 3
        positions = [entry.position for entry in entries]
        assert positions == sorted(set(positions))
        assert len({entry.transaction for entry in entries}) == 2
        assert [entry.transaction for entry in entries[:2]] == [positions[0]] * 2
        page = await store.changes(start)
        assert page.position == await store.position()
        assert await _entries(store, page.position) == []

    async def test_a_batch_over_several_collections_is_one_transaction(self, stores: Stores) -> None:
        store = await stores.open()
        if await _refuses_changes(store) or store.capabilities.atomic is not Atomicity.STORE:
            return
        start = await store.position()
        await store.write(Batch([insert("a", {"_id": 1}), insert("b", {"_id": 2}), insert("a", {"_id": 3})]))
        entries = await _entries(store, start)
        assert [(entry.collection, entry.id) for entry in entries] == [("a", 1), ("b", 2), ("a", 3)]
        assert len({entry.transaction for entry in entries}) == 1

    async def test_reading_goes_on_from_a_position(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        if await _refuses_changes(store):
            return
        start = await store.position()
        for number in range(10):
            await insert_all(store, "people", [{"_id": (number * 3) + place} for place in range(3)])
        everything = await _entries(other, start)
        assert [entry.id for entry in everything] == list(range(30))
        found: list[int] = []
        position = start
        while (page := await other.changes(position, limit=4)).entries:
            # Whole transactions, as many as it takes to reach the limit.
            assert len(page.entries) == 6 if len(found) < 30 else 0
            found += [entry.id for entry in page.entries]
            position = page.position
        assert position == page.position == await store.position()
        assert found == list(range(30))

    async def test_a_page_has_one_entry_or_more(self, stores: Stores) -> None:
        store = await stores.open()
        if await _refuses_changes(store):
            return
        start = await store.position()
        await insert_all(store, "people", [{"_id": 1}])
        for limit in (0, -1):
            # Who goes on from the position of an empty page would go round in circles.
            with pytest.raises(InvalidQuery):
                await store.changes(start, limit)

    async def test_a_dropped_collection_is_one_entry(self, stores: Stores) -> None:
        store = await stores.open()
        if await _refuses_changes(store):
            return
        await insert_all(store, "people", [{"_id": 1}, {"_id": 2}])
        start = await store.position()
        await store.drop("people")
        (entry,) = await _entries(store, start)
        assert (entry.kind, entry.collection, entry.id, entry.revision) == (ChangeKind.DROP, "people", None, 0)

    async def test_what_did_not_happen_is_not_in_the_log(self, stores: Stores) -> None:
        store = await stores.open()
        if await _refuses_changes(store):
            return
        await insert_all(store, "people", [{"_id": 1}])
        start = await store.position()
        with pytest.raises(DuplicateKey):
            await insert_all(store, "people", [{"_id": 2}, {"_id": 1}])
        await store.write(Batch([Delete("people", 99)]))
        await store.drop("nobody")
        await store.ensure_indexes("people", [IndexSpec(name="age_1", fields=[("age", 1)])])
        assert await _entries(store, start) == []

    async def test_a_batch_that_was_applied_before_is_not_logged_again(self, stores: Stores) -> None:
        store = await stores.open()
        if await _refuses_changes(store):
            return
        batch = Batch([insert("people", {"_id": 1})])
        await store.write(batch)
        position = await store.position()
        await store.write(batch)
        assert await store.position() == position

    async def test_a_position_that_was_trimmed_is_lost(self, stores: Stores) -> None:
        store = await stores.open(log_size=10)
        if await _refuses_changes(store):
            return
        start = await store.position()
        recent = start
        for number in range(30):
            if number == 20:
                recent = await store.position()
            await insert_all(store, "people", [{"_id": number}])
        with pytest.raises(TokenLost):
            await store.changes(start)
        assert [entry.id for entry in await _entries(store, recent)] == list(range(20, 30))

    async def test_the_newest_transaction_is_kept_whatever_its_size(self, stores: Stores) -> None:
        store = await stores.open(log_size=5)
        if await _refuses_changes(store):
            return
        await insert_all(store, "people", [{"_id": -1}])
        start = await store.position()
        await insert_all(store, "people", [{"_id": number} for number in range(50)])
        assert len(await _entries(store, start)) == 50

    async def test_a_position_that_was_never_reached_is_lost(self, stores: Stores) -> None:
        store = await stores.open()
        if await _refuses_changes(store):
            return
        await insert_all(store, "people", [{"_id": 1}])
        with pytest.raises(TokenLost):
            await store.changes(_never_reached(await store.position()))

    @pytest.mark.slow
    async def test_a_log_that_is_being_trimmed_is_sound(self, stores: Stores) -> None:
        store = await stores.open(log_size=2_000)
        if not store.capabilities.check:
            return
        for number in range(2_160):
            await store.write(Batch([Replace("people", 1, encode({"_id": 1, "number": number}))]))
            # Stores may trim in steps, and not with each batch.
            if number > 2_100:
                report = await store.check()
                assert report.ok, [str(problem) for problem in report.problems]
