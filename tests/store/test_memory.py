"""What memory stores do beyond the contract."""

from __future__ import annotations

from uuid import uuid4

import pytest

from atomodm.contract import Atomicity
from atomodm.errors import InvalidURL
from atomodm.store import create_store
from atomodm.testing.contract.stores import find_all, insert_all


async def test_without_a_name_a_store_keeps_its_documents_to_itself() -> None:
    one, other = create_store("memory://"), create_store("memory://")
    await one.open()
    await other.open()
    await insert_all(one, "people", [{"_id": 1}])
    assert await find_all(other, "people") == []
    await one.close()
    await other.close()


async def test_documents_outlive_closing() -> None:
    store = create_store("memory://")
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    await store.close()
    await store.open()
    assert await find_all(store, "people") == [{"_id": 1}]
    await store.close()


async def test_a_named_store_is_the_same_for_every_handle() -> None:
    name = uuid4().hex
    one = create_store(f"memory://{name}")
    await one.open()
    await insert_all(one, "people", [{"_id": 1}])
    await one.close()
    other = create_store(f"memory://{name}?log_size=5")
    await other.open()
    assert await find_all(other, "people") == [{"_id": 1}]
    await other.drop("people")
    await other.close()


def test_a_memory_store_says_what_it_can_do() -> None:
    capabilities = create_store("memory://").capabilities
    assert capabilities.atomic is Atomicity.STORE
    assert capabilities.change_log
    assert not capabilities.durable
    assert not capabilities.shared


@pytest.mark.parametrize("url", ["memory://?mode=ro", "memory://x?log_size=0", "memory://ann:hunter2@x"])
def test_what_has_no_meaning_is_refused(url: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        create_store(url)
    assert "hunter2" not in str(caught.value)
