"""A test during which the event loop is held fails, and says who held it.

One run of pytest over a file of tests that hold the loop in all ways; each test here reads one result of it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]

CONFTEST = """
from tests.loop_watch import LoopWatch

def pytest_configure(config):
    config.addinivalue_line("markers", "loop_may_block(seconds): as in the project")
    config.pluginmanager.register(LoopWatch())
"""

TESTS = """
import asyncio, gc, time
import pytest, pytest_asyncio

def slow_callback():
    time.sleep(0.3)

async def test_callback():
    asyncio.get_running_loop().call_soon(slow_callback)
    await asyncio.sleep(0.01)

async def test_coroutine():
    time.sleep(0.3)

async def test_garbage():
    def collecting(phase, info):
        if phase == "start":
            time.sleep(0.3)
    gc.callbacks.append(collecting)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(collecting)

TRIES = []

async def test_only_at_first():
    TRIES.append(None)
    if len(TRIES) == 1:
        time.sleep(0.3)

async def test_small_steps():
    for _ in range(20):
        time.sleep(0.02)
        await asyncio.sleep(0)

def test_loop_of_its_own():
    async def main():
        time.sleep(0.3)
    asyncio.run(main())

def test_without_a_loop():
    time.sleep(0.3)

@pytest.mark.loop_may_block(0.6)
async def test_within_its_mark():
    time.sleep(0.3)

@pytest.mark.loop_may_block(0.4)
async def test_beyond_its_mark():
    time.sleep(0.5)

@pytest.mark.loop_may_block()
async def test_mark_without_seconds(): pass

@pytest.mark.loop_may_block(2)
async def test_mark_of_two_seconds(): pass

@pytest.mark.loop_may_block("long")
async def test_mark_with_text(): pass

@pytest_asyncio.fixture
async def slow():
    time.sleep(0.3)

async def test_fixture(slow): pass

async def test_failure_of_its_own():
    time.sleep(0.3)
    assert "own" == "failure"
"""

Results = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """For each test of `TESTS`, its outcome and what was reported."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_watched.py").write_text(TESTS)
    (folder / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\npythonpath = " + str(ROOT)
    )
    command = [sys.executable, "-m", "pytest", "--junit-xml=results.xml", "-p", "no:cacheprovider"]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=50, check=False)
    results = {}
    for case in ElementTree.parse(folder / "results.xml").iter("testcase"):
        problem = next(iter(case), None)
        outcome = ("passed", "") if problem is None else (problem.tag, f"{problem.get('message')}\n{problem.text}")
        results[str(case.get("name"))] = outcome
    return results


@pytest.mark.parametrize(
    ("test", "who"),
    [
        ("test_callback", "slow_callback held it for 0.3"),
        ("test_coroutine", "(test_coroutine) held it for 0.3"),
        ("test_garbage", "(test_garbage) held it for 0."),
        ("test_loop_of_its_own", "main) held it for 0.3"),
    ],
)
def test_who_holds_the_loop_fails_the_test_by_name(results: Results, test: str, who: str) -> None:
    outcome, report = results[test]
    assert outcome == "failure"
    assert "the event loop was blocked for over 0.25 s while running" in report
    assert who in report


def test_what_does_not_happen_again_was_the_machine(results: Results) -> None:
    assert results["test_only_at_first"][0] == "passed"


def test_many_short_callbacks_pass(results: Results) -> None:
    assert results["test_small_steps"][0] == "passed"


def test_code_outside_any_loop_may_take_its_time(results: Results) -> None:
    assert results["test_without_a_loop"][0] == "passed"


def test_a_mark_allows_as_many_seconds_as_it_says(results: Results) -> None:
    assert results["test_within_its_mark"][0] == "passed"
    outcome, report = results["test_beyond_its_mark"]
    assert outcome == "failure"
    assert "over 0.4 s" in report


@pytest.mark.parametrize("test", ["test_mark_without_seconds", "test_mark_of_two_seconds", "test_mark_with_text"])
def test_a_mark_takes_seconds_up_to_one(results: Results, test: str) -> None:
    outcome, report = results[test]
    assert outcome in ("failure", "error")
    assert "loop_may_block takes seconds, more than 0 and at most 1.0" in report


def test_a_fixture_that_holds_the_loop_is_an_error_of_its_test(results: Results) -> None:
    outcome, report = results["test_fixture"]
    assert outcome == "error"
    assert "while setting up" in report


def test_a_failing_test_reports_its_own_failure(results: Results) -> None:
    outcome, report = results["test_failure_of_its_own"]
    assert outcome == "failure"
    assert "event loop" not in report
