"""Connecting, assigning and closing databases."""

from __future__ import annotations

import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from atom.api import Str
from pymongo import MongoClient

import atomodm
from atomodm import (
    ContextError,
    InvalidURL,
    MainModelWarning,
    NoDatabase,
    NoSQLDatabaseProxy,
    NoSQLModel,
    NoSQLModelManager,
    StoreClosed,
    UnsupportedHandle,
    connect,
    create_store,
)
from atomodm.testing.objects import tools
from atomodm.testing.objects.models import Account, Node

MANAGER = NoSQLModelManager.instance()


class OtherManager(NoSQLModelManager):
    """A second database."""


class Elsewhere(NoSQLModel):
    """A model of the second database."""

    name = Str()
    objects = OtherManager.instance()


async def test_a_connection_is_the_database_while_it_is_open() -> None:
    async with connect("memory://") as store:
        assert MANAGER.database is store
        await Node.objects.create(name="n")
    assert not store.is_open
    with pytest.raises(NoDatabase):
        _ = MANAGER.database


async def test_an_inner_connection_gives_the_outer_one_back() -> None:
    async with connect("memory://") as outer:
        await Node.objects.create(name="outer")
        async with connect("memory://") as inner:
            assert MANAGER.database is inner
            assert await Node.objects.count() == 0
        assert MANAGER.database is outer
        assert await Node.objects.count() == 1


async def test_a_connection_is_left_when_its_block_raises() -> None:
    with pytest.raises(RuntimeError, match="inside"):
        async with connect("memory://"):
            raise RuntimeError("inside")
    with pytest.raises(NoDatabase):
        _ = MANAGER.database


async def test_leaving_out_of_order_is_an_error_that_closes_nevertheless() -> None:
    outer = await connect("memory://")
    await Node.objects.create(name="n")
    inner = await connect("memory://")
    with pytest.raises(ContextError):
        await outer.close()
    assert not outer.is_open
    assert MANAGER.database is inner
    await inner.close()
    with pytest.raises(NoDatabase):
        _ = MANAGER.database


async def test_out_of_order_closing_still_forgets_the_objects() -> None:
    outer = await connect("memory://")
    node = await Node.objects.create(name="n")
    cache = Node.objects.cache
    inner = await connect("memory://")
    with pytest.raises(ContextError):
        await outer.close()
    assert node._id not in cache
    await inner.close()


async def test_awaiting_a_connection_leaves_closing_to_the_caller() -> None:
    store = await connect("memory://")
    assert MANAGER.database is store
    await store.close()
    await store.close()
    with pytest.raises(NoDatabase):
        _ = MANAGER.database


async def test_a_connection_takes_precedence_over_an_assigned_database() -> None:
    assigned = create_store("memory://")
    MANAGER.database = assigned
    try:
        async with connect("memory://") as connected:
            assert MANAGER.database is connected
        assert MANAGER.database is assigned
    finally:
        del MANAGER.database


async def test_assigning_takes_effect_at_once() -> None:
    first, second = create_store("memory://"), create_store("memory://")
    await first.open()
    await second.open()
    try:
        MANAGER.database = first
        node = await Node.objects.create(name="first")
        MANAGER.database = second
        assert await Node.objects.count() == 0
        node.name = "still in the first"
        await node.save()
        MANAGER.database = first
        assert await Node.objects.get(name="still in the first") is node
    finally:
        del MANAGER.database
        await first.close()
        await second.close()


async def test_without_a_database_everything_says_so() -> None:
    with pytest.raises(NoDatabase, match="connect") as caught:
        _ = Node.objects
    assert isinstance(caught.value, EnvironmentError)
    uses: list[Any] = [Node(name="n").save, Node(_id=1).load, lambda: Node.restore({"_id": 1})]
    for use in uses:
        with pytest.raises(NoDatabase, match="connect"):
            await use()


async def test_an_assigned_url_opens_at_first_use_and_the_manager_closes_it(tmp_path: Path) -> None:
    file = tmp_path / "people.db"
    MANAGER.database = f"sqlite:///{file}"
    try:
        store = MANAGER.database
        assert not file.exists()
        assert not store.is_open
        await Node.objects.create(name="n")
        assert file.exists()
        assert store.is_open
    finally:
        await MANAGER.close()
    assert not store.is_open
    with pytest.raises(NoDatabase):
        _ = MANAGER.database


