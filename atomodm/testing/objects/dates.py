"""Datetimes: what a stored date lacks of them is in a note beside it, and both change together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from atom.api import Int, Typed

from ... import Conflict, JSONModel, NoSQLModel, Store
from ...identity import CacheScope
from .tools import forget_all

BERLIN = ZoneInfo("Europe/Berlin")
DAY = datetime(2024, 5, 1)
DAY_IN_UTC = DAY.replace(tzinfo=UTC)


class Span(JSONModel):
    """Embedded in a `Visit`."""

    begin: Any = Typed(datetime)
    end: Any = Typed(datetime)


class Visit(NoSQLModel):
    """Has several dates."""

    class Meta:
        app_label = "contract"

    came: Any = Typed(datetime)
    left: Any = Typed(datetime)
    span = Typed(Span, ())
    guests = Int()


async def _two_of_one() -> tuple[Visit, Visit]:
    """Two objects of one document, as two programs have them."""
    visit = Visit()
    await visit.save()
    with CacheScope().entered():
        return visit, await Visit.objects.get(_id=visit._id)


class DateContract:
    """Dates with microseconds and zones."""

    async def test_those_who_change_different_dates_do_not_conflict(self, store: Store) -> None:
        visit, other = await _two_of_one()
        for came, left in ((DAY_IN_UTC, DAY_IN_UTC), (DAY, DAY), (DAY_IN_UTC, DAY_IN_UTC), (DAY, None)):
            visit.came = visit.span.begin = came
            other.left = other.span.end = left
            await visit.save()
            await other.save()
            assert (other.came, other.span.begin) == (came, came)
            await visit.refresh()
            assert (visit.left, visit.span.end) == (left, left)

    async def test_those_who_change_one_date_do(self, store: Store) -> None:
        visit, other = await _two_of_one()
        visit.came, other.came = DAY_IN_UTC, DAY_IN_UTC + timedelta(days=1)
        await visit.save()
        with pytest.raises(Conflict):
            await other.save()

    @pytest.mark.parametrize("noted", [DAY_IN_UTC, DAY.replace(microsecond=7)], ids=["zone", "microseconds"])
    async def test_objects_follow_where_nothing_but_a_note_changes(self, store: Store, noted: datetime) -> None:
        visit, other = await _two_of_one()
        for moment in (DAY, noted, DAY, noted):
            visit.came = visit.span.begin = moment
            await visit.save()
            await other.refresh()
            assert (other.came, other.span.begin) == (moment, moment)
            await visit.update(left=moment)
            assert visit.left == moment
            assert not visit.__state__.changes()

    async def test_a_date_that_an_update_moves_keeps_its_zone_and_is_no_edit(self, store: Store) -> None:
        east = timezone(timedelta(hours=3))
        visit = Visit(came=DAY.replace(tzinfo=east), left=DAY.replace(microsecond=7))
        await visit.save()
        await visit.update(came__max=DAY_IN_UTC + timedelta(days=1), left__max=DAY + timedelta(days=1))
        assert (visit.came, visit.left) == (DAY_IN_UTC + timedelta(days=1), DAY + timedelta(days=1))
        assert visit.came.utcoffset() == timedelta(hours=3)
        forget_all(store, Visit)
        visit = await Visit.objects.get()
        assert visit.came.utcoffset() == timedelta(hours=3)
        assert not visit.__state__.changes()
        visit.guests = 2
        assert visit.__state__.changes().as_update() == {"$set": {"guests": 2}}

    @pytest.mark.parametrize("fold", [0, 1])
    async def test_a_date_that_an_update_moves_to_where_clocks_are_set_back_is_that_moment(
        self, store: Store, fold: int
    ) -> None:
        visit = Visit(came=datetime(2024, 7, 1, tzinfo=BERLIN))
        await visit.save()
        moment = datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=fold)
        await visit.update(came__max=moment)
        assert visit.came.astimezone(UTC) == moment.astimezone(UTC)
        await visit.update(came=moment)
        await visit.update(came__max=datetime(2024, 12, 1, tzinfo=BERLIN))
        assert (visit.came, visit.came.fold) == (datetime(2024, 12, 1, tzinfo=BERLIN), 0)
