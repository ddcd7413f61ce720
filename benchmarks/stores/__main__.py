"""Objects in SQLite files, ours and others': ``python -m benchmarks.stores``.

Five tables: listing, inserting, getting by id, saving one changed member, finding by an index. Each gives the fastest
run of every contestant, its multiple of a floor that was measured in the same rounds, and the median over the rounds of
that multiple, which shows how far the machine disturbed it.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..documents import FIELDS, Document, make_documents
from ..timing import measure
from .contestant import StoreContestant
from .floor import AIOSQLite, AutocommitAIOSQLite, BareSQLite3, SQLite3
from .ours import Atomodm
from .sqlalchemy_peer import SQLAlchemy
from .tortoise_peer import TortoiseORM

#: Everybody, the floors first.
CONTESTANTS: tuple[type[StoreContestant], ...] = (
    BareSQLite3,
    SQLite3,
    AIOSQLite,
    AutocommitAIOSQLite,
    Atomodm,
    SQLAlchemy,
    TortoiseORM,
)
#: Finds in one run.
FINDS = 20
#: An age that about one of seventy people has.
AGE = 42


@dataclass(frozen=True)
class Task:
    """One table.

    Attributes
    ----------
    name : str
        On the command line.
    title : str
    each : str
        What the times are given for.
    count : int
        How many of those one run does.
    floor : type
        Whose time is 1.
    run : callable
        Does it once with a contestant.
    prepare : callable or None
        Awaited before each run; not timed.
    goal : float or None
        The multiple of the floor that atomodm is to stay below.
    """

    name: str
    title: str
    each: str
    count: int
    floor: type[StoreContestant]
    run: Callable[[StoreContestant], Coroutine[Any, Any, Any]]
    prepare: Callable[[StoreContestant], Coroutine[Any, Any, Any]] | None = None
    goal: float | None = None


class Tasks:
    """The five tasks on some documents, and what is kept for them between preparing and running.

    Parameters
    ----------
    documents : sequence of dict
    single : int
        How many objects are read and saved one by one in a run.
    """

    def __init__(self, documents: Sequence[Document], single: int) -> None:
        self._documents = documents
        self._ids = [document["_id"] for document in random.Random(2).sample(documents, single)]
        self._ready: dict[StoreContestant, Any] = {}
        self._random = random.Random(3)
        found = sum(document["age"] == AGE for document in documents)
        count = len(documents)
        self.all = (
            Task("list", f"List {count:,} objects", "object", count, BareSQLite3, self._list, goal=1.6),
            Task(
                "insert",
                f"Insert {count:,} objects with two indexes",
                "object",
                count,
                BareSQLite3,
                self._insert,
                self._make_room,
                goal=7,
            ),
            Task("get", "Get an object by its id", "object", single, AIOSQLite, self._get, goal=1.6),
            Task(
                "save",
                "Save one changed member, with a commit",
                "save",
                single,
                AIOSQLite,
                self._save,
                self._read_some,
                goal=2,
            ),
            Task("find", f"Find {found} objects by an index", "find", FINDS, AIOSQLite, self._find),
        )

    async def _list(self, contestant: StoreContestant) -> Sequence[Any]:
        return await contestant.list()

    async def _make_room(self, contestant: StoreContestant) -> None:
        self._ready.pop(contestant, None)
        await contestant.empty()
        contestant.checkpoint()
        self._ready[contestant] = contestant.make(self._documents)

    async def _insert(self, contestant: StoreContestant) -> None:
        await contestant.insert(self._ready[contestant])

    async def _get(self, contestant: StoreContestant) -> None:
        self._ready.pop(contestant, None)  # what somebody holds need not be made
        await contestant.get(self._ids)

    async def _read_some(self, contestant: StoreContestant) -> None:
        contestant.checkpoint()
        objects = (await contestant.list())[: len(self._ids)]
        self._ready[contestant] = contestant.edits(objects, self._random.random())

    async def _save(self, contestant: StoreContestant) -> None:
        await contestant.save(self._ready[contestant])

    async def _find(self, contestant: StoreContestant) -> None:
        self._ready.pop(contestant, None)
        for _ in range(FINDS):
            await contestant.find(AGE)


def main() -> int:
    """Run the comparison as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stores", description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=5_000, help="how many documents (default 5,000)")
    parser.add_argument("--single", type=int, default=200, help="objects read and saved one by one (default 200)")
    parser.add_argument("--rounds", type=int, default=15, help="runs of each contestant (default 15)")
    parser.add_argument("--only", metavar="TASK", action="append", help="list, insert, get, save or find; repeatable")
    parser.add_argument("--without-peers", action="store_true", help="only atomodm and the floors")
    parser.add_argument("--cpu", action="store_true", help="processor time of all threads, without waiting for them")
    parser.add_argument("--markdown", action="store_true", help="tables as the documentation has them")
    options = parser.parse_args()

    documents = make_documents(options.documents)
    tasks = Tasks(documents, min(options.single, options.documents))
    print(f"{len(documents):,} documents, WAL, synchronous=normal, {options.rounds} rounds")
    print(
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        + ", ".join(f"{name} {version(name)}" for name in ("aiosqlite", "sqlalchemy", "tortoise-orm"))
    )
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        contestants = [
            contestant(Path(folder))
            for contestant in CONTESTANTS
            if not options.without_peers or contestant not in (SQLAlchemy, TortoiseORM)
        ]
        for contestant in contestants:
            runner.run(begin(contestant, documents))
        for task in tasks.all:
            if not options.only or task.name in options.only:
                clock = time.process_time if options.cpu else time.perf_counter
                seconds = run_task(task, contestants, options.rounds, runner, clock)
                (print_markdown if options.markdown else print_task)(task, seconds)
        for contestant in contestants:
            runner.run(contestant.close())
    return 0


