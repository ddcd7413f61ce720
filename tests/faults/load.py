"""Several writers of one store who go on while its server is killed, cut off or replaced, and what must be there then.

Each writer has documents of its own in one collection, so that a batch is atomic on every store. Batch by batch it
inserts some, deletes those of an older batch, and notes the batch's number in a document of its own by appending it:
who applies a batch twice, in parts or not at all is found out.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from atomodm.contract import Batch, Delete, IndexSpec, Insert, Operation, Patch, Store
from atomodm.encoding import encode
from atomodm.errors import OutcomeUnknown, RevisionMismatch, StoreUnavailable
from atomodm.query.changes import Changes
from atomodm.query.nodes import Compare, Operator
from atomodm.testing.contract.stores import find_all, ids, insert_all

#: Batches of each writer whose documents are kept.
KEPT = 5
INDEXES = [
    IndexSpec(name="batch_1", fields=[("batch", 1)]),
    IndexSpec(name="words_1", fields=[("words", 1)]),
    IndexSpec(name="serial_1", fields=[("serial", 1)], unique=True, sparse=True),
]


def documents_of(writer: str, number: int) -> list[dict[str, Any]]:
    """The documents that a batch inserts; the same ones for the same writer and number."""
    chance = random.Random(f"{writer}/{number}")
    return [
        {
            "_id": f"{writer}/{number}/{place}",
            "writer": writer,
            "batch": number,
            "serial": f"{writer}/{number}/{place}",
            "words": [f"w{chance.randrange(20)}", "all"],
            "text": "x" * chance.randrange(300),
        }
        for place in range(chance.randrange(1, 8))
    ]


def batch_of(collection: str, writer: str, number: int) -> Batch:
    """A batch of a writer; another one for each call, with the same operations for the same number."""
    operations: list[Operation] = [
        Insert(collection, document["_id"], encode(document)) for document in documents_of(writer, number)
    ]
    operations.append(Patch(collection, writer, Changes(push={"seen": [number]})))
    if number > KEPT:
        operations += [Delete(collection, document["_id"]) for document in documents_of(writer, number - KEPT)]
    return Batch(operations)


@dataclass
class Load:
    """Writers of one store.

    Attributes
    ----------
    store : Store
    names : sequence of str
        Of the writers.
    collections : sequence of str
        Writers spread over them.
    acknowledged : dict of str to int
        For each writer its last batch that is done for sure.
    lossy : bool
        The store may lose what it has acknowledged, because a replica takes over: then a writer who has read a document
        before finds another revision afterwards, and may be told so at the end of its time.
    unavailable, unknown : int
        How often a writer was told `StoreUnavailable`, `OutcomeUnknown`.
    """

    store: Store
    names: Sequence[str] = ("a", "b", "c", "d")
    collections: Sequence[str] = ("things",)
    acknowledged: dict[str, int] = field(default_factory=dict)
    lossy: bool = False
    unavailable: int = 0
    unknown: int = 0
    _stopping: bool = False

    def collection_of(self, writer: str) -> str:
        return self.collections[self.names.index(writer) % len(self.collections)]

    async def prepare(self, store: Store | None = None) -> None:
        """Declare indexes, and write a first document for each writer."""
        store = store or self.store
        for collection in self.collections:
            await store.ensure_indexes(collection, INDEXES)
        for writer in self.names:
            await insert_all(store, self.collection_of(writer), [{"_id": writer, "seen": []}])
            self.acknowledged[writer] = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write within this block; any error but those that are to be expected is raised at its end."""
        self._stopping = False
        async with asyncio.TaskGroup() as group:
            for writer in self.names:
                group.create_task(self._write(writer))
            try:
                yield
            finally:
                self._stopping = True

    async def _write(self, writer: str) -> None:
        while not self._stopping:
            number = self.acknowledged[writer] + 1
            batch = batch_of(self.collection_of(writer), writer, number)
            sent = False
            while True:
                try:
                    await self.store.write(batch)
                    break
                except OutcomeUnknown:
                    # The same batch again: where it was applied, that is recognised.
                    self.unknown += 1
                    sent = True
                except StoreUnavailable:
                    self.unavailable += 1
                    if not sent:
                        # Nothing was written, so another batch with the same documents must be possible.
                        batch = batch_of(self.collection_of(writer), writer, number)
                    await asyncio.sleep(0.01)
                except RevisionMismatch:
                    if not self.lossy:
                        raise
            self.acknowledged[writer] = number

    @property
    def total(self) -> int:
        """Batches of all writers that are done for sure."""
        return sum(self.acknowledged.values())

    async def wait_for(self, batches: int, seconds: float = 50) -> None:
        """Wait until every writer has done so many more batches."""
        wanted = {writer: number + batches for writer, number in self.acknowledged.items()}
        async with asyncio.timeout(seconds):
            while any(self.acknowledged[writer] < number for writer, number in wanted.items()):
                await asyncio.sleep(0.005)

    # -- what is there -------------------------------------------------------------------------------------------------

    async def check(self, store: Store | None = None) -> None:
        """Make sure that everything that was acknowledged is there, once, and nothing else."""
        store = store or self.store
        for collection in self.collections:
            found = {document["_id"]: document for document in await find_all(store, collection)}
            expected: dict[str, Any] = {}
            for writer in self.names:
                if self.collection_of(writer) == collection:
                    last = self.acknowledged[writer]
                    expected[writer] = {"_id": writer, "seen": list(range(1, last + 1))}
                    for number in range(max(1, last - KEPT + 1), last + 1):
                        expected |= {document["_id"]: document for document in documents_of(writer, number)}
            assert found == expected, differences(found, expected)
            assert await store.count(collection) == len(expected)
        await self._check_indexes(store)

    async def check_whole(self, store: Store | None = None) -> int:
        """Make sure that each batch is there as a whole or not at all, once; gives how many batches were lost.

        Where a replica takes over that did not have everything yet, the last batches are lost, and those that followed
        are there.
        """
        store = store or self.store
        lost = 0
        for collection in self.collections:
            batches: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
            seen: dict[str, list[int]] = {}
            for document in await find_all(store, collection, sort=[("_id", 1)]):
                if "seen" in document:
                    seen[document["_id"]] = document["seen"]
                else:
                    batches[document["writer"], document["batch"]].append(document)
            for (writer, number), documents in batches.items():
                assert documents == sorted(documents_of(writer, number), key=lambda document: document["_id"])
                assert number in seen[writer], f"batch {number} of {writer} is there and not noted"
            for writer, numbers in seen.items():
                last = self.acknowledged[writer]
                twice = [number for number, times in Counter(numbers).items() if times > 1]
                assert not twice, f"batches of {writer} were applied twice: {twice}"
                assert numbers == sorted(numbers)
                assert numbers[-1] == last, "the last batch, which came after everything, is not there"
                lost += last - len(numbers)
                kept = [number for number in range(max(1, last - KEPT + 1), last + 1) if number in set(numbers)]
                assert all((writer, number) in batches for number in kept), f"documents of {writer} are missing"
        await self._check_indexes(store)
        return lost

    async def _check_indexes(self, store: Store) -> None:
        for collection in self.collections:
            newest = [
                document
                for writer in self.names
                if self.collection_of(writer) == collection
                for document in documents_of(writer, self.acknowledged[writer])
                if self.acknowledged[writer]
            ]
            for document in newest:
                assert document["_id"] in await ids(
                    store, collection, Compare("serial", Operator.EQ, document["serial"])
                )
        report = await store.check()
        assert report.ok, [str(problem) for problem in report.problems[:5]]


def differences(found: dict[str, Any], expected: dict[str, Any]) -> str:
    """What is missing, too much and different, for a message."""
    missing, more = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    other = sorted(id for id in found.keys() & expected.keys() if found[id] != expected[id])
    return f"missing: {missing[:10]}, too much: {more[:10]}, different: {other[:10]}"
