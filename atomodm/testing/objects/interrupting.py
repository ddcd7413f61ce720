"""Cancelling saves, loads, deletes and queries wherever they wait."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from pymongo import DeleteMany, DeleteOne
from pymongo.errors import AutoReconnect

from ... import OutcomeUnknown, Store, save_all
from ...contract import Atomicity
from .cancellation import interrupt, interrupt_everywhere, make_slow
from .models import Account, Country, Node
from .passing import until
from .tools import Elsewhere, batches_for, chain, forget_all, is_sound


class InterruptionContract:
    """Cancelling an ``await`` corrupts nothing and loses nothing."""

    async def test_a_save_of_a_new_graph(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        make_slow(store, monkeypatch)

        async def attempt(at: int) -> bool:
            await Node.objects.drop()
            nodes = chain(Node, 3)
            nodes[-1].next = nodes[0]
            reached = await interrupt(nodes[0].save, at)
            assert all(is_sound(node) for node in nodes)
            whole = store.capabilities.atomic is not Atomicity.DOCUMENT
            assert await Node.objects.count() in ((0, 3) if whole else range(4))
            nodes[1].value = 100
            await nodes[0].save()
            await nodes[1].save()
            assert await Node.objects.count() == 3
            assert [document["value"] async for document in Node.objects.find({}).sort("name", 1)] == [0, 100, 2]
            assert not any(node.__state__.dirty for node in nodes)
            assert [Node.objects.cache[node._id] for node in nodes] == nodes
            return reached

        await interrupt_everywhere(attempt, least=2)

    async def test_a_save_of_changes(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        make_slow(store, monkeypatch)

        async def attempt(at: int) -> bool:
            await Account.objects.drop()
            account = Account(name="Bob", email="b", tags=["a"], labels={"x"})
            await account.save()
            account.tags.append("b")
            account.labels = {"x", "y"}
            account.note = "edited"
            reached = await interrupt(account.save, at)
            assert is_sound(account)
            assert (account.tags, account.labels, account.note) == (["a", "b"], {"x", "y"}, "edited")
            account.tags.append("c")
            await account.save()
            document = await Elsewhere(store).read(Account, account._id)
            assert document is not None
            assert (document["tags"], document["note"]) == (["a", "b", "c"], "edited")
            assert account.tags == ["a", "b", "c"]
            assert not account.__state__.dirty
            return reached

        await interrupt_everywhere(attempt, least=2)

    async def test_a_save_that_others_overtake(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        make_slow(store, monkeypatch)

        async def attempt(at: int) -> bool:
            await Account.objects.drop()
            account = Account(name="Bob", email="b", tags=["a"])
            await account.save()
            account.tags.append("ours")
            account.note = "edited"
            await Elsewhere(store).append(account, "tags", "theirs")
            await Elsewhere(store).set(account, balance=5)
            reached = await interrupt(account.save, at)
            assert is_sound(account)
            await account.save()
            document = await Elsewhere(store).read(Account, account._id)
            assert document is not None
            assert (document["tags"], document["note"], document["balance"]) == (["a", "theirs", "ours"], "edited", 5)
            assert (account.tags, account.balance) == (["a", "theirs", "ours"], 5)
            return reached

        await interrupt_everywhere(attempt, least=6)

    async def test_a_save_whose_document_others_append_to_afterwards(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_slow(store, monkeypatch)

        async def attempt(at: int) -> bool:
            await Account.objects.drop()
            account = Account(name="Bob", email="b", tags=["a"])
            await account.save()
            account.tags.append("ours")
            reached = await interrupt(account.save, at)
            await Elsewhere(store).append(account, "tags", "theirs")
            await account.save()
            document = await Elsewhere(store).read(Account, account._id)
            assert document is not None
            assert sorted(document["tags"]) == ["a", "ours", "theirs"]
            await account.refresh()
            assert account.tags == document["tags"]
            return reached

        await interrupt_everywhere(attempt, least=2)

    async def test_a_load_of_a_graph(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        nodes = chain(Node, 4)
        nodes[-1].next = nodes[0]
        await nodes[0].save()
        del nodes
        make_slow(store, monkeypatch)

        async def attempt(at: int) -> bool:
            forget_all(store, Node)
            (first,) = await Node.objects.filter(name="0").fetch(0)
            node, told = first.next, []
            node.value = 100
            node.observe("name", lambda change: told.append(change["value"]))
            reached = await interrupt(node.load, at)
            assert not Node.objects.cache.fetching
            assert all(is_sound(known) for known in Node.objects.cache.values())
            assert told == (["1"] if node.__restored__ else [])
            assert node.__state__.dirty_fields == {"value"}
            assert not node.__state__.loading
            await node.refresh()
            assert told == ["1"]
            assert node.value == 100
            assert node.next.next.next.next is node
            node.revert()
            assert node.value == 1
            return reached

        await interrupt_everywhere(attempt, least=4)

    async def test_a_refresh(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        make_slow(store, monkeypatch)

        async def attempt(at: int) -> bool:
            await Account.objects.drop()
            account = Account(name="Bob", email="b", balance=1)
            await account.save()
            account.note = "edited"
            await Elsewhere(store).set(account, balance=2)
            reached = await interrupt(account.refresh, at)
            assert is_sound(account)
            assert account.note == "edited"
            assert account.__state__.dirty_fields == {"note"}
            await account.refresh()
            assert account.balance == 2
            return reached

        await interrupt_everywhere(attempt, least=2)

    async def test_a_delete(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        make_slow(store, monkeypatch)

        async def attempt(at: int) -> bool:
            await Country.objects.drop()
            country = Country(code="CH", name="Switzerland")
            await country.save()
            reached = await interrupt(country.delete, at)
            assert is_sound(country)
            await country.delete()
            assert await Country.objects.count() == 0
            assert len(Country.objects.cache) == 0
            await country.save()
            assert await Country.objects.count() == 1
            return reached

        await interrupt_everywhere(attempt, least=2)

    @pytest.mark.parametrize(
        "delete",
        [
            lambda: Country.objects.delete_many({"name": "x"}),
            lambda: Country.objects.delete_one({"_id": "CH"}),
            lambda: Country.objects.find_one_and_delete({"name": "x"}),
            lambda: Country.objects.bulk_write([DeleteMany({"name": "x"}), DeleteOne({"_id": "FR"})]),
            lambda: Country.objects.drop(),
        ],
        ids=["delete_many", "delete_one", "find_one_and_delete", "bulk_write", "drop"],
    )
    async def test_a_delete_past_the_objects_leaves_none_whose_document_is_gone(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, delete: Callable[[], Coroutine[Any, Any, Any]]
    ) -> None:
        make_slow(store, monkeypatch)

        async def attempt(at: int) -> bool:
            await Country.objects.drop()
            countries = [Country(code=code, name=name) for code, name in (("CH", "x"), ("AT", "x"), ("FR", "y"))]
            await save_all(countries)
            reached = await interrupt(delete, at)

            async def is_followed() -> bool:
                left = {document["_id"] for document in await Country.objects.find().to_list()}
                return [country.__state__.persistent for country in countries] == [
                    country.code in left for country in countries
                ]

            await until(is_followed)
            assert {country.code for country in Country.objects.cache.values()} == {
                country.code for country in countries if country.__state__.persistent
            }
            for country in countries:
                await country.save()
            assert await Country.objects.count() == 3
            return reached

        await interrupt_everywhere(attempt, least=2)

    async def test_objects_are_stale_where_a_store_does_not_say_what_a_delete_left(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        countries = [Country(code=code, name="x") for code in ("CH", "AT")]
        await save_all(countries)

        async def dying(*args: Any) -> Any:
            raise OutcomeUnknown("the connection was lost", store=store.url)

        get = store.get
        monkeypatch.setattr(store, "write", dying)
        monkeypatch.setattr(store, "get", dying)
        with pytest.raises(AutoReconnect):
            await Country.objects.delete_many({})
        assert all(country.__state__.stale for country in countries)
        monkeypatch.setattr(store, "get", get)
        await countries[0].refresh()
        assert [country.__state__.stale for country in countries] == [False, True]
        with pytest.raises(AutoReconnect):
            await Country.objects.delete_many({})
        assert not countries[0].__state__.stale

    async def test_a_query(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        accounts = [Account(name=str(number), email=str(number), owner=Node(name=str(number))) for number in range(5)]
        for account in accounts:
            await account.save()
        del accounts, account
        make_slow(store, monkeypatch)

        async def attempt(at: int) -> bool:
            forget_all(store, Account, Node)
            kept = await Account.objects.get(name="3")
            kept.note = "edited"

            async def query() -> None:
                found = await Account.objects.all()
                assert [account.owner.name for account in found] == ["0", "1", "2", "3", "4"]

            reached = await interrupt(query, at)
            assert all(is_sound(obj) for cache in (Account.objects.cache, Node.objects.cache) for obj in cache.values())
            assert not Node.objects.cache.fetching
            assert kept.__state__.dirty_fields == {"note"}
            await query()
            return reached

        await interrupt_everywhere(attempt, least=1)

    async def test_a_primary_key_that_somebody_else_took_meanwhile_is_not_taken_over(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_slow(store, monkeypatch)
        country = Country(code="CH", name="ours")
        await Country.objects.ready()
        await interrupt(country.save, 1)
        assert await Country.objects.count() == 0
        await Elsewhere(store).insert(Country, {"_id": "CH", "name": "theirs", "neighbours": []})
        with pytest.raises(Exception, match="_id"):
            await country.save()
        document = await Elsewhere(store).read(Country, "CH")
        assert document is not None
        assert document["name"] == "theirs"

    @pytest.mark.parametrize("applied", [False, True])
    async def test_a_save_whose_outcome_is_unknown(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, applied: bool
    ) -> None:
        account = Account(name="Bob", email="b", tags=["a"], owner=Node(name="n"))
        write = store.write

        async def dying(batch: Any) -> Any:
            if applied:
                await write(batch)
            raise OutcomeUnknown("the connection was lost", store=store.url)

        for _ in range(2):  # as a new object, then as a changed one
            monkeypatch.setattr(store, "write", dying)
            with pytest.raises(OutcomeUnknown):
                await account.save()
            assert is_sound(account)
            assert account.__state__.changes()
            monkeypatch.setattr(store, "write", write)
            await account.save()
            assert await Account.objects.count() == 1
            assert await Node.objects.count() == 1
            document = await Elsewhere(store).read(Account, account._id)
            assert document is not None
            assert document["tags"] == account.tags
            assert not account.__state__.dirty
            account.tags = [*account.tags, "b"]
        assert (await Account.objects.get(name="Bob")).tags == ["a", "b", "b"]

    async def test_retrying_an_interrupted_save_of_many_objects_takes_few_requests(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        nodes = chain(Node, 200)
        await Node.objects.ready()
        write = store.write

        async def dying(batch: Any) -> Any:
            await write(batch)
            raise OutcomeUnknown("the connection was lost", store=store.url)

        monkeypatch.setattr(store, "write", dying)
        with pytest.raises(OutcomeUnknown):
            await nodes[0].save()
        monkeypatch.setattr(store, "write", write)
        before = store.requests
        await nodes[0].save()
        assert store.requests - before <= 4 + batches_for(store, *nodes)
        assert await Node.objects.count() == 200
