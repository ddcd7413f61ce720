"""The batches of a save: one where the store is atomic over all of it, otherwise several in a safe order."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from ..breathing import Breather
from ..contract.capabilities import Atomicity
from ..contract.store import Store
from ..errors import BatchTooLarge, UnsupportedOperation
from ..identity import ObjectCache
from .closing import Closing
from .ordering import Things, in_steps, one_by_one
from .plan import Write


@dataclass(slots=True)
class Step:
    """Writes that go in one batch.

    Attributes
    ----------
    store : Store
    writes : list of Write
    size : int
        Bytes of their documents.
    """

    store: Store
    writes: list[Write] = field(default_factory=list)
    size: int = 0

    def add(self, write: Write) -> None:
        """Add a write."""
        self.writes.append(write)
        self.size += len(write.data or b"")

    def has_room_for(self, write: Write) -> bool:
        """Whether one more write goes in the batch."""
        capabilities = self.store.capabilities
        most = 1 if capabilities.atomic is Atomicity.DOCUMENT else capabilities.max_batch
        if most is not None and len(self.writes) >= most:
            return False
        most_bytes = capabilities.max_batch_bytes
        return most_bytes is None or self.size + len(write.data or b"") <= most_bytes

    def describe(self) -> str:
        """Lines for people: the store, and what happens to which documents, without values."""
        return "\n".join([self.store.url, *(f"  {write.describe()}" for write in self.writes)])


def unit_of(cache: ObjectCache) -> Hashable:
    """What all writes of one batch have in common."""
    by_collection = cache.store.capabilities.atomic is Atomicity.COLLECTION
    return (cache.store, cache.collection) if by_collection else cache.store


async def steps_of(writes: Sequence[Write], atomic: bool | None) -> list[Step]:
    """Put the writes of a save into batches that their stores can apply, in the order in which they are applied.

    Where that is more than one, new documents come before those that refer to them, and a reference that closes a cycle
    over several batches is left out at first and written later, see `Closing`. Changes of documents that exist come
    with the last of what they refer to.

    Parameters
    ----------
    writes : sequence of Write
        In the order in which they were met.
    atomic : bool or None
        As for `Save`.

    Raises
    ------
    UnsupportedOperation
        More than one batch, and `atomic` is True.
    BatchTooLarge
        What the store could apply at once is more than it takes at once, and `atomic` is not False.
    """
    if len(writes) == 1:
        return [Step(writes[0].cache.store, list(writes))]
    # Roughly, what is referred to comes first.
    ordered = list(reversed(writes))
    units = list(dict.fromkeys(map(unit_of, dict.fromkeys([write.cache for write in ordered]))))
    if len(units) == 1:
        step = _together(ordered)
        if step is not None:
            return [step]
    if atomic:
        _check_atomic(ordered, units)
    return await _Steps(ordered, allow_pieces=atomic is False).run()


def _together(writes: Sequence[Write]) -> Step | None:
    """All writes in one batch; None where they are too many."""
    store = writes[0].cache.store
    step = Step(store, list(writes), sum([len(write.data or b"") for write in writes]))
    capabilities = store.capabilities
    most = 1 if capabilities.atomic is Atomicity.DOCUMENT else capabilities.max_batch
    most_bytes = capabilities.max_batch_bytes
    fits = (most is None or len(writes) <= most) and (most_bytes is None or step.size <= most_bytes)
    # The store says what is wrong with a single document that is too large.
    return step if fits or len(writes) == 1 else None


def _check_atomic(writes: Sequence[Write], units: Sequence[Hashable]) -> None:
    store = writes[0].cache.store
    if len(units) > 1 or store.capabilities.atomic is Atomicity.DOCUMENT:
        raise UnsupportedOperation(
            "these objects cannot be saved all or nothing; save with atomic=False", store=store.url
        )


class _Steps:
    """Several batches.

    New documents are what is put in order: they have numbers.
    """

    def __init__(self, writes: Sequence[Write], *, allow_pieces: bool) -> None:
        self._allow_pieces = allow_pieces
        self._new = [write for write in writes if write.creates]
        self._changed = [write for write in writes if not write.creates]
        self._numbers = {id(write.obj): number for number, write in enumerate(self._new)}
        self._things = Things(
            [unit_of(write.cache) for write in self._new],
            [[other for other in self._new_ones(write) if other != number] for number, write in enumerate(self._new)],
        )
        self._closing = Closing(self._new)
        self._groups: list[tuple[Hashable, list[Write]]] = []
        self._place: dict[int, int] = {}

    def _new_ones(self, write: Write) -> list[int]:
        """The new documents that one refers to."""
        found = {self._numbers[id(obj)] for obj in write.references if id(obj) in self._numbers}
        return sorted(found)

    async def run(self) -> list[Step]:
        steps = await self._in_order()
        following = await self._link(steps)
        return [step for position, before in enumerate(steps) for step in (before, *following.get(position, ()))]

    async def _in_order(self) -> list[Step]:
        """The first writes of all documents."""
        groups = [(self._things.units[numbers[0]], numbers) for numbers in await in_steps(self._things, self._closing)]
        place = {number: position for position, (_, numbers) in enumerate(groups) for number in numbers}
        changed = self._changes_by_group([unit for unit, _ in groups], place)
        steps: list[Step] = []
        for position, (_, numbers) in enumerate(groups):
            steps += await self._cut(numbers, changed.pop(position, []))
        for writes in changed.values():
            steps += await self._cut([], writes)
        return steps

    def _changes_by_group(self, units: Sequence[Hashable], place: dict[int, int]) -> dict[int, list[Write]]:
        """Changes of documents that exist, by the place of the new documents that they are written with.

        Those of one unit stay together, so that a unique value can move from one of its documents to another.
        """
        by_unit: dict[Hashable, list[Write]] = {}
        for write in self._changed:
            by_unit.setdefault(unit_of(write.cache), []).append(write)
        found: dict[int, list[Write]] = {}
        for unit, writes in by_unit.items():
            least = max((place[number] for write in writes for number in self._new_ones(write)), default=0)
            fitting = (position for position in range(least, len(units)) if units[position] == unit)
            found[next(fitting, len(units) + len(found))] = writes
        return found

    async def _cut(self, numbers: Sequence[int], changed: Sequence[Write]) -> list[Step]:
        """Writes of one unit in batches: one, or as many as it takes."""
        writes = [*(self._new[number] for number in numbers), *changed]
        together = _together(writes)
        if together is not None:
            return [together]
        store = writes[0].cache.store
        if not self._allow_pieces and store.capabilities.atomic is not Atomicity.DOCUMENT:
            raise BatchTooLarge(
                f"{len(writes)} documents are more than one batch can hold; save in parts or with atomic=False",
                store=store.url,
            )
        ordered = await one_by_one(numbers, self._things, self._closing)
        return _pieces([*(self._new[number] for number in ordered), *changed])

    async def _link(self, steps: Sequence[Step]) -> dict[int, list[Step]]:
        """Leave references to later batches out of new documents; gives the batches that add them, by what they follow.

        Where a batch of the same unit follows that has room, they are added there.
        """
        place = {id(write.obj): position for position, step in enumerate(steps) for write in step.writes}
        late: dict[int, list[int]] = {}
        breather = Breather()
        for number, write in enumerate(self._new):
            await breather.breathe()
            before = place[id(write.obj)]
            if needed := [n for n in self._things.needs[number] if place[id(self._new[n].obj)] > before]:
                late[number] = needed
        await self._closing.learn(late)
        following: dict[int, list[Step]] = {}
        last: dict[Hashable, list[Write]] = {}
        for number, needed in late.items():
            await breather.breathe()
            link = self._closing.leave_out(number, needed)
            if link is None:
                continue
            after = max(place[id(self._new[n].obj)] for n in needed)
            unit = self._things.units[number]
            if link.cache.store.capabilities.atomic is Atomicity.DOCUMENT:
                following.setdefault(after, []).extend(_pieces([link]))
            elif (step := _with_room(steps, after, place[id(link.obj)], unit, link)) is not None:
                step.add(link)
            else:
                last.setdefault(unit, []).append(link)
        for links in last.values():
            following.setdefault(len(steps) - 1, []).extend(_pieces(links))
        return following


def _with_room(steps: Sequence[Step], after: int, first: int, unit: Hashable, link: Write) -> Step | None:
    """The first batch from `after` on, but none with the first write of the same document, that takes a link."""
    for position in range(after, len(steps)):
        step = steps[position]
        if position != first and unit_of(step.writes[0].cache) == unit and step.has_room_for(link):
            return step
    return None


def _pieces(writes: Iterable[Write]) -> list[Step]:
    """Writes in batches that their store can hold."""
    steps: list[Step] = []
    for write in writes:
        if not steps or not steps[-1].has_room_for(write):
            steps.append(Step(write.cache.store))
        steps[-1].add(write)
    return steps
