"""What a commit leaves on a server, key by key, and what keeps it from leaving anything."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from redis import Redis

from atomodm.engine import CollectionChanges, Commit, EntryRow, IndexRef, LogEntry, Refused
from atomodm.errors import BatchTooLarge, StaleCatalogue, StoreCorrupt, StoreError, TokenLost
from atomodm.query.keys import encode_key
from atomodm.query.ranges import EVERYTHING
from atomodm.store.redis.driver import RedisDriver
from atomodm.store.redis.layout import Layout

PLAIN, UNIQUE = IndexRef(1, False), IndexRef(2, True)


def logged(size: int = 1, keep: int = 1000) -> LogEntry:
    return LogEntry(os.urandom(16), b"origin", size, b"record", keep)


async def change(driver: RedisDriver, *, keep: int = 1000, **changes: Any) -> int:
    """Change the collection, with a log entry; gives the commit's first position."""
    return (await driver.apply(Commit({"c": CollectionChanges(0, **changes)}, logged(keep=keep)))).first


async def put(driver: RedisDriver, *ids: bytes, entries: list[EntryRow] | None = None, document: bytes = b"D") -> int:
    added = [row for row in entries or [] if row[0] == PLAIN.number]
    claimed = [row for row in entries or [] if row[0] == UNIQUE.number]
    inserts = [(id, document, 0) for id in ids]
    return await change(driver, inserts=inserts, added=added, claimed=claimed)


def everything(client: Redis) -> dict[bytes, Any]:
    """All keys of the server with what they hold."""
    keys: Any = client.keys()
    return {key: held(client, key) for key in keys}


def held(client: Redis, key: bytes) -> Any:
    """What a key holds, as `Redis.restore` takes it."""
    return client.dump(key)


# -- what is there afterwards ------------------------------------------------------------------------------------------


async def test_a_commit_is_written_as_the_layout_says(driver: RedisDriver, layout: Layout, client: Redis) -> None:
    commit = Commit(
        {
            "c": CollectionChanges(
                0,
                inserts=[(b"a", b"A", 0), (b"b", b"B", 1)],
                added=[(1, b"k", b"a"), (1, b"l", b"b")],
                claimed=[(2, b"u", b"a")],
                catalogue=b"indexes",
            )
        },
        LogEntry(b"operation", b"origin", 2, b"record", 1000),
    )
    before = time.time_ns() // 1000
    first = (await driver.apply(commit)).first
    assert before <= first <= time.time_ns() // 1000
    keys = layout.collection("c")
    assert client.hgetall(keys.documents) == {
        b"a": first.to_bytes(8) + b"A",
        b"b": (first + 1).to_bytes(8) + b"B",
    }
    assert client.zrange(keys.ids, 0, -1, withscores=True) == [(b"a", 0), (b"b", 0)]
    assert client.zrange(keys.index(1, False), 0, -1) == [b"ka\1", b"lb\1"]
    assert client.zrange(keys.index(2, True), 0, -1) == [b"ua\1"]
    assert client.hgetall(keys.meta) == {
        b"name": b"c",
        b"version": b"%d" % first,
        b"catalogue": b"indexes",
        b"highest": b"2",
        b"largest": b"256",
    }
    assert client.smembers(layout.collections) == {b"c"}
    last = first + 1
    assert client.xrange(keys.log) == [
        (
            b"%d-0" % last,
            {
                b"operation": b"operation",
                b"origin": b"origin",
                b"size": b"2",
                b"record": b"record",
                b"previous": b"0",
                b"total": b"2",
            },
        )
    ]
    assert client.hgetall(keys.operations) == {b"operation": b"%d-0" % last}
    assert client.hgetall(keys.head) == {b"position": b"%d" % last, b"total": b"2", b"oldest": b"2"}
    assert len(everything(client)) == 9
    # No key of ours ever goes by itself.
    assert all(client.ttl(key) == -1 for key in everything(client))


