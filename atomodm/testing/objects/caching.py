"""The object cache: identity, what holds objects, scopes, stores and event loops."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from typing import Any
from weakref import ref

import pytest
from bson import ObjectId

from ... import Store, StoreClosed, UnsavedChangesWarning, WrongLoop
from ...identity import CacheScope
from .models import Account, Country, Node
from .tools import Elsewhere, chain, forget_all


class IdentityContract:
    """The same document is the same object."""

    async def test_every_way_to_a_document_leads_to_one_object(self, store: Store) -> None:
        account = Account(name="Bob", email="b")
        await account.save()
        assert await Account.objects.get(name="Bob") is account
        assert await Account.objects.first() is account
        assert (await Account.objects.all()) == [account]
        assert await Account.restore(await Account.objects.find_one({})) is account
        assert Account.objects.cache[account._id] is account

    async def test_clean_objects_are_held_weakly(self, store: Store) -> None:
        account = Account(name="Bob", email="b")
        await account.save()
        _id, alive = account._id, ref(account)
        del account
        gc.collect()
        assert alive() is None
        assert _id not in Account.objects.cache
        assert len(Account.objects.cache) == 0

    async def test_a_clean_ring_is_let_go_as_a_whole(self, store: Store) -> None:
        nodes = chain(Node, 10)
        nodes[-1].next = nodes[0]
        await nodes[0].save()
        alive = [ref(node) for node in nodes]
        del nodes
        gc.collect()
        assert not any(entry() for entry in alive)

    async def test_what_reads_a_document_that_is_being_inserted_gives_its_object(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        earlier = Node(name="0")
        await earlier.save()
        _id = earlier._id
        first, second = chain(Node, 2)
        earlier.next = first
        reading: list[asyncio.Task[Any]] = []
        write = store.write

        async def answering_late(batch: Any) -> Any:
            outcome = await write(batch)
            if reading:
                return outcome  # the store takes several batches, and this is not the first one
            with CacheScope().entered():
                elsewhere = await Node.objects.filter(name="1").to_list()
            assert len(elsewhere) == 1  # another scope does not wait for these objects
            reading.append(asyncio.create_task(Node.objects.get(name="1")))
            reading.append(asyncio.create_task(Node.objects.filter(_id=_id).fetch(2).first()))
            reading.append(asyncio.create_task(earlier.refresh()))
            await asyncio.sleep(0.02)
            return outcome

        monkeypatch.setattr(store, "write", answering_late)
        await earlier.save()
        assert await asyncio.gather(*reading) == [second, earlier, None]
        assert [Node.objects.cache[node._id] for node in (earlier, first, second)] == [earlier, first, second]

    @pytest.mark.parametrize("way", ["load", "refresh", "save"])
    async def test_a_second_object_takes_the_place_when_it_is_free(self, store: Store, way: str) -> None:
        first = Account(name="Bob", email="b")
        await first.save()
        second = Account(_id=first._id)
        await second.load()
        assert Account.objects.cache[first._id] is first
        del first
        gc.collect()
        second.__restored__ = way != "load"
        await getattr(second, way)()
        assert Account.objects.cache[second._id] is second
        assert await Account.objects.get(name="Bob") is second

    async def test_a_forgotten_unloaded_object_takes_the_place_when_it_is_loaded(self, store: Store) -> None:
        first, second = chain(Node, 2)
        await first.save()
        _id = first._id
        del first, second
        gc.collect()
        found = (await Node.objects.filter(_id=_id).fetch(0).to_list())[0].next
        forget_all(store, Node)
        await found.load()
        assert await Node.objects.get(name="1") is found

    async def test_objects_with_signalled_edits_are_held_until_they_are_saved(self, store: Store) -> None:
        account = Account(name="Bob", email="b")
        await account.save()
        _id = account._id
        account.note = "edited"
        del account
        gc.collect()
        held = await Account.objects.get(name="Bob")
        assert held.note == "edited"
        assert Account.objects.cache.dirty == [held]
        await held.save()
        assert Account.objects.cache.dirty == []
        del held
        gc.collect()
        assert _id not in Account.objects.cache

    async def test_a_failed_save_keeps_holding(self, store: Store) -> None:
        account = Account(name="Bob", email="b")
        await account.save()
        account.balance = 2**70
        with pytest.raises(ValueError, match="64 bits"):
            await account.save()
        alive = ref(account)
        del account
        gc.collect()
        assert alive() is not None

    async def test_unsaved_new_objects_are_not_held(self, store: Store) -> None:
        alive = ref(Account(name="Bob"))
        gc.collect()
        assert alive() is None

    async def test_the_cache_is_a_mutable_mapping_by_id(self, store: Store) -> None:
        accounts = [Account(name=name, email=name) for name in "ab"]
        for account in accounts:
            await account.save()
        cache = Account.objects.cache
        a, b = accounts
        assert len(cache) == 2
        assert set(cache) == {a._id, b._id}
        assert dict(cache.items()) == {a._id: a, b._id: b}
        assert cache.get(ObjectId()) is None
        assert cache.pop(a._id) is a
        assert a._id not in cache
        with pytest.raises(KeyError):
            _ = cache[a._id]
        with pytest.raises(KeyError):
            del cache[a._id]
        cache[a._id] = a
        assert cache[a._id] is a
        cache.clear()
        assert not list(cache)

    async def test_each_way_to_forget_gives_up_edits(self, store: Store) -> None:
        account = Account(name="Bob", email="b")
        await account.save()
        cache, alive = Account.objects.cache, ref(account)
        account.note = "edited"
        del cache[account._id]
        assert cache.dirty == []
        del account
        gc.collect()
        assert alive() is None
        again = await Account.objects.get(name="Bob")
        again.note = "edited"
        cache.clear()
        assert cache.dirty == []
        assert (await Account.objects.get(name="Bob")).note == ""

    async def test_primary_keys_of_different_types_are_different_objects(self, store: Store) -> None:
        await Country(code="1").save()
        assert 1 not in Country.objects.cache
        assert "1" in dict.fromkeys(Country.objects.cache) or len(Country.objects.cache) == 0

    async def test_there_is_one_cache_for_each_collection(self, store: Store) -> None:
        await Account(name="Bob", email="b").save()
        assert Account.objects.cache is Account.objects.cache
        assert Account.objects.cache is not Node.objects.cache


class ScopeContract:
    """Scopes of their own, and objects that belong to one for life."""

    async def test_each_scope_has_its_own_object(self, store: Store) -> None:
        ours = Account(name="Bob", email="b")
        await ours.save()
        with CacheScope().entered():
            theirs = await Account.objects.get(name="Bob")
            assert theirs is not ours
            assert await Account.objects.get(name="Bob") is theirs
        assert await Account.objects.get(name="Bob") is ours

    async def test_an_object_is_saved_loaded_and_deleted_where_it_came_from(self, store: Store) -> None:
        with CacheScope().entered() as scope:
            theirs = Account(name="Bob", email="b", owner=Node(name="n"))
            await theirs.save()
            cache = Account.objects.cache
        assert scope.cache(store, cache.collection) is cache
        assert cache[theirs._id] is theirs
        assert theirs._id not in Account.objects.cache
        theirs.note = "edited"
        await theirs.save()
        await theirs.refresh()
        assert cache[theirs._id] is theirs
        await theirs.delete()
        assert len(cache) == 0
        await theirs.save()
        assert cache[theirs._id] is theirs

    async def test_objects_of_two_scopes_are_saved_at_once_anywhere(self, store: Store) -> None:
        a = Account(name="a", email="a")
        await a.save()
        with CacheScope().entered():
            b = Account(name="b", email="b")
            await b.save()
        a.note = b.note = "edited"
        await asyncio.gather(a.save(), b.save())
        assert [document["note"] async for document in Account.objects.find({})] == ["edited", "edited"]

    async def test_references_stay_in_the_scope_of_the_object_that_refers(self, store: Store) -> None:
        nodes = chain(Node, 3)
        await nodes[0].save()
        with CacheScope().entered():
            (theirs,) = await Node.objects.filter(name="0").fetch(0)
        await theirs.next.load()
        assert theirs.next is not nodes[1]
        assert theirs.next.next is not nodes[2]
        assert theirs.next.next.name == "2"


class StoreUseContract:
    """A store belongs to the loop that opened it, and tells what is lost when it closes."""

    async def test_closing_with_unsaved_changes_warns_with_models_and_counts(self, store: Store) -> None:
        objects = [Account(name="secret", email="b"), *chain(Node, 2)]
        for obj in objects:
            await obj.save()
        for obj in objects:
            obj.name = "secret edit"
        with pytest.warns(UnsavedChangesWarning) as caught:
            await store.close()
        (warning,) = caught
        assert "1 Account, 2 Node" in str(warning.message)
        assert "secret" not in str(warning.message)

    async def test_closing_without_unsaved_changes_warns_of_nothing(self, store: Store) -> None:
        account = Account(name="Bob", email="b")
        await account.save()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            await store.close()

    async def test_a_warning_that_is_an_error_still_closes_the_store(self, store: Store) -> None:
        account = Account(name="Bob", email="b")
        await account.save()
        account.note = "edited"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(UnsavedChangesWarning):
                await store.close()
        assert not store.is_open
        account.note = "again"
        with pytest.raises(StoreClosed):
            await account.save()

    async def test_objects_of_a_closed_store_say_so(self, store: Store) -> None:
        account = Account(name="Bob", email="b")
        await account.save()
        await store.close()
        for use in (account.save, account.refresh, account.delete):
            account.note = "edited"
            with pytest.raises(StoreClosed):
                await use()
        assert account.note == "edited"
        assert account._id is not None

    async def test_another_loop_and_thread_cannot_use_it(self, store: Store) -> None:
        account = Account(name="Bob", email="b", owner=Node(name="n"))
        await account.save()
        forget_all(store, Node)
        (node,) = await Node.objects.all().fetch(0)
        account.note = "edited"
        uses: list[Any] = [
            account.save,
            account.refresh,
            account.delete,
            Account.objects.count,
            Account(name="new").save,
        ]
        failures: list[type[BaseException]] = []

        def elsewhere() -> None:
            for use in uses:
                try:
                    asyncio.run(use())
                except BaseException as error:
                    failures.append(type(error))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0.001)
        assert failures == [WrongLoop] * len(uses)
        assert account.__state__.dirty_fields == {"note"}
        await account.save()
        assert node.name == "n"

    async def test_an_object_being_saved_here_cannot_be_saved_elsewhere(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account = Account(name="Bob", email="b")
        await account.save()
        account.note = "edited"
        write, blocked = store.write, asyncio.Event()

        async def waiting(batch: Any) -> Any:
            await blocked.wait()
            return await write(batch)

        monkeypatch.setattr(store, "write", waiting)
        saving = asyncio.create_task(account.save())
        await asyncio.sleep(0.001)
        failures: list[BaseException] = []

        def elsewhere() -> None:
            try:
                asyncio.run(account.save())
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        while thread.is_alive():
            await asyncio.sleep(0.001)
        blocked.set()
        await saving
        assert [type(failure) for failure in failures] == [WrongLoop]
        document = await Elsewhere(store).read(Account, account._id)
        assert document is not None
        assert document["note"] == "edited"