@pytest.mark.parametrize("use", ["save", "load", "get", "find_one", "find", "restore", "count", "aiter", "drop"])
async def test_every_first_use_opens_an_assigned_url(use: str) -> None:
    MANAGER.database = "memory://"
    store = MANAGER.database
    try:
        match use:
            case "save":
                await Node(name="n").save()
            case "load":
                await Node(_id=1).load()
            case "get":
                with pytest.raises(atomodm.DoesNotExist):
                    await Node.objects.get(name="n")
            case "find_one":
                assert await Node.objects.find_one({}) is None
            case "find":
                assert [document async for document in Node.objects.find({})] == []
            case "restore":
                await Node.restore({"_id": 1, "name": "n", "next": {"_id": 2, "__model__": "contract.Node"}})
            case "count":
                assert await Node.objects.count() == 0
            case "aiter":
                assert [node async for node in Node.objects] == []
            case _:
                await Node.objects.drop()
        assert store.is_open
    finally:
        await MANAGER.close()


async def test_a_store_that_somebody_else_opened_is_not_closed_by_the_manager() -> None:
    store = create_store("memory://")
    await store.open()
    MANAGER.database = store
    await MANAGER.close()
    del MANAGER.database
    assert store.is_open
    await store.close()


async def test_a_closed_store_says_so() -> None:
    async with connect("memory://") as store:
        objects = Node.objects
    with pytest.raises(StoreClosed):
        await objects.count()
    assert not store.is_open


async def test_handles_of_other_kinds_are_refused_with_what_is_accepted() -> None:
    client: MongoClient[dict[str, Any]] = MongoClient("mongodb://user:secret@localhost/", connect=False)
    for handle in (client["people"], client, object(), 5, None, [], Path("people.db")):
        with pytest.raises(UnsupportedHandle, match="sqlite:///") as caught:
            MANAGER.database = handle
        assert isinstance(caught.value, TypeError)
        assert "secret" not in str(caught.value)
    client.close()
    with pytest.raises(NoDatabase):
        _ = MANAGER.database


async def test_a_refused_handle_leaves_the_database_as_it_was() -> None:
    async with connect("memory://") as store:
        with pytest.raises(UnsupportedHandle):
            MANAGER.database = object()
        assert MANAGER.database is store


@pytest.mark.parametrize(
    "url", ["nosuch://bob:secret@host/db?password=secret", "memory://bob:secret@x", "sqlite://bob:secret@host/file.db"]
)
async def test_credentials_are_never_shown(url: str) -> None:
    for attempt in (lambda: connect(url), lambda: setattr(MANAGER, "database", url), lambda: create_store(url)):
        with pytest.raises(InvalidURL) as caught:
            attempt()
        assert "secret" not in str(caught.value)
        assert "secret" not in repr(caught.value)
        assert "secret" not in "".join(traceback.format_exception_only(caught.value))


async def test_a_second_manager_class_has_its_own_database() -> None:
    assert OtherManager.instance() is OtherManager.instance()
    assert OtherManager.instance() is not MANAGER
    async with connect("memory://") as first:
        with pytest.raises(NoDatabase, match="OtherManager"):
            _ = Elsewhere.objects
        async with connect("memory://", manager=OtherManager.instance()) as second:
            await Elsewhere.objects.create(name="e")
            await Node.objects.create(name="n")
            assert Elsewhere.objects.store is second
            assert Node.objects.store is first
            assert await second.list_collection_names() == [Elsewhere.__model__]
            assert MANAGER.database is first
            assert OtherManager.instance().proxies.keys() == {Elsewhere}


async def test_meta_store_keeps_a_model_in_a_database_of_its_own() -> None:
    archive = create_store("memory://")
    await archive.open()

    class Archived(NoSQLModel):
        name = Str()

        class Meta:
            store = archive

    class ByURL(NoSQLModel):
        name = Str()

        class Meta:
            store = "memory://archive-of-one-test"

    async with connect("memory://") as store:
        await Archived.objects.create(name="a")
        await ByURL.objects.create(name="b")
        assert Archived.objects.store is archive
        assert ByURL.objects.store is ByURL.objects.store
        assert await store.list_collection_names() == []
        assert await Archived.objects.count() == 1
        await MANAGER.close()
        assert archive.is_open
    await archive.close()


