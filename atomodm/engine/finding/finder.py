"""Answers questions to one collection: finds, counts, explanations."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from ...contract.finding import Chunk, Explanation, Find
from ...errors import InvalidQuery, StaleCatalogue
from ...query.nodes import All, Node, conjunction, describe, negation
from ..driver import Driver
from ..indexing.catalogues import Catalogues
from ..planning import Planner
from ..planning.counting import KeptCounts
from ..planning.plan import Intersection, Lookup, Part, Plan, Scan
from ..planning.showing import show_bounds
from .branch import Branch
from .execution import Execution
from .reading import Figures


class Finder:
    """Plans and runs finds.

    Parameters
    ----------
    driver : Driver
    catalogues : Catalogues
    asked : callable
        Called before each request to the driver.
    """

    def __init__(self, driver: Driver, catalogues: Catalogues, asked: Callable[[], None]) -> None:
        self._driver = driver
        self._catalogues = catalogues
        self._asked = asked
        self._counts = KeptCounts()

    async def find(self, collection: str, find: Find) -> AsyncGenerator[Chunk, None]:
        """Answer `find` chunk by chunk, as `Store.find`."""
        begun = False
        while True:
            execution: Execution | None = None
            try:
                execution = await self._execution(collection, find)
                async with aclosing(execution.chunks()) as chunks:
                    async for chunk in chunks:
                        begun = True
                        yield chunk
            except StaleCatalogue:
                self._catalogues.forget([collection])
                if begun:
                    raise
            else:
                return
            finally:
                if execution is not None:
                    await execution.close()

    async def plan(self, collection: str, find: Find) -> Plan:
        """Choose how `find` is answered.

        Raises
        ------
        InvalidQuery
        StaleCatalogue
            The catalogue changed meanwhile.
        """
        _check(find)
        catalogue = await self._catalogues.get(collection)
        if find.hint is not None and not catalogue.has_complete(find.hint):
            # Another process may have made the index: the driver is asked before a hint is refused.
            catalogue = await self._catalogues.reload(collection)
        return await Planner(self._driver, catalogue, self._counts).plan(find)

    async def _execution(self, collection: str, find: Find) -> Execution:
        plan = await self.plan(collection, find)
        return Execution(self._driver, self._catalogues, collection, find, plan, self._asked)

    async def count(self, collection: str, filter: Node, limit: int | None, hint: str | None) -> int:
        """Count the documents that match, as `Store.count`."""
        find = Find(filter=filter, limit=limit, hint=hint)
        if limit == 0:
            _check(find)
            return 0
        while True:
            execution: Execution | None = None
            try:
                execution = await self._execution(collection, find)
                scan = _covering(execution)
                if scan is None:
                    return await execution.count(limit)
                if not scan.ranges:
                    return 0
                self._asked()
                number = await self._driver.count(
                    collection,
                    None if scan.index is None else scan.index.ref,
                    scan.ranges,
                    limit=limit,
                    version=execution.plan.version,
                )
                # A driver may count further than it was asked to.
                return number if limit is None else min(number, limit)
            except StaleCatalogue:
                self._catalogues.forget([collection])
            finally:
                if execution is not None:
                    await execution.close()

    async def explain(self, collection: str, find: Find) -> Explanation:
        """Run `find` and say how it was answered, as `Store.explain`."""
        while True:
            execution: Execution | None = None
            try:
                execution = await self._execution(collection, find)
                returned = sum([len(chunk.documents) async for chunk in execution.chunks()])
            except StaleCatalogue:
                self._catalogues.forget([collection])
            else:
                return _explanation(collection, find, execution, returned)
            finally:
                if execution is not None:
                    await execution.close()


def _check(find: Find) -> None:
    if find.skip < 0 or (find.limit is not None and find.limit < 0):
        raise InvalidQuery("skip and limit are 0 or more")
    if find.batch_size is not None and find.batch_size < 1:
        raise InvalidQuery("a batch has one document or more")
    if any(direction not in (1, -1) for _, direction in find.sort):
        raise InvalidQuery("a sort direction is 1 or -1")


def _covering(execution: Execution) -> Scan | None:
    """The scan whose entries are the answer, so that they need only be counted; None where there is none."""
    if len(execution.branches) != 1 or not execution.branches[0].is_covered:
        return None
    access = execution.plan.parts[0].access
    return access if isinstance(access, Scan) else None


# -- explanations ------------------------------------------------------------------------------------------------------


def _explanation(collection: str, find: Find, execution: Execution, returned: int) -> Explanation:
    plan, figures = execution.plan, execution.figures
    parts = [_part(collection, branch) for branch in execution.branches]
    if len(parts) == 1:
        return replace(parts[0], sorted_by_index=bool(find.sort) and plan.sorted, returned=returned)
    residuals = list(dict.fromkeys(part.residual for part in parts if part.residual is not None))
    return Explanation(
        collection=collection,
        access="merge" if plan.merged else "union",
        index=", ".join(dict.fromkeys(part.index or "" for part in parts)),
        bounds=" or ".join(dict.fromkeys(f"({part.bounds})" for part in parts)),
        sorted_by_index=bool(find.sort) and plan.sorted,
        scanned=figures.scanned,
        fetched=figures.fetched,
        returned=returned,
        residual=(residuals[0] if len(residuals) == 1 else " or ".join(map("({})".format, residuals))) or None,
        parts=tuple(parts),
    )


def _part(collection: str, branch: Branch) -> Explanation:
    part = branch.part
    access = part.access
    inner: tuple[Explanation, ...] = ()
    if isinstance(access, Intersection):
        inner = tuple(
            _single(collection, Part(access=scan, used=[bound]), Figures(), 0)
            for scan, bound in zip(access.scans, part.used, strict=False)
        )
    return _single(collection, part, branch.figures, branch.given, inner)


def _single(
    collection: str, part: Part, figures: Figures, given: int, inner: tuple[Explanation, ...] = ()
) -> Explanation:
    access = part.access
    left = conjunction([part.residual, *map(negation, part.earlier)])
    kinds = {Scan: "scan", Lookup: "lookup", Intersection: "intersection"}
    return Explanation(
        collection=collection,
        access=kinds[type(access)],
        index=access.name,
        bounds=show_bounds(part.used),
        backward=isinstance(access, Scan) and access.reverse,
        sorted_by_index=False,
        scanned=figures.scanned,
        fetched=figures.fetched,
        returned=given,
        residual=None if isinstance(left, All) else describe(left),
        parts=inner,
    )
