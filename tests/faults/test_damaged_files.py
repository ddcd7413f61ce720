"""Files that are damaged: opening or checking says so, and whatever is asked ends in an answer or an error of ours."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from atomodm.contract import Batch, CheckReport, Delete, Find
from atomodm.errors import AtomodmError, StoreCorrupt
from atomodm.query.nodes import Compare, Operator
from atomodm.store import create_store
from atomodm.testing.contract.stores import insert_all
from tests.faults.workload import KEPT, documents_of, write_for_ever
from tests.requirements import need_store

PAGE = 4096
#: In statements: the number of a collection.
NUMBER = "(SELECT number FROM collections WHERE name = '{}')"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the workload that nobody has open."""
    need_store("sqlite")
    path = tmp_path_factory.mktemp("sound") / "store.db"

    async def make() -> None:
        store = create_store(f"sqlite:///{path}")
        await store.open()
        await write_for_ever(store, lambda number: None, rounds=17)
        await store.close()

    asyncio.run(make())
    return path


@pytest.fixture
def path(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(sound, tmp_path / "store.db"))


async def checked(path: Path) -> CheckReport | None:
    """What a check says; None where the file is refused when it is opened."""
    store = create_store(f"sqlite:///{path}")
    try:
        await store.open()
    except StoreCorrupt:
        return None
    try:
        return await store.check()
    finally:
        await store.close()


async def use(path: Path) -> Sequence[AtomodmError]:
    """Use a file in all ways: what was raised. Any other error fails the test, and so does a process that dies."""
    errors: list[AtomodmError] = []
    store = create_store(f"sqlite:///{path}")

    async def read() -> None:
        for filter in (Compare("words", Operator.EQ, "all"), Compare("text", Operator.EQ, "x")):
            async for _ in store.find("things", Find(filter=filter, sort=[("serial", 1)])):
                pass

    newest = [document["_id"] for document in documents_of(17)]
    try:
        await store.open()
    except AtomodmError as error:
        return [error]
    for run in (
        read,
        store.check,
        lambda: insert_all(store, "things", [{"_id": "new", "batch": 1, "words": ["new"], "serial": -1}]),
        lambda: store.write(Batch([Delete("things", id) for id in newest[:20]])),
        lambda: store.check(repair=True),
        lambda: store.changes(0),
        store.vacuum,
        store.check,
    ):
        try:
            await run()
        except AtomodmError as error:
            errors.append(error)
    await store.close()
    return errors


async def test_the_file_is_sound_before_it_is_damaged(path: Path) -> None:
    report = await checked(path)
    assert report is not None
    assert report.ok
    assert report.documents == 1 + sum(len(documents_of(number)) for number in range(17 - KEPT + 1, 18))
    assert await use(path) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_random_bytes_that_changed_end_in_answers_or_errors_of_ours(
    sound: Path, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    content = sound.read_bytes()
    for number in range(8):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 5, 50])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path = tmp_path / f"{number}.db"
        path.write_bytes(damaged)
        await use(path)


async def test_pages_that_are_gone_are_reported(sound: Path, tmp_path: Path) -> None:
    content = sound.read_bytes()
    chance = random.Random(1)
    for number in range(6):
        damaged = bytearray(content)
        place = chance.randrange(1, len(content) // PAGE) * PAGE
        damaged[place : place + PAGE] = bytes(PAGE)
        path = tmp_path / f"{number}.db"
        path.write_bytes(damaged)
        report = await checked(path)
        assert report is None or not report.ok, f"page {place // PAGE} is gone and nobody noticed"


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
async def test_a_file_that_was_cut_off_is_reported(path: Path, part: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    report = await checked(path)
    assert report is None or not report.ok
    await use(path)


@pytest.mark.parametrize("size", [1, 15, 99, 512, 4095])
async def test_a_file_without_a_whole_page_is_refused_and_left_alone(path: Path, size: int) -> None:
    content = path.read_bytes()[:size]
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt):
        await create_store(f"sqlite:///{path}").open()
    assert path.read_bytes() == content


# -- what SQLite itself finds sound ------------------------------------------------------------------------------------


def change(path: Path, statement: str) -> None:
    """Change a file as SQLite lets everybody."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(statement).rowcount > 0
        connection.commit()


async def repaired(path: Path) -> None:
    """A check reports problems, a repair mends all of them."""
    store = create_store(f"sqlite:///{path}")
    await store.open()
    report = await store.check()
    assert not report.ok
    mended = await store.check(repair=True)
    assert mended.ok
    assert mended.repaired == len(mended.problems) + mended.unlisted > 0
    assert (await store.check()).problems == ()
    await store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE documents SET data = CAST(data AS TEXT) WHERE number % 9 = 0",
        "UPDATE documents SET data = 7 WHERE number % 9 = 0",
        "UPDATE documents SET revision = x'ff' WHERE number % 9 = 0",
        "UPDATE documents SET data = x'00' WHERE number % 9 = 0",
        "UPDATE documents SET data = substr(data, 1, 30) WHERE number % 9 = 0",
        "UPDATE entries SET id = CAST(id AS TEXT)",
        "UPDATE collections SET name = x'ff' WHERE name = 'notes'",
        "UPDATE collections SET catalogue = x'0500000000' WHERE name = 'things'",
        "UPDATE collections SET documents = 'many'",
        "UPDATE log SET record = 3, origin = 'text'",
    ],
)
async def test_values_that_we_never_write_are_reported_and_end_in_errors_of_ours(path: Path, statement: str) -> None:
    change(path, statement)
    report = await checked(path)
    assert report is not None
    assert not report.ok or "log" in statement
    errors = await use(path)
    # What was read is never shown.
    assert not any("text" in str(error) for error in errors)


async def test_a_wrong_number_of_documents_is_mended(path: Path) -> None:
    change(path, "UPDATE collections SET documents = documents + 3 WHERE name = 'things'")
    report = await checked(path)
    assert report is not None
    assert [(problem.collection, problem.message) for problem in report.problems] == [
        ("things", "the number of documents is wrong")
    ]
    await repaired(path)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM entries WHERE length(key) % 2 = 0",
        "DELETE FROM claims",
        "UPDATE entries SET id = CAST(x'ff' || id AS BLOB) WHERE index_number = 1",
        "INSERT INTO entries SELECT 99, index_number, key, id FROM entries LIMIT 5",
        "INSERT INTO claims SELECT 99, index_number, key, id FROM claims LIMIT 5",
        f"DELETE FROM documents WHERE number % 5 = 0 AND collection = {NUMBER.format('things')}",
    ],
)
async def test_indexes_that_do_not_fit_the_documents_are_mended(path: Path, statement: str) -> None:
    change(path, statement)
    await repaired(path)


async def test_documents_of_no_collection_are_reported_and_kept(path: Path) -> None:
    change(path, f"UPDATE documents SET collection = 99 WHERE collection = {NUMBER.format('notes')}")
    store = create_store(f"sqlite:///{path}")
    await store.open()
    report = await store.check(repair=True)
    assert "rows of documents belong to no collection" in [problem.message for problem in report.problems]
    assert not report.ok
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM documents WHERE collection = 99").fetchone() == (1,)
