"""In which order things are done that need one another, where not all can be done in one step.

Things are numbers, in the order that is preferred where nothing else decides. Each belongs to a unit, of which any
number may be done in one step, and needs others that are to be done before or in the same step.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Protocol

from ..breathing import Breather

#: Steps for each unit after which needs that lead to and fro between units are cut as if they were cycles.
ROUNDS = 4


class Needs(Protocol):
    """What can be said of a need that is not met in time."""

    async def learn(self, numbers: Iterable[int]) -> None:
        """Find out what `is_firm` has to know about these."""

    def is_firm(self, number: int, needed: int) -> bool:
        """Whether cutting elsewhere is better than doing `number` before what it needs."""


class AllFirm:
    """Needs of which all are firm."""

    async def learn(self, numbers: Iterable[int]) -> None:
        """As `Needs.learn`."""

    def is_firm(self, number: int, needed: int) -> bool:
        """As `Needs.is_firm`."""
        return True


@dataclass(frozen=True, slots=True)
class Things:
    """What is to be put in order.

    Attributes
    ----------
    units : sequence of hashable
        For each thing its unit.
    needs : sequence of collection of int
        For each thing the others that it needs.
    """

    units: Sequence[Hashable]
    needs: Sequence[Collection[int]]


async def in_steps(things: Things, needs: Needs) -> list[list[int]]:
    """Put things in few steps, each of one unit, such that needs are met wherever they form no cycle between units.

    As long as there is something whose needs are met, the unit that has most of it comes next. In a cycle, the things
    of one unit are done before what they need: of the unit for which this cuts the fewest things. Things that need one
    another to and fro between units, without a cycle, would take a step each: that goes on for `ROUNDS` steps for each
    unit, then the rest is taken for one cycle. Firm needs are cut only in a cycle of firm needs.
    """
    return await _Steps(things, needs).run()


class _Steps:
    def __init__(self, things: Things, needs: Needs) -> None:
        self._things = things
        self._needs = needs
        self._users = _users(things)
        self._left: dict[Hashable, list[int]] = {}
        for number, unit in enumerate(things.units):
            self._left.setdefault(unit, []).append(number)
        self._done = bytearray(len(things.units))
        self._steps: list[list[int]] = []
        self._breather = Breather()

    async def run(self) -> list[list[int]]:
        most = ROUNDS * len(self._left)
        while self._left:
            if len(self._left) == 1:
                step = next(iter(self._left.values()))  # in one step nothing is before anything else
            elif len(self._steps) >= most:
                step = await self._cut([number for numbers in self._left.values() for number in numbers])
            else:
                step = await self._ready() or await self._cut(await self._in_cycles())
            for number in step:
                self._done[number] = True
            self._steps.append(step)
            unit = self._things.units[step[0]]
            self._left[unit] = [number for number in self._left[unit] if not self._done[number]]
            if not self._left[unit]:
                del self._left[unit]
        return self._steps

    async def _ready(self) -> list[int]:
        """The most things of one unit whose needs are met; all that are left of a unit are better still."""
        best: list[int] = []
        for numbers in self._left.values():
            found = self._met(numbers, lambda number, needed: True)
            if len(found) == len(numbers):
                return found
            if len(found) > len(best):
                best = found
            await self._breather.breathe()
        return best

    def _met(self, numbers: Sequence[int], counts: Callable[[int, int], bool]) -> list[int]:
        """Those of one unit that can be done together, as far as needs are concerned that count."""
        together = set(numbers)
        waiting = [
            number
            for number in numbers
            if any(
                not self._done[needed] and needed not in together and counts(number, needed)
                for needed in self._things.needs[number]
            )
        ]
        out = set(waiting)
        while waiting:
            needed = waiting.pop()
            for user in self._users[needed]:
                if user in together and user not in out and counts(user, needed):
                    out.add(user)
                    waiting.append(user)
        return [number for number in numbers if number not in out]

    async def _in_cycles(self) -> list[int]:
        """Things of the cycles that need nothing outside of them."""
        left = sorted(number for numbers in self._left.values() for number in numbers)
        return await _closed(left, self._unmet)

    def _unmet(self, number: int) -> Iterator[int]:
        return (needed for needed in self._things.needs[number] if not self._done[needed])

    def _firmly_unmet(self, number: int) -> Iterator[int]:
        return (needed for needed in self._unmet(number) if self._needs.is_firm(number, needed))

    async def _cut(self, numbers: Sequence[int]) -> list[int]:
        """What to do of some things although not all needs are met; all firm ones, if that can be."""
        await self._needs.learn(numbers)
        choices = [self._met(members, self._needs.is_firm) for members in self._by_unit(numbers)]
        if not any(choices):
            choices = self._by_unit(await _closed(numbers, self._firmly_unmet))
        return min(filter(None, choices), key=self._cost)

    def _by_unit(self, numbers: Sequence[int]) -> list[list[int]]:
        found: dict[Hashable, list[int]] = {}
        for number in numbers:
            found.setdefault(self._things.units[number], []).append(number)
        return list(found.values())

    def _cost(self, numbers: Sequence[int]) -> tuple[int, int]:
        """How many things would have firm needs cut, and how many any."""
        together = set(numbers)
        firm = cut = 0
        for number in numbers:
            unmet = [needed for needed in self._unmet(number) if needed not in together]
            cut += bool(unmet)
            firm += any(self._needs.is_firm(number, needed) for needed in unmet)
        return firm, cut


async def one_by_one(numbers: Sequence[int], things: Things, needs: Needs) -> list[int]:
    """Put things one after the other, after what they need wherever that is no cycle; in cycles few needs are cut."""
    members = set(numbers)
    users = _users(things)
    order: list[int] = []

    def within(number: int) -> Iterator[int]:
        return (needed for needed in things.needs[number] if needed in members)

    async for component in _components(numbers, within):
        if len(component) > 1:
            await needs.learn(component)
            component = await _cheapest_first(component, things, users, needs)
        order += component
    return order


async def _cheapest_first(
    component: Sequence[int], things: Things, users: Sequence[Sequence[int]], needs: Needs
) -> list[int]:
    """The things of one cycle: always one that has the fewest needs left, firm ones before all others."""
    place = {number: position for position, number in enumerate(sorted(component))}

    def firmly(number: int) -> Iterator[int]:
        return (needed for needed in things.needs[number] if needed in place and needs.is_firm(number, needed))

    # Firm needs of things that are in one cycle of such needs cannot all be met, others can.
    circle: dict[int, int] = {}
    async for members in _components(sorted(component), firmly):
        circle.update(dict.fromkeys(members, members[0]))

    def rank(number: int, needed: int) -> int:
        return (0 if circle[number] != circle[needed] else 1) if needs.is_firm(number, needed) else 2

    left = {number: [0, 0, 0] for number in component}
    for number in component:
        for needed in things.needs[number]:
            if needed in place:
                left[number][rank(number, needed)] += 1
    heap = [(*left[number], place[number], number) for number in component]
    heapify(heap)
    order: list[int] = []
    done: set[int] = set()
    while heap:
        *_, number = heappop(heap)
        if number in done:
            continue  # it was pushed again when a need of it was met
        done.add(number)
        order.append(number)
        for user in users[number]:
            if user in place and user not in done:
                left[user][rank(user, number)] -= 1
                heappush(heap, (*left[user], place[user], user))
    return order


async def _closed(numbers: Sequence[int], needed_by: Callable[[int], Iterator[int]]) -> list[int]:
    """Those of some things that need one another and nothing else."""
    found: list[int] = []
    async for component in _components(numbers, needed_by):
        members = set(component)
        if all(needed in members for number in component for needed in needed_by(number)):
            found += component
    return sorted(found)


def _users(things: Things) -> list[list[int]]:
    """For each thing those that need it."""
    users: list[list[int]] = [[] for _ in things.units]
    for number, needed in enumerate(things.needs):
        for other in needed:
            users[other].append(number)
    return users


async def _components(numbers: Iterable[int], needed_by: Callable[[int], Iterator[int]]) -> AsyncIterator[list[int]]:
    """Strongly connected components, each after those that it needs (Tarjan's algorithm, without recursion)."""
    breather = Breather()
    place: dict[int, int] = {}
    lowest: dict[int, int] = {}
    path: list[int] = []
    on_path: set[int] = set()
    for start in numbers:
        if start in place:
            continue
        walk: list[tuple[int, Iterator[int]]] = []
        entered: int | None = start
        while True:
            if entered is not None:
                place[entered] = lowest[entered] = len(place)
                path.append(entered)
                on_path.add(entered)
                walk.append((entered, needed_by(entered)))
                entered = None
                if breather.is_due():
                    await breather.breathe()
            number, remaining = walk[-1]
            for needed in remaining:
                if needed not in place:
                    entered = needed
                    break
                if needed in on_path:
                    lowest[number] = min(lowest[number], place[needed])
            else:
                walk.pop()
                if lowest[number] == place[number]:
                    component = [path.pop()]
                    while component[-1] != number:
                        component.append(path.pop())
                    on_path.difference_update(component)
                    yield component
                if not walk:
                    break
                above = walk[-1][0]
                lowest[above] = min(lowest[above], lowest[number])
