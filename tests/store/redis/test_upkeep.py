"""What a driver finds wrong in its own keeping on a server, and mends."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from atomodm.engine import CollectionChanges, Commit, EntryRow, IndexRef, LogEntry
from atomodm.query.keys import encode_key
from atomodm.query.ranges import EVERYTHING
from atomodm.store.redis.driver import RedisDriver
from atomodm.store.redis.layout import Layout
from tests.requirements import need_store
from tests.store.redis.drivers import redis_driver, redis_layout
from tests.stores import url_of

PLAIN = IndexRef(1, False)
Damage = Callable[[Redis, Layout], Any]


def logged(size: int = 1) -> LogEntry:
    return LogEntry(os.urandom(16), b"origin", size, b"record", 100_000)


async def put(driver: RedisDriver, collection: str, ids: list[bytes]) -> int:
    added: list[EntryRow] = [(1, id, id) for id in ids]
    changes = CollectionChanges(0, inserts=[(id, b"D" * 20, n) for n, id in enumerate(ids)], added=added)
    return (await driver.apply(Commit({collection: changes}, logged(len(ids))))).first


def hand(number: int) -> bytes:
    return encode_key(number)


DAMAGE: dict[str, tuple[Damage, dict[str, int]]] = {
    "ids": (
        lambda client, layout: client.zrem(layout.collection("c").ids, hand(3), hand(700)),
        {"a document is missing in the order of ids": 2},
    ),
    "all ids": (
        lambda client, layout: client.delete(layout.collection("c").ids),
        {"a document is missing in the order of ids": 1200},
    ),
    "documents": (
        lambda client, layout: client.hdel(layout.collection("c").documents, hand(3), hand(700), hand(1199)),
        {"an id has no document": 3},
    ),
    "the list of collections": (
        lambda client, layout: client.delete(layout.collections),
        {"the collection is not in the list of collections": 2},
    ),
    "a name in the list": (
        lambda client, layout: client.sadd(layout.collections, "nothing"),
        {"the list of collections has one that there is not": 1},
    ),
    "entries of an unknown index": (
        lambda client, layout: client.zadd(layout.collection("c").index(7, True), {b"k\1": 0}),
        {"there are entries of an index that was never made": 1},
    ),
    "what is known of the collection": (
        lambda client, layout: client.delete(layout.collection("c").meta),
        {"there are entries of an index that was never made": 1, "documents are larger than is said of them": 1},
    ),
    "the bound of sizes": (
        lambda client, layout: client.hset(layout.collection("c").meta, "largest", 5),
        {"documents are larger than is said of them": 1},
    ),
    "operation ids": (
        lambda client, layout: client.delete(layout.collection("c").operations),
        {"a commit's operation id is not known": 3},
    ),
    "an operation id": (
        lambda client, layout: client.hset(layout.collection("c").operations, "another", "5-0"),
        {"an operation id belongs to no commit": 1},
    ),
    "the head of the log": (
        lambda client, layout: client.delete(layout.collection("c").head),
        {"what is known of the change log does not fit its commits": 1},
    ),
}


async def findings(driver: RedisDriver, *, repair: bool) -> Counter[str]:
    found = await driver.examine(repair=repair)
    assert all(finding.repaired is repair for finding in found)
    return Counter(finding.message for finding in found)


@pytest.mark.parametrize("damaged", DAMAGE)
async def test_damage_is_found_and_mended(driver: RedisDriver, layout: Layout, client: Redis, damaged: str) -> None:
    await put(driver, "c", [hand(number) for number in range(1200)])
    await put(driver, "d", [hand(1)])
    await put(driver, "d", [hand(2)])
    position = await driver.position()
    assert await driver.examine(repair=False) == []
    damage, expected = DAMAGE[damaged]
    await asyncio.to_thread(damage, client, layout)
    for repair in (False, True):
        assert await findings(driver, repair=repair) == expected
    assert await driver.examine(repair=False) == []
    assert await driver.position() == position
    left = client.hlen(layout.collection("c").documents)
    assert await driver.count("c", None, [EVERYTHING]) == left
    assert sorted(state.name for state in await driver.states()) == ["c", "d"]
    await put(driver, "c", [hand(5000)])
    assert len((await driver.log(position, 10)).commits) == 1


async def test_a_damaged_document_is_reported_and_left_alone(
    driver: RedisDriver, layout: Layout, client: Redis
) -> None:
    await put(driver, "c", [b"\1", b"\2"])
    client.hset(layout.collection("c").documents, b"\2", b"short")
    for repair in (False, True):
        (finding,) = await driver.examine(repair=repair)
        assert (finding.collection, finding.repaired) == ("c", False)
        assert "short" not in finding.message


async def test_keys_of_other_programs_and_namespaces_are_left_alone(driver: RedisDriver, client: Redis) -> None:
    foreign = ["other:{c:0}:documents", "test:{c:1}:ids", "test:{%zz:0}:ids", "{c:0}", "documents"]
    for key in foreign:
        client.set(key, 1)
    await put(driver, "c", [b"\1"])
    assert await driver.examine(repair=True) == []
    assert all(client.get(key) == b"1" for key in foreign)


async def test_what_others_write_meanwhile_is_not_taken_for_damage(driver: RedisDriver) -> None:
    await put(driver, "c", [hand(number) for number in range(3000)])
    stop = False

    async def write(name: str) -> int:
        number = 0
        while not stop:
            number += 1
            first = await put(driver, name, [hand(-number)])
            changes = CollectionChanges(
                0, deletes=[(hand(-number), first)], removed=[(1, hand(-number), hand(-number))]
            )
            await driver.apply(Commit({name: changes}, logged()))
            if name == "d":
                await driver.apply(Commit({name: CollectionChanges(0, dropped=True)}, logged()))
        return number

    writers = [asyncio.create_task(write(name)) for name in ("c", "c2", "d")]
    try:
        for repair in (False, True, False, True):
            assert await driver.examine(repair=repair) == []
    finally:
        stop = True
        written = await asyncio.gather(*writers)
    assert min(written) > 3
    assert await driver.count("c", None, [EVERYTHING]) == 3000


async def test_what_a_scan_meets_without_documents_goes(driver: RedisDriver, layout: Layout, client: Redis) -> None:
    ids = [hand(number) for number in range(50)]
    await put(driver, "c", ids)
    keys = layout.collection("c")
    client.hdel(keys.documents, *ids[10:30])
    for index in (None, PLAIN):
        found: list[bytes] = []
        more, after = True, None
        while more:
            page = await driver.scan("c", index, [EVERYTHING], limit=8, after=after)
            found += page.ids
            # The engine goes on from the last entry.
            assert page.keys or not page.more
            more, after = page.more, (found[-1], found[-1])
        assert found == ids[:10] + ids[30:]
    # What was met beside documents is removed meanwhile; closing waits for it.
    await driver.close()
    await driver.open()
    assert client.zrange(keys.ids, 0, -1) == ids[:10] + ids[30:]
    assert client.zcard(keys.index(*PLAIN)) == 30


async def test_an_entry_stays_whose_document_came_back(driver: RedisDriver, layout: Layout, client: Redis) -> None:
    await put(driver, "c", [b"\1", b"\2"])
    keys = layout.collection("c")
    values: Any = client.hgetall(keys.documents)
    client.hdel(keys.documents, b"\1")
    page = await driver.scan("c", None, [EVERYTHING], limit=8)
    # Nothing has run in between: the entry was met and is yet to be removed.
    client.hset(keys.documents, b"\1", values[b"\1"])
    assert page.ids == [b"\2"]
    await driver.close()
    await driver.open()
    assert (await driver.scan("c", None, [EVERYTHING], limit=8)).ids == [b"\1", b"\2"]


async def test_entries_that_are_none_are_in_no_answer_and_go(
    driver: RedisDriver, layout: Layout, client: Redis
) -> None:
    await put(driver, "c", [b"\1", b"\2"])
    key = layout.collection("c").index(*PLAIN)
    client.zadd(key, {b"": 0, b"x": 0, b"\x01\xff": 0, b"\x01\0": 0, b"abc\x09": 0})
    assert (await driver.scan("c", PLAIN, [EVERYTHING], limit=99)).ids == [b"\1", b"\2"]
    client.zadd(key, {b"": 0, b"x": 0, b"\x01\xff": 0, b"\x01\0": 0, b"abc\x09": 0})
    assert await driver.entries("c", PLAIN, [EVERYTHING], limit=99) == [(b"\1", b"\1"), (b"\2", b"\2")]
    await driver.close()
    await driver.open()
    assert client.zrange(key, 0, -1) == [b"\1\1\1", b"\2\2\1"]


# -- on a cluster ------------------------------------------------------------------------------------------------------


@pytest.fixture
def cluster_url(tmp_path: Path) -> str:
    need_store("redis-cluster")
    return url_of("redis-cluster", tmp_path)


@pytest.fixture
async def cluster(cluster_url: str) -> AsyncIterator[RedisDriver]:
    made = redis_driver(cluster_url)
    await made.open()
    yield made
    await made.close()


async def test_collections_of_a_cluster_are_found_on_all_nodes(cluster: RedisDriver, cluster_url: str) -> None:
    layout = redis_layout(cluster_url)
    names = [f"c{number}" for number in range(12)]
    for name in names:
        await put(cluster, name, [b"\1", b"\2"])
    assert await cluster.examine(repair=True) == []
    command = cluster._connection.command
    await command(b"DEL", layout.collections, key=layout.collections)
    for name in names:
        keys = layout.collection(name)
        await command(b"ZREM", keys.ids, b"\1", key=keys.ids)
        await command(b"DEL", keys.head, key=keys.head)
    expected = {
        "the collection is not in the list of collections": 12,
        "a document is missing in the order of ids": 12,
        "what is known of the change log does not fit its commits": 12,
    }
    assert await cluster.states() == []
    for repair in (False, True):
        assert await findings(cluster, repair=repair) == expected
    assert await cluster.examine(repair=False) == []
    assert sorted(state.name for state in await cluster.states()) == sorted(names)


async def test_a_dropped_collection_of_a_cluster_keeps_its_log(cluster: RedisDriver) -> None:
    first = await put(cluster, "c", [b"\1"])
    await cluster.apply(Commit({"c": CollectionChanges(0, dropped=True)}, logged()))
    assert await cluster.examine(repair=True) == []
    assert await cluster.states() == []
    page = await cluster.log({}, 10)
    assert page.commits[0].first == first
    assert len(page.commits) == 2
    await put(cluster, "d", [b"\1"])
    assert len((await cluster.log(page.position, 10)).commits) == 1
    assert (await cluster.log(await cluster.position(), 10)).commits == []
