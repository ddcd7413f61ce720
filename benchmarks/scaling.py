"""How times grow with a collection: ``python -m benchmarks.scaling sqlite`` or ``redis``.

From 1,000 documents on, times of one request (finding by an index, getting by id, a sorted page) and times of each
document (inserting, reading all) at each power of ten; and the memory that a process needs to read all documents one by
one. The curves are drawn into ``docs/scaling.svg`` or ``docs/scaling-redis.svg``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from atomodm import NoSQLModelManager, connect, create_store, save_all

from .documents import Document, generate_documents
from .plot import Curve, draw
from .stores.ours import IndexedPerson
from .timing import fastest, peak_memory

SMALLEST = 1_000
BATCH = 1_000
#: Requests in one run, and runs of which the fastest counts.
REQUESTS, ROUNDS = 200, 5
PAGE = 20
DOCS = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True)
class Sizing:
    """What was measured at one number of documents.

    Attributes
    ----------
    documents : int
    find, get, page : float
        Microseconds of one request.
    insert, scan : float
        Microseconds of one document.
    memory, grown : float
        Megabytes: the most that the reading process had, and how much of that came while it read.
    """

    documents: int
    find: float
    get: float
    page: float
    insert: float
    scan: float
    memory: float
    grown: float


class Sample:
    """Documents of which each one seen so far is as likely to be there as any other.

    Parameters
    ----------
    size : int
    """

    def __init__(self, size: int) -> None:
        self.documents: list[Document] = []
        self._size = size
        self._seen = 0
        self._random = random.Random(4)

    def see(self, document: Document) -> None:
        """Take a document, or do not."""
        self._seen += 1
        if len(self.documents) < self._size:
            self.documents.append(document)
        elif (place := self._random.randrange(self._seen)) < self._size:
            self.documents[place] = document


async def insert(documents: Iterator[Document], count: int, sample: Sample) -> float:
    """Insert `count` more documents in batches; gives the seconds of one document in the median batch."""
    each = []
    for start in range(0, count, BATCH):
        part = list(islice(documents, min(BATCH, count - start)))
        for document in part:
            sample.see(document)
        people = [IndexedPerson(**document) for document in part]
        began = time.perf_counter()
        await save_all(people)
        each.append((time.perf_counter() - began) / len(people))
    return statistics.median(each)


async def find(emails: Sequence[str]) -> None:
    """Find the one object of each address by its index."""
    for email in emails:
        (_,) = await IndexedPerson.objects.filter(email=email)


async def get(ids: Sequence[Any]) -> None:
    """Get the object of each id."""
    for id in ids:
        await IndexedPerson.objects.get(_id=id)


async def turn_to_page(emails: Sequence[str]) -> None:
    """Read the page that begins at each address."""
    for email in emails:
        await IndexedPerson.objects.filter(email__gte=email).order_by("email")[:PAGE]


async def read_all() -> int:
    """Make an object of each document, one after the other."""
    count = 0
    async for _ in IndexedPerson.objects.all():
        count += 1
    return count


def measure_requests(runner: asyncio.Runner, sample: Sample) -> dict[str, float]:
    """Microseconds of one request of each kind."""
    emails = [document["email"] for document in sample.documents]
    ids = [document["_id"] for document in sample.documents]
    requests: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
        "find": partial(find, emails),
        "get": partial(get, ids),
        "page": partial(turn_to_page, emails),
    }
    functions = {name: partial(_run, runner, request) for name, request in requests.items()}
    return {name: best / len(ids) * 1e6 for name, best in fastest(functions, ROUNDS).items()}


def _run(runner: asyncio.Runner, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return runner.run(function())


def measure_memory(url: str) -> tuple[float, float]:
    """Megabytes that another process has at most when it reads all documents, and had more than before."""
    command = [sys.executable, "-m", "benchmarks.scaling", "--read-all", url]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    before, after = json.loads(answer.stdout)
    return after / 1e6, (after - before) / 1e6


async def print_memory(url: str) -> None:
    """Read all documents and print the bytes that this process had at most before and after."""
    async with connect(url):
        assert await IndexedPerson.objects.first() is not None
        before = peak_memory()
        await read_all()
        print(json.dumps([before, peak_memory()]))


@dataclass(frozen=True)
class Database:
    """Where the documents are.

    Attributes
    ----------
    url : str
    reading : str
        The URL for a process that only reads.
    plot : Path
        The SVG file to write.
    """

    url: str
    reading: str
    plot: Path


@contextmanager
def sqlite_file() -> Iterator[Database]:
    """A file that goes in the end."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'scaling.db'}"
        yield Database(url, f"{url}?mode=ro", DOCS / "scaling.svg")


