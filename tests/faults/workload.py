"""What the writers of these tests write, so that whoever looks at a file knows which states it may be in.

Batch by batch, numbered from 1, a writer inserts some documents, deletes those of an older batch, and notes the batch's
number in one more document: all in one batch, so that any mixture shows.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from typing import Any

from atomodm.contract import Batch, Delete, IndexSpec, Insert, Operation, Patch, Store
from atomodm.encoding import encode
from atomodm.query.changes import Changes
from atomodm.query.nodes import Compare, Operator
from atomodm.store import create_store
from atomodm.store.sqlite import file as sqlite_file
from atomodm.testing.contract.stores import find_all, ids, read

#: Batches whose documents are kept.
KEPT = 6
#: Pages in the write-ahead log of a writer.
PAGES_OF_LOG = 150
#: Batches after which a writer gives space back.
VACUUMED = 25
INDEXES = [
    IndexSpec(name="batch_1", fields=[("batch", 1)]),
    IndexSpec(name="words_1", fields=[("words", 1)]),
    IndexSpec(name="serial_1", fields=[("serial", 1)], unique=True),
]


def documents_of(number: int) -> list[dict[str, Any]]:
    """The documents that a batch inserts; the same ones for the same number."""
    chance = random.Random(number)
    # Now and then one that takes many pages.
    size = 300 if number % 17 == 0 else chance.randrange(1, 40)
    return [
        {
            "_id": f"{number}/{place}",
            "batch": number,
            "serial": number * 1000 + place,
            "words": [f"w{chance.randrange(50)}", "all"],
            "text": "x" * chance.randrange(600),
        }
        for place in range(size)
    ]


def operations_of(number: int) -> list[Operation]:
    """The operations of a batch."""
    operations: list[Operation] = [
        Insert("things", document["_id"], encode(document)) for document in documents_of(number)
    ]
    if number == 1:
        operations.append(Insert("notes", "last", encode({"_id": "last", "number": 1})))
    else:
        operations.append(Patch("notes", "last", Changes(set={"number": number})))
    if number > KEPT:
        operations += [Delete("things", document["_id"]) for document in documents_of(number - KEPT)]
    return operations


async def last_batch(store: Store) -> int:
    """The number of the last batch that a store has; 0 for none."""
    found = await read(store, "notes", "last")
    return 0 if found is None else int(found[1]["number"])


async def write_for_ever(store: Store, acknowledge: Callable[[int], None], rounds: int | None = None) -> None:
    """Go on writing where the store's last batch ended, and tell of each batch that is done."""
    await store.ensure_indexes("things", INDEXES)
    number = await last_batch(store)
    while rounds is None or rounds > 0:
        number += 1
        await store.write(Batch(operations_of(number)))
        acknowledge(number)
        rounds = None if rounds is None else rounds - 1


async def check_contents(store: Store, *, deep: bool = True) -> int:
    """Make sure that a store is in the state after some batch, whole; gives that batch's number."""
    number = await last_batch(store)
    expected = {
        document["_id"]: document
        for kept in range(max(1, number - KEPT + 1), number + 1)
        for document in documents_of(kept)
    }
    found = {document["_id"]: document for document in await find_all(store, "things")}
    assert found == expected
    assert await store.count("things") == len(expected)
    if number and await store.list_indexes("things"):
        newest = [document["_id"] for document in documents_of(number)]
        assert sorted(await ids(store, "things", Compare("batch", Operator.EQ, number))) == sorted(newest)
    if deep:
        report = await store.check()
        assert report.ok, [str(problem) for problem in report.problems[:5]]
    return number


async def _write(url: str, output: int) -> None:
    store = create_store(url)
    await store.open()

    def acknowledge(number: int) -> None:
        os.write(output, number.to_bytes(8, "big"))

    while True:
        await write_for_ever(store, acknowledge, rounds=VACUUMED)
        # That is interrupted now and then, too.
        await store.vacuum()


def write(url: str, output: Any) -> None:
    """The program of a writing process: writes until it is killed; each batch that is done is sent to `output`."""
    # The log is copied back every few batches, so that this is interrupted too.
    sqlite_file.WAL_PAGES = PAGES_OF_LOG  # type: ignore[misc]
    asyncio.run(_write(url, output.fileno()))
