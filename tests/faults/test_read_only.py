"""Files that may be read but not written."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from atomodm.store import create_store
from atomodm.testing.contract.stores import insert_all
from tests.requirements import need_store

PROGRAM = """
import asyncio, os, sys
from atomodm.errors import AtomodmError
from atomodm.store import create_store
from atomodm.testing.contract.stores import insert_all

# Everything that is needed was imported as the user who may read it; the files are opened as nobody.
import atomodm.store.sqlite
os.setgid(65534)
os.setuid(65534)

async def main(url):
    store = create_store(url)
    try:
        await store.open()
        print(await store.count("people"))
        await insert_all(store, "people", [{"_id": "new"}])
    except AtomodmError as error:
        print(type(error).__name__)
    finally:
        await store.close()

asyncio.run(main(sys.argv[1]))
"""

as_root = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason="only root can become another user, and root writes anything"
)


@pytest.fixture
async def path() -> AsyncIterator[Path]:
    """A file with one document, which everybody may read, in a directory that everybody may look into."""
    need_store("sqlite")
    # Directories of pytest are for one user.
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    path = folder / "store.db"
    store = create_store(f"sqlite:///{path}")
    await store.open()
    await insert_all(store, "people", [{"_id": 1}])
    await store.close()
    path.chmod(0o644)
    yield path
    shutil.rmtree(folder)


def as_nobody(url: str) -> list[str]:
    """What the program prints when another user runs it."""
    result = subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM, url], capture_output=True, text=True, timeout=50, check=False
    )
    assert result.stderr == ""
    return result.stdout.split()


@as_root
def test_another_user_may_not_open_a_store_s_file_at_all(path: Path) -> None:
    path.chmod(0o600)
    for options in ("", "?mode=ro"):
        assert as_nobody(f"sqlite:///{path}{options}") == ["StoreUnavailable"]


@as_root
def test_who_may_only_read_is_told_when_opening_for_writing(path: Path) -> None:
    content = path.read_bytes()
    assert as_nobody(f"sqlite:///{path}") == ["StoreUnavailable"]
    assert path.read_bytes() == content


@as_root
def test_a_new_store_in_a_directory_that_may_not_be_written_is_refused(path: Path) -> None:
    assert as_nobody(f"sqlite:///{path.parent}/new.db") == ["StoreUnavailable"]
    assert not (path.parent / "new.db").exists()


@as_root
async def test_a_backup_is_read_by_who_may_only_read(path: Path) -> None:
    # A store in use needs its companions; a backup is whole without.
    store = create_store(f"sqlite:///{path}")
    await store.open()
    await store.backup(path.parent / "backup.db")
    await store.close()
    (path.parent / "backup.db").chmod(0o644)
    assert await asyncio.to_thread(as_nobody, f"sqlite:///{path.parent}/backup.db?mode=ro") == [
        "1",
        "UnsupportedOperation",
    ]
