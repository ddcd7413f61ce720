"""From stored bytes to live objects and back, in the client alone: ``python -m benchmarks.objects``.

Three tables: hydrating (``bson.decode`` included for everybody), flattening to a document (encoding not included), and
the memory that an object keeps. Times are given as multiples of a floor measured in the same run: ``[bson.decode(b) for
b in blobs]`` for hydrating, ``bson.encode(d)`` of each document for flattening.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import bson

from .contestant import Contestant
from .documents import FIELDS, Document, make_documents
from .ours import atomodm, bare_atom
from .peers import peers
from .timing import fastest, memory_kept

FLOOR = "bson alone"


def main() -> int:
    """Run the comparison as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.objects", description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=5_000, help="how many documents (default 5,000)")
    parser.add_argument("--rounds", type=int, default=15, help="runs of which the fastest counts (default 15)")
    options = parser.parse_args()

    documents = make_documents(options.documents)
    blobs = [bson.encode(document) for document in documents]
    # The floor encodes what everybody else holds: values that were decoded one document at a time and share nothing.
    documents = [bson.decode(blob) for blob in blobs]
    everybody = [bare_atom(), atomodm(), *peers()]
    for contestant in everybody:
        check(contestant, blobs, documents)

    size = sum(map(len, blobs)) // len(blobs)
    print(f"{len(documents):,} documents of {size} bytes, fastest of {options.rounds} rounds")
    print(f"Python {platform.python_version()}, atom {version('atom')}, pymongo {version('pymongo')}\n")
    hydrating = fastest(
        {FLOOR: lambda: [bson.decode(blob) for blob in blobs]}
        | {contestant.name: partial(contestant.hydrate, blobs) for contestant in everybody},
        options.rounds,
    )
    print_times("Hydrate: stored bytes to objects", hydrating, len(documents))
    flattening = fastest(
        {FLOOR: partial(for_each, bson.encode, documents)}
        | {
            contestant.name: partial(for_each, contestant.flatten, contestant.hydrate(blobs))
            for contestant in everybody
        },
        options.rounds,
    )
    print_times("Flatten: objects to documents", flattening, len(documents))
    makers = {contestant.name: partial(hydrate_copies, contestant, blobs) for contestant in everybody}
    print_memory(makers, len(documents))
    return 0


def for_each(function: Callable[[Any], Any], arguments: Iterable[Any]) -> None:
    """Call a function for each argument and drop what it gives, as a save drops a document that it has encoded."""
    for argument in arguments:
        function(argument)


def check(contestant: Contestant, blobs: Sequence[bytes], documents: Sequence[Document]) -> None:
    """Refuse a contestant that does not give back what was stored: its times would mean nothing."""
    objects = contestant.hydrate(blobs)
    for document, written in zip(documents, map(contestant.flatten, objects), strict=True):
        if any(written[field] != document[field] for field in ("_id", *FIELDS)):
            raise SystemExit(f"{contestant.name} does not give back what was stored")
    if len({id(obj) for obj in objects}) != len(documents):
        raise SystemExit(f"{contestant.name} does not make an object for each document")


def hydrate_copies(contestant: Contestant, blobs: Iterable[bytes]) -> list[Any]:
    """Hydrate bytes that nobody else keeps, so that bytes which an object keeps count as its own."""
    return contestant.hydrate([bytes(bytearray(blob)) for blob in blobs])


def print_times(title: str, seconds: dict[str, float], count: int) -> None:
    """Print a table of times, the floor first."""
    print(f"{title:<36}{'µs each':>10}{'× floor':>10}")
    for name, total in seconds.items():
        print(f"  {name:<34}{total / count * 1e6:>10.2f}{total / seconds[FLOOR]:>10.2f}")
    print()


def print_memory(makers: Mapping[str, Callable[[], Any]], count: int) -> None:
    """Print what objects keep, against the bare atom object, which comes first."""
    kept = {name: memory_kept(make) / count for name, make in makers.items()}
    bare = next(iter(kept.values()))
    print(f"{'Memory of an object and its values':<36}{'bytes':>10}{'× atom':>10}")
    for name, each in kept.items():
        print(f"  {name:<34}{each:>10.0f}{each / bare:>10.2f}")


if __name__ == "__main__":
    sys.exit(main())
