"""The example that the README runs: its output, and what it says to input that it cannot use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "examples" / "atlas.py"


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", PROGRAM, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
        env={"COLUMNS": "100", "PYTHONUTF8": "1", "PATH": os.defpath, **environment},
    )


def write_countries(folder: Path, countries: Any) -> str:
    path = folder / "countries.json"
    path.write_text(json.dumps(countries), encoding="utf-8")
    return str(path)


def test_it_imports_restores_asks_and_writes(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    output = " ".join(result.stdout.split())
    assert "250 countries with 649 references to each other, in 1 request and" in output
    assert "From South Africa over land: 135 objects with 568 references in 18 requests and" in output
    assert "index borders._id_1" in output
    assert "index area_1" in output
    assert "index languages_1" in output
    assert "{'$push': {'languages': {'$each': ['Esperanto']}}} That is what save() sent, in 1 request" in output
    assert all(len(line) <= 100 for line in result.stdout.splitlines())
    assert (tmp_path / "atlas.db").exists()


def test_it_can_be_run_again_on_the_same_file(tmp_path: Path) -> None:
    run(tmp_path)
    result = run(tmp_path, "--start", "brazil")
    assert (result.returncode, result.stderr) == (0, "")
    assert "From Brazil over land: 23 objects" in " ".join(result.stdout.split())


def test_it_runs_on_a_store_that_ends_with_its_process(tmp_path: Path) -> None:
    result = run(tmp_path, "--store", "memory://", "--start", "Cuba")
    assert (result.returncode, result.stderr) == (0, "")
    assert "From Cuba over land: 1 object with 0 references in 1 request" in " ".join(result.stdout.split())


def test_it_runs_where_only_ascii_can_be_shown(tmp_path: Path) -> None:
    result = run(tmp_path, PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.isascii()


def test_countries_that_cannot_be_imported_leave_the_store_as_it_was(tmp_path: Path) -> None:
    run(tmp_path)
    assert run(tmp_path, "--data", write_countries(tmp_path, [{"cca3": "ZAF", "name": 3}])).returncode == 2
    assert run(tmp_path, "--explore").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "missing.json"], "missing.json cannot be read: No such file or directory"),
        (["--start", "Atlantis"], "there is no country 'Atlantis'"),
        (["--start", "Portugall"], "did you mean Portugal (PRT)"),
        (["--store", "nonsense"], "nonsense"),
        (["--store", "oracle://tiger:secret@host"], "oracle"),
        (["--store", "sqlite:////no/such/folder/atlas.db"], "/no/such/folder/atlas.db"),
    ],
)
def test_it_says_what_is_wrong_with_its_arguments(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run(tmp_path, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert "secret" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("countries", "message"),
    [
        ({}, "no list of countries"),
        ([{"name": "Nowhere"}], "no list of countries"),
        ([{"cca3": "PRT", "name": "Portugal", "borders": ["ESP"]}], "PRT borders ESP, which the file does not have"),
        ([{"cca3": "PRT"}, {"cca3": "PRT"}], "several countries with one cca3 code"),
        ([{"cca3": "PRT", "borders": "ESP"}], "the borders of PRT are no list of codes"),
        ([{"cca3": "PRT", "name": 3}], "PRT has a value of the wrong type"),
        ([{"cca3": "PRT", "languages": 3}], "PRT has a value of the wrong type"),
    ],
)
def test_it_says_what_is_wrong_with_its_data(tmp_path: Path, countries: Any, message: str) -> None:
    result = run(tmp_path, "--data", write_countries(tmp_path, countries), "--start", "PRT")
    assert result.returncode == 2
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_it_says_that_a_file_is_not_json(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("[{")
    result = run(tmp_path, "--data", "broken.json")
    assert result.returncode == 2
    assert "broken.json is not JSON" in result.stderr
