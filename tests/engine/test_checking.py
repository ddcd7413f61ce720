"""What a check finds in a store that was damaged behind its back, and what it mends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from atomodm.contract import Batch, CheckReport, Delete, IndexSpec, Patch, Problem, Replace, Store
from atomodm.encoding import encode
from atomodm.engine import CollectionChanges, Commit, Driver, EntryRow, IndexRef
from atomodm.engine.checking import LISTED
from atomodm.engine.indexing.catalogue import Catalogue
from atomodm.errors import StoreCorrupt
from atomodm.query.changes import Changes
from atomodm.query.keys import encode_key
from atomodm.query.nodes import Compare, Operator
from atomodm.store import create_store
from atomodm.testing.contract.stores import find_all, ids, insert_all

AGE = IndexSpec(name="age_1", fields=[("age", 1)])
MAIL = IndexSpec(name="mail_1", fields=[("mail", 1)], unique=True)
TAGS = IndexSpec(name="tags_1", fields=[("tags", 1)])


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    made = create_store(store_url)
    await made.open()
    await made.ensure_indexes("people", [AGE, MAIL, TAGS])
    await insert_all(made, "people", [person(number) for number in range(10)])
    yield made
    await made.close()


def person(number: int) -> dict[str, Any]:
    return {"_id": number, "age": number % 4, "mail": f"{number}@x", "tags": ["a", f"t{number}"]}


def driver_of(store: Store) -> Driver:
    driver = store._driver  # type: ignore[attr-defined]
    assert isinstance(driver, Driver)
    return driver


async def catalogue_of(store: Store) -> Catalogue:
    return Catalogue.of(await driver_of(store).state("people"))


async def entry(store: Store, spec: IndexSpec, value: Any, id: Any) -> EntryRow:
    index = (await catalogue_of(store)).named(spec.name)
    assert index is not None
    return index.number, encode_key(value), encode_key(id)


async def damage(store: Store, **changes: Any) -> None:
    """Write something that the engine would not."""
    damaging = CollectionChanges((await catalogue_of(store)).version, **changes)
    await driver_of(store).apply(Commit({"people": damaging}))


def told(problem: Problem) -> tuple[str, str | None, Any]:
    return problem.message, problem.index, problem.id_key


async def expect(store: Store, *problems: tuple[str, str | None, Any]) -> None:
    """A check finds these; one that repairs mends them; then nothing is wrong."""
    found = await store.check()
    assert sorted(map(told, found.problems)) == sorted(problems)
    assert (found.ok, found.repaired) == (False, 0)
    mending = await store.check(repair=True)
    assert sorted(map(told, mending.problems)) == sorted(problems)
    assert (mending.ok, mending.repaired) == (True, len(problems))
    assert all(problem.repaired for problem in mending.problems)
    after = await store.check()
    assert (after.ok, after.problems) == (True, ())


async def test_a_sound_store_is_found_sound_and_counted(store: Store) -> None:
    assert await store.check() == CheckReport(collections=1, documents=10, entries=40)
    assert await store.check(repair=True) == CheckReport(collections=1, documents=10, entries=40)


async def test_an_entry_that_is_missing_is_written_again(store: Store) -> None:
    await damage(store, removed=[await entry(store, AGE, 3, 7)])
    assert await ids(store, "people", Compare("age", Operator.EQ, 3)) == [3]
    await expect(store, ("an entry is missing", "age_1", encode_key(7)))
    assert await ids(store, "people", Compare("age", Operator.EQ, 3)) == [3, 7]


async def test_an_entry_that_does_not_fit_its_document_is_removed(store: Store) -> None:
    await damage(store, added=[await entry(store, AGE, 99, 7)])
    await expect(store, ("an entry fits no value of its document", "age_1", encode_key(7)))


async def test_an_entry_that_leads_nowhere_is_removed(store: Store) -> None:
    await damage(store, added=[await entry(store, AGE, 3, 77)], claimed=[await entry(store, MAIL, "77@x", 77)])
    await expect(
        store,
        ("an entry leads to no document", "age_1", encode_key(77)),
        ("an entry leads to no document", "mail_1", encode_key(77)),
    )


async def test_a_unique_value_that_nobody_claims_is_claimed(store: Store) -> None:
    await damage(store, released=[await entry(store, MAIL, "7@x", 7)])
    await expect(store, ("a unique value is not claimed", "mail_1", encode_key(7)))


async def test_a_claim_of_nobody_that_keeps_a_document_from_its_value_gives_way(store: Store) -> None:
    taken = await entry(store, MAIL, "7@x", 7)
    await damage(store, released=[taken], claimed=[await entry(store, MAIL, "7@x", 77)])
    found = await store.check()
    assert sorted(map(told, found.problems)) == [
        ("a unique value is claimed for another document", "mail_1", encode_key(7)),
        ("an entry leads to no document", "mail_1", encode_key(77)),
    ]
    assert (await store.check(repair=True)).ok
    assert (await store.check()).problems == ()


async def test_two_documents_with_one_unique_value_are_reported_and_left(store: Store) -> None:
    taken = await entry(store, MAIL, "7@x", 7)
    id, data = encode_key(70), encode({**person(70), "mail": "7@x"})
    others = [await entry(store, AGE, 2, 70), await entry(store, TAGS, "a", 70), await entry(store, TAGS, "t70", 70)]
    await damage(store, inserts=[(id, data, 0)], added=others)
    for repair in (False, True):
        found = await store.check(repair=repair)
        assert [told(problem) for problem in found.problems if "number of" not in problem.message] == [
            ("a unique value is claimed for another document", "mail_1", id)
        ]
        assert not found.ok
    assert await driver_of(store).absent("people", IndexRef(taken[0], True), [taken[1:]]) == []


async def test_an_index_that_forgot_that_documents_have_several_values_learns_it(store: Store) -> None:
    catalogue = await catalogue_of(store)
    index = catalogue.named("tags_1")
    assert index is not None

    await damage(store, catalogue=catalogue.with_index(replace(index, multikey=frozenset())).encode())
    found = await store.check(repair=True)
    assert {problem.message for problem in found.problems} == {
        "the index does not know that documents have several values in it"
    }
    assert found.ok
    assert (await store.check()).problems == ()


async def test_entries_of_an_index_that_is_not_there_are_removed(store: Store) -> None:
    index = (await catalogue_of(store)).named("age_1")
    assert index is not None
    await damage(store, catalogue=(await catalogue_of(store)).without(index.number).encode())
    catalogue = await catalogue_of(store)
    if index.ref in catalogue.cleared:
        # The catalogue itself remembers what is yet to be removed: that is no damage.
        assert (await store.check()).problems == ()
        await damage(store, catalogue=catalogue.without_cleared([index.ref]).encode())
    await expect(store, ("there are entries of an index that does not exist", None, None))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x05\0\0\0\0", "the document's id is not the one under which it stands"),
        (encode({"_id": 8}), "the document's id is not the one under which it stands"),
        (encode({"_id": [1]}), "the document's id is not the one under which it stands"),
        (b"", "the document cannot be decoded"),
        (b"\x40\0\0\0 no document at all", "the document cannot be decoded"),
        (encode({"_id": 70, "text": "x"}).replace(b"x", b"\xff"), "the document cannot be decoded"),
    ],
)
async def test_a_damaged_document_is_reported_and_never_removed(store: Store, data: bytes, message: str) -> None:
    await damage(store, inserts=[(encode_key(70), data, 0)])
    for repair in (False, True):
        found = await store.check(repair=repair)
        problems = [problem for problem in found.problems if problem.message == message]
        assert [(problem.collection, problem.id_key, problem.repaired) for problem in problems] == [
            ("people", encode_key(70), False)
        ]
        assert encode_key(70).hex() in str(problems[0])
    rows = await driver_of(store).get("people", [encode_key(70)])
    assert [row[2] for row in rows] == [data]


async def test_a_damaged_document_can_be_removed_by_its_id_and_a_repair_mends_the_indexes(store: Store) -> None:
    [(id, revision, _)] = await driver_of(store).get("people", [encode_key(3)])
    await damage(store, updates=[(id, revision, b"\x40\0\0\0 no document at all", 0)])
    with pytest.raises(StoreCorrupt):
        await store.write(Batch([Replace("people", 3, encode({"_id": 3}))]))
    assert all((await store.write(Batch([Delete("people", 3)]))).existed)
    assert [document["_id"] for document in await find_all(store, "people")] == [0, 1, 2, *range(4, 10)]
    report = await store.check(repair=True)
    # One value each of age and mail, two of tags.
    assert (report.ok, report.repaired, len(report.problems)) == (True, 4, 4)
    await insert_all(store, "people", [person(3)])
    assert (await store.check()).problems == ()


async def test_a_damaged_catalogue_is_reported(store: Store) -> None:
    await damage(store, catalogue=b"no catalogue")
    found = await store.check()
    assert [problem.message for problem in found.problems] == ["the index catalogue of collection people is damaged"]
    assert found.documents == 10


async def test_a_report_of_very_many_problems_lists_the_first_ones_and_counts_all(store: Store) -> None:
    number, _, _ = await entry(store, AGE, 1, 1)
    key = encode_key(1)
    await damage(store, added=[(number, key, encode_key(id)) for id in range(1000, 1000 + LISTED + 500)])
    found = await store.check()
    assert (len(found.problems), found.unlisted, found.ok) == (LISTED, 500, False)
    mended = await store.check(repair=True)
    assert (len(mended.problems), mended.unlisted, mended.repaired, mended.ok) == (LISTED, 500, LISTED + 500, True)


async def test_a_driver_tells_which_entries_are_absent(store: Store) -> None:
    number, key, id = await entry(store, AGE, 3, 7)
    claim = await entry(store, MAIL, "7@x", 7)
    others = [(key, encode_key(8)), (encode_key(2), id), (encode_key(99), id)]
    driver = driver_of(store)
    assert await driver.absent("people", IndexRef(number, False), [others[0], (key, id), *others[1:]]) == others
    assert await driver.absent("people", IndexRef(claim[0], True), [claim[1:], (claim[1], encode_key(8))]) == [
        (claim[1], encode_key(8))
    ]
    assert await driver.absent("people", IndexRef(99, False), [(key, id)]) == [(key, id)]
    assert await driver.absent("nobody", IndexRef(number, False), [(key, id)]) == [(key, id)]
    assert await driver.absent("people", IndexRef(number, False), []) == []


async def test_progress_goes_up_to_its_end(store: Store) -> None:
    told: list[tuple[int, int]] = []
    await store.check(progress=lambda done, total: told.append((done, total)))
    assert told
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


async def test_what_others_write_meanwhile_is_no_problem(store: Store) -> None:
    await insert_all(store, "people", [person(number) for number in range(10, 1500)])
    writing = True

    async def write(seed: int) -> None:
        chance = random.Random(seed)
        while writing:
            id = chance.randrange(1500)
            change = chance.choice(
                [Changes(set={"age": chance.randrange(9)}), Changes(set={"tags": [str(chance.random()), "a", "b"]})]
            )
            await store.write(Batch([Patch("people", id, change)]))
            await asyncio.sleep(0)

    async def declare() -> None:
        while writing:
            await store.ensure_indexes("people", [IndexSpec(name="other", fields=[("mail", -1)])])
            await asyncio.sleep(0.01)
            await store.drop_indexes("people", ["other"])

    tasks = [asyncio.create_task(write(seed)) for seed in range(4)] + [asyncio.create_task(declare())]
    try:
        for repair in (False, True, False):
            report = await store.check(repair=repair)
            assert (report.problems, report.documents) == ((), 1500)
    finally:
        writing = False
        await asyncio.gather(*tasks)
    assert (await store.check()).ok


async def test_a_check_that_is_cancelled_leaves_the_store_usable(store: Store) -> None:
    await insert_all(store, "people", [person(number) for number in range(10, 800)])
    for pause in (0, 0.0005, 0.003, 0.01):
        checking = asyncio.create_task(store.check(repair=True))
        await asyncio.sleep(pause)
        checking.cancel()
        await asyncio.gather(checking, return_exceptions=True)
    assert (await store.check()).ok
    assert len(await find_all(store, "people")) == 800
