"""Updates of many objects, by many at once, and of objects that expire."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ... import (
    Conflict,
    DoesNotExist,
    InvalidUpdate,
    Store,
    save_all,
)
from ...query.changes import Changes
from .cancellation import interrupt, interrupt_everywhere, make_slow
from .expiring import Alarm, Decree, Draft, Message, Notice, Plan
from .meters import Meter, new_meter, stored_in
from .models import Animal, Cat, Dog, Node, Puppy
from .passing import Clock, Clocked, Presence, Ticket, expiry_of, let_expire
from .tools import Elsewhere, batches_for, counted, is_sound


class QueryUpdateContract:
    """``Model.objects.filter(...).update(...)``."""

    async def test_it_changes_all_that_match_and_says_how_many(self, store: Store) -> None:
        meters = [Meter(name=str(number), count=number) for number in range(10)]
        await save_all(meters)
        assert await Meter.objects.filter(count__gte=5).update(count__inc=100, flag=True) == 5
        assert await Meter.objects.filter(flag=True).count() == 5
        assert [meter.count for meter in meters] == [0, 1, 2, 3, 4, 105, 106, 107, 108, 109]
        assert await Meter.objects.filter(count__gte=5).update(flag=True) == 5
        assert await Meter.objects.filter(count=-1).update(flag=True) == 0
        assert await Meter.objects.update(count=0) == 10
        assert {meter.count for meter in meters} == {0}
        assert not any(meter.__state__.dirty for meter in meters)

    async def test_a_condition_and_a_change_are_one_step(self, store: Store) -> None:
        meter = await new_meter(count=10)
        takes = [Meter.objects.filter(_id=meter._id, count__gte=3).update(count__inc=-3) for _ in range(8)]
        assert sorted(await asyncio.gather(*takes)) == [0, 0, 0, 0, 0, 1, 1, 1]
        assert meter.count == 1

    async def test_cached_objects_follow_and_observers_are_told(self, store: Store) -> None:
        clean, edited, in_conflict = [await new_meter(name=name) for name in "abc"]
        edited.ratio = 5.0
        in_conflict.count = 50
        changes: list[Any] = []
        for meter in (clean, edited, in_conflict):
            meter.observe("count", changes.append)
        revisions = [meter.__state__.revision for meter in (clean, edited)]
        with counted(store) as requests:
            await Meter.objects.update(count__inc=1)
        # The search and the write: what has become of the documents is known.
        assert requests.count <= 2 + batches_for(store, clean, edited, in_conflict)
        assert (clean.count, edited.count, in_conflict.count) == (1, 1, 50)
        assert sorted(change["object"].name for change in changes) == ["a", "b"]
        assert [meter.__state__.revision for meter in (clean, edited)] != revisions
        assert edited.__state__.dirty_fields == {"ratio"}
        await edited.save()
        assert (await stored_in(store, edited))["c"] == 1
        assert in_conflict.__state__.stale
        with pytest.raises(Conflict) as caught:
            await in_conflict.save()
        assert caught.value.paths == ("count",) or caught.value.paths == ("c",)

    async def test_objects_that_do_not_match_are_left_alone(self, store: Store) -> None:
        first, second = await new_meter(name="a", count=1), await new_meter(name="b", count=1)
        await Elsewhere(store).set(second, c=100)
        await Meter.objects.filter(name="a").update(count__inc=1)
        assert (first.count, second.count) == (2, 1)

    async def test_subclasses_update_their_own_documents(self, store: Store) -> None:
        animals = [Animal(name="it"), Dog(name="Rex"), Puppy(name="Tim"), Cat(name="Tom")]
        await save_all(animals)
        assert await Dog.objects.update(tricks__push="sit") == 2
        assert [list(getattr(animal, "tricks", ())) for animal in animals] == [[], ["sit"], ["sit"], []]
        assert await Animal.objects.filter(name__startswith="T").update(name="T") == 2
        assert [animal.name for animal in animals] == ["it", "Rex", "T", "T"]
        with pytest.raises(InvalidUpdate, match="no 'tricks' here"):
            await Animal.objects.update(tricks__push="sit")

    async def test_what_was_changed_before_an_error_is_followed(self, store: Store) -> None:
        meters = [Meter(name=str(number), anything=number) for number in range(5)]
        meters[3].anything = "text"
        await save_all(meters)
        with pytest.raises(InvalidUpdate, match="numbers only") as caught:
            await Meter.objects.update(anything__inc=10)
        assert caught.value.model == "contract.Meter"
        stored = {document["_id"]: document["anything"] async for document in Meter.objects.find({})}
        assert {meter._id: meter.anything for meter in meters} == stored

    async def test_each_of_many_documents_is_updated_once(self, store: Store) -> None:
        await save_all([Node(name=f"{number:04}", value=number) for number in range(1500)])
        kept = await Node.objects.filter(value__lt=10)
        # The index that finds the documents is the one in which they move.
        assert await Node.objects.filter(name__gte="0000").update(value__inc=10_000, name="9999") == 1500
        assert await Node.objects.filter(value__gte=10_000, value__lt=11_500, name="9999").count() == 1500
        assert sorted(node.value for node in kept) == list(range(10_000, 10_010))


class ConcurrentUpdateContract:
    """Nothing is lost, however many update one document at a time."""

    @pytest.mark.slow
    async def test_increments_of_one_object_by_many_tasks_all_count(self, store: Store) -> None:
        meter = await new_meter()

        async def count() -> None:
            for _ in range(50):
                await meter.update(count__inc=1)

        with counted(store) as requests:
            await asyncio.gather(*(count() for _ in range(64)))
        assert meter.count == 64 * 50
        assert (await stored_in(store, meter))["c"] == 64 * 50
        # One request each: everybody goes on from what the one before has written.
        assert requests.count <= 64 * 50 + 5

    @pytest.mark.slow
    async def test_increments_and_pushes_through_queries_by_many_tasks_all_count(self, store: Store) -> None:
        _id = (await new_meter())._id

        async def count(task: int) -> None:
            for number in range(10):
                query = Meter.objects.filter(_id=_id) if number % 2 else Meter.objects.filter(name="m")
                assert await query.update(count__inc=1, numbers__push=100 * task + number) == 1

        await asyncio.gather(*(count(task) for task in range(32)))
        document = await Meter.objects.find_one({"_id": _id})
        assert document["c"] == 320
        assert sorted(document["numbers"]) == sorted(100 * task + number for task in range(32) for number in range(10))

    async def test_updates_beside_other_writers_all_count(self, store: Store) -> None:
        meter = await new_meter()

        async def save() -> None:
            for number in range(20):
                meter.ratio = number + 1.0
                await meter.save()

        async def write() -> None:
            for _ in range(20):
                await Meter.objects.update_one({"_id": meter._id}, {"$inc": {"c": 1}})

        async def update() -> None:
            for _ in range(20):
                await meter.update(count__inc=1)

        await asyncio.gather(save(), write(), write(), update(), update())
        document = await stored_in(store, meter)
        assert (document["c"], document["ratio"]) == (80, 20.0)
        await meter.refresh()
        assert (meter.count, meter.ratio) == (80, 20.0)
        assert not meter.__state__.dirty

    async def test_an_update_that_is_cancelled_is_done_or_not_and_the_next_one_counts(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_slow(store, monkeypatch)

        async def attempt(at: int) -> bool:
            meter = await new_meter()
            meter.flag = True
            await Elsewhere(store).set(meter, ratio=1.0)
            reached = await interrupt(lambda: meter.update(count__inc=1), at)
            assert is_sound(meter)
            assert meter.__state__.dirty_fields == {"flag"}
            stored = (await stored_in(store, meter))["c"]
            assert stored in (0, 1)
            assert reached or stored == 1
            await asyncio.gather(meter.update(count__inc=10), Meter.objects.filter(_id=meter._id).update(count__inc=10))
            assert meter.count == stored + 20
            await meter.save()
            document = await stored_in(store, meter)
            assert (document["c"], document["flag"], document["ratio"]) == (stored + 20, True, 1.0)
            return reached

        await interrupt_everywhere(attempt, least=3)


class UpdateExpiryContract(Clocked):
    """Updates of documents that expire: their time begins anew, as with a save."""

    async def test_the_time_begins_anew(self, store: Store, clock: Clock) -> None:
        guest = Presence(name="Ann")
        await guest.save()
        clock.move(100)
        with counted(store) as requests:
            await guest.update(moves__inc=1)
        assert requests.count == 1
        assert await expiry_of(store, guest) == clock.after(3600)
        assert guest.__state__.expires.replace(tzinfo=None) == clock.after(3600)
        clock.move(100)
        assert await Presence.objects.filter(moves=1).update(mood="gay") == 1
        assert await expiry_of(store, guest) == clock.after(3600)
        clock.move(100)
        assert await Presence.objects.update(mood="gay") == 1
        assert await expiry_of(store, guest) == clock.after(3600)
        assert not guest.__state__.dirty
        assert not guest.__state__.changes()

    async def test_an_update_that_does_nothing_else_has_modified_nothing(self, store: Store, clock: Clock) -> None:
        guest = Presence(name="Ann", log=["a"])
        await guest.save()
        await Elsewhere(store).change(guest, Changes(unset=("__expires__",)))
        for seconds in (0, 0, 10):
            clock.move(seconds)
            result = await guest.update(log__add_to_set="a")
            assert (result.matched_count, result.modified_count) == (1, 0)
            assert await expiry_of(store, guest) == clock.after(3600)
        assert (await guest.update(log__add_to_set="b")).modified_count == 1

    async def test_a_documents_own_time_begins_anew_and_what_lives_for_good_does_so(
        self, store: Store, clock: Clock
    ) -> None:
        short, forever = Presence(name="Ann"), Presence(name="Bob")
        await save_all([short, forever])
        await short.expire(50)
        await forever.expire(None)
        clock.move(10)
        assert await Presence.objects.update(moves__inc=1) == 2
        assert await expiry_of(store, short) == clock.after(50)
        assert await expiry_of(store, forever) is None
        assert (short.moves, forever.moves) == (1, 1)

    async def test_documents_of_one_collection_live_as_their_own_models_say(self, store: Store, clock: Clock) -> None:
        messages = [Message(text="a"), Notice(text="b"), Alarm(text="c"), Decree(text="d")]
        await save_all(messages)
        strange = {"_id": "e", "__model__": "contract.NobodyKnows", "text": "e"}
        await Elsewhere(store).insert(Message, strange)
        clock.move(10)
        times = [clock.after(60), clock.after(86_400), clock.after(60), None]
        assert await Message.objects.update(text="x") == 5
        assert [await expiry_of(store, message) for message in messages] == times
        assert await Elsewhere(store).read(Message, "e") == {**strange, "text": "x"}

    async def test_documents_of_a_subclass_are_renewed_through_a_base_that_lives_for_good(
        self, store: Store, clock: Clock
    ) -> None:
        plan, draft = Plan(text="a"), Draft(text="b")
        await save_all([plan, draft])
        clock.move(10)
        assert await Plan.objects.update(text="x") == 2
        assert [await expiry_of(store, each) for each in (plan, draft)] == [None, clock.after(60)]

    async def test_the_time_of_other_documents_stays(self, store: Store, clock: Clock) -> None:
        ticket = Ticket(title="a")
        await ticket.save()
        await ticket.expire(50)
        at = await expiry_of(store, ticket)
        clock.move(10)
        await ticket.update(tries__inc=1)
        assert await expiry_of(store, ticket) == at
        for name in ("__expires__", "__ttl__"):
            with pytest.raises(InvalidUpdate, match="cannot change"):
                await ticket.update({"$set": {name: None}})

    async def test_a_document_that_has_expired_is_not_updated(self, store: Store) -> None:
        ticket = Ticket(title="a")
        await ticket.save()
        await let_expire(ticket)
        with pytest.raises(DoesNotExist):
            await ticket.update(tries__inc=1)
        assert await Ticket.objects.update(tries__inc=1) == 0
