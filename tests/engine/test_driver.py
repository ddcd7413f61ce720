"""The primitives of drivers, against a model that is plain lists."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atomodm.engine import (
    CollectionChanges,
    CollectionState,
    Commit,
    Driver,
    EntryRow,
    IndexRef,
    LogEntry,
    Place,
    Refused,
)
from atomodm.errors import StaleCatalogue, StoreClosed, TokenLost
from atomodm.query.ranges import EVERYTHING, Range
from atomodm.store.memory import MemoryDriver
from atomodm.store.memory.data import MemoryData
from atomodm.store.sqlite import SQLiteDriver
from atomodm.store.sqlite.file import FileOptions
from tests.requirements import need_store
from tests.store.redis.drivers import redis_driver
from tests.stores import url_of

PLAIN, UNIQUE = IndexRef(1, False), IndexRef(2, True)


# Not asynchronous: the first test of a run waits here until a server has started.
@pytest.fixture(params=["memory", "sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    need_store(request.param)
    return url_of(request.param, tmp_path)


@pytest.fixture
async def driver(url: str, tmp_path: Path) -> AsyncIterator[Driver]:
    made: Driver
    if url.startswith("memory:"):
        made = MemoryDriver(MemoryData(page_bytes=1 << 20))
    elif url.startswith("redis:"):
        made = redis_driver(url)
    else:
        made = SQLiteDriver(FileOptions(tmp_path / "driver.db", "sqlite:///driver.db", "off", 5.0, read_only=False))
    await made.open()
    yield made
    await made.close()


def logged(size: int = 1, keep: int = 1000) -> LogEntry:
    return LogEntry(os.urandom(16), b"origin", size, b"record", keep)


async def put(driver: Driver, documents: dict[bytes, bytes], entries: list[EntryRow] | None = None) -> int:
    changes = CollectionChanges(0)
    changes.inserts = [(id, document, offset) for offset, (id, document) in enumerate(documents.items())]
    changes.added = [entry for entry in entries or [] if entry[0] == PLAIN.number]
    changes.claimed = [entry for entry in entries or [] if entry[0] == UNIQUE.number]
    return (await driver.apply(Commit({"c": changes}, logged(max(1, len(documents)))))).first


keys = st.binary(min_size=1, max_size=2).map(lambda data: bytes(1 + byte % 4 for byte in data) + b"\0")
ranges = st.lists(keys, min_size=2, max_size=6, unique=True).map(
    lambda bounds: [(low, high) for low, high in zip(sorted(bounds)[::2], sorted(bounds)[1::2], strict=False)]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    entries=st.lists(st.tuples(keys, keys), max_size=25, unique=True),
    ranges=ranges,
    limit=st.integers(1, 6),
    reverse=st.booleans(),
    kind=st.sampled_from(["plain", "unique", "primary"]),
)
async def test_a_scan_in_pages_gives_what_sorting_gives(
    driver: Driver,
    entries: list[tuple[bytes, bytes]],
    ranges: list[Range],
    limit: int,
    reverse: bool,
    kind: str,
) -> None:
    state = await driver.state("c")
    await driver.apply(Commit({"c": CollectionChanges(state.version, dropped=True)}, logged()))
    if kind == "unique":
        entries = list(dict(entries).items())
    documents = {id: b"document of " + id for _, id in entries}
    number = UNIQUE.number if kind == "unique" else PLAIN.number
    await put(driver, documents, [] if kind == "primary" else [(number, key, id) for key, id in entries])
    expected = sorted((id, id) for id in documents) if kind == "primary" else sorted(entries)
    expected = [place for place in expected if any(low <= place[0] < high for low, high in ranges)]
    if reverse:
        expected.reverse()
    index = {"plain": PLAIN, "unique": UNIQUE, "primary": None}[kind]
    assert await driver.count("c", index, ranges) == len(expected)
    assert min(await driver.count("c", index, ranges, limit=limit), limit) == min(limit, len(expected))
    found: list[Place] = []
    after: Place | None = None
    more = True
    while more:
        page = await driver.scan(
            "c", index, ranges[::-1] if reverse else ranges, limit=limit, after=after, reverse=reverse
        )
        more = page.more
        assert len(page.keys) <= limit
        assert [documents[id] for id in page.ids] == list(page.documents)
        found += zip(page.keys, page.ids, strict=True)
        after = found[-1] if found else None
    assert found == expected


async def test_a_page_ends_after_some_megabytes_of_documents(driver: Driver) -> None:
    await put(driver, {bytes([1 + number]): bytes(1 << 20) for number in range(10)})
    found: list[bytes] = []
    after: Place | None = None
    more = True
    while more:
        page = await driver.scan("c", None, [(b"", b"\xff")], limit=1000, after=after)
        assert int(page.more) <= len(page.keys) < 10
        found += page.keys
        after, more = (found[-1], found[-1]), page.more
    assert found == [bytes([1 + number]) for number in range(10)]


async def test_revisions_are_the_positions_of_the_writes(driver: Driver) -> None:
    assert await driver.position() == 0
    first = await put(driver, {b"a": b"1", b"b": b"2"})
    assert first > 0
    assert await driver.position() == first + 1
    assert sorted(await driver.get("c", [b"a", b"b", b"x"])) == [(b"a", first, b"1"), (b"b", first + 1, b"2")]
    changes = CollectionChanges(0, updates=[(b"a", first, b"3", 1)], deletes=[(b"b", first + 1)])
    second = (await driver.apply(Commit({"c": changes}, logged(2)))).first
    assert second > first + 1
    assert await driver.get("c", [b"a", b"b"]) == [(b"a", second + 1, b"3")]
    state = await driver.state("c")
    assert (state.documents, state.version, state.catalogue) == (1, 0, b"")


@pytest.mark.parametrize(
    ("make", "mismatched"),
    [
        (lambda a, b: CollectionChanges(0, inserts=[(b"new", b"", 0), (b"a", b"", 1)]), [b"a"]),
        (
            lambda a, b: CollectionChanges(0, updates=[(b"a", a, b"", 0), (b"b", a, b"", 1), (b"x", a, b"", 2)]),
            [b"b", b"x"],
        ),
        (lambda a, b: CollectionChanges(0, deletes=[(b"a", b), (b"x", b + 3)]), [b"a", b"x"]),
        (
            lambda a, b: CollectionChanges(0, inserts=[(b"new", b"", 0)], guards=[(b"a", 0), (b"b", b), (b"x", 0)]),
            [b"a"],
        ),
    ],
    ids=["inserts", "updates", "deletes", "guards"],
)
async def test_a_refused_commit_names_all_mismatches_and_changes_nothing(
    driver: Driver, make: Callable[[int, int], CollectionChanges], mismatched: list[bytes]
) -> None:
    first = await put(driver, {b"a": b"1", b"b": b"2"}, [(1, b"k", b"a")])
    changes = make(first, first + 1)
    changes.added.append((1, b"k2", b"a"))
    with pytest.raises(Refused) as caught:
        await driver.apply(Commit({"c": changes, "d": CollectionChanges(0, inserts=[(b"d", b"", 9)])}, logged(3)))
    assert sorted(caught.value.mismatched) == [("c", id) for id in mismatched]
    assert sorted(await driver.get("c", [b"a", b"b", b"new"])) == [(b"a", first, b"1"), (b"b", first + 1, b"2")]
    assert await driver.count("c", PLAIN, [(b"", b"\xff")]) == 1
    assert [state.name for state in await driver.states()] == ["c"]
    assert await driver.position() == first + 1


async def test_claims_belong_to_one_id_and_are_released_before_others_are_made(driver: Driver) -> None:
    await put(driver, {b"a": b"", b"b": b"", b"x": b""}, [(2, b"k", b"a"), (2, b"l", b"b")])

    async def change(released: list[EntryRow], claimed: list[EntryRow]) -> None:
        await driver.apply(Commit({"c": CollectionChanges(0, released=released, claimed=claimed)}, logged()))

    with pytest.raises(Refused) as caught:
        await change([(2, b"l", b"x")], [(2, b"k", b"x"), (2, b"l", b"x"), (2, b"m", b"x")])
    assert sorted(caught.value.taken) == [("c", 2, b"x"), ("c", 2, b"x")]
    assert list(caught.value.mismatched) == []
    await change([(2, b"k", b"a"), (2, b"l", b"b")], [(2, b"k", b"b"), (2, b"l", b"a")])
    await change([], [(2, b"k", b"b")])
    page = await driver.scan("c", UNIQUE, [(b"", b"\xff")], limit=9)
    assert list(zip(page.keys, page.ids, strict=True)) == [(b"k", b"b"), (b"l", b"a")]
    with pytest.raises(Refused):
        await change([], [(2, b"z", b"a"), (2, b"z", b"b")])


async def test_adding_a_present_entry_and_removing_an_absent_one_change_nothing(driver: Driver) -> None:
    first = await put(driver, {b"a": b""}, [(1, b"k", b"a")])
    changes = CollectionChanges(0, added=[(1, b"k", b"a")], removed=[(1, b"x", b"a"), (7, b"k", b"a")])
    await driver.apply(Commit({"c": changes}))
    assert await driver.count("c", PLAIN, [(b"", b"\xff")]) == 1
    await driver.apply(Commit({"c": CollectionChanges(0, cleared=[PLAIN])}))
    assert await driver.count("c", PLAIN, [(b"", b"\xff")]) == 0
    # Without a log entry no position is taken.
    assert await driver.position() == first


async def test_everything_asks_for_the_catalogue_version_it_was_made_for(driver: Driver) -> None:
    await put(driver, {b"a": b""})
    applied = await driver.apply(Commit({"c": CollectionChanges(0, catalogue=b"indexes")}, logged()))
    state = await driver.state("c")
    assert (state.version, state.catalogue) == (applied.first, b"indexes")
    everything = [(b"", b"\xff")]
    for version in (0, state.version + 1):
        with pytest.raises(StaleCatalogue):
            await driver.scan("c", PLAIN, everything, limit=1, version=version)
        with pytest.raises(StaleCatalogue):
            await driver.scan("c", PLAIN, [], limit=1, version=version)
        with pytest.raises(StaleCatalogue):
            await driver.count("c", PLAIN, everything, version=version)
        with pytest.raises(StaleCatalogue):
            await driver.apply(Commit({"c": CollectionChanges(version, inserts=[(b"b", b"", 0)])}, logged()))
    await driver.scan("c", PLAIN, everything, limit=1, version=state.version)
    await driver.scan("c", PLAIN, everything, limit=1, version=None)
    await driver.scan("nobody", PLAIN, everything, limit=1, version=0)
    assert len(await driver.get("c", [b"b"])) == 0


async def test_a_dropped_collection_is_gone_and_its_catalogue_version_does_not_come_back(driver: Driver) -> None:
    await put(driver, {b"a": b"", b"b": b""}, [(1, b"k", b"a"), (2, b"k", b"a")])
    await driver.apply(Commit({"c": CollectionChanges(0, catalogue=b"x")}, logged()))
    former = (await driver.state("c")).version
    assert (await driver.apply(Commit({"c": CollectionChanges(former, dropped=True)}, logged()))).dropped == 2
    assert await driver.states() == []
    assert await driver.count("c", UNIQUE, [(b"", b"\xff")]) == 0
    await driver.apply(Commit({"c": CollectionChanges(0, catalogue=b"y")}, logged()))
    assert (await driver.state("c")).version not in (0, former)
    assert await driver.count("c", PLAIN, [(b"", b"\xff")]) == 0


async def test_a_renamed_collection_keeps_everything(driver: Driver) -> None:
    await put(driver, {b"a": b"A", b"b": b"B"}, [(1, b"k\0", b"a"), (2, b"k\0", b"b")])
    await driver.apply(Commit({"c": CollectionChanges(0, catalogue=b"x")}, logged()))
    state = await driver.state("c")
    await driver.apply(Commit({"c": CollectionChanges(state.version, renamed="d")}, logged()))
    assert await driver.state("c") == CollectionState("c")
    assert await driver.state("d") == CollectionState("d", state.version, b"x", 2)
    assert {(id, document) for id, _, document in await driver.get("d", [b"a", b"b"])} == {(b"a", b"A"), (b"b", b"B")}
    for index in (PLAIN, UNIQUE):
        assert len((await driver.scan("d", index, [EVERYTHING], limit=9, version=state.version)).keys) == 1


async def test_a_collection_takes_the_place_of_one_that_goes_or_has_no_documents(driver: Driver) -> None:
    async def rename(*, dropped: bool = False) -> None:
        changes = {"c": CollectionChanges(0, renamed="d"), "d": CollectionChanges(0, dropped=dropped)}
        await driver.apply(Commit(changes, logged()))

    inserted = CollectionChanges(0, inserts=[(b"other", b"", 0)])
    await put(driver, {b"a": b"A"})
    await driver.apply(Commit({"d": inserted}, logged()))
    with pytest.raises(StaleCatalogue):
        await rename()
    assert [(state.name, state.documents) for state in sorted(await driver.states(), key=str)] == [("c", 1), ("d", 1)]
    await rename(dropped=True)
    assert [(state.name, state.documents) for state in await driver.states()] == [("d", 1)]
    assert [row[0] for row in await driver.get("d", [b"a", b"other"])] == [b"a"]
    await put(driver, {b"z": b"Z"})
    revision = (await driver.get("d", [b"a"]))[0][1]
    await driver.apply(Commit({"d": CollectionChanges(0, deletes=[(b"a", revision)])}, logged()))
    await rename()
    assert [row[0] for row in await driver.get("d", [b"a", b"z"])] == [b"z"]


async def test_a_collection_that_is_not_there_is_not_renamed(driver: Driver) -> None:
    await put(driver, {b"a": b"A"})
    changes = {"nothing": CollectionChanges(0, renamed="c"), "c": CollectionChanges(0, dropped=True)}
    with pytest.raises(StaleCatalogue):
        await driver.apply(Commit(changes, logged()))
    assert [row[2] for row in await driver.get("c", [b"a"])] == [b"A"]


async def test_an_operation_id_in_the_log_is_not_applied_again(driver: Driver) -> None:
    entry = LogEntry(b"operation", b"", 3, b"what it did", 1000)
    commit = Commit({"c": CollectionChanges(0, inserts=[(b"a", b"", 0)])}, entry)
    applied = await driver.apply(commit)
    assert applied.first > 0
    assert applied.former is None
    # Neither the catalogue nor the document is looked at again.
    last = (await driver.apply(Commit({"c": CollectionChanges(0, catalogue=b"x")}, logged()))).first
    again = await driver.apply(commit)
    assert (again.first, again.former) == (applied.first, b"what it did")
    assert await driver.position() == last > applied.first + 2


async def test_the_log_gives_whole_commits_and_says_where_it_was_trimmed(driver: Driver) -> None:
    async def append(size: int, record: bytes, keep: int = 1000) -> int:
        return (await driver.apply(Commit({}, LogEntry(os.urandom(8), b"me", size, record, keep)))).first

    firsts = [await append(size, bytes([size])) for size in (3, 1, 2)]
    ends = [first + size - 1 for first, size in zip(firsts, (3, 1, 2), strict=True)]
    whole = await driver.log(0, 1000)
    assert [(logged.first, logged.size) for logged in whole.commits] == list(zip(firsts, (3, 1, 2), strict=True))
    assert whole.position == ends[2]
    part = await driver.log(ends[0], 1)
    assert [logged.record for logged in part.commits] == [b"\1"]
    assert part.position == ends[1]
    assert [logged.first for logged in (await driver.log(0, 2)).commits] == firsts[:1]
    assert await driver.log(ends[2], 1000) == ([], ends[2])
    with pytest.raises(TokenLost):
        await driver.log(ends[2] + 1, 1000)
    last = await append(1, b"", keep=2)
    assert [logged.first for logged in (await driver.log(ends[1], 1000)).commits] == [firsts[2], last]
    for since in (0, ends[0]):
        with pytest.raises(TokenLost):
            await driver.log(since, 1000)


async def test_a_closed_driver_says_so_and_opens_again(driver: Driver) -> None:
    first = await put(driver, {b"a": b"1"})
    await driver.close()
    with pytest.raises(StoreClosed):
        await driver.get("c", [b"a"])
    with pytest.raises(StoreClosed):
        await driver.apply(Commit({}))
    await driver.open()
    assert await driver.get("c", [b"a"]) == [(b"a", first, b"1")]
