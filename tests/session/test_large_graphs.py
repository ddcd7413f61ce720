"""Rings and chains of up to 100,000 documents: saved and loaded without recursion, and saved again in small parts."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest

from atomodm import Store
from atomodm.session import documents, plan
from atomodm.testing.objects.models import Node
from atomodm.testing.objects.tools import counted, forget_all
from tests.zoo.links import Link, links


def size_for(store: Store) -> int:
    """Documents of a graph that is saved at once: 100,000, or 2,000 where a batch may not have that many."""
    return 100_000 if store.capabilities.max_batch is None else 2_000


def _ring(size: int) -> Any:
    nodes = links(size)
    nodes[-1].next = nodes[0]
    return nodes[0]


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    """Free the objects outside the tests, so that no later test pays for it."""
    yield
    gc.collect()


def _values(first: Any) -> Iterator[int]:
    node = first
    while True:
        yield node.value
        node = node.next
        if node is None or node is first:
            return


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.loop_may_block(1)
async def test_a_ring_is_saved_and_loaded_and_one_member_is_saved_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = size_for(store)
    first = _ring(size)
    await Link.objects.ready()
    await asyncio.sleep(0)
    with counted(store) as requests:
        await first.save()
    assert requests.count == 1
    assert await Link.objects.count() == size
    _id = first._id
    forget_all(store, Link)
    del first
    gc.collect()

    loaded = await Link.objects.get(_id=_id)
    await loaded.next.next.load()
    await asyncio.sleep(0)
    assert list(_values(loaded)) == list(range(size))
    await asyncio.sleep(0)

    encoded: list[int] = []
    for module in (documents, plan):
        encode = module.encode

        def counting(document: Any, encode: Any = encode) -> bytes:
            encoded.append(1)
            data: bytes = encode(document)
            return data

        monkeypatch.setattr(module, "encode", counting)
    loaded.next.next.value = -1
    with counted(store) as requests:
        await loaded.next.next.save()
    assert requests.count == 1
    # The object that is saved, and none of the others.
    assert len(encoded) == 1


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.loop_may_block(1)
async def test_a_chain_is_saved_and_loaded_with_one_request_for_each_level(store: Store) -> None:
    size = size_for(store)
    first = links(size)[0]
    await asyncio.sleep(0)
    await first.save()
    _id = first._id
    forget_all(store, Link)
    del first
    gc.collect()
    document = await Link.objects.find_one({"_id": _id})
    with counted(store) as requests:
        loaded = await Link.restore(document)
    assert requests.count == size - 1
    await asyncio.sleep(0)
    assert list(_values(loaded)) == list(range(size))


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.loop_may_block(1)
async def test_a_wide_graph_takes_one_request_for_its_level(store: Store) -> None:
    size = size_for(store) // 5
    top = Node(name="top", others=[Node(name=str(number), value=number) for number in range(size)])
    await top.save()
    _id = top._id
    forget_all(store, Node)
    del top
    gc.collect()
    with counted(store) as requests:
        loaded = await Node.objects.get(_id=_id)
    assert requests.count <= 3
    assert [other.value for other in loaded.others] == list(range(size))
