"""Ranges of keys: united, intersected, turned round."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atomodm.query.bounds import index_ranges
from atomodm.query.keys import HIGHEST, LOWEST, descending, encode_key
from atomodm.query.nodes import Compare, Operator, Text, TextKind
from atomodm.query.ranges import (
    EVERYTHING,
    Range,
    contains,
    covers,
    intersect,
    is_point,
    point,
    successor,
    turned,
    unite,
)
from tests.query.strategies import values

sorted_ranges = st.lists(st.binary(max_size=2), max_size=8, unique=True).map(
    lambda found: list(zip(sorted(found)[::2], sorted(found)[1::2], strict=False))
)
conditions = st.one_of(
    st.builds(Compare, st.just("a"), st.sampled_from(Operator), values),
    st.builds(Text, st.just("a"), st.just(TextKind.STARTSWITH), st.sampled_from(["", "a", "ä", "\0", "\1b"])),
)


def test_a_point_is_one_key_and_everything_is_none() -> None:
    assert is_point(point(encode_key("x")))
    assert not is_point(EVERYTHING)
    assert not is_point((encode_key(1), encode_key(2)))


def test_the_strings_that_begin_alike_are_no_point() -> None:
    (prefix,) = index_ranges(Text("a", TextKind.STARTSWITH, "x")) or ()
    assert not is_point(prefix)


@given(one=sorted_ranges, other=sorted_ranges, key=st.binary(max_size=3))
def test_an_intersection_has_the_keys_that_both_have(one: list[Range], other: list[Range], key: bytes) -> None:
    both = intersect(one, other)
    assert contains(both, key) == (contains(one, key) and contains(other, key))
    assert list(both) == sorted(both)


@given(one=sorted_ranges, other=sorted_ranges, key=st.binary(max_size=3))
def test_a_union_has_the_keys_that_one_of_them_has(one: list[Range], other: list[Range], key: bytes) -> None:
    either = unite([*one, *other])
    assert contains(either, key) == (contains(one, key) or contains(other, key))
    edges = [edge for bounds in either for edge in bounds]
    assert edges == sorted(edges)
    assert covers(either, one)
    assert covers(either, other)


@given(one=sorted_ranges, other=sorted_ranges, key=st.binary(max_size=3))
def test_ranges_that_cover_others_have_all_their_keys(one: list[Range], other: list[Range], key: bytes) -> None:
    if covers(one, other) and contains(other, key):
        assert contains(one, key)


@given(beginning=st.binary(min_size=1, max_size=4), other=st.binary(max_size=5))
def test_a_successor_comes_after_all_that_begins_alike_and_before_the_rest(beginning: bytes, other: bytes) -> None:
    if not beginning.strip(b"\xff"):
        return
    end = successor(beginning)
    assert (beginning <= other < end) == other.startswith(beginning)


@given(condition=conditions, value=values)
def test_turned_ranges_hold_the_turned_keys_of_the_same_values(condition: Any, value: Any) -> None:
    ranges = index_ranges(condition)
    if ranges is None:
        return
    key = encode_key(value)
    falling = turned(ranges)
    assert contains(falling, descending(key)) == contains(ranges, key)
    assert [is_point(bounds) for bounds in falling] == [is_point(bounds) for bounds in reversed(ranges)]
    edges = [edge for bounds in falling for edge in bounds]
    assert edges == sorted(edges)
    # The same holds for keys that others are joined to.
    assert contains(falling, descending(key) + encode_key(value)) == contains(ranges, key + encode_key(value))


def test_everything_turned_is_everything_that_has_a_key() -> None:
    ((low, high),) = turned([EVERYTHING])
    assert low <= descending(b"\xfe")
    assert high == HIGHEST
    assert low > LOWEST
