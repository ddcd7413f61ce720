"""A disk that is full, in all the ways in which a test can fill one: a typed error, nothing torn, and on it goes."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atomodm.contract import Store
from atomodm.errors import StoreUnavailable
from atomodm.store import create_store
from atomodm.store.sqlite import SQLiteStore
from tests.faults.workload import check_contents, last_batch, write_for_ever
from tests.requirements import need_store


@pytest.fixture(autouse=True)
def _needs_sqlite() -> None:
    need_store("sqlite")


async def set_page_count(store: Store, pages: int) -> None:
    """Let the writing connection use so many pages at most."""
    assert isinstance(store, SQLiteStore)
    writer = store._file._writer
    assert writer is not None
    await writer.run(lambda connection, patience: connection.execute(f"PRAGMA max_page_count = {pages}").fetchall())


async def fill(store: Store) -> int:
    """Write until the disk is full; gives the last batch that was done."""
    done = await last_batch(store)

    def acknowledge(number: int) -> None:
        nonlocal done
        done = number

    with pytest.raises(StoreUnavailable) as caught:
        await write_for_ever(store, acknowledge)
    assert caught.value.retryable
    assert "full" in str(caught.value) or "disk I/O" in str(caught.value)
    return done


async def test_a_file_that_may_not_grow_keeps_what_it_has_and_goes_on_when_it_may(tmp_path: Path) -> None:
    store = create_store(f"sqlite:///{tmp_path}/store.db")
    await store.open()
    await write_for_ever(store, lambda number: None, rounds=5)
    # All documents of six batches have no room.
    await set_page_count(store, 40)
    done = await fill(store)
    assert await check_contents(store) == done
    assert await fill(store) == done
    await set_page_count(store, 1_000_000)
    await write_for_ever(store, lambda number: None, rounds=30)
    assert await check_contents(store) == done + 30
    await store.close()
    await store.open()
    assert await check_contents(store) == done + 30
    await store.close()


LIMITED = """
import asyncio, resource, signal, sys
from pathlib import Path
from atomodm.store import create_store
from tests.faults.test_full_disk import fill
from tests.faults.workload import check_contents, write_for_ever

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def allow(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def main(path):
    store = create_store(f"sqlite:///{path}")
    await store.open()
    await write_for_ever(store, lambda number: None, rounds=3)
    total = 3
    for size in (200_000, 700_000, 1_500_000):
        allow(size)
        done = await fill(store)
        assert await check_contents(store) == done >= total
        allow(resource.RLIM_INFINITY)
        await write_for_ever(store, lambda number: None, rounds=4)
        total = done + 4
    assert await check_contents(store) == total
    # Closed while nothing can be written, which leaves the log behind.
    allow(4096)
    await store.close()
    allow(resource.RLIM_INFINITY)
    await store.open()
    assert await check_contents(store) == total
    await store.close()

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.slow
def test_a_limit_of_the_system_on_the_size_of_files_is_like_a_full_disk(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "store.db"], capture_output=True, text=True, timeout=50, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of some megabytes, where this user may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.name == "nt" or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user cannot mount a small file system")
    yield folder
    # Also where a test that failed has left files of it open.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_disk_that_is_really_full_loses_nothing(small_disk: Path) -> None:
    store = create_store(f"sqlite:///{small_disk}/store.db")
    await store.open()
    await write_for_ever(store, lambda number: None, rounds=3)
    filler = small_disk / "filler"
    free = os.statvfs(small_disk)
    filler.write_bytes(bytes(free.f_bavail * free.f_frsize))
    done = await fill(store)
    assert await check_contents(store) == done
    with pytest.raises(StoreUnavailable):
        await store.backup(small_disk / "backup.db")
    with pytest.raises(StoreUnavailable):
        await store.vacuum()
    assert {file.name for file in small_disk.iterdir()} == {"filler", "store.db", "store.db-wal", "store.db-shm"}
    filler.unlink()
    await write_for_ever(store, lambda number: None, rounds=5)
    assert await check_contents(store) == done + 5
    await store.close()


def test_a_new_file_on_a_full_disk_is_refused(tmp_path: Path) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    path = tmp_path / "store.db"
    program = (
        "import asyncio, sys; from atomodm.store import create_store; asyncio.run(create_store(sys.argv[1]).open())"
    )
    result = subprocess.run(
        [sys.executable, "-B", "-c", program, f"sqlite:///{path}"],
        preexec_fn=limit,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=50,
        check=False,
    )
    assert "StoreUnavailable" in result.stderr
    store = create_store(f"sqlite:///{path}")

    async def use() -> None:
        await store.open()
        await write_for_ever(store, lambda number: None, rounds=1)
        assert await check_contents(store) == 1
        await store.close()

    asyncio.run(use())
