"""The time of a server, learnt from its answers."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from atomodm.engine import CollectionChanges, Commit, LogEntry
from atomodm.query.ranges import EVERYTHING
from atomodm.store.redis.clock import Clock
from atomodm.store.redis.driver import RedisDriver

SECOND = 1_000_000


class FakeClock(Clock):
    """One whose own time stands at a value."""

    time_here = 0

    def start(self) -> int:
        return self.time_here


def test_before_any_answer_it_is_the_time_here() -> None:
    assert abs(Clock().now() - time.time_ns() // 1_000_000) < 1000


@given(
    ahead=st.integers(-(10**15), 10**15),
    questions=st.lists(st.tuples(st.integers(0, SECOND), st.integers(0, SECOND)), min_size=1, max_size=20),
)
def test_it_is_known_as_well_as_the_quickest_answer_tells(ahead: int, questions: list[tuple[int, int]]) -> None:
    clock = FakeClock()
    for there, back in questions:
        sent = clock.start()
        clock.time_here += there
        on_server = clock.start() + ahead
        clock.time_here += back
        clock.learn(sent, on_server)
        clock.time_here += SECOND
    quickest = min(there + back for there, back in questions)
    assert abs(clock.now() - (clock.time_here + ahead) // 1000) <= quickest // 1000 + 1


def test_it_follows_a_clock_that_is_set_anew() -> None:
    clock = FakeClock()
    for on_server in (5 * SECOND, 500 * SECOND, 3 * SECOND):
        sent = clock.start()
        clock.time_here += 1000
        clock.learn(sent, on_server)
        assert abs(clock.now() - on_server // 1000) <= 1


@pytest.mark.parametrize("request_to", ["open", "state", "scan", "apply"])
async def test_a_driver_learns_it_from_what_it_asks_for_anyway(
    driver: RedisDriver, client: Redis, request_to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = FakeClock()
    monkeypatch.setattr(driver, "_clock", Clock())
    monkeypatch.setattr(driver._clock, "_ahead", wrong._ahead + 10**12)
    match request_to:
        case "open":
            await driver.close()
            await driver.open()
        case "state":
            await driver.state("c")
        case "scan":
            await driver.scan("c", None, [EVERYTHING], limit=1)
        case "apply":
            entry = LogEntry(b"operation", b"", 1, b"", 10)
            await driver.apply(Commit({"c": CollectionChanges(0, inserts=[(b"a", b"", 0)])}, entry))
    seconds, microseconds = client.time()
    assert abs(driver.now() - (seconds * 1000 + microseconds // 1000)) < 1000
