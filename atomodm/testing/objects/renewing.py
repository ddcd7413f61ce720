"""Several writers of one document that expires, and saves of objects whose documents have expired."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest

from ... import Conflict, DuplicateKey, OutcomeUnknown, Store, save_all
from ...contract.operations import Batch, Outcome
from ...identity import CacheScope
from .passing import Clock, Clocked, Presence, Ticket, expiry_of, let_expire, with_unloaded_holder
from .tools import Elsewhere, forget_all


class RenewalContract(Clocked):
    """Several writers renew one document, and objects whose documents have expired are saved."""

    async def test_two_who_renew_do_not_conflict_and_the_later_wins(self, store: Store, clock: Clock) -> None:
        guest = Presence(name="Ann")
        await guest.save()
        with CacheScope().entered():
            other = await Presence.objects.get(name="Ann")
        assert other is not guest
        for one, two in ((guest, other), (other, guest)):
            clock.move(1)
            await one.save()
            clock.move(1)
            two.moves += 1
            await two.save()
            assert await expiry_of(store, guest) == clock.after(3600)
            clock.move(1)
            one.mood += "!"
            await one.save()
            assert await expiry_of(store, guest) == clock.after(3600)
        await guest.refresh()
        assert (guest.moves, guest.mood) == (2, "!!")
        await asyncio.gather(*(obj.save() for obj in (guest, other) * 10))

    async def test_a_save_whose_outcome_was_not_known_is_recognised_although_others_renewed(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        guest = Presence(name="Ann")
        await guest.save()
        guest.moves += 1
        with monkeypatch.context() as patch:
            write = store.write

            async def lost(batch: Batch) -> Outcome:
                await write(batch)
                raise OutcomeUnknown("the answer was lost", store=store.url)

            patch.setattr(store, "write", lost)
            with pytest.raises(OutcomeUnknown):
                await guest.save()
        await Elsewhere(store).set(guest, __expires__=datetime(2100, 1, 1))
        await guest.save()
        document = await Elsewhere(store).read(Presence, "Ann")
        assert document is not None
        assert document["moves"] == 1

    async def test_a_state_that_was_restored_does_not_conflict_by_its_time(self, store: Store, clock: Clock) -> None:
        guest = Presence(name="Ann", mood="gay")
        await guest.save()
        for with_time in (True, False):
            state = await Presence.objects.find_one({"_id": "Ann"})
            assert "__expires__" in state
            if not with_time:
                del state["__expires__"]
            await Elsewhere(store).set(guest, __expires__=datetime(2100, 1, 1))
            forget_all(store, Presence)
            restored = await Presence.restore(state)
            restored.moves += 1
            await restored.save()
            assert await expiry_of(store, guest) == clock.after(3600)

    async def test_an_unloaded_object_is_renewed_by_the_time_that_its_document_has(
        self, store: Store, clock: Clock
    ) -> None:
        ann, bob = Presence(name="Ann", moves=5), Presence(name="Bob")
        ann.friend = Presence(name="Cleo", friend=bob)
        await ann.save()
        await bob.expire(30)
        forget_all(store, Presence)
        clock.move(10)
        found: Any = await Presence.objects.get(name="Ann")
        unloaded = found.friend.friend
        unloaded.mood = "gay"
        await unloaded.save()
        document = await Elsewhere(store).read(Presence, "Bob")
        assert document is not None
        assert (document["mood"], document["__expires__"]) == ("gay", clock.after(30))
        clock.move(10)
        await unloaded.save()
        assert await expiry_of(store, bob) == clock.after(30)

    @pytest.mark.parametrize("removed", [False, True])
    async def test_a_save_does_not_bring_an_expired_document_back(self, store: Store, removed: bool) -> None:
        guest, ticket = Presence(name="Ann", mood="gay"), Ticket(title="x")
        await save_all([guest, ticket])
        await let_expire(guest, ticket)
        if removed:
            await Elsewhere(store).delete(guest, ticket)
        for obj in (guest, ticket):
            # With and without anything to write; it is as for a document that somebody else deleted.
            with pytest.raises(Conflict, match="expired"):
                await obj.save()
        guest.moves, ticket.tries = 5, 5
        for obj in (guest, ticket):
            with pytest.raises(Conflict, match="expired") as caught:
                await obj.save()
            assert caught.value.paths == ()
            assert obj.__state__.stale
            assert obj.__state__.dirty
        assert await Presence.objects.count() == await Ticket.objects.count() == 0
        for obj in (guest, ticket):
            await obj.save(replace=True)
        assert (await Elsewhere(store).read(Ticket, ticket._id)) == {
            "_id": ticket._id,
            "__model__": "contract.Ticket",
            "title": "x",
            "tries": 5,
            "holder": None,
            "facts": {},
        }

    async def test_a_save_of_a_graph_does_not_either(self, store: Store) -> None:
        guest = Presence(name="Ann")
        ticket = Ticket(title="x", holder=guest)
        await ticket.save()
        await let_expire(guest)
        ticket.tries = 1
        await ticket.save()
        guest.mood, ticket.tries = "gay", 2
        with pytest.raises(Conflict) as caught:
            await ticket.save()
        assert caught.value.model == "contract.Presence"
        document = await Elsewhere(store).read(Ticket, ticket._id)
        assert document is not None
        assert document["tries"] == 1
        assert await Presence.objects.count() == 0

    async def test_an_unloaded_object_of_an_expired_document_is_not_saved(self, store: Store) -> None:
        ticket = Ticket(holder=Presence(name="Ann"))
        await ticket.save()
        forget_all(store, Presence, Ticket)
        found = await with_unloaded_holder(ticket)
        with CacheScope().entered():
            await let_expire(Presence(name="Ann"))
        assert not found.holder.__restored__
        found.holder.mood = "gay"
        with pytest.raises(Conflict, match="expired"):
            await found.holder.save()
        assert await Presence.objects.count() == 0

    async def test_an_object_whose_document_others_renewed_is_saved(self, store: Store, clock: Clock) -> None:
        guest = Presence(name="Ann", mood="gay")
        await guest.save()
        with CacheScope().entered():
            other = await Presence.objects.get(name="Ann")
        await guest.expire(10)
        await other.expire(30)
        other.mood = "sad"
        await other.save()
        clock.move(20)
        guest.moves = 5
        await guest.save()
        document = await Elsewhere(store).read(Presence, "Ann")
        assert document is not None
        assert (document["mood"], document["moves"], document["__ttl__"]) == ("sad", 5, 30_000)
        assert guest.mood == "sad"

    async def test_what_has_expired_may_be_made_again(self, store: Store) -> None:
        guest = Presence(name="Ann", mood="gay")
        await guest.save()
        await let_expire(guest)
        again, created = await Presence.objects.get_or_create(name="Ann")
        assert created
        document = await Elsewhere(store).read(Presence, "Ann")
        assert document is not None
        assert document["mood"] == ""
        assert "__ttl__" not in document
        await again.delete()
        await again.save()
        assert await expiry_of(store, again) is not None

    async def test_what_expires_before_it_is_found_is_created(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proxy = type(Presence.objects)
        get, asked = proxy.get, []

        async def get_too_late(objects: Any, *conditions: Any, **lookups: Any) -> Any:
            asked.append(lookups)
            if len(asked) == 2:
                await let_expire(other)
            try:
                return await get(objects, *conditions, **lookups)
            finally:
                if len(asked) == 1:
                    await other.save()

        monkeypatch.setattr(proxy, "get", get_too_late)
        with CacheScope().entered():
            other = Presence(name="Ann")
        guest, created = await Presence.objects.get_or_create(name="Ann", defaults={"mood": "gay"})
        assert (created, guest.mood, len(asked)) == (True, "gay", 2)

    async def test_what_others_hold_a_value_of_is_not_created_for_ever(self, store: Store) -> None:
        await Presence(name="Ann").save()
        with pytest.raises(DuplicateKey):
            await Presence.objects.get_or_create(mood="gay", defaults={"name": "Ann"})
