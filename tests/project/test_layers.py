"""Imports go down the house, and the check that says so sees every way to go up."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECK = Path(sys.executable).with_name("lint-imports")

DOWN = "Imports go down the house"
NO_MODELS = "Stores know documents, never models"
NO_STORES = "Models and serializers know no stores"
CONTRACT_ONLY = "Objects see a store's contract, never the engine or a concrete store"
BY_NAME = "Concrete stores are loaded by name, in the registry only"
ON_TOP = "The public names stand on top"


def check_layers(folder: Path) -> tuple[bool, str]:
    """Check the package in `folder`: whether all contracts are kept, and the report."""
    result = subprocess.run(
        [CHECK, "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={"COLUMNS": "400"},
    )
    return result.returncode == 0, result.stdout + result.stderr


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package and its contracts that a test may spoil."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "atomodm", tmp_path / "atomodm", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def add_import(house: Path, package: str, statement: str) -> None:
    module = house / "atomodm" / package / "spoiled.py" if package else house / "atomodm" / "spoiled.py"
    module.write_text(f"{statement}\n")


def test_every_import_goes_down() -> None:
    kept, report = check_layers(ROOT)
    assert kept, report


@pytest.mark.parametrize(
    ("package", "statement", "contract"),
    [
        ("model", "from ..serializer import generate", DOWN),
        ("model", "from ..query import changes", DOWN),
        ("query", "from ..contract import store", DOWN),
        ("contract", "from ..engine import store", DOWN),
        ("engine", "from ..store import registry", DOWN),
        ("identity", "from ..session import plan", DOWN),
        ("session", "from ..manager import query", DOWN),
        ("engine", "from ..model import spec", NO_MODELS),
        ("query", "from ..model import spec", NO_MODELS),
        ("serializer", "from ..query import nodes", NO_STORES),
        ("manager", "from ..engine import store", CONTRACT_ONLY),
        ("manager", "from ..store import sqlite", CONTRACT_ONLY),
        ("identity", "from ..store import registry", CONTRACT_ONLY),
        ("store", "from . import sqlite", BY_NAME),
        ("query", "import atomodm", ON_TOP),
        ("manager", "from .. import connect", ON_TOP),
        ("", "from . import errors", DOWN),
    ],
)
def test_an_import_that_goes_up_breaks_its_contract(house: Path, package: str, statement: str, contract: str) -> None:
    add_import(house, package, statement)
    kept, report = check_layers(house)
    assert not kept
    assert f"{contract} BROKEN" in report or (package == "" and "spoiled" in report), report


def test_the_manager_may_look_stores_up_by_their_url(house: Path) -> None:
    add_import(house, "manager", "from ..store import registry")
    kept, report = check_layers(house)
    assert kept, report