async def begin(contestant: StoreContestant, documents: Sequence[Document]) -> None:
    """Store the documents, and refuse a contestant that does not give them back: its times would mean nothing."""
    await contestant.open()
    await contestant.insert(contestant.make(documents))
    stored = {document["_id"]: document for document in map(contestant.values, await contestant.list())}
    if any(stored[document["_id"]][field] != document[field] for document in documents for field in FIELDS):
        raise SystemExit(f"{contestant.name} does not give back what was stored")


def run_task(
    task: Task,
    contestants: Sequence[StoreContestant],
    rounds: int,
    runner: asyncio.Runner,
    clock: Callable[[], float],
) -> dict[str, list[float]]:
    """Seconds of each round, by contestant."""
    taking_part = [contestant for contestant in contestants if not contestant.only or task.name in contestant.only]
    prepare = task.prepare
    return measure(
        {contestant.name: partial(_run, runner, task.run, contestant) for contestant in taking_part},
        rounds,
        None if prepare is None else {c.name: partial(_run, runner, prepare, c) for c in taking_part},
        clock,
    )


def _run(
    runner: asyncio.Runner,
    function: Callable[[StoreContestant], Coroutine[Any, Any, Any]],
    contestant: StoreContestant,
) -> Any:
    return runner.run(function(contestant))


def figures(task: Task, seconds: dict[str, list[float]]) -> Iterator[tuple[str, float, float, float]]:
    """Name, microseconds, multiple of the floor, and the median of that multiple, for each contestant."""
    floor = seconds[task.floor.name]
    for name, times in seconds.items():
        median = statistics.median(time / base for time, base in zip(times, floor, strict=True))
        yield name, min(times) / task.count * 1e6, min(times) / min(floor), median


def print_task(task: Task, seconds: dict[str, list[float]]) -> None:
    """Print one table."""
    goal = "" if task.goal is None else f"atomodm's goal is {task.goal:g} × {task.floor.name}"
    print(f"\n{task.title:<44}{'µs per ' + task.each:>14}{'× floor':>10}{'median ×':>10}   {goal}")
    for name, each, ratio, median in figures(task, seconds):
        print(f"  {name:<42}{each:>14.1f}{ratio:>10.2f}{median:>10.2f}")


def print_markdown(task: Task, seconds: dict[str, list[float]]) -> None:
    """Print one table as the documentation has it."""
    print(f"\n{task.title}:\n\n| | µs per {task.each} | × {task.floor.name} | median × |\n| --- | --- | --- | --- |")
    for name, each, ratio, median in figures(task, seconds):
        ours = "**" if name == Atomodm.name else ""
        print(f"| {ours}{name}{ours} | {each:.{1 if each < 100 else 0}f} | {ours}{ratio:.2f}{ours} | {median:.2f} |")


if __name__ == "__main__":
    sys.exit(main())
