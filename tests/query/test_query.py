"""Queries are built step by step, never change, and ask their source for exactly what they say."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, assert_type

import pytest

from atomodm.errors import DoesNotExist, InvalidQuery, MultipleObjectsReturned
from atomodm.manager.query import Query
from atomodm.query import Q
from atomodm.query.nodes import ALL, And, Compare, Not, Operator
from tests.query.people import PEOPLE, Document, PeopleSource, ids


@pytest.fixture
def source() -> PeopleSource:
    return PeopleSource()


@pytest.fixture
def people(source: PeopleSource) -> Query[Document]:
    return Query(source)


async def test_an_awaited_query_gives_a_list(people: Query[Document]) -> None:
    assert ids(await people) == [1, 2, 3, 4, 5]
    assert ids(await people.all()) == [1, 2, 3, 4, 5]
    assert ids(await people.filter(age=31).to_list()) == [1, 3]


async def test_type_checkers_know_the_objects_of_a_query(people: Query[Document]) -> None:
    assert_type(await people.filter(age=31).order_by("name")[:1], list[Document])
    assert_type(await people.first(), Document | None)
    assert_type(await people.get(name="Bob"), Document)
    assert_type([person async for person in people], list[Document])


async def test_a_query_is_iterated_chunk_by_chunk(people: Query[Document], source: PeopleSource) -> None:
    seen = []
    async for person in people:
        seen.append(person["_id"])
        assert source.given <= len(seen) + 1
    assert seen == [1, 2, 3, 4, 5]


async def test_filters_narrow_and_exclusions_leave_out(people: Query[Document]) -> None:
    assert ids(await people.filter(age=31).filter(tags="a")) == [1]
    assert ids(await people.filter(Q(age=25) | Q(name="Ann"), tags__exists=True)) == [1, 2]
    assert ids(await people.exclude(age=31)) == [2, 4, 5]
    assert ids(await people.exclude(age=31, tags="a")) == [2, 3, 4, 5]
    assert ids(await people.exclude(Q(age=31), Q(tags="a"))) == [2, 3, 4, 5]
    assert ids(await people.exclude()) == [1, 2, 3, 4, 5]
    assert ids(await people.filter()) == [1, 2, 3, 4, 5]


async def test_the_sources_own_condition_holds_always(source: PeopleSource) -> None:
    source.base_filter = Compare("tags", Operator.EQ, "b")
    people = Query(source)
    assert ids(await people) == [1, 3]
    assert await people.count() == 2
    assert ids(await people.filter(name="Cid")) == [3]
    assert not await people.filter(name="Bob").exists()


async def test_a_query_is_never_changed_by_what_is_built_from_it(people: Query[Document], source: PeopleSource) -> None:
    builds: list[Callable[[], Query[Document]]] = [
        lambda: people.filter(age=1),
        lambda: people.exclude(age=1),
        lambda: people.order_by("name"),
        lambda: people.reverse(),
        lambda: people[1:2],
        lambda: people.limit(1),
        lambda: people.skip(1),
        lambda: people.fetch(3),
    ]
    for build in builds:
        assert build() is not people
        assert ids(await people) == [1, 2, 3, 4, 5]
        assert source.finds[-1][0].filter is ALL
        assert source.finds[-1][1] == 1


async def test_two_loops_over_one_query_run_side_by_side(people: Query[Document]) -> None:
    pairs = [(one["_id"], other["_id"]) async for one in people[:2] async for other in people[3:]]
    assert pairs == [(1, 4), (1, 5), (2, 4), (2, 5)]
    first, second = await asyncio.gather(people.to_list(), people.to_list())
    assert first == second == PEOPLE


async def test_objects_are_ordered_by_members(people: Query[Document]) -> None:
    assert ids(await people.order_by("-name")) == [5, 4, 3, 2, 1]
    assert ids(await people.order_by("age", "-name")) == [5, 4, 2, 3, 1]
    assert ids(await people.order_by("-age")) == [1, 3, 2, 4, 5]
    assert ids(await people.order_by("home__city")) == [3, 2, 5, 1, 4]
    assert ids(await people.order_by("-name").order_by("age")) == [4, 5, 2, 1, 3]


async def test_the_sources_ordering_holds_where_a_query_says_none() -> None:
    people = Query(PeopleSource(ordering=["-age", "name"]))
    assert ids(await people) == [1, 3, 2, 4, 5]
    assert ids(await people.reverse()) == [5, 4, 2, 3, 1]
    assert ids(await people.order_by("-name")) == [5, 4, 3, 2, 1]
    assert ids(await people.order_by()) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("names", [[], ["age"], ["-age"], ["age", "-name"], ["_id"], ["-_id"]])
async def test_the_reverse_of_a_query_gives_its_objects_from_last_to_first(
    people: Query[Document], names: list[str]
) -> None:
    query = people.order_by(*names)
    expected = ids(await query)
    assert ids(await query.reverse()) == expected[::-1]
    assert ids(await query.reverse().reverse()) == expected


async def test_an_array_counts_by_its_other_end_in_the_reverse(people: Query[Document]) -> None:
    assert ids(await people.order_by("tags")) == [2, 1, 5, 3, 4]
    assert ids(await people.order_by("tags").reverse()) == [4, 3, 1, 5, 2]


async def test_slices_give_parts_and_parts_of_parts(people: Query[Document]) -> None:
    everything = ids(await people)
    bounds = [None, 0, 1, 2, 4, 5, 9]
    for start in bounds:
        for stop in bounds:
            part = people[start:stop]
            assert ids(await part) == everything[start:stop]
            assert ids([person async for person in part]) == everything[start:stop]
            assert await part.count() == len(everything[start:stop])
            assert await part.exists() == bool(everything[start:stop])
            assert ids(await part[1:3]) == everything[start:stop][1:3]
            assert ids(await part[1:]) == everything[start:stop][1:]
            assert await part[1:].count() == len(everything[start:stop][1:])
            assert ids(await part.skip(1).limit(2)) == everything[start:stop][1:][:2]
            assert ids(await part.limit(2).skip(1)) == everything[start:stop][:2][1:]
            first = await part.first()
            assert (first and first["_id"]) == next(iter(everything[start:stop]), None)


async def test_an_empty_slice_asks_the_store_nothing(people: Query[Document], source: PeopleSource) -> None:
    assert await people[3:3] == []
    assert await people[3:2].first() is None
    assert not source.finds


@pytest.mark.parametrize(
    "part",
    [
        slice(-1, None),
        slice(None, -1),
        slice(0, 4, 2),
        slice(None, None, -1),
        slice("a", None),
        slice(None, 1.5),
        slice(True, None),
    ],
)
def test_other_slices_are_refused(people: Query[Document], part: Any) -> None:
    with pytest.raises(InvalidQuery):
        people[part]


def test_an_index_is_refused_with_what_to_write_instead(people: Query[Document]) -> None:
    with pytest.raises(InvalidQuery, match=re.escape("query.skip(i).first()")):
        people[5]  # type: ignore[index]


@pytest.mark.parametrize("method", ["limit", "skip", "fetch"])
@pytest.mark.parametrize("count", [-1, 1.5, "1", True])
def test_counts_are_integers_that_are_not_negative(people: Query[Document], method: str, count: Any) -> None:
    with pytest.raises(InvalidQuery, match=method):
        getattr(people, method)(count)


@pytest.mark.parametrize("sliced", [slice(1, None), slice(None, 3), slice(None, 0)])
async def test_a_sliced_query_cannot_be_narrowed_or_reordered(people: Query[Document], sliced: slice) -> None:
    query = people[sliced]
    builds: list[Callable[[], Query[Document]]] = [
        lambda: query.filter(age=1),
        lambda: query.exclude(age=1),
        lambda: query.order_by("age"),
        lambda: query.reverse(),
    ]
    for build in builds:
        with pytest.raises(InvalidQuery, match="before slicing"):
            build()
    with pytest.raises(InvalidQuery):
        await query.update(age=1)
    with pytest.raises(InvalidQuery, match="last comes before slicing"):
        await query.last()
    with pytest.raises(InvalidQuery, match="filter comes before slicing"):
        await query.get(age=31)


async def test_get_gives_the_one_object(people: Query[Document], source: PeopleSource) -> None:
    assert (await people.get(name="Bob"))["_id"] == 2
    assert (await people.filter(name="Bob").get())["_id"] == 2
    assert (await people.get(Q(age=31), ~Q(name="Ann")))["_id"] == 3
    assert (await people[1:2].get())["_id"] == 2
    with pytest.raises(DoesNotExist, match="Person"):
        await people.get(name="nobody")
    with pytest.raises(MultipleObjectsReturned, match="Person"):
        await people.get()
    assert source.finds[-1][0].limit == 2


async def test_update_takes_operators_of_the_store_or_names_of_the_model(
    people: Query[Document], source: PeopleSource
) -> None:
    assert await people.filter(name="Bob").update(age__inc=1) == 1
    assert await people.update({"$inc": {"age": 1}}) == await people.count()
    assert source.updates == [(None, {"age__inc": 1}), ({"$inc": {"age": 1}}, {})]


async def test_what_needs_no_order_asks_for_none(source: PeopleSource) -> None:
    source.ordering = ["-age"]
    people = Query(source)
    await people.order_by("name").get(name="Bob")
    await people.exists()
    assert [find.sort for find, _ in source.finds] == [(), ()]
    assert (await people[:1].get())["_id"] == 1, "a part depends on the order"
    assert await people[4:].exists()
    assert [find.sort for find, _ in source.finds[2:]] == [(("age", -1),), (("age", -1),)]


async def test_first_and_last_follow_the_order(people: Query[Document], source: PeopleSource) -> None:
    first, last = await people.order_by("-name").first(), await people.order_by("-name").last()
    assert first is PEOPLE[4]
    assert last is PEOPLE[0]
    assert await people.last() is PEOPLE[4]
    assert {find.limit for find, _ in source.finds} == {1}
    assert await people.filter(name="nobody").first() is None
    assert await people.filter(name="nobody").last() is None


async def test_count_and_exists(people: Query[Document], source: PeopleSource) -> None:
    assert await people.count() == 5
    assert await people.filter(age=31).count() == 2
    assert await people.filter(age=31)[1:9].count() == 1
    assert await people.skip(9).count() == 0
    assert await people.filter(age=31).exists()
    assert not await people.filter(age=99).exists()
    assert source.finds[-1][0].limit == 1
    assert source.finds[-1][1] == 0, "references are not loaded to know whether there is an object"


async def test_references_are_fetched_as_deep_as_asked(people: Query[Document], source: PeopleSource) -> None:
    await people
    await people.fetch(4).filter(age=1)
    await people.fetch(None).order_by("age")
    assert [fetch for _, fetch in source.finds] == [1, 4, None]


async def test_explain_runs_the_same_find(people: Query[Document]) -> None:
    explanation = await people.filter(age=31)[1:].explain()
    assert (explanation.scanned, explanation.returned) == (5, 1)


async def test_a_find_carries_all_that_the_query_says(people: Query[Document], source: PeopleSource) -> None:
    await people.filter(age__gte=1).exclude(name="x").order_by("-age", "name", "age")[2:7]
    find, _ = source.finds[-1]
    assert find.filter == And((Compare("age", Operator.GTE, 1), Not(Compare("n", Operator.EQ, "x"))))
    assert find.sort == (("age", -1), ("n", 1))
    assert (find.skip, find.limit) == (2, 5)


async def test_leaving_a_loop_early_releases_the_cursor(people: Query[Document], source: PeopleSource) -> None:
    async with aclosing(people.__aiter__()) as loop:
        async for _ in loop:
            break
        assert source.open_cursors == 1
    assert source.open_cursors == 0


async def test_an_abandoned_loop_releases_the_cursor_too(people: Query[Document], source: PeopleSource) -> None:
    async for _ in people:
        break
    gc.collect()
    await asyncio.sleep(0.01)
    assert source.open_cursors == 0


async def test_an_error_inside_a_loop_releases_the_cursor(people: Query[Document], source: PeopleSource) -> None:
    async def fail() -> None:
        async with aclosing(people.__aiter__()) as loop:
            async for _ in loop:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert source.open_cursors == 0


async def test_a_cancelled_query_releases_the_cursor(people: Query[Document], source: PeopleSource) -> None:
    task = asyncio.create_task(people.to_list())
    await asyncio.sleep(0)
    assert source.open_cursors == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.open_cursors == 0


def test_wrong_names_and_operands_are_refused_where_they_are_written(people: Query[Document]) -> None:
    with pytest.raises(InvalidQuery, match="did you mean name"):
        people.filter(nmae="x")
    with pytest.raises(InvalidQuery, match=re.escape("(model Person, field age)")):
        people.exclude(age__in=3)
    with pytest.raises(InvalidQuery, match="did you mean age"):
        people.order_by("-agee")
    with pytest.raises(InvalidQuery, match="'gt' is none"):
        people.order_by("age__gt")
    with pytest.raises(InvalidQuery, match="not int"):
        people.order_by(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidQuery, match="empty"):
        people.order_by("-")
    with pytest.raises(InvalidQuery, match="not dict"):
        people.filter({"age": 3})  # type: ignore[arg-type]


def test_a_query_is_not_iterable_without_async(people: Query[Document]) -> None:
    with pytest.raises(TypeError):
        list(people)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        assert PEOPLE[0] in people  # type: ignore[misc]


def test_a_query_shows_its_model_and_no_values(people: Query[Document]) -> None:
    assert repr(people.filter(name="secret")) == "<Query of Person>"