async def test_nothing_is_left_of_a_dropped_collection_but_its_log(
    driver: RedisDriver, layout: Layout, client: Redis
) -> None:
    await put(driver, b"a", entries=[(1, b"k", b"a"), (2, b"u", b"a")])
    await change(driver, added=[(9, b"k", b"a")])
    assert (await driver.apply(Commit({"c": CollectionChanges(0, dropped=True)}, logged()))).dropped == 1
    keys = layout.collection("c")
    assert set(everything(client)) == {keys.log, keys.operations, keys.head}


async def test_a_renamed_collection_takes_all_its_keys_along(
    driver: RedisDriver, layout: Layout, client: Redis
) -> None:
    await put(driver, b"a", entries=[(1, b"k", b"a"), (2, b"u", b"a")])
    keys, others = layout.collection("c"), layout.collection("d")
    client.zadd(others.index(1, True), {"left": 0})
    client.hset(others.meta, "highest", 7)
    await driver.apply(Commit({"c": CollectionChanges(0, renamed="d")}, logged()))
    found = set(everything(client)) - {keys.log, keys.operations, keys.head, layout.collections}
    assert found == {others.documents, others.ids, others.meta, others.index(1, False), others.index(2, True)}
    assert client.hget(others.meta, "name") == b"d"
    assert client.smembers(layout.collections) == {b"d"}


async def test_a_bound_for_the_size_of_documents_only_grows(driver: RedisDriver, layout: Layout, client: Redis) -> None:
    bounds = []
    for number, size in enumerate((1, 100_000, 10)):
        await put(driver, bytes([1 + number]), document=bytes(size))
        bounds.append(int(client.hget(layout.collection("c").meta, "largest") or 0))
    assert bounds == [256, 131_072, 131_072]


# -- the log -----------------------------------------------------------------------------------------------------------


async def test_the_log_is_trimmed_with_its_operation_ids(driver: RedisDriver, layout: Layout, client: Redis) -> None:
    keys = layout.collection("c")
    for _ in range(120):
        await driver.apply(Commit({}, logged(keep=32)))
        assert client.xlen(keys.log) == client.hlen(keys.operations)
    # What is kept and a sixteenth more, since trimming by twos is cheaper than one by one.
    assert 33 <= client.xlen(keys.log) <= 32 + 2 + 1
    # One that takes many positions stays while a part of it must be kept.
    await driver.apply(Commit({}, logged(size=500, keep=32)))
    for _ in range(5):
        await driver.apply(Commit({}, logged(keep=32)))
    assert client.xlen(keys.log) == client.hlen(keys.operations) == 6
    assert await driver.examine(repair=False) == []


async def test_a_log_that_grew_long_is_trimmed_a_part_at_a_time(
    driver: RedisDriver, layout: Layout, client: Redis
) -> None:
    for _ in range(200):
        await driver.apply(Commit({}, logged()))
    keys = layout.collection("c")
    await driver.apply(Commit({}, logged(keep=10)))
    assert 100 < client.xlen(keys.log) < 200
    for _ in range(4):
        await driver.apply(Commit({}, logged(keep=10)))
    assert client.xlen(keys.log) <= 12
    assert client.xlen(keys.log) == client.hlen(keys.operations)


async def test_positions_go_on_where_the_servers_clock_was_set_back(
    driver: RedisDriver, layout: Layout, client: Redis
) -> None:
    first = await put(driver, b"a")
    ahead = first + 10**12
    keys = layout.collection("c")
    client.hset(keys.head, "position", ahead)
    client.xadd(
        keys.log, {"operation": "x", "origin": "", "size": 1, "record": "", "previous": first, "total": 2}, ahead
    )
    assert await put(driver, b"b") == ahead + 1
    assert [row[1] for row in await driver.get("c", [b"b"])] == [ahead + 1]


async def test_a_position_that_the_server_lost_is_recognised_and_not_given_out_again(
    driver: RedisDriver, layout: Layout, client: Redis
) -> None:
    await put(driver, b"a")
    keys = layout.collection("c")
    kept = {key: held(client, key) for key in (keys.log, keys.operations, keys.head)}
    known = await driver.position()
    lost = await put(driver, b"b")
    # As a replica has it that was promoted before the last commit reached it.
    for key, value in kept.items():
        client.restore(key, 0, value, replace=True)
    with pytest.raises(TokenLost):
        await driver.log(lost, 10)
    assert await put(driver, b"c") > lost
    with pytest.raises(TokenLost):
        await driver.log(lost, 10)
    assert len((await driver.log(known, 10)).commits) == 1


