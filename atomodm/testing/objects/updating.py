"""``obj.update(…)``: changes that the store makes by itself, and that the object follows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from bson import ObjectId
from pymongo.results import UpdateResult

from ... import (
    Conflict,
    DoesNotExist,
    DuplicateKey,
    InvalidUpdate,
    OutcomeUnknown,
    Store,
    save_all,
)
from .meters import Address, Meter, new_meter, stored_in
from .models import Account, Node
from .tools import Elsewhere, counted, forget_all, is_sound


class ObjectUpdateContract:
    """``obj.update(...)``."""

    async def test_it_changes_the_document_and_the_object_in_one_request(self, store: Store) -> None:
        meter = await new_meter(count=1)
        changes: list[Mapping[str, Any]] = []
        meter.observe("count", changes.append)
        with counted(store) as requests:
            result = await meter.update(count__inc=1)
        assert requests.count == 1
        assert isinstance(result, UpdateResult)
        assert (result.matched_count, result.modified_count) == (1, 1)
        assert [(change["oldvalue"], change["value"]) for change in changes] == [(1, 2)]
        assert not meter.__state__.dirty
        assert meter.__state__.revision == await Elsewhere(store).revision(Meter, meter._id)

    async def test_what_others_wrote_meanwhile_counts_and_is_followed(self, store: Store) -> None:
        meter = await new_meter(count=1)
        await Elsewhere(store).set(meter, c=10, flag=True)
        await meter.update(count__inc=1)
        assert (meter.count, meter.flag) == (11, True)
        await Elsewhere(store).set(meter, c=20)
        await meter.update(count=11)
        assert (await stored_in(store, meter))["c"] == 11
        await Elsewhere(store).set(meter, c="text")
        with pytest.raises(InvalidUpdate, match="numbers only"):
            await meter.update(count__inc=1)
        await Elsewhere(store).set(meter, c=5)
        await meter.update(count__inc=1)
        assert meter.count == 6

    async def test_one_that_changes_nothing_says_so_and_follows(self, store: Store) -> None:
        meter = await new_meter(count=1)
        await Elsewhere(store).set(meter, c=10, flag=True)
        result = await meter.update(count=10)
        assert (result.matched_count, result.modified_count) == (1, 0)
        assert (meter.count, meter.flag) == (10, True)
        assert (await meter.update(count__max=3)).modified_count == 0

    async def test_other_edits_stay_and_are_saved_later_without_a_conflict(self, store: Store) -> None:
        meter = await new_meter(count=1, facts={"a": 1})
        meter.flag = True
        meter.facts["a"] = 2
        await meter.update(count__inc=1, facts__b=3)
        assert (meter.count, meter.flag) == (2, True)
        assert meter.__state__.dirty_fields == {"flag"}
        assert meter.__state__.changes().as_update() == {"$set": {"flag": True, "facts.a": 2}}
        assert meter.facts == {"a": 2, "b": 3}
        await meter.save()
        document = await stored_in(store, meter)
        assert (document["c"], document["flag"], document["facts"]) == (2, True, {"a": 2, "b": 3})
        assert meter.__state__.dirty_fields == frozenset()

    async def test_what_it_does_not_concern_stays_the_same_object(self, store: Store) -> None:
        meter = await new_meter(address=Address(city="Ulm"), tags=["a"], facts={"a": []})
        address, tags, facts = meter.address, meter.tags, meter.facts
        changes: list[Mapping[str, Any]] = []
        meter.observe("address", changes.append)
        await meter.update(count__inc=1)
        await Meter.objects.update(count__inc=1)
        assert (meter.address, changes) == (address, [])
        assert meter.tags is tags
        assert meter.facts is facts

    async def test_a_member_that_is_removed_takes_its_default(self, store: Store) -> None:
        for edited in (False, True):
            meter = await new_meter(count=5, tags=["a"], size=7)
            meter.flag = edited
            await meter.update(count__unset=True, tags__unset=True, size__unset=True)
            assert (meter.count, list(meter.tags), meter.size) == (0, [], 50)
            assert meter.__state__.changes().as_update() == ({"$set": {"flag": True}} if edited else {})
            await meter.save()
            assert {"c", "tags", "size"}.isdisjoint(await stored_in(store, meter))

    async def test_an_edit_at_a_path_that_is_updated_is_given_up(self, store: Store) -> None:
        meter = await new_meter(count=1)
        meter.count = 100
        meter.flag = True
        changes: list[Mapping[str, Any]] = []
        meter.observe("count", changes.append)
        await meter.update(count__inc=1)
        assert meter.count == 2
        assert [(change["oldvalue"], change["value"]) for change in changes] == [(100, 2)]
        assert meter.__state__.dirty_fields == {"flag"}
        await meter.save()
        assert (await stored_in(store, meter))["c"] == 2

    async def test_an_edit_is_given_up_though_the_update_changes_nothing(self, store: Store) -> None:
        meter = await new_meter(count=5, ratio=1.0, address=Address(city="Ulm", number=1), tags=["a"])
        meter.count = 100
        meter.flag = True
        await meter.update(count__max=3)
        assert meter.count == 5
        meter.count = 100
        await meter.update(count=5)
        assert meter.count == 5
        meter.address = None
        meter.tags = ["x", "y"]
        await meter.update(address__city="Ulm", tags__add_to_set="a", ratio=2.0)
        assert (meter.address.city, meter.address.number, list(meter.tags)) == ("Ulm", 1, ["a"])
        assert meter.__state__.dirty_fields == {"flag"}
        assert meter.__state__.changes().as_update() == {"$set": {"flag": True}}

    async def test_an_edit_beside_the_path_in_an_embedded_object_stays(self, store: Store) -> None:
        meter = await new_meter(address=Address(city="Ulm", number=1))
        meter.address.number = 2
        await meter.update(address__city="Bonn")
        assert (meter.address.city, meter.address.number) == ("Bonn", 2)
        await meter.save()
        assert (await stored_in(store, meter))["address"]["number"] == 2

    async def test_an_edit_that_others_overtook_elsewhere_is_still_a_conflict(self, store: Store) -> None:
        meter = await new_meter(count=1, ratio=1.0)
        meter.ratio = 2.0
        await Elsewhere(store).set(meter, ratio=3.0, flag=True)
        await meter.update(count__inc=1)
        assert (meter.count, meter.ratio, meter.flag) == (2, 2.0, True)
        with pytest.raises(Conflict) as caught:
            await meter.save()
        assert caught.value.paths == ("ratio",)
        await meter.update(ratio__inc=1.0)
        assert meter.ratio == 4.0
        await meter.save()

    async def test_only_what_both_sides_changed_is_in_conflict(self, store: Store) -> None:
        meter = await new_meter(anything={"a": 1, "b": 1}, when=datetime(2024, 1, 1), address=Address(city="Ulm"))
        meter.anything["a"] = 2
        meter.address.city = "Bonn"
        await Elsewhere(store).set(meter, anything=5, flag=True, when=datetime(2024, 2, 1), **{"address.number": 5})
        await meter.update(count__inc=1)
        assert (meter.count, meter.flag, meter.when) == (1, True, datetime(2024, 2, 1))
        assert (meter.anything, meter.address.city, meter.address.number) == ({"a": 2, "b": 1}, "Bonn", 5)
        with pytest.raises(Conflict) as caught:
            await meter.save()
        assert caught.value.paths == ("anything.a",)
        await meter.save(on_conflict="remote")
        document = await stored_in(store, meter)
        assert (document["anything"], document["address"]["town"], document["address"]["number"]) == (5, "Bonn", 5)

    async def test_a_refused_update_leaves_the_object_as_it_was(self, store: Store) -> None:
        account = Account(name="Bob", email="bob")
        await save_all([account, Account(name="Eve", email="eve")])
        account.note = "edited"
        with pytest.raises(DuplicateKey) as caught:
            await account.update(email="eve", balance__inc=1)
        assert caught.value.model == "contract.Account"
        assert (account.email, account.balance, account.note) == ("bob", 0, "edited")
        assert account.__state__.dirty_fields == {"note"}
        assert is_sound(account)
        assert (await stored_in(store, account))["balance"] == 0

    async def test_an_update_whose_answer_is_lost_is_not_sent_again(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        meter = await new_meter()
        write = store.write

        async def lost(batch: Any) -> Any:
            await write(batch)
            raise OutcomeUnknown("the answer was lost")

        for update in (meter.update, Meter.objects.filter(_id=meter._id).update, Meter.objects.update):
            before = (await stored_in(store, meter))["c"]
            with monkeypatch.context() as patch:
                patch.setattr(store, "write", lost)
                with pytest.raises(OutcomeUnknown):
                    await update(count__inc=1)
            assert (await stored_in(store, meter))["c"] == before + 1
            assert meter.count == before
            assert meter.__state__.stale or update != meter.update
            assert is_sound(meter)
            await meter.update(count__inc=10)
            assert meter.count == before + 11
            assert not meter.__state__.stale

    async def test_an_object_without_document_has_nothing_to_update(self, store: Store) -> None:
        with pytest.raises(DoesNotExist):
            await Meter(name="new").update(count=1)
        meter = await new_meter()
        await Elsewhere(store).delete(meter)
        with pytest.raises(DoesNotExist):
            await meter.update(count=1)
        assert meter.__state__.stale
        assert await Meter.objects.count() == 0
        await meter.delete()
        with pytest.raises(DoesNotExist):
            await meter.update(count=1)

    async def test_an_object_that_is_not_loaded_is_then(self, store: Store) -> None:
        node = Node(name="n", value=1)
        await Node(name="first", next=Node(name="second", next=node)).save()
        _id = node._id
        del node
        forget_all(store, Node)
        second = (await Node.objects.get(name="first")).next
        node = second.next
        assert not node.__restored__
        with counted(store) as requests:
            await node.update(value__inc=1)
        assert requests.count <= 2
        assert node.__restored__
        assert (node.name, node.value) == ("n", 2)
        forget_all(store, Node)
        handle = Node(_id=_id)
        await handle.update(value__inc=1)
        assert (handle.name, handle.value) == ("n", 3)
        assert Node.objects.cache[_id] is handle
        with pytest.raises(DoesNotExist):
            await Node(_id=ObjectId()).update(value__inc=1)

    async def test_a_second_object_of_the_document_follows_too(self, store: Store) -> None:
        first = await new_meter(count=1)
        second = Meter(_id=first._id)
        await second.load()
        assert Meter.objects.cache[first._id] is first
        await second.update(count__inc=1)
        assert (first.count, second.count) == (2, 2)

    async def test_a_save_that_is_under_way_and_an_update_both_count(self, store: Store) -> None:
        meter = await new_meter(count=1)
        for number in range(10):
            meter.ratio = float(number)
            await asyncio.gather(meter.save(), meter.update(count__inc=1), meter.update(tags__push=str(number)))
            assert meter.ratio == number
        document = await stored_in(store, meter)
        assert (meter.count, document["c"]) == (11, 11)
        assert list(meter.tags) == document["tags"]
        assert sorted(document["tags"]) == [str(number) for number in range(10)]
        assert (meter.ratio, document["ratio"]) == (9.0, 9.0)
        assert not meter.__state__.dirty
        assert is_sound(meter)
