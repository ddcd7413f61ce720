"""What lies in the repository: nothing that strangers would stumble over."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "atomodm",
    "benchmarks",
    "docs",
    "examples",
    "pyproject.toml",
    "tests",
}

# Marks of unfinished work, places that only one machine has, numbers that mean nothing to a reader.
FORBIDDEN = re.compile(r"\b(?:TODO|FIXME|XXX|HACK|WIP)\b|/work/|\bshared/|\b[Ii]ssue #?\d")


def repository_files() -> list[Path]:
    """Files of the repository, those that are not committed yet included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in result.stdout.split("\0") if name and (ROOT / name).is_file()]


def forbidden_words(text: str) -> list[str]:
    return [match.group() for match in FORBIDDEN.finditer(text)]


def test_the_top_level_has_its_few_names_and_no_other() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in repository_files()} == TOP_LEVEL


def test_no_file_has_left_overs_of_its_writing() -> None:
    found = {}
    for path in repository_files():
        if path == Path(__file__) or path.suffix in (".json", ".png"):
            continue
        if words := forbidden_words(path.read_text(encoding="utf-8")):
            found[str(path.relative_to(ROOT))] = words
    assert not found


@pytest.mark.parametrize("text", ["TODO: later", "see /work/main", "as issue #4 says"])
def test_the_check_sees_such_words(text: str) -> None:
    assert forbidden_words(text)


@pytest.mark.parametrize("text", ["the todo list of a user", "said aloud", "HackerOne", "Beanie #316"])
def test_the_check_lets_plain_words_be(text: str) -> None:
    assert not forbidden_words(text)


def test_no_file_is_large() -> None:
    large = {str(path.relative_to(ROOT)) for path in repository_files() if path.stat().st_size > 500_000}
    assert not large


def test_the_data_of_the_examples_names_its_source_and_licence() -> None:
    note = (ROOT / "examples" / "data" / "README.md").read_text(encoding="utf-8")
    for text in ("mledoze/countries", "Open Database License", "ODbL"):
        assert text in note


def test_the_readme_has_one_command_for_the_example_and_one_for_the_tests() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [line for line in text.splitlines() if "python3 -m venv" in line]
    assert [command.split(" && ")[-1] for command in commands] == [
        ".venv/bin/python examples/atlas.py",
        ".venv/bin/python -m pytest -n auto --maxprocesses 4",
    ]
