"""A queue of jobs in a SQLite file, worked off by any number of processes at once.

Run it as often as you like, at the same time too::

    python examples/jobs.py jobs.db add resize-1 resize-2 mail-7 --priority 5
    python examples/jobs.py jobs.db work --workers 4
    python examples/jobs.py jobs.db status

A job is taken by one ``find_one_and_update``: nobody else gets it, in whatever process. A worker that dies leaves its
job taken; after a minute another one takes it again. A unique index keeps a job from being added twice.
"""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import DESCENDING, ReturnDocument
from pymongo.errors import BulkWriteError

from atomodm import connect
from atomodm.contract import Collection

#: How long a worker may take before its job is given to another one.
PATIENCE = timedelta(minutes=1)


async def add(jobs: Collection, names: list[str], priority: int) -> int:
    """Add jobs, and say how many of them are new."""
    try:
        result = await jobs.insert_many(
            [{"name": name, "priority": priority, "state": "new"} for name in names], ordered=False
        )
    except BulkWriteError as error:
        return int(error.details["nInserted"])
    return len(result.inserted_ids)


async def take(jobs: Collection) -> dict[str, Any] | None:
    """Take the most urgent job that nobody works on."""
    now = datetime.now(UTC)
    return await jobs.find_one_and_update(
        {"$or": [{"state": "new"}, {"state": "taken", "since": {"$lt": now - PATIENCE}}]},
        {"$set": {"state": "taken"}, "$currentDate": {"since": True}, "$inc": {"tries": 1}},
        sort=[("priority", DESCENDING), ("_id", 1)],
        return_document=ReturnDocument.AFTER,
    )


async def work(jobs: Collection, worker: int) -> int:
    """Work until nothing is left to be done, and say how many jobs that were."""
    done = 0
    while (job := await take(jobs)) is not None:
        await asyncio.sleep(0.001)  # where something would be done
        await jobs.update_one(
            {"_id": job["_id"], "since": job["since"]}, {"$set": {"state": "done"}, "$push": {"by": worker}}
        )
        done += 1
    return done


async def status(jobs: Collection) -> dict[str, int]:
    """How many jobs are in which state."""
    return {state: await jobs.count_documents({"state": state}) for state in sorted(await jobs.distinct("state"))}


async def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description="A queue of jobs in a SQLite file.")
    parser.add_argument("file")
    commands = parser.add_subparsers(dest="command", required=True)
    adding = commands.add_parser("add", help="add jobs")
    adding.add_argument("names", nargs="+")
    adding.add_argument("--priority", type=int, default=0)
    working = commands.add_parser("work", help="work until nothing is left")
    working.add_argument("--workers", type=int, default=1)
    commands.add_parser("status", help="count the jobs by their state")
    options = parser.parse_args(arguments)

    async with connect(f"sqlite:///{options.file}") as store:
        jobs = store["jobs"]
        await jobs.create_index("name", unique=True)
        await jobs.create_index([("state", 1), ("priority", -1)])
        if options.command == "add":
            print(f"{await add(jobs, options.names, options.priority)} new jobs")
        elif options.command == "work":
            done = await asyncio.gather(*(work(jobs, worker) for worker in range(options.workers)))
            print(f"{sum(done)} jobs done")
        else:
            print(await status(jobs))


if __name__ == "__main__":
    asyncio.run(main())