@contextmanager
def redis_server() -> Iterator[Database]:
    """A server without persistence that goes in the end."""
    from .stores.on_redis.server import running_server

    with running_server() as port:
        url = f"redis://127.0.0.1:{port}/0"
        yield Database(url, url, DOCS / "scaling-redis.svg")


DATABASES = {"sqlite": sqlite_file, "redis": redis_server}


def measure_sizes(sizes: Sequence[int], database: Database) -> Iterator[Sizing]:
    """Fill one database, and measure at each size on the way."""
    documents = generate_documents(sizes[-1])
    sample = Sample(REQUESTS)
    store = create_store(database.url)
    with asyncio.Runner() as runner:
        runner.run(store.open())
        NoSQLModelManager.instance().database = store
        there = 0
        for size in sizes:
            inserting = runner.run(insert(documents, size - there, sample))
            there = size
            reading = min(fastest({"scan": partial(_run, runner, read_all)}, 2 if size > 10_000 else ROUNDS).values())
            memory, grown = measure_memory(database.reading)
            yield Sizing(
                documents=size,
                insert=inserting * 1e6,
                scan=reading / size * 1e6,
                memory=memory,
                grown=grown,
                **measure_requests(runner, sample),
            )
        runner.run(store.close())


def main() -> int:
    """Measure and draw as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__.splitlines()[0])
    parser.add_argument("database", nargs="?", choices=DATABASES, default="sqlite", help="default sqlite")
    parser.add_argument("--largest", type=int, default=100_000, help="documents in the end (default 100,000)")
    parser.add_argument("--plot", type=Path, help="the SVG file to write (default: the one of the documentation)")
    parser.add_argument("--read-all", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read_all:
        asyncio.run(print_memory(options.read_all))
        return 0

    sizes = [SMALLEST]
    while sizes[-1] * 10 <= options.largest:
        sizes.append(sizes[-1] * 10)
    print("µs of one request, µs of one document, and MB of a process that reads all documents one by one\n")
    page = f"page of {PAGE}"
    print(f"{'documents':>10}{'find':>9}{'get':>9}{page:>12}{'insert':>9}{'read all':>10}{'MB':>8}{'grown':>8}")
    measured: list[Sizing] = []
    with DATABASES[options.database]() as database:
        for sizing in measure_sizes(sizes, database):
            measured.append(sizing)
            print(
                f"{sizing.documents:>10,}{sizing.find:>9.0f}{sizing.get:>9.0f}{sizing.page:>12.0f}"
                f"{sizing.insert:>9.1f}{sizing.scan:>10.1f}{sizing.memory:>8.0f}{sizing.grown:>8.1f}",
                flush=True,
            )
    plot = options.plot or database.plot
    draw(
        plot,
        sizes,
        [
            Curve("find by an index", [sizing.find for sizing in measured]),
            Curve("get by id", [sizing.get for sizing in measured]),
            Curve(f"sorted page of {PAGE}", [sizing.page for sizing in measured]),
        ],
        [
            Curve("insert, two indexes", [sizing.insert for sizing in measured]),
            Curve("read all", [sizing.scan for sizing in measured]),
        ],
    )
    print(f"\n{plot}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
