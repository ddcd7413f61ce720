"""Deletions that are more than one batch can hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ... import BatchTooLarge, Store, UnsupportedOperation, save_all
from ...contract import Atomicity, Batch, Outcome
from .league import PLACES, City, Country, Street, Traveller, dangling, documents
from .tools import forget_all


async def _made(streets: int) -> Country:
    """A country with two cities that have so many streets each, and somebody who outlives it."""
    country = Country(name="country")
    cities = [City(name=name, country=country) for name in "ab"]
    made = [Street(name=f"{city.name}{number}", city=city) for city in cities for number in range(streets)]
    await save_all([Traveller(name="traveller", country=country, street=made[0]), *made])
    return country


def _is_atomic(store: Store) -> bool:
    return store.capabilities.atomic is Atomicity.STORE


class LargeDeletionContract:
    """``delete(atomic=...)`` means what it means for a save."""

    async def test_a_deletion_that_is_too_large_for_one_batch_goes_in_pieces_where_that_is_allowed(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        country = await _made(12)
        monkeypatch.setattr(store, "capabilities", replace(store.capabilities, max_batch=5))
        one_by_one = store.capabilities.atomic is Atomicity.DOCUMENT
        for atomic in (None, True) if not one_by_one else ():
            refused = UnsupportedOperation if atomic and not _is_atomic(store) else BatchTooLarge
            with pytest.raises(refused, match="atomic=False"):
                await country.delete(atomic=atomic)
        assert len(await documents(store, PLACES)) == 1 + 1 + 2 + 24
        write = store.write
        sizes: list[int] = []

        async def looking(batch: Batch) -> Outcome:
            outcome = await write(batch)
            sizes.append(len(batch.operations))
            # After each batch, nothing refers to what is gone.
            assert await dangling(store, PLACES) == []
            return outcome

        monkeypatch.setattr(store, "write", looking)
        result = await country.delete(atomic=False)
        assert result is not None
        assert result.deleted_count == 1 + 2 + 24
        assert sum(sizes) == 1 + 1 + 2 + 24
        assert max(sizes) == (1 if one_by_one else 5)
        (document,) = (await documents(store, PLACES)).values()
        assert (document["name"], document["country"], document["street"]) == ("traveller", None, None)
        assert country._id is None

    async def test_what_fails_in_the_middle_is_completed_by_doing_it_again(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        country = await _made(6)
        forget_all(store, *PLACES)
        country = await Country.objects.get(name="country")
        monkeypatch.setattr(store, "capabilities", replace(store.capabilities, max_batch=5))
        write = store.write
        left = 2

        async def failing(batch: Batch) -> Outcome:
            nonlocal left
            left -= 1
            if left < 0:
                raise MemoryError
            return await write(batch)

        monkeypatch.setattr(store, "write", failing)
        with pytest.raises(Exception, match="do the same again"):
            await country.delete(atomic=False)
        monkeypatch.setattr(store, "write", write)
        assert await dangling(store, PLACES) == []
        assert 2 < len(await documents(store, PLACES)) < 1 + 1 + 2 + 12
        assert country._id is not None
        await country.delete(atomic=False)
        assert len(await documents(store, PLACES)) == 1

    async def test_a_piece_that_is_too_large_for_another_reason_is_cut_again(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        country = await _made(6)
        write = store.write

        async def narrow(batch: Batch) -> Outcome:
            if len(batch.operations) > 3:
                raise BatchTooLarge("too many entries", store=store.url)
            outcome = await write(batch)
            assert await dangling(store, PLACES) == []
            return outcome

        monkeypatch.setattr(store, "write", narrow)
        result = await country.delete(atomic=False)
        assert result is not None
        assert result.deleted_count == 1 + 2 + 12

    async def test_what_must_not_go_in_several_batches_is_refused_before_anything_is_deleted(
        self, store: Store
    ) -> None:
        country = await _made(1)
        if _is_atomic(store):
            result: Any = await country.delete(atomic=True)
            assert result.deleted_count == 5
            return
        with pytest.raises(UnsupportedOperation, match="atomic=False"):
            await country.delete(atomic=True)
        assert len(await documents(store, PLACES)) == 6
        for traveller in await Traveller.objects.all():
            result = await traveller.delete(atomic=True)
            assert result.deleted_count == 1
