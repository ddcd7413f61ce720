"""An append-only file that ends anywhere, as after a power cut: batches are there as a whole or not at all."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import pytest

from atomodm.store import create_store
from tests.faults.load import Load, batch_of
from tests.requirements import need_store
from tests.servers.redis import RedisServer, running

OPTIONS = ("--appendonly", "yes", "--appendfsync", "always")
BATCHES = 20


def log_of(folder: Path) -> Path:
    """The file to which a server that keeps its data in `folder` adds what is written."""
    return max(folder.rglob("*.aof"), key=lambda path: path.stat().st_mtime)


async def write_batches(server: RedisServer) -> list[int]:
    """Write some batches one after the other; how long the file was when each was acknowledged."""
    store = create_store(server.url)
    await store.open()
    load = Load(store, names=["a"])
    await load.prepare()
    lengths = []
    for number in range(1, BATCHES + 1):
        await store.write(batch_of("things", "a", number))
        lengths.append(log_of(server.folder).stat().st_size)
    await store.close()
    return lengths


async def check(server: RedisServer, batches: int) -> None:
    """Make sure that a server has so many batches, and takes another one."""
    store = create_store(server.url)
    await store.open()
    load = Load(store, names=["a"], acknowledged={"a": batches})
    await load.check()
    await store.write(batch_of("things", "a", batches + 1))
    load.acknowledged["a"] += 1
    await load.check()
    await store.close()


@pytest.mark.slow
def test_wherever_the_file_ends_batches_are_there_as_a_whole(tmp_path: Path) -> None:
    need_store("redis")
    chance = random.Random(1)
    with running(tmp_path / "whole", *OPTIONS) as server:
        lengths = asyncio.run(write_batches(server))
        server.kill()
        cut = 0
        for round in range(15):
            number = chance.randrange(5, BATCHES)
            copy = tmp_path / f"copy-{round}"
            shutil.copytree(tmp_path / "whole", copy)
            # From one batch, which is there, up to the next one, which is not.
            with log_of(copy).open("r+b") as file:
                file.truncate(chance.randrange(lengths[number - 1], lengths[number]))
            with running(copy, *OPTIONS) as other:
                if other.cut_its_log:
                    cut += 1
                    other.rewrite_log()
                asyncio.run(check(other, number))
                other.kill()
                other.start()
                asyncio.run(check(other, number + 1))
    assert cut > 10


@pytest.mark.slow
async def test_a_server_of_a_folder_writes_a_file_anew_that_was_cut_off(tmp_path: Path) -> None:
    need_store("redis")
    url = f"redis+local://{tmp_path}/data?appendfsync=always"
    store = create_store(url)
    await store.open()
    load = Load(store, names=["a", "b"])
    await load.prepare()
    start = await store.position()
    await store.close()
    for number in range(1, 5):
        store = create_store(url)
        await store.open()
        await load.check(store)
        written = {entry.id for entry in (await store.changes(start)).entries}
        assert not [id for id in written if id.startswith("b")]
        await store.write(batch_of("things", "a", number))
        load.acknowledged["a"] = number
        before = _length(tmp_path)
        # The file ends within this one, which is lost each time, and nothing of which ever comes back.
        await store.write(batch_of("things", "b", number))
        length = _length(tmp_path)
        await store.close()
        with log_of(tmp_path).open("r+b") as file:
            file.truncate((before + length) // 2)


def _length(folder: Path) -> int:
    return log_of(folder).stat().st_size