async def test_the_proxy_is_the_same_on_class_and_instance_and_the_manager_elsewhere() -> None:
    class Plain:
        objects = MANAGER

    async with connect("memory://"):
        assert isinstance(Account.objects, NoSQLDatabaseProxy)
        assert Account().objects is Account.objects
        assert Plain.objects is MANAGER
        assert Plain().objects is MANAGER


async def test_assigning_no_proxies_forgets_proxies_and_cached_objects() -> None:
    async with connect("memory://"):
        account = await Account.objects.create(name="Bob", email="b")
        account.note = "edited"
        former = Account.objects
        MANAGER.proxies = {}
        assert MANAGER.proxies == {}
        assert Account.objects is not former
        assert len(Account.objects.cache) == 0
        assert Account.objects.cache.dirty == []
        again = await Account.objects.get(name="Bob")
        assert again is not account


async def test_models_of_a_script_warn_when_they_are_first_saved_to_a_file(tmp_path: Path) -> None:
    class Script(NoSQLModel):
        __module__ = "__main__"
        name = Str()

    class Labelled(NoSQLModel):
        __module__ = "__main__"
        name = Str()

        class Meta:
            app_label = "app"

    class Named(NoSQLModel):
        __module__ = "__main__"
        __model__ = "app.Named"
        name = Str()

    async with connect("memory://"):
        await Script(name="s").save()
    async with connect(f"sqlite:///{tmp_path / 'file.db'}"):
        await Labelled(name="l").save()
        await Named(name="n").save()
        script = Script(name="s")
        with pytest.warns(MainModelWarning, match="app_label"):
            await script.save()
        script.name = "again"
        await script.save()


async def test_named_memory_stores_share_documents_and_not_objects() -> None:
    async with connect("memory://shared-by-two-handles") as first:
        node = await Node.objects.create(name="n")
        async with connect("memory://shared-by-two-handles") as second:
            theirs = await Node.objects.get(name="n")
            assert theirs is not node
            assert theirs._id == node._id
            theirs.name = "changed"
            await theirs.save()
        await node.refresh()
        assert node.name == "changed"
        await first.drop("contract.Node")
    assert not second.is_open


async def test_two_handles_on_one_file_overtake_each_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'file.db'}"
    async with connect(url), connect(url, manager=OtherManager.instance()):
        ours = await Account.objects.create(name="Bob", email="b", tags=["a"])
        await tools.Elsewhere(OtherManager.instance().database).append(ours, "tags", "theirs")
        ours.tags.append("ours")
        await ours.save()
        document = await tools.Elsewhere(OtherManager.instance().database).read(Account, ours._id)
        assert document is not None
        assert document["tags"] == ours.tags == ["a", "theirs", "ours"]


async def test_batches_across_two_stores_are_not_atomic_and_say_so_when_they_must_be() -> None:
    other = create_store("memory://")
    await other.open()

    class Remote(NoSQLModel):
        name = Str()

        class Meta:
            store = other

    async with connect("memory://"):
        node = Node(name="n", others=[])
        account = Account(name="Bob", email="b", settings={"remote": Remote(name="r"), "node": node})
        with pytest.raises(atomodm.UnsupportedOperation):
            await account.save(atomic=True)
        assert await Account.objects.count() == await Remote.objects.count() == 0
        await account.save()
        assert await Account.objects.count() == await Remote.objects.count() == await Node.objects.count() == 1
        loaded = await Remote.objects.get(name="r")
        assert account.settings["remote"] is loaded
        node.name = "changed"
        account.note = "edited"
        await account.save(atomic=True)
    await other.close()


async def test_a_batch_within_one_store_may_be_asked_to_be_atomic() -> None:
    async with connect("memory://"):
        await Account(name="Bob", email="b", owner=Node(name="n")).save(atomic=True)
        assert await Node.objects.count() == 1


@pytest.mark.parametrize("atomic", [None, True, False])
async def test_a_store_with_small_batches_is_given_parts_only_when_that_is_allowed(
    atomic: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connect("memory://") as store:
        monkeypatch.setattr(store, "capabilities", replace(store.capabilities, max_batch=10))
        nodes = tools.chain(Node, 25)
        if atomic is False:
            await nodes[0].save(atomic=atomic)
            assert await Node.objects.count() == 25
        else:
            with pytest.raises(atomodm.BatchTooLarge):
                await nodes[0].save(atomic=atomic)
            assert await Node.objects.count() == 0
            assert nodes[0]._id is None
