"""The ids that several scans have in common."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from atomodm import Store
from atomodm.contract import Find, IndexSpec
from atomodm.engine.driver import Place
from atomodm.engine.finding import reading
from atomodm.engine.finding.meeting import Meeting
from atomodm.engine.indexing.catalogue import Index
from atomodm.engine.planning import planner
from atomodm.engine.planning.plan import Scan
from atomodm.query.filters import parse_filter
from atomodm.query.keys import encode_key
from atomodm.query.ranges import point
from atomodm.store import create_store
from atomodm.testing.contract.stores import ids, insert_all

KEY = encode_key("x")
numbers = st.lists(st.integers(-70_000, 70_000) | st.integers(0, 30), max_size=40).map(set)


def scan_of(number: int) -> Scan:
    """A scan of one key of an index."""
    index = Index(number, IndexSpec(name=f"i{number}", fields=[("a", 1)]), complete=True)
    return Scan(index, [point(KEY)], points=1, constant=frozenset([0]), bounded=1)


@given(sets=st.lists(numbers, min_size=2, max_size=3), page_size=st.integers(1, 6), ahead=st.booleans())
@settings(max_examples=300)
async def test_a_meeting_gives_the_ids_that_all_scans_have_in_their_order(
    sets: list[set[int]], page_size: int, ahead: bool
) -> None:
    scans = [scan_of(number) for number in range(len(sets))]
    stored = [sorted(map(encode_key, found)) for found in sets]

    async def read(scan: Scan, after: Place | None) -> list[Place]:
        assert scan.index is not None
        left = [id for id in stored[scan.index.number] if after is None or (KEY, id) > after]
        return [(KEY, id) for id in left[:page_size]]

    meeting = Meeting(scans, read, page_size, ahead=ahead)
    found: list[bytes] = []
    while not meeting.ended:
        found += await meeting.next()
    await meeting.close()
    assert found == sorted(map(encode_key, set.intersection(*sets)))


@given(
    values=st.lists(st.tuples(*[st.sampled_from([0, 1, [0, 1]])] * 2), max_size=60),
    page_size=st.integers(1, 5),
    batch_size=st.integers(1, 5),
)
@settings(max_examples=60)
async def test_a_find_that_compares_entries_gives_what_a_scan_gives(
    values: list[tuple[Any, Any]], page_size: int, batch_size: int
) -> None:
    store = create_store("memory://")
    await store.open()
    await insert_all(store, "c", [{"_id": number, "a": a, "b": b} for number, (a, b) in enumerate(values)])
    await store.ensure_indexes("c", [IndexSpec(name=name, fields=[(name, 1)]) for name in "ab"])
    filter = parse_filter({"a": 1, "b": 1})
    with (
        mock.patch.object(planner, "INTERSECTED", 0),
        mock.patch.object(planner, "INTERSECTED_RATIO", 100),
        mock.patch.object(reading, "LARGEST_PAGE", page_size),
    ):
        explanation = await store.explain("c", Find(filter=filter))
        found = await ids(store, "c", filter, batch_size=batch_size)
    if all(any(document[place] != 0 for document in values) for place in (0, 1)):
        assert explanation.access == "intersection"
    assert found == [number for number, (a, b) in enumerate(values) if a in (1, [0, 1]) and b in (1, [0, 1])]
    await store.close()


@pytest.mark.parametrize(
    "kind", [int, float, str, lambda number: ObjectId(f"{number:024x}"), lambda number: b"%d" % number]
)
async def test_a_find_that_compares_entries_finds_ids_of_every_kind(store: Store, kind: Any) -> None:
    # What comes in an index before what the other one has takes several pages, so that some of them are passed over.
    made = {id: {"_id": id, "a": int(number > 200), "b": number % 2} for number in range(300) for id in [kind(number)]}
    await insert_all(store, "c", made.values())
    await store.ensure_indexes("c", [IndexSpec(name=name, fields=[(name, 1)]) for name in "ab"])
    filter = parse_filter({"a": 1, "b": 1})
    with (
        mock.patch.object(planner, "INTERSECTED", 0),
        mock.patch.object(planner, "INTERSECTED_RATIO", 100),
        mock.patch.object(reading, "LARGEST_PAGE", 4),
    ):
        explanation = await store.explain("c", Find(filter=filter))
        found = await ids(store, "c", filter)
    assert explanation.access == "intersection"
    assert set(found) == {id for id, document in made.items() if document["a"] and document["b"]}
