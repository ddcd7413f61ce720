"""The object cache and its scopes, below what programs see."""

from __future__ import annotations

import gc

import pytest

from atomodm import connect
from atomodm.identity import PROCESS_SCOPE, CacheScope, current_scope
from atomodm.testing.objects.models import Node


def test_a_scope_is_left_when_its_block_raises() -> None:
    scope = CacheScope()

    def fail() -> None:
        with scope.entered():
            assert current_scope() is scope
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert current_scope() is PROCESS_SCOPE


async def test_dead_references_are_swept_while_objects_come_and_go() -> None:
    async with connect("memory://"):
        cache = Node.objects.cache
        for number in range(5000):
            await Node(name=str(number)).save()
            if number % 500 == 0:
                gc.collect()
        assert len(cache.objects) < 4000
        gc.collect()
        assert len(cache) == 0


async def test_closing_a_store_ends_its_caches_in_every_scope() -> None:
    scope = CacheScope()
    async with connect("memory://") as store:
        node = await Node.objects.create(name="n")
        with scope.entered():
            theirs = await Node.objects.get(name="n")
        caches = [PROCESS_SCOPE.cache(store, "contract.Node"), scope.cache(store, "contract.Node")]
        assert [cache[node._id] for cache in caches] == [node, theirs]
    assert [len(cache) for cache in caches] == [0, 0]


async def test_a_store_that_is_opened_again_starts_with_empty_caches() -> None:
    async with connect("memory://twice") as store:
        node = await Node.objects.create(name="n")
    await store.open()
    assert node._id not in PROCESS_SCOPE.cache(store, "contract.Node")
    await store.drop("contract.Node")
    await store.close()
    assert not PROCESS_SCOPE.cache(store, "contract.Node")