async def test_a_log_with_a_hole_is_not_read_across_it(driver: RedisDriver, layout: Layout, client: Redis) -> None:
    firsts = [await change(driver) for _ in range(5)]
    client.xdel(layout.collection("c").log, f"{firsts[2]}-0")
    page = await driver.log(0, 100)
    assert [commit.first for commit in page.commits] == firsts[:2]
    with pytest.raises(TokenLost):
        await driver.log(page.position, 100)
    assert [commit.first for commit in (await driver.log(firsts[2], 100)).commits] == firsts[3:]


async def test_a_log_whose_head_was_removed_goes_on(driver: RedisDriver, layout: Layout, client: Redis) -> None:
    firsts = [await change(driver) for _ in range(3)]
    client.delete(layout.collection("c").head)
    firsts.append(await change(driver))
    assert [commit.first for commit in (await driver.log(0, 100)).commits] == firsts
    client.delete(layout.collection("c").log)
    assert await change(driver) > firsts[-1]


async def test_a_long_record_ends_a_page_of_the_log(driver: RedisDriver) -> None:
    for _ in range(12):
        await driver.apply(Commit({}, LogEntry(os.urandom(16), b"", 1, bytes(1 << 20), 1000)))
    since: Any = 0
    sizes = []
    while commits := (page := await driver.log(since, 1000)).commits:
        sizes.append(len(commits))
        since = page.position
    assert sum(sizes) == 12
    assert max(sizes) < 8


# -- what keeps a commit from being applied ----------------------------------------------------------------------------

WHOLE: dict[str, Any] = {
    "inserts": [(b"new", b"N", 0)],
    "deletes": [(b"b", 0)],
    "added": [(1, b"m", b"new")],
    "claimed": [(2, b"v", b"new")],
    "catalogue": b"another",
}


@pytest.mark.parametrize(
    "damaged", ["documents", "ids", "meta", "log", "operations", "head", "collections", (1, False), (2, True)]
)
async def test_a_key_of_another_type_refuses_a_commit_as_a_whole(
    driver: RedisDriver, layout: Layout, client: Redis, damaged: str | tuple[int, bool]
) -> None:
    await put(driver, b"b", entries=[(1, b"k", b"b"), (2, b"u", b"b")])
    keys = layout.collection("c" if damaged != "collections" else "new")
    ((_, revision, _),) = await driver.get("c", [b"b"])
    if damaged == "collections":
        key = layout.collections
    else:
        key = getattr(keys, damaged) if isinstance(damaged, str) else keys.index(*damaged)
    former = held(client, key)
    client.delete(key)
    client.set(key, b"another program's")
    before = everything(client)
    whole = CollectionChanges(0, **{**WHOLE, "deletes": [(b"b", revision)] if keys.name == "c" else []})
    only_deleting = CollectionChanges(
        0, deletes=[(b"b", revision)], removed=[(1, b"k", b"b")], released=[(2, b"u", b"b")]
    )
    dropping = CollectionChanges(0, dropped=True)
    for changes in (whole, only_deleting, dropping) if keys.name == "c" else (whole,):
        with pytest.raises(StoreCorrupt):
            await driver.apply(Commit({keys.name: changes}, logged()))
        assert everything(client) == before
    client.delete(key)
    client.restore(key, 0, former)
    await driver.apply(Commit({keys.name: whole}, logged()))


async def test_a_log_that_is_further_than_the_store_knows_refuses_a_commit_as_a_whole(
    driver: RedisDriver, layout: Layout, client: Redis
) -> None:
    first = await put(driver, b"a")
    client.xadd(layout.collection("c").log, {"anything": 1}, first + 10**15)
    before = everything(client)
    for changes in ({"inserts": [(b"b", b"", 0)]}, {"deletes": [(b"a", first)]}):
        with pytest.raises(StoreError):
            await change(driver, **changes)
        assert everything(client) == before


