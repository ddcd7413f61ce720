"""The order of what cannot be written in one step."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomodm.session.ordering import ROUNDS, AllFirm, Things, in_steps, one_by_one

#: For each thing its unit, what it needs, and what of that is firm.
Case = tuple[Things, frozenset[tuple[int, int]]]


class Firm:
    """Firm needs; those that nobody learnt about are asked for in vain."""

    def __init__(self, firm: Iterable[tuple[int, int]] = ()) -> None:
        self._firm = frozenset(firm)
        self._known: set[int] = set()

    async def learn(self, numbers: Iterable[int]) -> None:
        self._known.update(numbers)

    def is_firm(self, number: int, needed: int) -> bool:
        assert number in self._known
        return (number, needed) in self._firm


@st.composite
def cases(draw: st.DrawFn, *, acyclic: bool = False) -> Case:
    size = draw(st.integers(1, 14))
    units = draw(st.lists(st.sampled_from("abc"), min_size=size, max_size=size))
    others = [
        [other for other in range(size) if (other < number if acyclic else other != number)] for number in range(size)
    ]
    needs = [sorted(draw(st.sets(st.sampled_from(known), max_size=3))) if known else [] for known in others]
    pairs = [(number, other) for number, needed in enumerate(needs) for other in needed]
    firm = frozenset(draw(st.sets(st.sampled_from(pairs)))) if pairs else frozenset()
    return Things(units, needs), firm


def cut_needs(steps: list[list[int]], things: Things) -> list[tuple[int, int]]:
    """The needs that are met in a later step only."""
    place = {number: position for position, step in enumerate(steps) for number in step}
    return [
        (number, other)
        for number, needed in enumerate(things.needs)
        for other in needed
        if place[other] > place[number]
    ]


def reachable(start: int, edges: Iterable[tuple[int, int]]) -> set[int]:
    edges = list(edges)
    found, waiting = {start}, [start]
    while waiting:
        number = waiting.pop()
        new = {other for source, other in edges if source == number} - found
        found |= new
        waiting += new
    return found


def is_in_cycle(number: int, other: int, edges: Iterable[tuple[int, int]]) -> bool:
    return number in reachable(other, edges)


def all_needs(things: Things) -> list[tuple[int, int]]:
    return [(number, other) for number, needed in enumerate(things.needs) for other in needed]


@given(cases())
async def test_everything_is_done_once_in_steps_of_one_unit(case: Case) -> None:
    things, firm = case
    steps = await in_steps(things, Firm(firm))
    assert sorted(number for step in steps for number in step) == list(range(len(things.units)))
    assert all(len({things.units[number] for number in step}) == 1 for step in steps)
    assert steps == await in_steps(things, Firm(firm))


@given(cases(acyclic=True))
async def test_where_there_is_no_cycle_all_needs_are_met(case: Case) -> None:
    things, firm = case
    steps = await in_steps(things, Firm(firm))
    if len(steps) <= ROUNDS * len(set(things.units)):
        assert cut_needs(steps, things) == []
    order = await one_by_one(range(len(things.units)), things, Firm(firm))
    assert cut_needs([[number] for number in order], things) == []


@given(cases())
async def test_only_needs_in_cycles_are_cut_and_firm_ones_only_in_firm_cycles(case: Case) -> None:
    things, firm = case
    needs = all_needs(things)
    steps = await in_steps(things, Firm(firm))
    order = await one_by_one(range(len(things.units)), things, Firm(firm))
    assert sorted(order) == list(range(len(things.units)))
    few = len(steps) <= ROUNDS * len(set(things.units))
    for cut in ([*cut_needs(steps, things)] if few else [], cut_needs([[number] for number in order], things)):
        for number, other in cut:
            assert is_in_cycle(number, other, needs)
            if (number, other) in firm:
                assert is_in_cycle(number, other, firm)


async def test_a_ring_through_five_units_takes_six_steps_with_the_links() -> None:
    size, kinds = 2000, 5
    things = Things([number % kinds for number in range(size)], [[(number + 1) % size] for number in range(size)])
    steps = await in_steps(things, Firm())
    assert [len(step) for step in steps] == [size // kinds] * kinds
    assert len(cut_needs(steps, things)) == size // kinds


async def test_a_ring_one_by_one_is_cut_once() -> None:
    size = 2000
    things = Things(["a"] * size, [[(number + 1) % size] for number in range(size)])
    order = await one_by_one(range(size), things, Firm())
    assert len(cut_needs([[number] for number in order], things)) == 1


async def test_a_long_chain_to_and_fro_between_units_takes_few_steps() -> None:
    size = 2000
    things = Things(
        [number % 2 for number in range(size)], [[number + 1] if number + 1 < size else [] for number in range(size)]
    )
    steps = await in_steps(things, Firm())
    assert len(steps) <= 2 * ROUNDS + 2
    assert len(cut_needs(steps, things)) <= size // 2


async def test_a_firm_chain_to_and_fro_is_never_cut() -> None:
    size = 60
    needs = [[number + 1] if number + 1 < size else [] for number in range(size)]
    things = Things([number % 2 for number in range(size)], needs)
    steps = await in_steps(things, Firm((number, number + 1) for number in range(size - 1)))
    assert cut_needs(steps, things) == []


@pytest.mark.parametrize("firm", [(0, 1), (1, 0)])
async def test_a_cycle_is_cut_where_it_is_not_firm(firm: tuple[int, int]) -> None:
    things = Things(["a", "b"], [[1], [0]])
    assert cut_needs(await in_steps(things, Firm([firm])), things) == [firm[::-1]]
    order = await one_by_one([0, 1], things, Firm([firm]))
    assert cut_needs([[number] for number in order], things) == [firm[::-1]]


async def test_a_firm_cycle_is_cut_all_the_same() -> None:
    things = Things(["a", "b"], [[1], [0]])
    assert len(await in_steps(things, Firm([(0, 1), (1, 0)]))) == 2


async def test_where_all_needs_are_firm_only_cycles_are_cut() -> None:
    size = 100
    needs = [[number + 1] if number + 1 < size else [size - 2] for number in range(size)]
    things = Things([number % 2 for number in range(size)], needs)
    cut = cut_needs(await in_steps(things, AllFirm()), things)
    assert cut in ([(size - 1, size - 2)], [(size - 2, size - 1)])
