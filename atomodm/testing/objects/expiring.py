"""``Meta.ttl``: documents that expire so long after they were last saved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from atom.api import Int, Str

from ... import DoesNotExist, NoSQLModel, Store, save_all
from ...query.changes import Changes
from .passing import SHORT, Clock, Clocked, Presence, Ticket, expiry_of, until, with_unloaded_holder
from .tools import Elsewhere, counted, forget_all


class Message(NoSQLModel):
    """Owns a collection of documents that live for different times."""

    text = Str()

    class Meta:
        app_label = "contract"
        name = "contract.messages"
        ttl = 60


class Notice(Message):
    """Lives a day."""

    class Meta:
        ttl = timedelta(days=1)


class Alarm(Message):
    """Lives as long as its base."""


class Decree(Message):
    """Lives for good."""

    class Meta:
        ttl = None


class Plan(NoSQLModel):
    """Lives for good."""

    text = Str()

    class Meta:
        app_label = "contract"
        name = "contract.plans"


class Draft(Plan):
    """Lives a minute."""

    class Meta:
        ttl = 60


def _version(collection: str, **meta: Any) -> Any:
    """A model class of its own, as one version of a program has it."""
    options = type("Meta", (), {"name": collection, "app_label": collection, **meta})
    metaclass: Any = type(NoSQLModel)
    members = {"text": Str(), "number": Int()}
    return metaclass("Note", (NoSQLModel,), {"__module__": __name__, "Meta": options, **members})


class TimeToLiveContract(Clocked):
    """``Meta.ttl``: documents expire so long after they were last saved."""

    async def test_a_document_is_gone_at_its_time(self, store: Store) -> None:
        model = _version("contract.blinks", ttl=SHORT)
        note = model(text="x")
        await note.save()
        assert note.__state__.expires is not None

        async def is_gone() -> bool:
            return bool(await model.objects.count() == 0)

        await until(is_gone)
        # The object is still there, and in the cache.
        assert await model.objects.all() == []
        assert await model.objects.filter(text="x").first() is None
        assert await model.objects.find_one({"_id": note._id}) is None
        with pytest.raises(DoesNotExist):
            await model.objects.get(_id=note._id)
        with pytest.raises(DoesNotExist):
            await note.refresh()
        assert note.__state__.stale
        handle = model(_id=note._id)
        await handle.load()
        assert not handle.__restored__

    async def test_it_expires_by_the_store_s_clock_so_long_after_each_save(self, store: Store, clock: Clock) -> None:
        guest = Presence(name="Ann")
        await guest.save()
        assert await expiry_of(store, guest) == clock.after(3600)
        clock.move(100)
        guest.mood = "gay"
        await guest.save()
        assert await expiry_of(store, guest) == clock.after(3600)
        clock.move(0.25)
        await guest.save(replace=True)
        assert await expiry_of(store, guest) == clock.after(3600)

    async def test_a_save_renews_an_object_without_changes(self, store: Store, clock: Clock) -> None:
        guest = Presence(name="Ann", mood="gay")
        await guest.save()
        clock.move(100)
        with counted(store) as requests:
            result: Any = await guest.save()
        assert requests.count == 1
        assert result.modified_count == 1
        assert await Elsewhere(store).read(Presence, "Ann") == {
            "_id": "Ann",
            "__model__": "contract.Presence",
            "mood": "gay",
            "moves": 0,
            "log": [],
            "friend": None,
            "__expires__": clock.after(3600),
        }

    async def test_a_save_renews_what_it_writes_besides_and_nothing_else(self, store: Store, clock: Clock) -> None:
        ann, bob, cleo = Presence(name="Ann"), Presence(name="Bob"), Presence(name="Cleo")
        ann.friend, bob.friend = bob, cleo
        ticket = Ticket(title="x", holder=ann)
        await ticket.save()
        assert {await expiry_of(store, guest) for guest in (ann, bob, cleo)} == {clock.after(3600)}
        assert await expiry_of(store, ticket) is None
        before = clock.after(3600)
        clock.move(100)
        ann.mood = "gay"
        await ticket.save()
        assert await expiry_of(store, ann) == clock.after(3600)
        assert await expiry_of(store, bob) == before
        # An edit that was taken back is none.
        bob.mood = "sad"
        bob.mood = ""
        await ticket.save()
        await ann.save()
        assert await expiry_of(store, bob) == before

    async def test_the_time_is_no_member_and_no_change(self, store: Store) -> None:
        guest = Presence(name="Ann")
        await guest.save()
        assert await expiry_of(store, guest) is not None
        assert "__expires__" not in guest.__getstate__()
        assert not guest.__state__.changes()
        guest.__state__.refresh()
        assert not guest.__state__.dirty
        forget_all(store, Presence)
        again = await Presence.objects.get(name="Ann")
        assert "__expires__" not in again.__getstate__()
        again.mood = "gay"
        assert again.__state__.changes() == Changes(set={"mood": "gay"})
        assert again.__state__.dirty_fields == {"mood"}
        again.revert()
        assert not again.__state__.changes()

    async def test_the_state_tells_when_it_expires(self, store: Store, clock: Clock) -> None:
        guest = Presence(name="Ann")
        heard: list[Any] = []
        guest.__state__.observe("expires", lambda change: heard.append(change["value"]))
        assert guest.__state__.expires is None
        await guest.save()
        first = clock.after(3600).replace(tzinfo=UTC)
        assert guest.__state__.expires == first
        clock.move(5)
        await guest.save()
        second = clock.after(3600).replace(tzinfo=UTC)
        elsewhere = datetime(2100, 1, 1, tzinfo=UTC)
        await Elsewhere(store).set(guest, __expires__=elsewhere)
        await guest.refresh()
        await guest.expire(None)
        assert heard == [first, second, elsewhere, None]
        assert (await Ticket.objects.create(title="x")).__state__.expires is None

    async def test_the_state_of_an_object_that_is_loaded_later_tells_it_too(self, store: Store) -> None:
        ticket = Ticket(holder=Presence(name="Ann"))
        await ticket.save()
        forget_all(store, Ticket, Presence)
        found = await with_unloaded_holder(ticket)
        heard: list[Any] = [found.holder.__state__.expires]
        found.holder.__state__.observe("expires", lambda change: heard.append(change["value"]))
        await Ticket.objects.get(_id=ticket._id)  # loads what it refers to
        assert found.holder.__restored__
        assert [bool(expires) for expires in heard] == [False, True]
        assert found.holder.__state__.revision == await Elsewhere(store).revision(Presence, "Ann")

    async def test_lookups_may_ask_for_it(self, store: Store, clock: Clock) -> None:
        for name in ("Ann", "Bob", "Cleo"):
            await Presence(name=name).save()
            clock.move(10)
        soon = clock.after(3600 - 15).replace(tzinfo=UTC)
        assert [guest.name async for guest in Presence.objects.filter(_expires__lt=soon).order_by("-_expires")] == [
            "Bob",
            "Ann",
        ]
        assert await Presence.objects.filter(_expires__exists=False).count() == 0

    async def test_models_of_one_collection_have_each_their_own_time(self, store: Store, clock: Clock) -> None:
        messages = [Message(text="a"), Notice(text="b"), Alarm(text="c"), Decree(text="d")]
        await save_all(messages)
        assert [await expiry_of(store, message) for message in messages] == [
            clock.after(60),
            clock.after(86_400),
            clock.after(60),
            None,
        ]
        forget_all(store, Message)
        clock.move(10)
        async for found in Message.objects.all():
            await found.save()
        assert [await expiry_of(store, message) for message in messages] == [
            clock.after(60),
            clock.after(86_400),
            clock.after(60),
            None,
        ]

    async def test_a_time_that_a_model_gets_later_holds_from_the_next_save_on(self, store: Store, clock: Clock) -> None:
        before, after = _version("contract.later"), _version("contract.later", ttl=100)
        old, touched = before(text="old"), before(text="touched")
        await save_all([old, touched])
        forget_all(store, before)
        found = await after.objects.get(text="touched")
        await found.save()
        assert await expiry_of(store, touched) == clock.after(100)
        assert await expiry_of(store, old) is None

        shorter = _version("contract.later", ttl=timedelta(seconds=7))
        forget_all(store, before)
        found = await shorter.objects.get(text="touched")
        await found.save()
        assert await expiry_of(store, touched) == clock.after(7)

    async def test_a_time_that_a_model_has_no_longer_goes_with_the_next_save(self, store: Store, clock: Clock) -> None:
        before, after = _version("contract.no longer", ttl=100), _version("contract.no longer")
        note, own = before(text="note"), before(text="own")
        await save_all([note, own])
        await own.expire(50)
        forget_all(store, before)
        for text in ("note", "own"):
            found = await after.objects.get(text=text)
            assert found.__state__.expires is not None
            found.number = 1
            await found.save()
        assert await Elsewhere(store).read(after, note._id) == {
            "_id": note._id,
            "__model__": "contract.no longer.Note",
            "text": "note",
            "number": 1,
        }
        assert await expiry_of(store, own) == clock.after(50)

    async def test_dropping_unknown_fields_keeps_the_time(self, store: Store, clock: Clock) -> None:
        model = _version("contract.dropping", ttl=100, unknown="drop")
        note = model(text="x")
        await note.save()
        await note.expire(50)
        await Elsewhere(store).set(note, unknown=1)
        clock.move(10)
        note.text = "y"
        await note.save()
        document = await Elsewhere(store).read(model, note._id)
        assert document is not None
        assert "unknown" not in document
        assert (document["__expires__"], document["__ttl__"]) == (clock.after(50), 50_000)