async def test_a_commit_of_several_collections_is_refused_for_any_of_them(driver: RedisDriver) -> None:
    first = await put(driver, b"a", entries=[(2, b"k", b"a")])
    inserted = CollectionChanges(0, inserts=[(b"d", b"", 0)])

    def commit(changes: CollectionChanges) -> Commit:
        return Commit({"before": inserted, "c": changes, "behind": inserted}, logged())

    with pytest.raises(StaleCatalogue):
        await driver.apply(commit(CollectionChanges(7, inserts=[(b"a", b"", 0)])))
    with pytest.raises(Refused) as caught:
        await driver.apply(commit(CollectionChanges(0, updates=[(b"a", first + 1, b"", 0)], claimed=[(2, b"k", b"z")])))
    assert (list(caught.value.mismatched), list(caught.value.taken)) == ([("c", b"a")], [])
    with pytest.raises(Refused) as caught:
        await driver.apply(commit(CollectionChanges(0, updates=[(b"a", first, b"", 0)], claimed=[(2, b"k", b"z")])))
    assert (list(caught.value.mismatched), list(caught.value.taken)) == ([], [("c", 2, b"z")])
    assert [state.name for state in await driver.states()] == ["c"]
    assert await driver.position() == first


@pytest.mark.parametrize("revision", [-1, 2**63, 2**64, 2**80])
async def test_a_revision_that_cannot_be_is_a_mismatch(driver: RedisDriver, revision: int) -> None:
    await put(driver, b"a")
    for id in (b"a", b"absent"):
        for changes in (
            {"updates": [(id, revision, b"", 0)]},
            {"deletes": [(id, revision)]},
            {"guards": [(id, revision)]},
        ):
            with pytest.raises(Refused) as caught:
                await change(driver, **changes)
            assert caught.value.mismatched == [("c", id)]


async def test_an_absent_document_is_not_updated_or_deleted_at_revision_0(driver: RedisDriver) -> None:
    await put(driver, b"a")
    for changes in ({"updates": [(b"x", 0, b"", 0)]}, {"deletes": [(b"x", 0)]}):
        with pytest.raises(Refused):
            await change(driver, **changes)
    assert await driver.get("c", [b"x"]) == []


async def test_what_a_document_that_was_removed_by_hand_claims_is_free(
    driver: RedisDriver, layout: Layout, client: Redis
) -> None:
    await put(driver, b"a", entries=[(2, b"k", b"a")])
    client.hdel(layout.collection("c").documents, b"a")
    await put(driver, b"b", entries=[(2, b"k", b"b")])
    page = await driver.scan("c", UNIQUE, [EVERYTHING], limit=9)
    assert list(zip(page.keys, page.ids, strict=True)) == [(b"k", b"b")]
    assert client.zrange(layout.collection("c").index(2, True), 0, -1) == [b"kb\1"]


async def test_too_many_index_entries_are_refused_before_they_are_sent(driver: RedisDriver) -> None:
    rows: list[EntryRow] = [(1, b"k", b"a")] * 200_001
    with pytest.raises(BatchTooLarge):
        await change(driver, added=rows)
    assert await driver.position() == 0


# -- size --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [253, 254, 255, 256, 300, 70_000, 2_000_000])
async def test_ids_and_keys_may_be_long(driver: RedisDriver, size: int) -> None:
    ids = [encode_key("x" * size + letter) for letter in "ab"]
    key, unique = encode_key("k" * size), [encode_key("u" * size + letter) for letter in "ab"]
    await put(
        driver, *ids, entries=[(1, key, ids[0]), (1, key, ids[1]), (2, unique[0], ids[0]), (2, unique[1], ids[1])]
    )
    for index, keys in ((PLAIN, [key, key]), (UNIQUE, unique), (None, ids)):
        page = await driver.scan("c", index, [EVERYTHING], limit=9)
        assert (list(page.keys), list(page.ids), len(page.documents)) == (keys, ids, 2)
        after = (page.keys[0], page.ids[0])
        assert (await driver.scan("c", index, [EVERYTHING], limit=9, after=after)).ids == page.ids[1:]
        assert (await driver.scan("c", index, [EVERYTHING], limit=1, reverse=True)).ids == page.ids[1:]
    with pytest.raises(Refused) as caught:
        await change(driver, claimed=[(2, unique[0], ids[1])])
    assert caught.value.taken == [("c", 2, ids[1])]
    assert await driver.absent("c", PLAIN, [(key, ids[0]), (key, b"other")]) == [(key, b"other")]


