"""``expire``: one document's own time to live."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta
from typing import Any

import pytest

from ... import Conflict, DoesNotExist, InvalidUpdate, Store, save_all
from ...identity import CacheScope
from .cancellation import interrupt, interrupt_everywhere
from .passing import Clock, Clocked, Presence, Ticket, expiry_of, let_expire, with_unloaded_holder
from .tools import Elsewhere, counted, forget_all, is_sound


def _slowly(request: Any) -> Any:
    async def slow(*args: Any) -> Any:
        await asyncio.sleep(0)
        answer = await request(*args)
        await asyncio.sleep(0)
        return answer

    return slow


class OwnTimeContract(Clocked):
    """``obj.expire``: one document's own time."""

    async def test_it_writes_the_time_and_nothing_else(self, store: Store, clock: Clock) -> None:
        ticket = Ticket(title="x")
        await ticket.save()
        ticket.title = "y"
        await ticket.expire(1.5)
        with counted(store) as requests:
            await ticket.expire(timedelta(minutes=2))
        assert requests.count == 1
        document = await Elsewhere(store).read(Ticket, ticket._id)
        assert document is not None
        assert document["title"] == "x"
        assert document["__expires__"] == clock.after(120)
        assert ticket.__state__.dirty_fields == {"title"}
        with counted(store) as requests:
            await ticket.save()
        assert requests.count == 1
        assert await expiry_of(store, ticket) == clock.after(120)

    async def test_saves_renew_it_where_the_model_says_that_saves_do(self, store: Store, clock: Clock) -> None:
        guest, ticket = Presence(name="Ann"), Ticket(title="x")
        await save_all([guest, ticket])
        await guest.expire(30)
        await ticket.expire(30)
        deadline = clock.after(30)
        assert await expiry_of(store, guest) == deadline
        clock.move(20)
        guest.mood, ticket.title = "gay", "y"
        await save_all([guest, ticket])
        assert await expiry_of(store, guest) == clock.after(30)
        assert await expiry_of(store, ticket) == deadline
        # Whoever saves it.
        forget_all(store, Presence, Ticket)
        clock.move(5)
        for found in (await Presence.objects.get(name="Ann"), await Ticket.objects.get(title="y")):
            await found.save()
            await found.save(replace=True)
        assert await expiry_of(store, guest) == clock.after(30)
        assert await expiry_of(store, ticket) == deadline

    async def test_none_keeps_a_document_for_good(self, store: Store) -> None:
        guest, ticket = Presence(name="Ann"), Ticket(title="x")
        await save_all([guest, ticket])
        await ticket.expire(30)
        for obj in (guest, ticket):
            await obj.expire(None)
            assert obj.__state__.expires is None
            assert await expiry_of(store, obj) is None
            await obj.save()
            assert await expiry_of(store, obj) is None
            await obj.save(replace=True)
            assert await expiry_of(store, obj) is None
        await guest.expire(30)
        assert await expiry_of(store, guest) is not None

    async def test_an_object_that_was_not_loaded_stays_so(self, store: Store, clock: Clock) -> None:
        ticket = Ticket(holder=Presence(name="Ann", mood="gay"))
        await ticket.save()
        forget_all(store, Ticket, Presence)
        found = await with_unloaded_holder(ticket)
        await found.holder.expire(30)
        assert not found.holder.__restored__
        handle = Presence(name="Ann")
        await handle.expire(40)
        document = await Elsewhere(store).read(Presence, "Ann")
        assert document is not None
        assert (document["mood"], document["__expires__"]) == ("gay", clock.after(40))

    async def test_an_object_restored_from_a_state_learns_what_is_stored(self, store: Store, clock: Clock) -> None:
        guest = Presence(name="Ann", mood="gay")
        await guest.save()
        state = await Presence.objects.find_one({"_id": "Ann"})
        await Elsewhere(store).set(guest, mood="sad")
        forget_all(store, Presence)
        restored = await Presence.restore(state)
        await restored.expire(30)
        assert restored.mood == "sad"
        assert restored.__state__.expires == clock.after(30).replace(tzinfo=UTC)

    async def test_what_others_have_changed_stays_and_the_object_follows(self, store: Store, clock: Clock) -> None:
        guest = Presence(name="Ann", mood="gay")
        await guest.save()
        guest.moves = 5
        await Elsewhere(store).set(guest, mood="sad")
        await guest.expire(30)
        assert (guest.mood, guest.moves) == ("sad", 5)
        assert guest.__state__.dirty_fields == {"moves"}
        assert guest.__state__.expires == clock.after(30).replace(tzinfo=UTC)
        # An edit that disagrees waits for its own save.
        guest.mood = "calm"
        await Elsewhere(store).set(guest, mood="angry")
        await guest.expire(40)
        assert (guest.mood, guest.__state__.stale) == ("calm", True)
        assert await expiry_of(store, guest) == clock.after(40)
        with pytest.raises(Conflict) as caught:
            await guest.save()
        assert caught.value.paths == ("mood",)

    async def test_a_read_that_began_before_does_not_bring_the_former_time_back(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        guest = Presence(name="Ann")
        await guest.save()
        await Elsewhere(store).set(guest, mood="sad")
        has_read, go_on = asyncio.Event(), asyncio.Event()
        get = store.get

        async def slow(collection: str, ids: Any) -> Any:
            chunk = await get(collection, ids)
            if not go_on.is_set():
                has_read.set()
                await go_on.wait()
            return chunk

        monkeypatch.setattr(store, "get", slow)
        reading = asyncio.create_task(guest.refresh())
        await has_read.wait()
        monkeypatch.setattr(store, "get", get)
        await guest.expire(30)
        expires = guest.__state__.expires
        go_on.set()
        await reading
        assert guest.__state__.expires == expires
        assert guest.mood == "sad"

    async def test_many_may_set_it_at_once(self, store: Store) -> None:
        guest = Presence(name="Ann")
        await guest.save()
        others = []
        for _ in range(5):
            with CacheScope().entered():
                others.append(await Presence.objects.get(name="Ann"))
        times = range(100, 120)
        await asyncio.gather(*((others[time % 5] if time % 6 else guest).expire(time) for time in times))
        document = await Elsewhere(store).read(Presence, "Ann")
        assert document is not None
        assert document["__ttl__"] // 1000 in times
        await guest.refresh()
        assert guest.__state__.expires == document["__expires__"].replace(tzinfo=UTC)

    @pytest.mark.parametrize("removed", [False, True])
    async def test_nothing_brings_a_document_back_that_is_gone(self, store: Store, removed: bool) -> None:
        guest, ticket = Presence(name="Ann"), Ticket(title="x")
        await save_all([guest, ticket])
        await let_expire(guest, ticket)
        if removed:
            await Elsewhere(store).delete(guest, ticket)
        for obj in (guest, ticket, Presence(name="Ann")):
            with pytest.raises(DoesNotExist) as caught:
                await obj.expire(30)
            assert caught.value.model == obj.__model__
            assert obj.__state__.stale
        assert await Presence.objects.count() == await Ticket.objects.count() == 0

    async def test_a_document_that_others_prolonged_may_be_prolonged_again(self, store: Store, clock: Clock) -> None:
        guest = Presence(name="Ann")
        await guest.save()
        with CacheScope().entered():
            other = await Presence.objects.get(name="Ann")
        await guest.expire(10)
        await other.expire(30)
        clock.move(20)
        await guest.expire(40)
        document = await Elsewhere(store).read(Presence, "Ann")
        assert document is not None
        assert document["__ttl__"] == 40_000

    async def test_an_object_without_document_has_no_time(self, store: Store) -> None:
        deleted = Presence(name="Bob")
        await deleted.save()
        await deleted.delete()
        for obj in (Presence(name="Ann"), Ticket(title="x"), deleted):
            with pytest.raises(DoesNotExist):
                await obj.expire(30)
        assert await Presence.objects.count() == await Ticket.objects.count() == 0

    @pytest.mark.parametrize(
        "seconds",
        [0, -1, 0.0, float("nan"), float("inf"), 2**31, True, "30", timedelta(0), timedelta(days=-1), timedelta.max],
    )
    async def test_what_is_no_time_is_refused(self, store: Store, seconds: Any) -> None:
        ticket = Ticket(title="x")
        await ticket.save()
        with counted(store) as requests, pytest.raises(InvalidUpdate, match=r"expire\(\)") as caught:
            await ticket.expire(seconds)
        assert requests.count == 0
        assert caught.value.model == "contract.Ticket"

    @pytest.mark.parametrize(
        ("seconds", "milliseconds"),
        [(2**31 - 1, (2**31 - 1) * 1000), (1.2344, 1234), (1e-9, 1), (timedelta(microseconds=1500.6), 2)],
    )
    async def test_it_is_a_time_to_the_millisecond(
        self, store: Store, clock: Clock, seconds: Any, milliseconds: int
    ) -> None:
        ticket = Ticket(title="x")
        await ticket.save()
        await ticket.expire(seconds)
        assert ticket.__state__.expires == clock.after(0).replace(tzinfo=UTC) + timedelta(milliseconds=milliseconds)

    async def test_cancelling_it_leaves_the_object_sound(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        guest = Presence(name="Ann", mood="gay")
        await guest.save()
        for name in ("get", "write"):
            monkeypatch.setattr(store, name, _slowly(getattr(store, name)))

        async def attempt(at: int) -> bool:
            await Elsewhere(store).set(guest, moves=guest.moves + 1)  # so that it has to be read, too
            guest.log.append(str(at))
            reached = await interrupt(lambda: guest.expire(100 + at), at)
            assert is_sound(guest)
            assert guest.log[-1] == str(at)
            await guest.save()
            document = await Elsewhere(store).read(Presence, "Ann")
            assert document is not None
            times.append(document.get("__ttl__"))
            assert times[-1] in (times[-2], (100 + at) * 1000)
            assert (document["log"], document["moves"]) == (guest.log, guest.moves)
            return reached

        times: list[Any] = [None]
        await interrupt_everywhere(attempt, least=4)
        assert times[-1] is not None
