"""Saves and deletes that the store cannot do at once: in which order they go, and what is left when they stop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest

from ... import Conflict, OutcomeUnknown, PartlyApplied, Store, StoreUnavailable, UnsupportedOperation, save_all
from ...contract import Atomicity
from ...identity import UNVERIFIED
from .league import (
    COLOURS,
    LEAGUE,
    PLACES,
    City,
    Country,
    Player,
    Sponsor,
    Street,
    Team,
    Traveller,
    check_object,
    dangling,
    documents,
)
from .tools import Elsewhere, batches_for, counted, forget_all, is_sound

#: How the write of a batch fails, and whether it was applied all the same.
FAILURES = [("refused", False), ("unknown", False), ("unknown", True), ("cancelled", False), ("cancelled", True)]


class Interference:
    """Does something at one of the batches that are written to a store, and looks at the store after each.

    Parameters
    ----------
    store : Store
    monkeypatch : pytest.MonkeyPatch
    models : sequence of type
        No document of theirs ever refers to one of theirs that is not there.
    """

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch, models: Any) -> None:
        self.batches: list[Any] = []
        self._write = store.write
        self._store = store
        self._models = models
        self._at = 0
        self._action: Callable[[Any], Awaitable[Any]] | None = None
        monkeypatch.setattr(store, "write", self._interfere)

    def at(self, number: int, action: Callable[[Any], Awaitable[Any]]) -> None:
        """Have `action` called with the batch of a number, counted from 1, instead of writing it."""
        self.batches = []
        self._at, self._action = number, action

    def off(self) -> None:
        """Do nothing any more but count and look."""
        self.at(0, self.write)

    async def write(self, batch: Any) -> Any:
        """Write a batch."""
        outcome = await self._write(batch)
        assert await dangling(self._store, self._models) == []
        return outcome

    async def _interfere(self, batch: Any) -> Any:
        self.batches.append(batch)
        if len(self.batches) == self._at:
            assert self._action is not None
            return await self._action(batch)
        return await self.write(batch)

    def failing(self, how: str, *, applied: bool) -> Callable[[Any], Awaitable[Any]]:
        """An action that fails."""

        async def fail(batch: Any) -> Any:
            if applied:
                await self.write(batch)
            if how == "refused":
                raise StoreUnavailable("the store went away", store=self._store.url)
            if how == "unknown":
                raise OutcomeUnknown("the connection was lost", store=self._store.url)
            raise asyncio.CancelledError

        return fail


async def _league() -> list[Any]:
    """A new team with players and sponsors, in cycles, and changes of some that are stored; the team is the first."""
    for model in LEAGUE:
        await model.objects.delete_many({})
    fan, star = Sponsor(name="fan"), Player(name="star", tags=["a"])
    veteran = Player(name="veteran", sponsor=fan)
    fan.favourite = star
    await veteran.save()
    team = Team(name="team")
    players = [Player(name=str(number), team=team) for number in range(3)]
    sponsors = [Sponsor(name=str(number), favourite=player) for number, player in enumerate(players)]
    for player, sponsor in zip(players, sponsors, strict=True):
        player.sponsor = sponsor
    team.lead = players[0]
    team.players = [*players, veteran]
    # Reached only through one another: each of them is changed.
    veteran.note = fan.note = star.note = "changed"
    star.tags = ["a", "b"]
    return [team, *players, *sponsors, veteran, fan, star]


def _ids(objects: Any) -> set[int]:
    return {id(obj) for obj in objects}


async def _attempt(operation: Callable[[], Awaitable[Any]]) -> BaseException | None:
    """What an operation in a task of its own ended with."""
    task = asyncio.ensure_future(operation())
    await asyncio.wait([task])
    return asyncio.CancelledError() if task.cancelled() else task.exception()


class PartialSaveContract:
    """A save takes as few batches as the store allows; where it takes several, it may stop between any two of them."""

    @pytest.mark.parametrize(("how", "applied"), FAILURES)
    async def test_a_save_that_stops_at_any_batch_says_what_was_done_and_the_next_one_does_the_rest(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, how: str, applied: bool
    ) -> None:
        for number in count(1):
            objects = await _league()
            interference = Interference(store, monkeypatch, LEAGUE)
            edited = {id(obj): obj.__state__.dirty for obj in objects}
            assert all(edited.values())
            interference.at(number, interference.failing(how, applied=applied))
            error = await _attempt(objects[0].save)
            if len(interference.batches) < number:
                assert error is None
                break
            lost = {id for operation in interference.batches[-1].operations for id in [operation.id]}
            left = []
            for obj in objects:
                assert is_sound(obj)
                uncertain = applied and (obj._id or obj.__track__().reserved_id) in lost
                await check_object(store, obj, uncertain=uncertain)
                if obj.__state__.dirty:
                    left.append(obj)
            self._check_error(error, how, number, objects, left)
            interference.off()
            await objects[0].save()
            await self._check_all_is_stored(store, objects)
            monkeypatch.undo()
        assert number > batches_for(store, *LEAGUE_OBJECTS)

    def _check_error(
        self, error: BaseException | None, how: str, number: int, objects: list[Any], left: list[Any]
    ) -> None:
        """The error, or the states alone, name every object once."""
        kinds = {"refused": StoreUnavailable, "unknown": OutcomeUnknown, "cancelled": asyncio.CancelledError}
        assert isinstance(error, kinds[how])
        assert isinstance(error, PartlyApplied) is (how != "cancelled" and number > 1)
        if isinstance(error, PartlyApplied):
            assert isinstance(error.__cause__, kinds[how])
            assert error.cause is error.__cause__
            assert _ids(error.applied) | _ids(left) == _ids(objects)
            assert _ids(error.unlinked) | _ids(error.unapplied) == _ids(left)
            assert len(error.applied) + len(error.unlinked) + len(error.unapplied) == len(objects)
            assert all(obj.__state__.persistent and obj.__state__.dirty for obj in error.unlinked)
            assert all(obj.__state__.error is None for obj in error.applied)
            assert all(isinstance(obj.__state__.error, kinds[how]) for obj in left)

    async def _check_all_is_stored(self, store: Store, objects: list[Any]) -> None:
        assert await dangling(store, LEAGUE) == []
        assert len(await documents(store, LEAGUE)) == len(objects)
        for obj in objects:
            await check_object(store, obj)
            assert not obj.__state__.dirty
        star = await Elsewhere(store).read(Player, objects[-1]._id)
        assert star is not None
        assert star["tags"] == ["a", "b"]
        with counted(store) as requests:
            await save_all(objects)
        assert requests.count == 0

    async def test_new_documents_come_before_those_that_refer_to_them(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        interference = Interference(store, monkeypatch, LEAGUE)
        team = Team(name="team", players=[Player(name="a", sponsor=Sponsor(name="s")), Player(name="b")])
        await team.save()
        objects = [team, *team.players, team.players[0].sponsor]
        assert len(interference.batches) == batches_for(store, *objects)
        await self._check_all_of(store, objects)

    async def _check_all_of(self, store: Store, objects: list[Any]) -> None:
        for obj in objects:
            await check_object(store, obj)
            assert not obj.__state__.dirty

    async def test_the_same_graph_is_written_in_the_same_batches(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = []
        for _ in range(2):
            objects = await _league()
            interference = Interference(store, monkeypatch, LEAGUE)
            await objects[0].save()
            seen.append(
                [
                    [(type(operation).__name__, operation.collection) for operation in batch.operations]
                    for batch in interference.batches
                ]
            )
            monkeypatch.undo()
        assert seen[0] == seen[1]

    async def test_what_others_change_before_any_batch_is_merged(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elsewhere = Elsewhere(store)
        for number in count(1):
            objects = await _league()
            interference = Interference(store, monkeypatch, LEAGUE)

            async def overtake(
                batch: Any, objects: list[Any] = objects, interference: Interference = interference
            ) -> Any:
                interference.off()
                for obj in objects:
                    if obj._id is not None and await elsewhere.read(type(obj), obj._id) is not None:
                        await elsewhere.append(obj, "tags", "theirs")
                return await interference.write(batch)

            interference.at(number, overtake)
            await objects[0].save()
            if interference.batches and len(interference.batches) < number:
                break
            await self._check_left_clean(store, objects)
            monkeypatch.undo()

    async def _check_left_clean(self, store: Store, objects: list[Any]) -> None:
        stored = await documents(store, LEAGUE)
        assert len(stored) == len(objects)
        for obj in objects:
            await obj.refresh()
            assert not obj.__state__.dirty
            document = await Elsewhere(store).read(type(obj), obj._id)
            assert document is not None
            assert document["tags"] == obj.tags
        assert [obj.note for obj in objects[-3:]] == ["changed"] * 3
        assert objects[-1].tags in (["a", "theirs", "b"], ["a", "b", "theirs"])

    async def test_a_conflict_in_any_batch_leaves_the_others_written(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        objects = await _league()
        star, fan = objects[-1], objects[-2]
        await Elsewhere(store).set(fan, note="theirs")
        with pytest.raises(Conflict) as caught:
            await objects[0].save()
        assert caught.value.paths == ("note",)
        assert isinstance(caught.value, PartlyApplied) is (store.capabilities.atomic is not Atomicity.STORE)
        assert fan.__state__.dirty
        assert fan.__state__.conflict is not None
        await objects[0].save(on_conflict="local")
        await self._check_all_of(store, objects)
        document = await Elsewhere(store).read(Sponsor, fan._id)
        assert document is not None
        assert document["note"] == "changed"
        assert not star.__state__.dirty

    async def test_edits_made_at_any_batch_stay_edits(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in count(1):
            objects = await _league()
            interference = Interference(store, monkeypatch, LEAGUE)

            async def edit(batch: Any, objects: list[Any] = objects, interference: Interference = interference) -> Any:
                for obj in objects:
                    obj.note = "meanwhile"
                return await interference.write(batch)

            interference.at(number, edit)
            await objects[0].save()
            if len(interference.batches) < number:
                break
            assert {frozenset(obj.__state__.dirty_fields) for obj in objects} == {frozenset({"note"})}
            interference.off()
            await save_all(objects)
            assert all(document["note"] == "meanwhile" for document in (await documents(store, LEAGUE)).values())
            monkeypatch.undo()

    async def test_what_must_be_done_at_once_is_refused_before_anything_is_written(self, store: Store) -> None:
        objects = await _league()
        before = await documents(store, LEAGUE)
        if store.capabilities.atomic is Atomicity.STORE:
            await objects[0].save(atomic=True)
            assert len(await documents(store, LEAGUE)) == len(objects)
            return
        with pytest.raises(UnsupportedOperation):
            await objects[0].save(atomic=True)
        assert await documents(store, LEAGUE) == before
        assert all(obj.__state__.dirty for obj in objects)
        sponsor = Sponsor(name="alone")
        await sponsor.save(atomic=True)
        assert not sponsor.__state__.dirty

    @pytest.mark.slow
    async def test_a_graph_of_two_thousand_in_cycles_over_five_collections(self, store: Store) -> None:
        size, chance = 2000, random.Random(5)
        beads = [COLOURS[number % len(COLOURS)](name=str(number), number=number) for number in range(size)]
        for number, bead in enumerate(beads):
            bead.next = beads[(number + 1) % size]
            bead.others = chance.sample(beads, chance.choice([0, 0, 1, 3]))
        await save_all([colour(name="first") for colour in COLOURS])  # the collections are there
        with counted(store) as requests:
            await beads[0].save()
        most = {Atomicity.STORE: 1, Atomicity.COLLECTION: 40, Atomicity.DOCUMENT: 2 * size + len(COLOURS)}
        assert requests.count <= most[store.capabilities.atomic]
        assert not any(bead.__tracking__.dirty or bead.__revision__ == UNVERIFIED for bead in beads)
        assert await dangling(store, COLOURS) == []
        _id, expected = beads[0]._id, [[other.name for other in bead.others] for bead in beads]
        forget_all(store, *COLOURS)
        loaded = await COLOURS[0].restore(await COLOURS[0].objects.find_one({"_id": _id}))
        found, bead = [], loaded
        for _ in range(size):
            found.append([other.name for other in bead.others])
            bead = bead.next
        assert bead is loaded
        assert found == expected


#: As many objects of the same models as `_league` has, for counting the batches that they take at least.
LEAGUE_OBJECTS = [Team(), *(Player() for _ in range(5)), *(Sponsor() for _ in range(4))]


class PartialDeleteContract:
    """Documents go before those they refer to."""

    @pytest.mark.parametrize(("how", "applied"), FAILURES)
    async def test_a_delete_that_stops_at_any_batch_leaves_no_reference_to_what_is_gone(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, how: str, applied: bool
    ) -> None:
        kinds = {"refused": StoreUnavailable, "unknown": OutcomeUnknown, "cancelled": asyncio.CancelledError}
        for number in count(1):
            for model in PLACES:
                await model.objects.delete_many({})
            country = Country(name="country")
            cities = [City(name=name, country=country) for name in "ab"]
            streets = [Street(name=f"{city.name}{number}", city=city) for city in cities for number in range(2)]
            traveller = Traveller(name="traveller", country=country, street=streets[0])
            await save_all([traveller, *streets])
            places = [country, *cities, *streets]
            interference = Interference(store, monkeypatch, PLACES)
            interference.at(number, interference.failing(how, applied=applied))
            error = await _attempt(country.delete)
            stored = await documents(store, PLACES)
            if len(interference.batches) < number:
                assert error is None
                assert len(stored) == 1
                assert all(place._id is None for place in places)
                break
            assert isinstance(error, kinds[how])
            gone = [place for place in places if place._id is None]
            assert len(stored) == 1 + len(places) - len(gone) or applied
            if isinstance(error, PartlyApplied):
                assert _ids(error.applied) == _ids(gone)
                assert _ids(error.unapplied) == _ids(places) - _ids(gone)
            else:
                assert not gone or how == "cancelled"
            interference.off()
            await country.delete()
            (document,) = (await documents(store, PLACES)).values()
            assert (document["name"], document["country"], document["street"]) == ("traveller", None, None)
            monkeypatch.undo()
        assert number > (2 if store.capabilities.atomic is not Atomicity.STORE else 1)
