"""Looks for what is wrong in the keeping of documents, ids, indexes and logs, in steps that hold nobody up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Final

from ...engine.driver import Finding
from .connection import Connection
from .layout import CollectionKeys, Layout
from .scripts import (
    CHECK_DOCUMENTS,
    CHECK_HEAD,
    CHECK_IDS,
    CHECK_KEYS,
    CHECK_LOG,
    CHECK_NAME,
    CHECK_OPERATIONS,
    Script,
)

#: Documents, ids or commits that are looked at in one step.
STEP: Final = 500
#: Bytes of documents that one step reads.
STEP_BYTES: Final = 4 * 1024 * 1024

#: What the keys of indexes are called.
_INDEXES: Final = ("index", "unique")


class Examiner:
    """One look at everything that a driver keeps beside the documents.

    Each step looks at some documents, ids or commits in one atomic step and repairs what is wrong with them, so that
    what others write meanwhile is never taken for damage.

    Parameters
    ----------
    connection : Connection
    layout : Layout
    repair : bool
    """

    def __init__(self, connection: Connection, layout: Layout, *, repair: bool) -> None:
        self._connection = connection
        self._layout = layout
        self._repair = repair
        self._flag = b"1" if repair else b"0"
        self._found: list[Finding] = []

    async def run(self) -> list[Finding]:
        """Look at everything."""
        numbers = await self._numbers()
        key = self._layout.collections
        listed = [name.decode() for name in await self._connection.command(b"SMEMBERS", key, key=key)]
        for name in sorted({*numbers, *listed}):
            await self._examine_collection(self._layout.collection(name), numbers.get(name, set()), name in listed)
        if not self._connection.clustered:
            await self._examine_log(self._layout.collection(""), None)
        return self._found

    async def _numbers(self) -> dict[str, set[tuple[int, bool]]]:
        """The collections that have keys, with the numbers of the indexes that have entries."""
        numbers: dict[str, set[tuple[int, bool]]] = {}
        async with aclosing(self._connection.keys(self._layout.pattern)) as steps:
            async for keys in steps:
                for key in keys:
                    if (parsed := self._layout.parse(key)) is None:
                        continue
                    name, rest = parsed
                    known = numbers.setdefault(name, set())
                    kind, _, number = rest.partition(":")
                    if kind in _INDEXES and number.isascii() and number.isdecimal():
                        known.add((int(number), kind == "unique"))
        return numbers

    def _report(self, message: str, collection: str | None, times: int = 1, *, mended: bool = True) -> None:
        self._found += [Finding(message, collection, self._repair and mended)] * times

    # -- collections ---------------------------------------------------------------------------------------------------

    async def _examine_collection(
        self, keys: CollectionKeys, numbers: Iterable[tuple[int, bool]], listed: bool
    ) -> None:
        name = keys.name
        indexes = sorted(numbers)
        exists, stray = await self._run(
            CHECK_KEYS,
            [keys.meta, keys.documents, keys.ids, *[keys.index(*index) for index in indexes]],
            [self._flag, name.encode(), *[b"%d" % number for number, _ in indexes]],
        )
        self._report("there are entries of an index that was never made", name, stray)
        if self._connection.clustered:
            # The set is on another server than the collection. Names of dropped collections stay in it.
            if exists and not listed:
                collections = self._layout.collections
                if self._repair:
                    await self._connection.command(b"SADD", collections, name, key=collections, writes=True)
                self._report("the collection is not in the list of collections", name)
            await self._examine_log(keys, name)
        else:
            wrong = await self._run(
                CHECK_NAME, [self._layout.collections, keys.meta, keys.documents], [name.encode(), self._flag]
            )
            if wrong > 0:
                self._report("the collection is not in the list of collections", name)
            elif wrong < 0:
                self._report("the list of collections has one that there is not", name)
        if exists:
            await self._examine_documents(keys)
            await self._examine_ids(keys)

    async def _examine_documents(self, keys: CollectionKeys) -> None:
        outgrown = False
        steps = self._steps(CHECK_DOCUMENTS, [keys.documents, keys.ids, keys.meta], [STEP, STEP_BYTES, self._flag])
        async for missing, damaged, larger in steps:
            self._report("a document is missing in the order of ids", keys.name, missing)
            self._report("a document is damaged: it has no revision", keys.name, damaged, mended=False)
            outgrown = outgrown or larger > 0
        # Mending it once is enough for many documents.
        self._report("documents are larger than is said of them", keys.name, int(outgrown))

    async def _examine_ids(self, keys: CollectionKeys) -> None:
        after: bytes | None = b"-"
        while after is not None:
            last, orphans = await self._run(CHECK_IDS, [keys.documents, keys.ids], [after, STEP, self._flag])
            self._report("an id has no document", keys.name, orphans)
            after = None if last is None else b"(" + last

    # -- logs ----------------------------------------------------------------------------------------------------------

    async def _examine_log(self, keys: CollectionKeys, name: str | None) -> None:
        if await self._run(CHECK_HEAD, [keys.log, keys.head], [self._flag]):
            self._report("what is known of the change log does not fit its commits", name)
        start: bytes | None = b"-"
        while start is not None:
            last, missing = await self._run(CHECK_LOG, [keys.log, keys.operations], [start, STEP, self._flag])
            self._report("a commit's operation id is not known", name, missing)
            start = None if last is None else b"(" + last
        async for (orphans,) in self._steps(CHECK_OPERATIONS, [keys.log, keys.operations], [STEP, self._flag]):
            self._report("an operation id belongs to no commit", name, orphans)

    # -- steps ---------------------------------------------------------------------------------------------------------

    async def _run(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes | int]) -> Any:
        return await self._connection.run(script, keys, args, writes=self._repair)

    async def _steps(
        self, script: Script, keys: Sequence[bytes], args: Sequence[bytes | int]
    ) -> AsyncIterator[list[int]]:
        """Run a script again and again that is given a cursor and gives the next one."""
        cursor = b"0"
        while True:
            cursor, *counts = await self._run(script, keys, [cursor, *args])
            yield counts
            if cursor == b"0":
                return
