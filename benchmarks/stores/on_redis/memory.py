"""What a document and its index entries cost in the server's memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import bson
from redis.asyncio import Redis

from ...documents import Document
from ..contestant import StoreContestant
from ..ours import Atomodm

#: Bytes of each document, by what they are for.
Costs = dict[str, float]
#: Saves after which the change log is measured.
SAVES = 500
#: How the keys of a collection end, and what they are for.
_KINDS = {b"documents": "documents", b"ids": "order of ids", b"index:1": "index on age", b"index:2": "index on email"}


async def print_memory(
    port: int, contestants: Sequence[StoreContestant], documents: Sequence[Document], markdown: bool
) -> None:
    """Store the documents by one contestant after the other, alone in the server, and print what that took."""
    async with Redis(port=port) as client:
        blob = sum(len(bson.encode(document)) for document in documents) / len(documents)
        rows: list[tuple[str, float]] = [("BSON alone", blob)]
        for contestant in contestants:
            total, costs = await _measure(client, port, contestant, documents)
            rows.append((f"{contestant.name}, in all", total))
            rows += [(f"{contestant.name}: {what}", each) for what, each in costs.items()]
    line = "| {} | {:.0f} | {:.2f} |" if markdown else "  {:<42}{:>14.0f}{:>10.2f}"
    if markdown:
        print("\n| | bytes per document | × BSON |\n| --- | --- | --- |")
    else:
        print(f"\n{'Memory of the server':<44}{'bytes per document':>14}{'× BSON':>10}")
    for name, each in rows:
        print(line.format(name, each, each / blob))


async def _measure(
    client: Redis, port: int, contestant: StoreContestant, documents: Sequence[Document]
) -> tuple[float, Costs]:
    """Bytes of a document in all, and what is known of how they come about."""
    count = len(documents)
    await client.flushall()
    await contestant.open()
    await contestant.insert(contestant.make(documents))
    sizes = await _sizes(client, port)
    costs: Costs = {}
    if isinstance(contestant, Atomodm):
        costs = {what: sizes[kind] / count for kind, what in _KINDS.items()}
        people = (await contestant.list())[:SAVES]
        for person in people:
            person.score += 1
            await person.save()
        logged = await _sizes(client, port)
        log = sum(logged[kind] - sizes[kind] for kind in (b"log", b"operations", b"head"))
        costs["change log, for each save"] = log / len(people)
    await contestant.close()
    return sizes.total() / count, costs


async def _sizes(client: Redis, port: int) -> Counter[bytes]:
    """Bytes of all keys of all databases, by how their names end."""
    sizes: Counter[bytes] = Counter()
    for database in await client.info("keyspace"):
        async with Redis(port=port, db=int(database.removeprefix("db"))) as one:
            keys = [key async for key in one.scan_iter(count=1000)]
            for start in range(0, len(keys), 1000):
                some = keys[start : start + 1000]
                async with one.pipeline(transaction=False) as pipeline:
                    for key in some:
                        pipeline.memory_usage(key, samples=0)
                    for key, size in zip(some, await pipeline.execute(), strict=True):
                        sizes[key.partition(b"}:")[2] or key.rpartition(b":")[2]] += size
    return sizes
