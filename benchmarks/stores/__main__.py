"""Objects in databases, ours and others': ``python -m benchmarks.stores sqlite`` or ``redis``.

Five tables: listing, inserting, getting by id, saving one changed member, finding by an index. Each gives the fastest
run of every contestant, its multiple of a floor that was measured in the same rounds, and the median over the rounds of
that multiple, which shows how far the machine disturbed it. On Redis a sixth table gives the memory that the server
needs.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from importlib import import_module
from typing import Any

from ..documents import make_documents
from ..timing import measure
from .competition import Competition, begin
from .contestant import StoreContestant
from .tables import Seconds, print_markdown, print_task
from .tasks import Task, Tasks


def main() -> int:
    """Run the comparison as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stores", description=__doc__.splitlines()[0])
    parser.add_argument("database", nargs="?", choices=("sqlite", "redis"), default="sqlite", help="default sqlite")
    parser.add_argument("--documents", type=int, default=5_000, help="how many documents (default 5,000)")
    parser.add_argument("--single", type=int, default=200, help="objects read and saved one by one (default 200)")
    parser.add_argument("--rounds", type=int, default=15, help="runs of each contestant (default 15)")
    parser.add_argument(
        "--only", metavar="TASK", action="append", help="list, insert, get, save, find or memory; repeatable"
    )
    parser.add_argument("--without-peers", action="store_true", help="only atomodm and the floors")
    parser.add_argument(
        "--cpu", action="store_true", help="processor time of all threads of this process, without waiting"
    )
    parser.add_argument("--markdown", action="store_true", help="tables as the documentation has them")
    options = parser.parse_args()

    # A database's libraries are imported only where it is asked for.
    database = import_module(f".on_{options.database}", __package__)
    documents = make_documents(options.documents)
    tasks = Tasks(documents, min(options.single, options.documents))
    show = print_markdown if options.markdown else print_task
    with asyncio.Runner() as runner, database.competition(with_peers=not options.without_peers) as competition:
        print(f"{len(documents):,} documents, {options.rounds} rounds")
        print(f"Python {platform.python_version()}, {competition.about}")
        chosen = [task for task in tasks.all if not options.only or task.name in options.only]
        if chosen:
            for contestant in competition.contestants:
                runner.run(begin(contestant, documents))
            for task in chosen:
                clock = time.process_time if options.cpu else time.perf_counter
                seconds = run_task(task, competition, options.rounds, runner, clock)
                show(task, competition.floors[task.name], competition.goals.get(task.name), seconds)
            for contestant in competition.contestants:
                runner.run(contestant.close())
        if competition.memory is not None and (not options.only or "memory" in options.only):
            runner.run(competition.memory(documents, options.markdown))
    return 0


def run_task(
    task: Task, competition: Competition, rounds: int, runner: asyncio.Runner, clock: Callable[[], float]
) -> Seconds:
    """Seconds of each round, by contestant."""
    taking_part = [c for c in competition.contestants if not c.only or task.name in c.only]
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


if __name__ == "__main__":
    sys.exit(main())
