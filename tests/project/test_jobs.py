"""The example program ``examples/jobs.py``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from examples import jobs
from tests.project.test_documentation import ROOT


async def run(file: Path, *arguments: str) -> str:
    """What the program prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(ROOT / "examples" / "jobs.py"), str(file), *arguments),
        cwd=file.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")
    return printed.decode()


async def test_jobs_are_added_once_and_done_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "jobs.db")
    names = [f"job-{number}" for number in range(30)]
    for arguments in (["add", *names], ["add", *names[:3], "other", "--priority", "5"], ["status"]):
        await jobs.main([file, *arguments])
    assert capsys.readouterr().out.splitlines() == ["30 new jobs", "1 new jobs", "{'new': 31}"]
    await jobs.main([file, "work", "--workers", "5"])
    await jobs.main([file, "work"])
    await jobs.main([file, "status"])
    assert capsys.readouterr().out.splitlines() == ["31 jobs done", "0 jobs done", "{'done': 31}"]


@pytest.mark.slow
async def test_two_processes_share_the_jobs(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    assert await run(file, "add", *(f"job-{number}" for number in range(60))) == "60 new jobs\n"
    printed = await asyncio.gather(*(run(file, "work", "--workers", "3") for _ in range(2)))
    assert sum(int(text.split()[0]) for text in printed) == 60
    assert await run(file, "status") == "{'done': 60}\n"
