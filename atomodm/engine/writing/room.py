"""Expired documents do not keep their ids and their unique values: they are removed where a write needs these."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from ...concurrency import together
from ...contract.operations import Batch, Delete, Outcome
from ...encoding import decode_all
from ...query.evaluator import compile_filter
from ...query.ranges import point
from ..driver import Commit, Driver, Refused
from ..indexing.catalogue import Catalogue
from .unmoved import write_unmoved

#: Documents that are removed together.
TOGETHER = 500


async def make_room(
    driver: Driver,
    write: Callable[[Batch], Awaitable[Outcome]],
    refused: Refused,
    commit: Commit,
    catalogues: Mapping[str, Catalogue],
) -> bool | None:
    """Remove the expired documents that a refused commit was refused for, and no others.

    Parameters
    ----------
    driver : Driver
    write : callable
        Applies a batch.
    refused : Refused
    commit : Commit
        What was refused.
    catalogues : mapping of str to Catalogue
        What it was prepared with.

    Returns
    -------
    bool or None
        Whether the commit may be tried again: False when a document that has not expired is in its way. None when
        nothing is in its way any more.
    """
    if not any(catalogue.expires for catalogue in catalogues.values()):
        return False
    wanted: dict[str, set[bytes]] = {}
    for name, id in refused.mismatched:
        wanted.setdefault(name, set()).add(id)
    if any(
        not ids.issubset([inserted for inserted, _, _ in commit.collections[name].inserts])
        for name, ids in wanted.items()
    ):
        return False
    for name, ids in (await _holders(driver, refused, commit, catalogues)).items():
        wanted.setdefault(name, set()).update(ids)
    operations: list[Delete] = []
    for name, ids in wanted.items():
        rows = await driver.get(name, list(ids))
        is_alive = compile_filter(catalogues[name].alive(driver.now()))
        for (_, revision, data), document in zip(rows, decode_all([row[2] for row in rows]), strict=True):
            if is_alive(document):
                return False
            operations.append(Delete(name, document["_id"], revision, seen=(revision, data)))
    for start in range(0, len(operations), TOGETHER):
        # Left out are those that somebody wrote or removed meanwhile.
        await write_unmoved(write, operations[start : start + TOGETHER])
    return True if operations else None


async def _holders(
    driver: Driver, refused: Refused, commit: Commit, catalogues: Mapping[str, Catalogue]
) -> dict[str, set[bytes]]:
    """The documents that have the unique values which were found taken."""
    reads: list[tuple[str, Callable[[], Awaitable[list[tuple[bytes, bytes]]]]]] = []
    for name, number in dict.fromkeys((name, number) for name, number, _ in refused.taken):
        index = catalogues[name].numbered(number)
        assert index is not None
        ids = {id for other, taken, id in refused.taken if (other, taken) == (name, number)}
        keys = sorted({key for claimed, key, id in commit.collections[name].claimed if claimed == number and id in ids})
        scan: Any = partial(driver.entries, name, index.ref, [point(key) for key in keys], limit=len(keys))
        reads.append((name, scan))
    found = await together([read for _, read in reads])
    holders: dict[str, set[bytes]] = {}
    for (name, _), places in zip(reads, found, strict=True):
        written = {id for id, *_ in (*commit.collections[name].inserts, *commit.collections[name].updates)}
        holders.setdefault(name, set()).update(id for _, id in places if id not in written)
    return holders
