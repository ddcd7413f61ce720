"""The example program ``examples/presence.py``: guests come, talk, go, and leave nothing behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.test_documentation import ROOT
from tests.requirements import need_store

PROGRAM = ROOT / "examples" / "presence.py"
SECONDS = "2"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for a socket in it, as that of a test often is not."""
    with tempfile.TemporaryDirectory(prefix="presence-") as name:
        yield Path(name)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: os.environ[name] for name in ("PATH", "ATOMODM_REDIS_SERVER") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-W", "error", PROGRAM, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
        env={"COLUMNS": "100", "PYTHONUTF8": "1", "TMPDIR": str(folder), **environment},
    )


def processes_in(folder: Path) -> list[str]:
    """The commands of processes that work in a folder, or were told of it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = os.readlink(process / "cwd")
        except OSError:
            continue
        if place.startswith(str(folder)) or str(folder) in command:
            found.append(command)
    return found


def check_story(printed: str, guests: int) -> None:
    """What is printed must tell who came and went, and that nothing that was said was lost."""
    came = re.findall(r"(\w+) comes in, process \d+", printed)
    gone = re.findall(r"(\w+) is gone", printed)
    assert sorted(came) == sorted(gone)
    assert len(set(came)) == guests
    assert "now it is about" in printed
    story = re.search(r"(\d+) processes made (\d+) remarks, and the room counted (\d+)\.", printed)
    assert story is not None
    processes, made, counted = map(int, story.groups())
    assert (processes, made) == (guests, counted)
    assert made >= guests
    assert "Ada's process was killed: 1.5 seconds later its document had expired." in printed


@pytest.mark.slow
def test_guests_meet_on_a_server_that_it_starts_and_stops(folder: Path) -> None:
    need_store("redis")
    result = run(folder, "--seconds", SECONDS)
    assert (result.returncode, result.stderr) == (0, "")
    check_story(result.stdout, guests=5)
    assert all(len(line) <= 100 for line in result.stdout.splitlines())
    assert processes_in(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_guests_meet_in_any_store_that_processes_can_share(folder: Path) -> None:
    result = run(folder, "--seconds", SECONDS, "--guests", "3", "--store", "sqlite:///room.db?expire_interval=1")
    assert (result.returncode, result.stderr) == (0, "")
    check_story(result.stdout, guests=3)
    assert processes_in(folder) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--guests", "1"], "there can be 2 to 10 guests"),
        (["--store", "nonsense"], "nonsense"),
        (["--store", "memory://"], "memory:// cannot be shared by processes"),
        (["--store", "redis://user:secret@127.0.0.1:1?timeout=0.2"], "redis://"),
    ],
)
def test_it_says_what_is_wrong_with_its_arguments(folder: Path, arguments: list[str], message: str) -> None:
    result = run(folder, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert "secret" not in result.stdout + result.stderr
