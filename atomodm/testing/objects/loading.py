"""Loading: what is fetched, how far, and what objects that are known already make of it."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from bson import ObjectId

from ... import ALL, Changes, DoesNotExist, NotLoaded, ObserverError, Store
from .models import Account, Holder, Node, Part
from .tools import Elsewhere, chain, counted, forget_all, is_sound


async def _stored_chain(store: Store, length: int) -> Any:
    """The id of the first node of a chain whose objects are forgotten."""
    nodes = chain(Node, length)
    await nodes[0].save()
    _id = nodes[0]._id
    forget_all(store, Node)
    return _id


def _loaded_length(node: Any) -> int:
    """How many nodes of a chain are loaded."""
    length = 0
    while node is not None and node.__restored__:
        length, node = length + 1, node.next
    return length


class DepthContract:
    """How many levels of references are fetched."""

    @pytest.mark.parametrize(("depth", "length"), [(0, 1), (1, 2), (2, 3), (ALL, 6)])
    async def test_a_query_fetches_as_many_levels_as_it_says(
        self, store: Store, depth: int | None, length: int
    ) -> None:
        await _stored_chain(store, 6)
        with counted(store) as requests:
            (first,) = await Node.objects.filter(name="0").fetch(depth)
        assert _loaded_length(first) == length
        assert requests.count <= 1 + length

    async def test_queries_and_get_fetch_one_level(self, store: Store) -> None:
        await _stored_chain(store, 4)
        assert _loaded_length(await Node.objects.get(name="0")) == 2
        forget_all(store, Node)
        assert _loaded_length(await Node.objects.filter(name="0").first()) == 2
        forget_all(store, Node)
        assert [_loaded_length(node) async for node in Node.objects.filter(name="0")] == [2]

    async def test_load_refresh_and_restore_fetch_everything(self, store: Store) -> None:
        _id = await _stored_chain(store, 4)
        (first,) = await Node.objects.filter(_id=_id).fetch(0)
        await first.next.load()
        assert _loaded_length(first) == 4
        forget_all(store, Node)
        (first,) = await Node.objects.filter(_id=_id).fetch(0)
        await first.refresh()
        assert _loaded_length(first) == 4
        forget_all(store, Node)
        first = await Node.restore(await Node.objects.find_one({"_id": _id}))
        assert _loaded_length(first) == 4

    async def test_a_query_loads_the_references_of_objects_that_are_loaded_without_them(self, store: Store) -> None:
        await _stored_chain(store, 4)
        (first,) = await Node.objects.filter(name="0").fetch(0)
        assert _loaded_length(first) == 1
        (again,) = await Node.objects.filter(name="0")
        assert again is first
        assert _loaded_length(first) == 2
        await Node.objects.filter(name="0").fetch(ALL)
        assert _loaded_length(first) == 4

    async def test_levels_count_through_loaded_objects(self, store: Store) -> None:
        await _stored_chain(store, 5)
        (second,) = await Node.objects.filter(name="1").fetch(0)
        (first,) = await Node.objects.filter(name="0").fetch(2)
        assert first.next is second
        assert _loaded_length(first) == 3

    async def test_loaded_objects_are_not_fetched_again(self, store: Store) -> None:
        nodes = chain(Node, 5)
        await nodes[0].save()
        with counted(store) as requests:
            await Node.objects.filter(name="0").fetch(ALL)
        assert requests.count == 1

    async def test_a_query_loads_the_new_references_of_an_object_that_follows(self, store: Store) -> None:
        first, second = Node(name="first"), Node(name="second")
        await first.save()
        await second.save()
        _id = second._id
        del second
        gc.collect()
        await Elsewhere(store).set(first, next={"_id": _id, "__model__": "contract.Node"})
        await Node.objects.get(name="first")
        assert first.next.name == "second"


class UnloadedContract:
    """Objects that stand for documents which were not fetched."""

    async def test_reading_an_unset_member_raises_with_its_path(self, store: Store) -> None:
        await _stored_chain(store, 2)
        (first,) = await Node.objects.filter(name="0").fetch(0)
        with pytest.raises(NotLoaded) as caught:
            _ = first.next.value
        assert (caught.value.model, caught.value.path) == ("contract.Node", "value")

    async def test_it_is_an_instance_of_its_model_with_its_id(self, store: Store) -> None:
        await _stored_chain(store, 2)
        (first,) = await Node.objects.filter(name="0").fetch(0)
        unloaded = first.next
        assert isinstance(unloaded, Node)
        assert isinstance(unloaded._id, ObjectId)
        assert not unloaded.__restored__
        await unloaded.load()
        assert unloaded.name == "1"
        assert type(unloaded) is Node

    async def test_setting_one_member_and_saving_writes_that_member_only(self, store: Store) -> None:
        await _stored_chain(store, 2)
        (first,) = await Node.objects.filter(name="0").fetch(0)
        unloaded = first.next
        unloaded.value = 100
        assert unloaded.__state__.dirty_fields == {"value"}
        assert unloaded.__state__.changes() == Changes(set={"value": 100})
        await first.save()
        document = await Elsewhere(store).read(Node, unloaded._id)
        assert document is not None
        assert (document["name"], document["value"]) == ("1", 100)
        assert not unloaded.__state__.dirty
        assert not unloaded.__restored__
        with pytest.raises(NotLoaded):
            _ = unloaded.name
        await unloaded.load()
        assert (unloaded.name, unloaded.value) == ("1", 100)

    async def test_edits_made_before_loading_stay(self, store: Store) -> None:
        await _stored_chain(store, 2)
        (first,) = await Node.objects.filter(name="0").fetch(0)
        first.next.value = 100
        await first.next.load()
        assert (first.next.name, first.next.value) == ("1", 100)
        assert first.next.__state__.dirty_fields == {"value"}
        await first.next.save()
        document = await Elsewhere(store).read(Node, first.next._id)
        assert document is not None
        assert (document["name"], document["value"]) == ("1", 100)

    async def test_reverting_an_edit_leaves_it_unloaded(self, store: Store) -> None:
        await _stored_chain(store, 2)
        (first,) = await Node.objects.filter(name="0").fetch(0)
        first.next.value = 100
        first.next.revert()
        assert not first.next.__state__.dirty
        with pytest.raises(NotLoaded):
            _ = first.next.value

    async def test_it_can_be_deleted(self, store: Store) -> None:
        await _stored_chain(store, 2)
        (first,) = await Node.objects.filter(name="0").fetch(0)
        result = await first.next.delete()
        assert result is not None
        assert result.deleted_count == 1
        assert await Node.objects.count() == 1

    async def test_loading_tells_observers_once_with_everything_in_place(self, store: Store) -> None:
        await _stored_chain(store, 3)
        (first,) = await Node.objects.filter(name="0").fetch(0)
        unloaded = first.next
        told: list[tuple[str, bool]] = []
        for name in ("name", "value", "__restored__"):
            unloaded.observe(name, lambda change: told.append((change["name"], unloaded.next.name == "2")))
        await unloaded.load()
        assert sorted(told) == [("__restored__", True), ("name", True), ("value", True)]


class MeetingContract:
    """A fetched document meets an object that is there already."""

    async def test_a_clean_object_follows_in_place_and_tells_its_observers(self, store: Store) -> None:
        account = Account(name="Bob", email="b", balance=1)
        await account.save()
        told: list[Any] = []
        account.observe("balance", lambda change: told.append((change["oldvalue"], change["value"])))
        await Elsewhere(store).set(account, balance=2)
        assert await Account.objects.get(name="Bob") is account
        assert account.balance == 2
        assert told == [(1, 2)]
        assert not account.__state__.dirty

    async def test_of_a_dirty_object_the_clean_members_follow_and_the_base_moves(self, store: Store) -> None:
        account = Account(name="Bob", email="b", balance=1)
        await account.save()
        account.note = "ours"
        await Elsewhere(store).set(account, balance=2)
        await Account.objects.get(name="Bob")
        assert (account.balance, account.note) == (2, "ours")
        assert account.__state__.dirty_fields == {"note"}
        assert account.__state__.changes() == Changes(set={"note": "ours"})
        with counted(store) as requests:
            await account.save()
        assert requests.count == 1

    async def test_an_in_place_edit_that_nothing_signalled_stays(self, store: Store) -> None:
        account = Account(name="Bob", email="b", settings={"a": 1})
        await account.save()
        account.settings["a"] = 2
        await Elsewhere(store).set(account, balance=2)
        await Account.objects.get(name="Bob")
        assert (account.balance, account.settings) == (2, {"a": 2})
        await account.save()
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert (document["balance"], document["settings"]) == (2, {"a": 2})

    async def test_an_edit_of_what_others_changed_too_stays_and_saving_meets_the_conflict(self, store: Store) -> None:
        account = Account(name="Bob", email="b", balance=1)
        await account.save()
        account.balance = 3
        await Elsewhere(store).set(account, balance=2)
        await Account.objects.get(name="Bob")
        assert account.balance == 3
        assert account.__state__.stale
        with pytest.raises(Exception, match="changed"):
            await account.save()
        await account.save(on_conflict="remote")
        assert account.balance == 2
        assert not account.__state__.stale

    async def test_queries_see_the_store_and_not_unsaved_edits(self, store: Store) -> None:
        account = Account(name="Bob", email="b")
        await account.save()
        account.name = "Bobby"
        assert await Account.objects.filter(name="Bobby").count() == 0
        assert await Account.objects.get(name="Bob") is account
        assert account.name == "Bobby"

    async def test_restore_leaves_a_loaded_object_untouched(self, store: Store) -> None:
        account = Account(name="Bob", email="b", balance=1)
        await account.save()
        account.note = "ours"
        state = {**(await Account.objects.find_one({})), "balance": 100, "note": "theirs"}
        assert await Account.restore(state) is account
        assert (account.balance, account.note) == (1, "ours")
        assert account.__state__.dirty_fields == {"note"}

    async def test_restore_leaves_the_edits_of_an_unloaded_object(self, store: Store) -> None:
        _id = await _stored_chain(store, 2)
        (first,) = await Node.objects.filter(_id=_id).fetch(0)
        first.next.value = 100
        await Node.restore(await Node.objects.find_one({"name": "1"}))
        assert (first.next.name, first.next.value) == ("1", 100)
        assert first.next.__state__.dirty_fields == {"value"}
        assert first.next in Node.objects.cache.dirty

    @pytest.mark.parametrize("depth", [0, 1])
    async def test_restore_with_force_overwrites_edits(self, store: Store, depth: int) -> None:
        _id = await _stored_chain(store, 2)
        (first,) = await Node.objects.filter(_id=_id).fetch(depth)
        first.next.value = 100
        restored = await Node.restore(await Node.objects.find_one({"name": "1"}), force=True)
        assert restored is first.next
        assert restored.value == 1
        assert not restored.__state__.dirty
        assert restored not in Node.objects.cache.dirty

    async def test_refresh_follows_and_keeps_edits(self, store: Store) -> None:
        account = Account(name="Bob", email="b", balance=1)
        await account.save()
        account.note = "ours"
        await Elsewhere(store).set(account, balance=2)
        await account.refresh()
        assert (account.balance, account.note) == (2, "ours")
        assert account.__state__.dirty_fields == {"note"}

    async def test_refresh_of_what_was_deleted_raises_and_the_object_is_stale(self, store: Store) -> None:
        account = Account(name="Bob", email="b")
        await account.save()
        await Elsewhere(store).delete(account)
        with pytest.raises(DoesNotExist):
            await account.refresh()
        assert account.name == "Bob"
        assert account.__state__.stale

    async def test_load_does_nothing_for_a_loaded_object_and_for_one_without_id(self, store: Store) -> None:
        account = Account(name="Bob", email="b")
        with counted(store) as requests:
            await account.load()
        assert requests.count == 0
        await account.save()
        await Elsewhere(store).set(account, balance=2)
        with counted(store) as requests:
            await account.load()
        assert requests.count == 0
        assert account.balance == 0

    async def test_revert_gives_the_last_stored_values_back_and_tells_observers(self, store: Store) -> None:
        account = Account(name="Bob", email="b", settings={"a": 1}, tags=["x"])
        await account.save()
        account.name = "Bobby"
        account.settings["a"] = 2
        account.tags.append("y")
        told: list[Any] = []
        account.observe("name", lambda change: told.append(change["value"]))
        account.revert()
        assert (account.name, account.settings, account.tags) == ("Bob", {"a": 1}, ["x"])
        assert told == ["Bob"]
        assert not account.__state__.dirty
        assert account not in Account.objects.cache.dirty

    async def test_a_query_during_a_save_does_not_bring_old_values_back(self, store: Store) -> None:
        account = Account(name="Bob", email="b", tags=["a"])
        await account.save()
        for number in range(20):
            account.tags.append(str(number))
            account.balance = number
            await asyncio.gather(account.save(), Account.objects.get(name="Bob"), account.refresh())
            assert account.balance == number
            assert account.tags == ["a", *map(str, range(number + 1))]
            assert not account.__state__.changes()

    async def test_observers_that_raise_do_not_stop_a_load(self, store: Store) -> None:
        accounts = [Account(name=name, email=name) for name in "abc"]
        for account in accounts:
            await account.save()
        told: list[str] = []

        def refuse(change: Any) -> None:
            told.append(change["object"].name)
            raise RuntimeError("observer")

        for account in accounts:
            account.observe("balance", refuse)
            await Elsewhere(store).set(account, balance=5)
        with pytest.raises(ObserverError) as caught:
            await Account.objects.all()
        assert len(caught.value.errors) == 3
        assert told == ["a", "b", "c"]
        assert [account.balance for account in accounts] == [5, 5, 5]
        assert all(is_sound(account) and not account.__state__.dirty for account in accounts)


class SharedFetchContract:
    """Several loads of one document at once."""

    async def test_concurrent_loads_share_one_fetch_and_one_object(self, store: Store) -> None:
        _id = await _stored_chain(store, 2)
        found = await asyncio.gather(*(Node.objects.filter(_id=_id).fetch(0).first() for _ in range(5)))
        (first,) = {id(node): node for node in found}.values()
        assert first is not None
        with counted(store) as requests:
            await asyncio.gather(*(first.next.load() for _ in range(10)))
        assert requests.count == 1
        assert first.next.name == "1"

    async def test_concurrent_restores_share_what_they_refer_to(self, store: Store) -> None:
        holder = Holder(listed=[Node(name=str(number)) for number in range(10)])
        await holder.save()
        document = await Holder.objects.find_one({})
        forget_all(store, Node, Holder)
        with counted(store) as requests:
            restored = await asyncio.gather(*(Holder.restore(document) for _ in range(5)))
        assert requests.count == 1
        assert len({id(obj) for obj in restored}) == 1
        assert [node.name for node in restored[0].listed] == [str(number) for number in range(10)]

    async def test_when_the_first_load_is_cancelled_another_one_fetches(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await _stored_chain(store, 2)
        (first,) = await Node.objects.filter(name="0").fetch(0)
        get = store.get

        async def slow(collection: str, ids: Any) -> Any:
            await asyncio.sleep(0.001)
            return await get(collection, ids)

        monkeypatch.setattr(store, "get", slow)
        tasks = [asyncio.create_task(first.next.load()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [True, False, False]
        assert first.next.name == "1"
        assert not Node.objects.cache.fetching

    async def test_when_the_first_load_fails_another_one_fetches(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await _stored_chain(store, 2)
        (first,) = await Node.objects.filter(name="0").fetch(0)
        get, failures = store.get, [OSError("the line is dead")]

        async def failing_once(collection: str, ids: Any) -> Any:
            await asyncio.sleep(0)
            if failures:
                raise failures.pop()
            return await get(collection, ids)

        monkeypatch.setattr(store, "get", failing_once)
        results = await asyncio.gather(*(first.next.load() for _ in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [OSError, type(None), type(None)]
        assert first.next.name == "1"

    async def test_loads_that_lead_to_each_other_do_not_wait_for_each_other(self, store: Store) -> None:
        nodes = [Node(name=str(number)) for number in range(10)]
        for number, node in enumerate(nodes):
            node.others = [*nodes[:number], *nodes[number + 1 :]]
        await nodes[0].save()
        holder = Holder(anything="x", listed=nodes, part=Part(node=nodes[3]))
        await holder.save()
        forget_all(store, Node, Holder)
        (holder,) = await Holder.objects.all().fetch(0)
        await asyncio.wait_for(asyncio.gather(*(node.load() for node in holder.listed)), 10)
        assert all(len(node.others) == 9 and all(other.__restored__ for other in node.others) for node in holder.listed)
