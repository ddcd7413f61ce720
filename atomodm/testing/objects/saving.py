"""Saving: what a save walks, what it writes, and how it meets the writes of others."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from bson import ObjectId
from pymongo.results import InsertOneResult, UpdateResult

from ... import (
    Changes,
    Conflict,
    DeletedObject,
    Disagreement,
    DuplicateKey,
    PartlyApplied,
    PrimaryKeyChanged,
    RevisionMismatch,
    SaveError,
    Store,
    save_all,
)
from ...contract import Atomicity
from ...identity import CacheScope
from .models import Account, Country, Holder, Node, Part
from .tools import Elsewhere, batches_for, chain, counted, forget_all, is_sound


async def _account(**values: Any) -> Account:
    account = Account(**{"name": "Bob", "email": "bob@example.org", "tags": ["a"], **values})
    await account.save()
    return account


async def _conflicts(obj: Any) -> bool:
    try:
        await obj.save()
    except Conflict:
        return True
    return False


class WalkContract:
    """A save writes the object itself, and new and changed objects that it leads to."""

    async def test_it_writes_changed_objects_behind_new_and_changed_ones(self, store: Store) -> None:
        first, second, third = chain(Node, 3)
        await first.save()
        second.value = third.value = 100
        await first.save()
        document = await Elsewhere(store).read(Node, third._id)
        assert document is not None
        assert document["value"] == 100

    async def test_a_clean_object_ends_the_walk(self, store: Store) -> None:
        first, _second, third = chain(Node, 3)
        await first.save()
        third.value = 100
        await first.save()
        document = await Elsewhere(store).read(Node, third._id)
        assert document is not None
        assert document["value"] == 2
        assert third.__state__.dirty

    async def test_without_graph_it_writes_the_object_only(self, store: Store) -> None:
        first, second = chain(Node, 2)
        await first.save()
        first.value = second.value = 100
        await first.save(graph=False)
        document = await Elsewhere(store).read(Node, second._id)
        assert document is not None
        assert document["value"] == 1
        assert second.__state__.dirty_fields == {"value"}

    async def test_without_graph_an_unsaved_reference_is_refused(self, store: Store) -> None:
        node = Node(name="a", next=Node(name="b"))
        with pytest.raises(SaveError):
            await node.save(graph=False)
        assert node._id is None
        assert await Node.objects.count() == 0

    async def test_an_in_place_change_is_written_by_the_objects_own_save(self, store: Store) -> None:
        account = await _account(settings={"theme": "dark"})
        account.settings["theme"] = "light"
        assert (await account.save()).modified_count == 1  # type: ignore[union-attr]
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert document["settings"] == {"theme": "light"}

    async def test_results_are_those_of_pymongo(self, store: Store) -> None:
        account = Account(name="Bob", email="bob")
        inserted = await account.save()
        assert isinstance(inserted, InsertOneResult)
        assert inserted.inserted_id == account._id
        account.name = "Bobby"
        updated = await account.save()
        assert isinstance(updated, UpdateResult)
        assert (updated.matched_count, updated.modified_count) == (1, 1)
        unchanged = await account.save()
        assert isinstance(unchanged, UpdateResult)
        assert unchanged.modified_count == 0

    async def test_an_unchanged_object_is_not_written(self, store: Store) -> None:
        account = await _account()
        with counted(store) as requests:
            await account.save()
        assert requests.count == 0

    async def test_several_objects_are_saved_together_with_results_in_their_order(self, store: Store) -> None:
        old = await _account()
        old.note = "changed"
        new = Account(name="Eve", email="eve")
        with counted(store) as requests:
            results = await save_all([old, new, old])
        assert requests.count == batches_for(store, old, new)
        assert [type(result) for result in results] == [UpdateResult, InsertOneResult, UpdateResult]

    async def test_a_refused_graph_is_written_only_as_far_as_the_store_cannot_do_otherwise(self, store: Store) -> None:
        await _account()
        node = Node(name="new")
        twin = Account(name="Twin", email="bob@example.org", owner=node)
        with pytest.raises(DuplicateKey) as caught:
            await twin.save()
        assert caught.value.fields == ("email",)
        assert caught.value.model == "contract.Account"
        in_part = store.capabilities.atomic is not Atomicity.STORE
        assert isinstance(caught.value, PartlyApplied) is in_part
        assert await Node.objects.count() == int(in_part)
        assert (node._id is not None) is in_part
        assert twin._id is None
        assert is_sound(node)
        assert is_sound(twin)
        twin.email = "twin"
        await twin.save()
        assert await Node.objects.count() == 1

    async def test_a_value_that_cannot_be_stored_stops_the_whole_graph(self, store: Store) -> None:
        first, second = chain(Node, 2)
        second.value = 2**70
        with pytest.raises(SaveErrorOrValue) as caught:
            await first.save()
        assert "value" in str(caught.value)
        assert await Node.objects.count() == 0
        assert first._id is None


SaveErrorOrValue = (SaveError, ValueError)


class PrimaryKeyContract:
    """The primary key is the id."""

    async def test_the_member_is_the_id(self, store: Store) -> None:
        country = Country(code="CH", name="Switzerland")
        assert country._id == "CH"
        await country.save()
        assert await Country.objects.get(code="CH") is country
        assert await Country.objects.get(pk="CH") is country
        document = await Elsewhere(store).read(Country, "CH")
        assert document is not None
        assert "code" not in document

    async def test_a_second_document_with_the_key_is_refused(self, store: Store) -> None:
        await Country(code="CH", name="Switzerland").save()
        other = Country(code="CH", name="Confoederatio")
        with pytest.raises(DuplicateKey) as caught:
            await other.save()
        assert caught.value.index == "_id_"
        assert (await Country.objects.get(pk="CH")).name == "Switzerland"

    async def test_the_key_of_a_stored_object_cannot_change(self, store: Store) -> None:
        country = Country(code="CH", name="Switzerland")
        await country.save()
        country.code = "XX"
        with pytest.raises(PrimaryKeyChanged):
            await country.save()
        assert await Country.objects.filter(pk="XX").count() == 0

    async def test_cycles_of_such_documents_are_restored(self, store: Store) -> None:
        a, b = Country(code="A"), Country(code="B")
        a.neighbours, b.neighbours = [b], [a]
        await a.save()
        del a, b
        gc.collect()
        loaded = await Country.objects.get(pk="A")
        assert loaded.neighbours[0].neighbours == [loaded]


class DeletedObjectContract:
    """A deleted object is not a new one."""

    async def test_its_own_save_inserts_it_again(self, store: Store) -> None:
        account = await _account()
        former = account._id
        result = await account.delete()
        assert result is not None
        assert result.deleted_count == 1
        assert account._id is None
        assert former not in Account.objects.cache
        assert isinstance(await account.save(), InsertOneResult)
        assert list(Account.objects.cache.values()) == [account]
        assert await Account.objects.count() == 1

    async def test_a_primary_key_stays(self, store: Store) -> None:
        country = Country(code="CH")
        await country.save()
        await country.delete()
        assert country.code == "CH"
        assert isinstance(await country.save(), InsertOneResult)

    async def test_deleting_what_was_never_saved_does_nothing(self, store: Store) -> None:
        assert await Account(name="new").delete() is None

    async def test_a_graphs_save_does_not_insert_it(self, store: Store) -> None:
        top, below = chain(Node, 2)
        await top.save()
        await below.delete()
        top.value = 5
        await top.save()
        assert await Node.objects.count() == 1

    async def test_an_unchanged_path_keeps_the_stored_reference(self, store: Store) -> None:
        top, below = chain(Node, 2)
        await top.save()
        former = below._id
        await below.delete()
        top.value = 5
        await top.save()
        document = await Elsewhere(store).read(Node, top._id)
        assert document is not None
        assert document["next"]["_id"] == former
        assert document["value"] == 5

    async def test_a_changed_path_that_names_it_is_refused_with_the_path(self, store: Store) -> None:
        below = Node(name="below")
        await below.save()
        holder = Holder()
        await holder.save()
        await below.delete()
        holder.part = Part(parts=[Part(node=below)])
        with pytest.raises(DeletedObject) as caught:
            await holder.save()
        assert caught.value.path == "part.parts.0.node"
        assert caught.value.model == "contract.Holder"
        await below.save()
        await holder.save()
        document = await Elsewhere(store).read(Holder, holder._id)
        assert document is not None
        assert document["part"]["parts"][0]["node"]["_id"] == below._id

    async def test_a_new_object_that_names_it_is_refused(self, store: Store) -> None:
        below = Node(name="below")
        await below.save()
        await below.delete()
        with pytest.raises(DeletedObject, match="next"):
            await Node(name="top", next=below).save()
        assert await Node.objects.count() == 0

    async def test_dropping_the_collection_makes_its_objects_deleted_ones(self, store: Store) -> None:
        top, below = chain(Node, 2)
        await top.save()
        holder = Holder(one=top)
        await holder.save()
        await Node.objects.drop()
        assert (top._id, below._id) == (None, None)
        assert len(Node.objects.cache) == 0
        holder.anything = "edited"
        await holder.save()
        assert await Node.objects.count() == 0
        await top.save()
        assert await Node.objects.count() == 1

    async def test_deleting_through_objects_makes_the_cached_objects_deleted_ones(self, store: Store) -> None:
        nodes = [Node(name=name, value=position) for position, name in enumerate("abc")]
        await save_all(nodes)
        with counted(store) as requests:
            await Node.objects.delete_many({"value": {"$gte": 1}})
        assert requests.count <= 2 + batches_for(store, *nodes[1:])
        assert [node._id is None for node in nodes] == [False, True, True]
        await Node.objects.delete_one({"name": "a"})
        assert nodes[0]._id is None
        assert isinstance(await nodes[0].save(), InsertOneResult)

    async def test_a_document_that_somebody_else_deleted_is_a_conflict(self, store: Store) -> None:
        account = await _account()
        await Elsewhere(store).delete(account)
        account.note = "edited"
        with pytest.raises(Conflict, match="deleted"):
            await account.save()
        assert await Account.objects.count() == 0
        assert account.__state__.dirty_fields == {"note"}
        assert account.__state__.stale
        assert is_sound(account)
        await account.save(replace=True)
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert document["note"] == "edited"
        assert not account.__state__.dirty


class ConflictContract:
    """Somebody else changed the document since it was read."""

    async def test_changes_of_other_fields_are_merged_and_the_object_follows(self, store: Store) -> None:
        account = await _account(balance=1)
        await Elsewhere(store).set(account, balance=2)
        account.note = "ours"
        await account.save()
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert (document["balance"], document["note"]) == (2, "ours")
        assert account.balance == 2
        assert not account.__state__.dirty

    async def test_changes_of_other_paths_of_one_member_are_merged(self, store: Store) -> None:
        account = await _account(settings={"a": {"x": 1, "y": 1}, "b": 1})
        await Elsewhere(store).change(account, Changes(set={"settings.a.x": 2}))
        account.settings["a"]["y"] = 3
        await account.save()
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert document["settings"] == {"a": {"x": 2, "y": 3}, "b": 1}
        assert account.settings == document["settings"]

    async def test_one_path_set_to_the_same_value_on_both_sides_is_a_conflict(self, store: Store) -> None:
        account = await _account(balance=1)
        await Elsewhere(store).set(account, balance=2)
        account.balance += 1
        with pytest.raises(Conflict):
            await account.save()
        assert account.__state__.conflict == {"balance": (1, 2, 2)}

    async def test_following_a_document_that_has_the_same_change_keeps_the_conflict(self, store: Store) -> None:
        account = await _account(balance=1)
        await Elsewhere(store).set(account, balance=2)
        account.balance += 1
        await account.refresh()
        assert account.__state__.dirty_fields == {"balance"}
        with pytest.raises(Conflict):
            await account.save()

    async def test_counting_from_several_places_misses_nothing(self, store: Store) -> None:
        account = await _account(balance=0)

        async def count() -> None:
            with CacheScope().entered():
                for _ in range(10):
                    mine = await Account.objects.get(name="Bob")
                    mine.balance += 1
                    while await _conflicts(mine):
                        mine.revert()
                        await mine.refresh()
                        mine.balance += 1

        await asyncio.gather(*(count() for _ in range(5)))
        await account.refresh()
        assert account.balance == 50

    async def test_one_path_changed_on_both_sides_is_a_conflict(self, store: Store) -> None:
        account = await _account(balance=1)
        await Elsewhere(store).set(account, balance=2)
        account.balance = 3
        with pytest.raises(Conflict) as caught:
            await account.save()
        assert caught.value.paths == ("balance",)
        assert caught.value.model == "contract.Account"
        assert account.__state__.conflict == {"balance": (1, 3, 2)}
        assert account.balance == 3
        assert account.__state__.dirty_fields == {"balance"}
        assert isinstance(account.__state__.error, Conflict)
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert document["balance"] == 2

    async def test_a_conflict_shows_no_values(self, store: Store) -> None:
        account = await _account(note="secret one")
        await Elsewhere(store).set(account, note="secret two")
        account.note = "secret three"
        with pytest.raises(Conflict) as caught:
            await account.save()
        assert "secret" not in str(caught.value)

    async def test_a_path_inside_one_that_was_replaced_is_a_conflict(self, store: Store) -> None:
        account = await _account(settings={"a": {"x": 1}})
        await Elsewhere(store).set(account, settings=5)
        account.settings["a"]["x"] = 2
        with pytest.raises(Conflict):
            await account.save()

    @pytest.mark.parametrize(("policy", "balance"), [("local", 3), ("remote", 2)])
    async def test_a_policy_decides(self, store: Store, policy: Any, balance: int) -> None:
        account = await _account(balance=1)
        await Elsewhere(store).set(account, balance=2)
        account.balance = 3
        account.note = "kept"
        await account.save(on_conflict=policy)
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert (document["balance"], document["note"]) == (balance, "kept")
        assert account.balance == balance
        assert not account.__state__.dirty
        assert account.__state__.conflict is None

    async def test_a_function_decides(self, store: Store) -> None:
        account = await _account(balance=10)
        await Elsewhere(store).set(account, balance=7)
        account.balance = 15
        asked: list[tuple[Any, Disagreement]] = []

        def add_both(obj: Any, found: Disagreement) -> Any:
            asked.append((obj, found))
            return found.local + found.remote - found.base

        await account.save(on_conflict=add_both)
        assert [(obj, found.path) for obj, found in asked] == [(account, "balance")]
        assert account.balance == 12
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert document["balance"] == 12

    async def test_a_conflict_can_be_settled_afterwards(self, store: Store) -> None:
        account = await _account(balance=1)
        await Elsewhere(store).set(account, balance=2)
        account.balance = 3
        with pytest.raises(Conflict):
            await account.save()
        await account.save(on_conflict="local")
        assert account.__state__.conflict is None
        assert account.__state__.error is None
        assert not account.__state__.stale

    async def test_appends_of_both_are_joined_theirs_first(self, store: Store) -> None:
        account = await _account(tags=["a"])
        await Elsewhere(store).append(account, "tags", "theirs")
        account.tags.append("ours")
        await account.save()
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert document["tags"] == ["a", "theirs", "ours"]
        assert account.tags == ["a", "theirs", "ours"]

    async def test_other_changes_of_one_list_are_a_conflict(self, store: Store) -> None:
        account = await _account(tags=["a", "b"])
        await Elsewhere(store).append(account, "tags", "theirs")
        account.tags.remove("a")
        with pytest.raises(Conflict) as caught:
            await account.save()
        assert caught.value.paths == ("tags",)
        assert account.tags == ["b"]

    async def test_sets_are_merged_by_element(self, store: Store) -> None:
        account = await _account(labels={"a", "b"})
        await Elsewhere(store).set(account, labels=["b", "c"])
        account.labels = {"a", "b", "d"}
        await account.save()
        assert account.labels == {"b", "c", "d"}
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert sorted(document["labels"]) == ["b", "c", "d"]

    async def test_a_graph_is_merged_object_by_object_before_it_is_written(self, store: Store) -> None:
        first, second, third = chain(Node, 3)
        await first.save()
        await Elsewhere(store).set(second, name="theirs")
        await Elsewhere(store).set(third, name="theirs")
        for node in (first, second, third):
            node.value = 100
        await first.save()
        assert [node.name for node in (second, third)] == ["theirs", "theirs"]
        documents = [await Elsewhere(store).read(Node, node._id) for node in (first, second, third)]
        assert [(document or {})["value"] for document in documents] == [100, 100, 100]

    async def test_observers_are_told_what_a_merge_brought(self, store: Store) -> None:
        account = await _account(balance=1)
        told: list[tuple[str, Any]] = []
        account.observe("balance", lambda change: told.append((change["name"], change["value"])))
        await Elsewhere(store).set(account, balance=2)
        account.note = "ours"
        await account.save()
        assert told == [("balance", 2)]

    async def test_two_caches_of_one_store_overtake_each_other(self, store: Store) -> None:
        ours = await _account(tags=[], balance=0)
        with CacheScope().entered():
            theirs = await Account.objects.get(name="Bob")
        assert theirs is not ours
        for number in range(5):
            ours.tags.append(f"ours {number}")
            theirs.tags.append(f"theirs {number}")
            await asyncio.gather(ours.save(), theirs.save())
        await ours.refresh()
        await theirs.refresh()
        assert ours.tags == theirs.tags
        assert sorted(ours.tags) == sorted(f"{side} {number}" for side in ("ours", "theirs") for number in range(5))

    async def test_a_save_that_is_always_overtaken_gives_up_in_time(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = await _account()
        write, counter = store.write, iter(range(10**6))

        async def overtaken(batch: Any) -> Any:
            monkeypatch.setattr(store, "write", write)
            await Elsewhere(store).set(account, balance=next(counter))
            monkeypatch.setattr(store, "write", overtaken)
            return await write(batch)

        account.note = "ours"
        monkeypatch.setattr(store, "write", overtaken)
        with pytest.raises(RevisionMismatch) as caught:
            await account.save(timeout=0.05)
        assert caught.value.retryable
        monkeypatch.setattr(store, "write", write)
        assert account.note == "ours"
        assert account.__state__.dirty
        assert is_sound(account)
        await account.save()
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert document["note"] == "ours"

    async def test_a_guard_compares_revisions_that_never_repeat_for_an_id(self, store: Store) -> None:
        account = await _account()
        elsewhere, seen = Elsewhere(store), set()
        document = await elsewhere.read(Account, account._id)
        assert document is not None
        for _ in range(3):
            seen.add(await elsewhere.revision(Account, account._id))
            await elsewhere.delete(account)
            await elsewhere.insert(Account, document)
        seen.add(await elsewhere.revision(Account, account._id))
        assert len(seen) == 4
        account.note = "ours"
        await account.save()


class ConcurrentSaveContract:
    """Several saves of this process at once."""

    async def test_writers_of_one_document_queue_up(self, store: Store) -> None:
        account = await _account(balance=0)

        async def write(number: int) -> None:
            account.tags.append(str(number))
            account.settings[str(number)] = number
            await account.save()

        await asyncio.gather(*(write(number) for number in range(20)))
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert document["tags"] == ["a", *(str(number) for number in range(20))]
        assert len(document["settings"]) == 20

    async def test_saves_of_one_new_object_make_one_document(self, store: Store) -> None:
        account = Account(name="new", email="new")
        await asyncio.gather(*(account.save() for _ in range(5)))
        assert await Account.objects.count() == 1

    async def test_saves_of_overlapping_new_graphs_make_each_document_once(self, store: Store) -> None:
        shared = Node(name="shared")
        tops = [Node(name=str(number), next=shared) for number in range(10)]
        await asyncio.gather(*(top.save() for top in tops))
        assert await Node.objects.count() == 11
        assert len({node._id for node in [shared, *tops]}) == 11

    async def test_edits_made_meanwhile_stay_edits(self, store: Store) -> None:
        account = await _account()
        account.note = "first"
        saving = asyncio.create_task(account.save())
        await asyncio.sleep(0)
        account.note = "second"
        account.balance = 7
        await saving
        assert account.note == "second"
        assert "note" in account.__state__.dirty_fields
        await account.save()
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert (document["note"], document["balance"]) == ("second", 7)

    async def test_edits_made_while_a_new_object_is_inserted_stay_edits(self, store: Store) -> None:
        account = Account(name="new", email="new")
        saving = asyncio.create_task(account.save())
        await asyncio.sleep(0)
        account.note = "meanwhile"
        await saving
        assert account.__state__.dirty_fields == {"note"}
        assert account in Account.objects.cache.dirty

    async def test_a_delete_waits_for_the_save_under_way(self, store: Store) -> None:
        account = await _account()
        account.note = "last words"
        await asyncio.gather(account.save(), account.delete())
        assert account._id is None
        assert await Account.objects.count() == 0
        assert is_sound(account)
        await account.save()
        assert await Account.objects.count() == 1

    async def test_a_save_waits_for_the_delete_under_way(self, store: Store) -> None:
        account = await _account()
        account.note = "again"
        await asyncio.gather(account.delete(), account.save())
        assert is_sound(account)
        assert await Account.objects.count() == 1
        assert await Account.objects.get(note="again") is account

    async def test_a_new_object_that_is_deleted_while_it_is_inserted_is_gone(self, store: Store) -> None:
        country = Country(code="CH")
        await asyncio.gather(country.save(), country.delete())
        assert await Country.objects.count() == 0
        assert is_sound(country)


class HandleContract:
    """Objects that a program makes for an id."""

    async def test_saving_one_that_was_never_loaded_inserts_where_there_is_no_document(self, store: Store) -> None:
        _id = ObjectId()
        handle = Account(_id=_id, name="handle", email="h")
        assert isinstance(await handle.save(), InsertOneResult)
        assert await Account.objects.get(_id=_id) is handle

    async def test_saving_one_never_overwrites_silently(self, store: Store) -> None:
        account = await _account(note="precious")
        handle = Account(_id=account._id, email="other")
        with pytest.raises(DuplicateKey):
            await handle.save()
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert document["note"] == "precious"
        await handle.save(replace=True)
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert document["note"] == ""

    async def test_members_of_one_read_their_defaults(self, store: Store) -> None:
        assert Account(_id=ObjectId()).note == ""

    async def test_a_loaded_handle_takes_the_free_place_in_the_cache(self, store: Store) -> None:
        account = await _account()
        _id = account._id
        del account
        gc.collect()
        handle = Account(_id=_id)
        assert _id not in Account.objects.cache
        await handle.load()
        assert handle.name == "Bob"
        assert Account.objects.cache[_id] is handle
        assert await Account.objects.get(_id=_id) is handle

    async def test_a_taken_place_leaves_it_a_second_guarded_writer(self, store: Store) -> None:
        account = await _account(balance=1)
        handle = Account(_id=account._id)
        await handle.load()
        assert handle.balance == 1
        assert Account.objects.cache[account._id] is account
        handle.balance = 2
        account.balance = 3
        await handle.save()
        with pytest.raises(Conflict):
            await account.save()

    async def test_concurrent_loads_of_one_handle_fill_it_once(self, store: Store) -> None:
        account = await _account()
        _id = account._id
        forget_all(store, Account)
        handle = Account(_id=_id)
        await asyncio.gather(*(handle.load() for _ in range(5)))
        assert handle.name == "Bob"
        assert Account.objects.cache[_id] is handle
