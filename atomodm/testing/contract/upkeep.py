"""Checking, backing up and giving space back; refused by a store that does not say it can."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from ...contract import Batch, CheckReport, Delete, IndexSpec, Patch, Store
from ...errors import BackupRefused, DuplicateKey, UnsupportedOperation
from ...query.changes import Changes
from .stores import Stores, find_all, insert_all

INDEXES = [
    IndexSpec(name="age_1", fields=[("age", 1)]),
    IndexSpec(name="mail_1", fields=[("mail", 1)], unique=True, sparse=True),
    IndexSpec(name="tags.name_-1", fields=[("tags.name", -1)]),
]


async def refused(operation: Awaitable[Any], store: Store) -> None:
    """An operation that the store lacks says so, and names the store."""
    with pytest.raises(UnsupportedOperation) as caught:
        await operation
    assert store.url in str(caught.value)


async def checked(store: Store, **options: Any) -> CheckReport | None:
    """A check; None where the store has none, and refuses."""
    if store.capabilities.check:
        return await store.check(**options)
    await refused(store.check(**options), store)
    return None


class UpkeepContract:
    """`Store.check`, `Store.backup` and `Store.vacuum`."""

    async def test_a_check_counts_documents_and_entries_and_finds_nothing_wrong(self, stores: Stores) -> None:
        store = await stores.open()
        if (report := await checked(store)) is not None:
            assert report == CheckReport(collections=0, documents=0, entries=0)
        await insert_all(store, "people", [{"_id": 0, "age": 1, "mail": "0", "tags": [{"name": "a"}, {"name": "b"}]}])
        await store.ensure_indexes("people", INDEXES)
        await insert_all(store, "people", [{"_id": 1}, {"_id": 2, "age": [1, 2, 3]}])
        await insert_all(store, "others", [{"_id": "x"}])
        if (report := await checked(store)) is not None:
            # age: 1, missing, three; mail: one; tags.name: two, missing, missing.
            assert report == CheckReport(collections=2, documents=4, entries=5 + 1 + 4)
            assert report.ok

    async def test_nothing_is_wrong_after_writes_of_all_kinds(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number, "mail": str(number)} for number in range(50)])
        await store.ensure_indexes("people", INDEXES)
        for number in range(0, 50, 3):
            await store.write(
                Batch(
                    [
                        Patch("people", number, Changes(set={"mail": f"m{number}", "tags": [{"name": "a"}, 1]})),
                        Patch("people", number + 1, Changes(unset=["mail"], set={"age": number})),
                        *([Delete("people", number + 2)] if number % 2 else []),
                    ]
                )
                if number < 48
                else Batch([Delete("people", number)])
            )
        with pytest.raises(DuplicateKey):
            await insert_all(store, "people", [{"_id": 99, "mail": "m0"}])
        for repair in (False, True):
            if (report := await checked(store, repair=repair)) is not None:
                assert (report.problems, report.repaired, report.ok) == ((), 0, True)

    async def test_an_index_that_is_half_built_is_no_problem(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number, "age": 1} for number in range(1500)])
        await insert_all(store, "people", [{"_id": 1500, "age": [1, 2]}, {"_id": 1501, "age": [1], "tags": [1]}])

        def give_up(done: int, total: int) -> None:
            raise KeyError("enough")

        both = IndexSpec(name="both", fields=[("age", 1), ("tags", 1)])
        with pytest.raises(KeyError):
            await store.ensure_indexes("people", [both], give_up)
        for repair in (False, True):
            if (report := await checked(store, repair=repair)) is not None:
                assert report.problems == ()

    async def test_what_others_write_during_a_check_is_no_problem(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        await store.ensure_indexes("people", INDEXES)
        await insert_all(store, "people", [{"_id": number, "age": number} for number in range(600)])

        async def write() -> None:
            number = 0
            while True:
                number += 1
                id = number * 7 % 600
                await other.write(Batch([Patch("people", id, Changes(set={"age": number, "mail": str(number)}))]))
                await asyncio.sleep(0)

        writing = asyncio.create_task(write())
        try:
            if (report := await checked(store, repair=True)) is not None:
                assert (report.problems, report.documents) == ((), 600)
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def test_a_check_tells_how_far_it_is(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", INDEXES)
        await insert_all(store, "people", [{"_id": number} for number in range(700)])
        told: list[tuple[int, int]] = []
        if await checked(store, progress=lambda done, total: told.append((done, total))) is not None:
            assert len(told) > 2
            assert told == sorted(told)
            assert told[-1][0] == told[-1][1]

    async def test_a_backup_is_a_store_of_its_own_or_is_refused(self, stores: Stores, tmp_path: Path) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", INDEXES)
        await insert_all(store, "people", [{"_id": 1, "age": 2}])
        (tmp_path / "backups").mkdir()
        target = tmp_path / "backups" / "backup"
        if not store.capabilities.backup:
            await refused(store.backup(target), store)
            assert not target.exists()
            return
        await store.backup(target)
        with pytest.raises(BackupRefused):
            await store.backup(target)
        await insert_all(store, "people", [{"_id": 2}])
        await store.backup(target, replace=True)
        assert [path.name for path in target.parent.iterdir()] == ["backup"]

    async def test_a_vacuum_changes_no_document_or_is_refused(self, stores: Stores) -> None:
        store = await stores.open()
        await insert_all(store, "people", [{"_id": number, "text": "x" * 1000} for number in range(200)])
        await store.write(Batch([Delete("people", number) for number in range(100)]))
        if not store.capabilities.vacuum:
            await refused(store.vacuum(), store)
        else:
            await store.vacuum()
        assert len(await find_all(store, "people")) == 100