async def test_pages_of_large_documents_stay_small(driver: RedisDriver) -> None:
    size = 16 * 1024 * 1024
    for number in range(3):
        await put(driver, bytes([1 + number]), entries=[(1, b"k", bytes([1 + number]))], document=bytes(size))
    await put(driver, b"\4", b"\5", entries=[(1, b"k", b"\4"), (1, b"k", b"\5")])
    for index in (None, PLAIN):
        found: list[bytes] = []
        more, after = True, None
        while more:
            page = await driver.scan("c", index, [EVERYTHING], limit=1000, after=after)
            assert sum(map(len, page.documents)) <= size + 2
            found += page.ids
            more, after = page.more, (page.keys[-1], page.ids[-1])
        assert found == [bytes([1 + number]) for number in range(5)]
    rows = await driver.get("c", found[::-1])
    assert [(row[0], len(row[2])) for row in rows] == [(b"\5", 1), (b"\4", 1), *[(bytes([n]), size) for n in (3, 2, 1)]]


async def test_small_documents_are_read_together_although_there_is_a_large_one(
    driver: RedisDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [b"%05d" % number for number in range(9_000)]
    await put(driver, *ids)
    await put(driver, b"large", document=bytes(16 * 1024 * 1024))
    asked: list[int] = []
    run = driver._connection.run

    async def counted(script: Any, keys: Any, args: Any, **options: Any) -> Any:
        asked.append(len(args))
        return await run(script, keys, args, **options)

    monkeypatch.setattr(driver._connection, "run", counted)
    rows = await driver.get("c", [*ids, b"large"])
    assert [row[0] for row in rows] == [*ids, b"large"]
    # Nor is each id sent again and again.
    assert len(asked) == 2
    assert sum(asked) < 9_010


async def test_a_document_may_have_a_hundred_thousand_entries(driver: RedisDriver) -> None:
    keys = [encode_key(number) for number in range(100_000)]
    first = await put(driver, b"a", entries=[(1, key, b"a") for key in keys])
    assert await driver.count("c", PLAIN, [EVERYTHING]) == len(keys)
    assert await driver.count("c", PLAIN, [(keys[10], keys[60_010])]) == 60_000
    places = await driver.entries("c", PLAIN, [EVERYTHING], limit=70_000)
    assert [key for key, _ in places] == keys[:70_000]
    page = await driver.scan("c", PLAIN, [EVERYTHING], limit=100_000)
    assert page.more
    assert list(page.keys) == keys[: len(page.keys)]
    assert await driver.absent("c", PLAIN, [(key, b"a") for key in keys]) == []
    await change(driver, deletes=[(b"a", first)], removed=[(1, key, b"a") for key in keys])
    assert await driver.count("c", PLAIN, [EVERYTHING]) == 0


async def test_a_scan_may_have_very_many_ranges(driver: RedisDriver) -> None:
    ids = [encode_key(number) for number in range(12_000)]
    for start in range(0, 12_000, 6000):
        await put(driver, *ids[start : start + 6000])
    ranges = [(id, id + b"\xff") for id in ids[1::2]]
    assert await driver.count("c", None, ranges) == 6000
    for reverse in (False, True):
        found: list[bytes] = []
        more, after = True, None
        while more:
            page = await driver.scan(
                "c", None, ranges[::-1] if reverse else ranges, limit=4000, after=after, reverse=reverse
            )
            found += page.ids
            more, after = page.more, (page.keys[-1], page.ids[-1])
        assert found == (ids[1::2][::-1] if reverse else ids[1::2])
    # Those at the end are met although there is nothing in the thousands before.
    nothing = [(encode_key(number), encode_key(number) + b"\xff") for number in range(-9000, 0)]
    assert (await driver.scan("c", None, [*nothing, *ranges], limit=3)).ids == ids[1:7:2]
