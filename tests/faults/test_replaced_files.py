"""Files that are deleted, moved or replaced while a store has them open: SQLite itself would go on into the void."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from atomodm.contract import IndexSpec, Store
from atomodm.errors import StoreUnavailable
from atomodm.store import create_store
from atomodm.store.sqlite.file import CHECK_INTERVAL
from atomodm.testing.contract.stores import find_all, insert_all
from tests.requirements import need_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    need_store("sqlite")
    return tmp_path / "store.db"


async def opened(path: Path) -> Store:
    store = create_store(f"sqlite:///{path}")
    await store.open()
    return store


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    store = await opened(path)
    await insert_all(store, "people", [{"_id": 1}])
    yield store
    if store.is_open:
        await store.close()


def delete(path: Path) -> None:
    path.unlink()


def delete_everything(path: Path) -> None:
    for file in path.parent.glob("store.db*"):
        file.unlink()


def move(path: Path) -> None:
    path.rename(path.with_name("moved.db"))


def replace_by_copy(path: Path) -> None:
    copy = path.with_name("copy.db")
    shutil.copyfile(path, copy)
    copy.replace(path)


TAKE_AWAY = [delete, delete_everything, move, replace_by_copy]


@pytest.mark.parametrize("take_away", TAKE_AWAY)
async def test_nothing_is_written_into_a_file_that_was_taken_away(
    store: Store, path: Path, take_away: Callable[[Path], None]
) -> None:
    take_away(path)
    left = {file: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith("-shm")}
    with pytest.raises(StoreUnavailable, match="close the store and open it again"):
        await insert_all(store, "people", [{"_id": 2}])
    with pytest.raises(StoreUnavailable):
        await store.ensure_indexes("people", [IndexSpec(name="age_1", fields=[("age", 1)])])
    with pytest.raises(StoreUnavailable):
        await store.vacuum()
    assert {file: file.read_bytes() for file in left} == left


async def test_a_store_behind_a_link_notices_that_its_log_was_taken_away(path: Path) -> None:
    folder = path.parent / "elsewhere"
    folder.mkdir()
    (folder / "real.db").touch()
    path.symlink_to(folder / "real.db")
    store = await opened(path)
    await insert_all(store, "people", [{"_id": 1}])
    (folder / "real.db-wal").unlink()
    with pytest.raises(StoreUnavailable, match="close the store and open it again"):
        await insert_all(store, "people", [{"_id": 2}])
    await store.close()


@pytest.mark.parametrize("take_away", TAKE_AWAY)
async def test_nothing_is_read_from_a_file_that_was_taken_away(
    store: Store, path: Path, take_away: Callable[[Path], None]
) -> None:
    take_away(path)
    time.sleep(CHECK_INTERVAL)
    for reading in (store.count("people"), find_all(store, "people"), store.check(), store.position()):
        with pytest.raises(StoreUnavailable):
            await reading
    with pytest.raises(StoreUnavailable):
        await store.backup(path.with_name("backup.db"))


@pytest.mark.parametrize("take_away", [delete_everything, move])
async def test_a_store_that_is_opened_again_has_the_file_that_is_there_then(
    store: Store, path: Path, take_away: Callable[[Path], None]
) -> None:
    take_away(path)
    time.sleep(CHECK_INTERVAL)
    with pytest.raises(StoreUnavailable):
        await store.count("people")
    await store.close()
    await store.open()
    assert await store.count("people") == 0
    await insert_all(store, "people", [{"_id": 2}])
    assert await find_all(store, "people") == [{"_id": 2}]


async def test_closing_a_store_whose_file_was_replaced_does_not_touch_the_new_file(store: Store, path: Path) -> None:
    delete_everything(path)
    new = await opened(path)
    await insert_all(new, "people", [{"_id": "new"}])
    log = path.with_name("store.db-wal")
    before = log.stat().st_ino
    # SQLite tidies up the log by its name when the last user of a file closes it.
    await store.close()
    assert log.stat().st_ino == before
    await insert_all(new, "people", [{"_id": "newer"}])
    await new.close()
    again = await opened(path)
    assert await again.count("people") == 2
    assert (await again.check()).ok
    await again.close()


async def test_a_file_that_is_overwritten_in_place_is_noticed_when_its_log_goes(store: Store, path: Path) -> None:
    await store.backup(path.with_name("backup.db"))
    path.write_bytes(path.with_name("backup.db").read_bytes())
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink()
    with pytest.raises(StoreUnavailable):
        await insert_all(store, "people", [{"_id": 2}])


async def test_a_log_that_was_deleted_is_noticed(store: Store, path: Path) -> None:
    path.with_name("store.db-wal").unlink()
    with pytest.raises(StoreUnavailable):
        await insert_all(store, "people", [{"_id": 2}])
