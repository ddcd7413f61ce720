"""Stored values that a member refuses: other programs write them, and updates may lead to them."""

from __future__ import annotations

import pytest
from atom.api import Int, List, Range, Str

from ... import NoSQLModel, RestoreError, Store
from .tools import Elsewhere, forget_all


class Tank(NoSQLModel):
    """Says nothing where a stored value is refused."""

    class Meta:
        app_label = "contract"

    __on_error__ = "ignore"

    level = Range(0, 10)
    name = Str()
    marks = List(Str())
    fills = Int()


class StrictTank(Tank):
    """Does not take a document with a value that is refused."""

    class Meta:
        app_label = "contract"
        name = "contract.strict_tanks"

    __on_error__ = "raise"


class RefusedValueContract:
    """A value that was refused stays in the store until the member is set."""

    async def test_an_object_that_met_one_does_not_overwrite_it(self, store: Store) -> None:
        elsewhere = Elsewhere(store)
        tank = Tank(level=5)
        await tank.save()
        for overtaken in (False, True):
            await elsewhere.set(tank, level=50)
            if not overtaken:
                await tank.refresh()
            tank.fills += 1
            await tank.save()
            assert (await elsewhere.read(Tank, tank._id) or {})["level"] == 50
            tank.__state__.refresh()
            assert not tank.__state__.dirty
            await tank.save()
            assert (await elsewhere.read(Tank, tank._id) or {})["level"] == 50
        tank.level = 7
        await tank.save()
        await tank.save()
        assert (await elsewhere.read(Tank, tank._id) or {})["level"] == 7
        assert not tank.__state__.changes()
        await elsewhere.set(tank, level=8)
        await tank.refresh()
        assert (tank.level, tank.__state__.dirty, bool(tank.__state__.changes())) == (8, False, False)

    async def test_an_update_that_leads_to_one_is_not_undone_by_a_save(self, store: Store) -> None:
        elsewhere = Elsewhere(store)
        tank = Tank(level=5, marks=["a"])
        await tank.save()
        await tank.update(level__inc=10, marks__2="c")
        tank.name = "big"
        await tank.save()
        stored = await elsewhere.read(Tank, tank._id) or {}
        assert (stored["level"], stored["marks"], stored["name"]) == (15, ["a", None, "c"], "big")
        await tank.update(level__inc=-8, marks__1="b")
        assert (tank.level, list(tank.marks)) == (7, ["a", "b", "c"])
        tank.marks.append("d")
        assert tank.__state__.changes().as_update() == {"$push": {"marks": {"$each": ["d"]}}}

    async def test_an_object_loaded_with_one_follows_its_document(self, store: Store) -> None:
        elsewhere = Elsewhere(store)
        tank = Tank(level=5)
        await tank.save()
        await elsewhere.set(tank, level=50)
        forget_all(store, Tank)
        tank = await Tank.objects.get()
        await tank.update(level__inc=1)
        tank.name = "big"
        await tank.save()
        assert (await elsewhere.read(Tank, tank._id) or {})["level"] == 51
        await tank.update(level=9)
        assert tank.level == 9
        assert not tank.__state__.changes()

    async def test_where_it_is_an_error_the_object_stays_as_it_was(self, store: Store) -> None:
        tank = StrictTank(level=5)
        await tank.save()
        await Elsewhere(store).set(tank, level=50, name="big")
        with pytest.raises(RestoreError):
            await tank.refresh()
        assert (tank.level, tank.name, tank.__state__.dirty) == (5, "", False)
