"""A writer that is killed loses nothing that it acknowledged, and leaves nothing half done."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kills import kill_writers
from tests.requirements import need_store


@pytest.mark.slow
@pytest.mark.parametrize(("synchronous", "seed"), [("normal", 1), ("full", 2), ("off", 3)])
def test_nothing_is_lost_or_torn_when_the_program_is_killed(tmp_path: Path, synchronous: str, seed: int) -> None:
    need_store("sqlite")
    tally = kill_writers(tmp_path, 8, seed, synchronous)
    assert tally.kills == 8
    assert tally.acknowledged > 8
