"""A store that must run and cannot makes the run fail; a store that may run and cannot skips its tests."""

from __future__ import annotations

import pytest

from tests import requirements


@pytest.fixture
def broken_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "PROBES", {"memory": lambda: None, "broken": lambda: "no server answers"})


def require(monkeypatch: pytest.MonkeyPatch, stores: str) -> None:
    monkeypatch.setenv(requirements.VARIABLE, stores)


@pytest.mark.usefixtures("broken_store")
def test_a_run_stops_when_a_named_store_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    require(monkeypatch, "memory, broken")
    with pytest.raises(pytest.UsageError, match="broken: no server answers"):
        requirements.check_required_stores()


def test_a_run_stops_when_a_store_is_named_that_there_is_none_of(monkeypatch: pytest.MonkeyPatch) -> None:
    require(monkeypatch, "memory,sqlight")
    with pytest.raises(pytest.UsageError, match="sqlight; there are memory, redis, redis-cluster, sqlite"):
        requirements.check_required_stores()


def test_memory_and_sqlite_run_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    require(monkeypatch, "memory,sqlite")
    requirements.check_required_stores()
    assert requirements.required_stores() == {"memory", "sqlite"}


@pytest.mark.usefixtures("broken_store")
def test_a_test_of_a_named_store_fails_when_it_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    require(monkeypatch, "broken")
    with pytest.raises(pytest.fail.Exception, match="no server answers"):
        requirements.need_store("broken")


@pytest.mark.usefixtures("broken_store")
def test_a_test_of_another_store_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    require(monkeypatch, "memory")
    with pytest.raises(pytest.skip.Exception, match="broken cannot run here: no server answers"):
        requirements.need_store("broken")


def test_a_store_that_runs_lets_its_test_go_on() -> None:
    requirements.need_store("memory")
