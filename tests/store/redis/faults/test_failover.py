"""Another server takes over during load: who writes learns of it by typed errors at most, and nothing is torn.

A replica follows its master some moments behind, so that what was acknowledged last may be lost when it takes over:
whole batches, never parts, and indexes fit the documents.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from atomodm.store import create_store
from tests.faults.load import Load
from tests.requirements import need_store
from tests.servers.redis import RedisServer
from tests.servers.redis_cluster import RedisCluster, running_cluster
from tests.servers.redis_sentinel import SentinelSetup, running_sentinels

# Servers vote again after some seconds where a vote has not come about.
pytestmark = pytest.mark.timeout(150)

#: Collections on all three masters of a cluster.
COLLECTIONS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[SentinelSetup]:
    need_store("redis")
    with running_sentinels(tmp_path, down_after=500) as sentinels:
        yield sentinels


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RedisCluster]:
    need_store("redis-cluster")
    with running_cluster(tmp_path, replicas=1, node_timeout=1000) as cluster:
        yield cluster


# -- Sentinel ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_writers_go_on_when_sentinels_promote_the_replica(sentinels: SentinelSetup) -> None:
    store = create_store(f"{sentinels.url}?timeout=5")
    await store.open()
    load = Load(store, lossy=True)
    await load.prepare()
    await asyncio.to_thread(lambda: sentinels.master.wait_until_copied())
    async with load.running():
        await load.wait_for(10)
        await asyncio.to_thread(sentinels.fail_over)
        # The former master takes writes until it is told, some seconds later; these are lost.
        await asyncio.to_thread(sentinels.wait_until_replicating)
        await load.wait_for(10)
    await load.check_whole()
    await store.close()
    # Who comes later finds the same.
    again = create_store(sentinels.url)
    await again.open()
    await load.check_whole(again)
    await again.close()


@pytest.mark.slow
async def test_writers_go_on_when_the_master_is_killed(sentinels: SentinelSetup) -> None:
    store = create_store(f"{sentinels.url}?timeout=1")
    await store.open()
    load = Load(store, lossy=True)
    await load.prepare()
    await asyncio.to_thread(lambda: sentinels.master.wait_until_copied())
    master = await asyncio.to_thread(lambda: sentinels.master)
    async with load.running():
        await load.wait_for(10)
        await asyncio.to_thread(master.kill)
        await load.wait_for(10)
        # It comes back as a replica of the one that took over.
        await asyncio.to_thread(master.start)
        await load.wait_for(10)
    assert await asyncio.to_thread(lambda: sentinels.master) is not master
    # They were told: that took longer than the timeout.
    assert load.unavailable + load.unknown > 0
    await load.check_whole()
    await store.close()


# -- Cluster -----------------------------------------------------------------------------------------------------------


def serving(cluster: RedisCluster, collection: str) -> RedisServer:
    """The master that has a collection."""
    slot = cluster.nodes[0].command("CLUSTER KEYSLOT", f"{{{collection}:0}}")
    return next(node for node in cluster.masters if node.command("CLUSTER COUNTKEYSINSLOT", slot))


@pytest.mark.slow
async def test_nothing_is_lost_when_the_masters_of_a_cluster_hand_over(cluster: RedisCluster) -> None:
    store = create_store(f"{cluster.url}?timeout=5")
    await store.open()
    load = Load(store, names=[f"writer-{number}" for number in range(6)], collections=COLLECTIONS)
    await load.prepare()
    async with load.running():
        await load.wait_for(5)
        for replica in cluster.nodes[3:]:
            await asyncio.to_thread(cluster.hand_over, replica)
            await load.wait_for(5)
    await load.check()
    assert (load.unknown, load.unavailable) == (0, 0)
    await store.close()


@pytest.mark.slow
async def test_writers_go_on_when_a_master_of_a_cluster_is_killed(cluster: RedisCluster) -> None:
    store = create_store(f"{cluster.url}?timeout=1")
    await store.open()
    load = Load(store, names=[f"writer-{number}" for number in range(6)], collections=COLLECTIONS, lossy=True)
    await load.prepare()
    master = await asyncio.to_thread(serving, cluster, COLLECTIONS[0])
    await asyncio.to_thread(master.wait_until_copied)
    async with load.running():
        await load.wait_for(5)
        await asyncio.to_thread(master.kill)
        await load.wait_for(5)
        await asyncio.to_thread(master.start)
        await asyncio.to_thread(cluster.wait_until_whole)
        await load.wait_for(5)
    await load.check_whole()
    await store.close()
    again = create_store(cluster.url)
    await again.open()
    await load.check_whole(again)
    await again.close()
