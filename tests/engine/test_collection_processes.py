"""Several processes that write one SQLite file through collections."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from atomodm.store.registry import create_store

#: What each process does: `tasks` at once count up one document `times` times, by its id and by an indexed field.
PROGRAM = """
import asyncio, sys
from atomodm.store.registry import create_store

async def main(url, name, tasks, times):
    store = create_store(url)
    await store.open()
    counters = store["counters"]

    async def count(task):
        for number in range(times):
            filter = {"_id": 1} if (task + number) % 2 else {"kind": "shared"}
            result = await counters.update_one(filter, {"$inc": {"n": 1, name: 1}})
            assert result.modified_count == 1
            await counters.update_one({"_id": f"made-{number}"}, {"$inc": {"n": 1}}, upsert=True)

    await asyncio.gather(*(count(task) for task in range(tasks)))
    await counters.update_many({"kind": "many"}, {"$inc": {"n": 1}})
    await store.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


@pytest.mark.slow
async def test_two_processes_with_many_tasks_lose_no_increment(tmp_path: Path) -> None:
    tasks, times = 16, 25
    url = f"sqlite:///{tmp_path}/shared.db"
    store = create_store(url)
    await store.open()
    counters = store["counters"]
    await counters.create_index("kind")
    await counters.insert_one({"_id": 1, "kind": "shared", "n": 0})
    await counters.insert_many([{"_id": 100 + number, "kind": "many", "n": 0} for number in range(500)])
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, url, name, str(tasks), str(times)), stderr=asyncio.subprocess.PIPE
        )
        for name in ("first", "second")
    ]
    for process in processes:
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
    found = await counters.find_one(1)
    assert found == {
        "_id": 1,
        "kind": "shared",
        "n": 2 * tasks * times,
        "first": tasks * times,
        "second": tasks * times,
    }
    assert await counters.count_documents({"kind": "many", "n": 2}) == 500
    made = await counters.find({"_id": {"$regex": "^made-"}}).to_list()
    assert [document["n"] for document in made] == [2 * tasks] * times
    await store.close()
