"""Several processes whose objects are updated in one store."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from atom.api import Int, List, Str

from atomodm import NoSQLModel
from tests.requirements import need_store
from tests.stores import NAMES, connected, url_of


class Counter(NoSQLModel):
    """Counts in one document what all processes do."""

    class Meta:
        name = "counters"

    name = Str().tag(index=True)
    total = Int()
    by_first = Int()
    by_second = Int()
    seen = List(Int())


#: What each process does: `tasks` at once update one object and, by a query, its document.
PROGRAM = """
import asyncio, sys
from atomodm import connect
from tests.session.test_updates_in_processes import Counter

async def main(url, name, tasks, times):
    async with connect(url):
        counter = await Counter.objects.get()

        async def count(task):
            for number in range(times):
                seen = (name == "second") * 10_000 + 100 * task + number
                values = {"total__inc": 1, f"by_{name}__inc": 1, "seen__push": seen}
                if number % 2:
                    await counter.update(**values)
                else:
                    assert await Counter.objects.filter(name="shared").update(**values) == 1

        await asyncio.gather(*(count(task) for task in range(tasks)))
        assert getattr(counter, f"by_{name}") == tasks * times
        assert not counter.__state__.dirty

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name != "memory"])
async def test_updates_of_one_document_by_two_processes_all_count(name: str, tmp_path: Path) -> None:
    need_store(name)
    tasks, times = 8, 40
    url = url_of(name, tmp_path)
    async with connected(url):
        await _count_in_processes(url, tasks, times)


async def _count_in_processes(url: str, tasks: int, times: int) -> None:
    counter = await Counter.objects.create(name="shared")
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, url, name, str(tasks), str(times)),
            cwd=Path(__file__).parents[2],
            stderr=asyncio.subprocess.PIPE,
        )
        for name in ("first", "second")
    ]
    for number in range(50):
        assert (await counter.update(total__inc=1)).modified_count == 1
        if number % 10 == 0:
            await asyncio.sleep(0.01)
    for process in processes:
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
    await counter.refresh()
    each = tasks * times
    assert (counter.total, counter.by_first, counter.by_second) == (2 * each + 50, each, each)
    assert sorted(counter.seen) == sorted(
        start + 100 * task + number for start in (0, 10_000) for task in range(tasks) for number in range(times)
    )
