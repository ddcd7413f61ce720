"""Several processes write one file: nothing is lost, and nobody is turned away within the timeout."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path

import pytest

from atomodm.contract import Batch, IndexSpec, Patch
from atomodm.query.changes import Changes
from atomodm.query.nodes import Compare, Operator
from atomodm.store import create_store
from atomodm.testing.contract.stores import ids, insert_all, read
from tests.requirements import need_store

PROGRAM = """
import asyncio, random, sys
from atomodm.contract import Batch, Insert, Patch, Update
from atomodm.encoding import encode
from atomodm.errors import RevisionMismatch
from atomodm.query.changes import Changes
from atomodm.store import create_store
from atomodm.testing.contract.stores import insert, read, update

async def add_one(store):
    # Reads, then writes only if nobody else has meanwhile.
    while True:
        revision, counter = await read(store, "counters", "one")
        changes = Changes(set={"count": counter["count"] + 1})
        try:
            return await store.write(Batch([update("counters", revision, counter, changes)]))
        except RevisionMismatch:
            await asyncio.sleep(random.uniform(0, 0.002))

async def main(url, name, rounds):
    store = create_store(url)
    await store.open()
    for number in range(rounds):
        await add_one(store)
        await store.write(Batch([
            insert("people", {"_id": f"{name}/{number}", "name": name, "serial": f"{name}/{number}"}),
            Patch("counters", "all", Changes(push={"seen": [name]})),
        ]))
    await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("writers", "rounds"), [(2, 60), (8, 25)])
async def test_writing_processes_lose_nothing_and_wait_for_each_other(
    tmp_path: Path, writers: int, rounds: int
) -> None:
    need_store("sqlite")
    url = f"sqlite:///{tmp_path}/store.db"
    store = create_store(url)
    await store.open()
    await store.ensure_indexes("people", [IndexSpec(name="serial_1", fields=[("serial", 1)], unique=True)])
    await insert_all(store, "counters", [{"_id": "one", "count": 0}, {"_id": "all", "seen": []}])
    names = [f"writer {number}" for number in range(writers)]
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, url, name, str(rounds), stderr=asyncio.subprocess.PIPE
        )
        for name in names
    ]
    # Its indexes change under the writers.
    await store.ensure_indexes("people", [IndexSpec(name="name_1", fields=[("name", 1)])])
    for _ in range(rounds):
        await store.write(Batch([Patch("counters", "all", Changes(push={"seen": ["this"]}))]))
    complaints = [(await process.communicate())[1].decode() for process in processes]
    assert complaints == [""] * writers
    one, everything = await read(store, "counters", "one"), await read(store, "counters", "all")
    assert one is not None
    assert everything is not None
    assert one[1]["count"] == writers * rounds
    assert Counter(everything[1]["seen"]) == dict.fromkeys([*names, "this"], rounds)
    for name in names:
        assert len(await ids(store, "people", Compare("name", Operator.EQ, name))) == rounds
    report = await store.check()
    assert (report.problems, report.documents) == ((), writers * rounds + 2)
    await store.close()
