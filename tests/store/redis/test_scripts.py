"""The Lua scripts as they are sent to servers."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from redis import Redis

from atomodm.store.redis import scripts
from atomodm.store.redis.scripts import Script

SCRIPTS = [value for value in vars(scripts).values() if isinstance(value, Script)]


def code_of(script: Script) -> str:
    """A script without its comments."""
    return re.sub(r"--.*", "", script.source.decode())


def test_every_file_is_a_script() -> None:
    names = {path.name for path in files(scripts).iterdir()}
    assert {name for name in names if name.endswith(".lua")} == {f"{script.name}.lua" for script in SCRIPTS}
    assert len({script.sha for script in SCRIPTS}) == len(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_server_knows_it_under_its_hash(client: Redis, script: Script) -> None:
    assert client.script_load(script.source.decode()) == script.sha


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_it_makes_no_names_of_keys_and_runs_nothing_that_it_is_given(script: Script) -> None:
    code = code_of(script)
    assert "loadstring" not in code
    # Keys are what the server was told beforehand, so that a cluster and access rules know them.
    assert not re.search(r"KEYS\[[^]]*\]\s*\.\.|\.\.\s*KEYS", code)
    # What it calls stands in it, but for the direction of a scan.
    called = set(re.findall(r"call\(([^,)]+)", code))
    assert {name for name in called if not name.startswith("'")} <= {"command"}
