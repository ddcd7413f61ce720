"""Parts of the engine on their own: catalogue, records, entries, sorting, queues, giving way."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from atomodm.breathing import SLICE, Breather
from atomodm.contract import ChangeKind, IndexSpec
from atomodm.encoding import decode, encode
from atomodm.engine import CollectionChanges, CollectionState, IndexRef, LoggedCommit
from atomodm.engine.finding.sorting import KEPT_BYTES, RUN, Sorter
from atomodm.engine.indexing.catalogue import FORMAT, Catalogue, Index
from atomodm.engine.indexing.entries import add_entries, affected, document_entries
from atomodm.engine.record import Effect, change_entries, decode_record, encode_record, log_size, outcome
from atomodm.engine.writing.document_queue import DocumentQueue
from atomodm.errors import InvalidIndexKey, SchemaTooNew
from atomodm.query.evaluator import compile_filter
from atomodm.query.keys import NULL_KEY, descending, encode_key
from atomodm.query.nodes import ALL


def index(path: str, **options: Any) -> Index:
    complete = options.pop("complete", True)
    return Index(1, IndexSpec(name=path, fields=((path, 1),), **options), complete=complete)


# -- catalogue ---------------------------------------------------------------------------------------------------------


def test_a_catalogue_is_stored_and_read() -> None:
    catalogue = Catalogue("c", 7).with_new(IndexSpec(name="a_1", fields=(("a", 1),), unique=True))
    catalogue = catalogue.with_new(IndexSpec(name="b_-1", fields=(("b", -1),), sparse=True))
    catalogue = catalogue.with_index(Index(1, catalogue.indexes[0].spec, complete=True, multikey=frozenset({0})))
    assert Catalogue.of(CollectionState("c", 7, catalogue.encode(), 5)) == catalogue
    assert Catalogue.of(CollectionState("c")) == Catalogue("c")


def test_a_number_is_never_given_to_another_index() -> None:
    catalogue = Catalogue("c").with_new(IndexSpec(name="a", fields=(("a", 1),)))
    catalogue = catalogue.without(1).with_new(IndexSpec(name="b", fields=(("b", 1),)))
    assert [found.number for found in catalogue] == [2]
    assert catalogue.named("a") is None
    assert catalogue.named("b") == catalogue.numbered(2)


def test_a_catalogue_of_a_newer_version_is_refused() -> None:
    stored = decode(Catalogue("c").encode()) | {"format": FORMAT + 1}
    with pytest.raises(SchemaTooNew):
        Catalogue.of(CollectionState("c", 7, encode(stored), 0))


def test_a_catalogue_keeps_all_that_an_index_was_declared_with() -> None:
    spec = IndexSpec(name="x", fields=(("a", 1), ("b.c", -1)), sparse=True, partial=None, expire_after=None)
    partial = IndexSpec(name="y", fields=(("a", -1),), partial={"a": {"$gt": 1}, "b": None}, expire_after=9)
    catalogue = Catalogue("c", 7).with_new(spec).with_new(partial).with_new(spec).without(3)
    catalogue = catalogue.with_index(catalogue.indexes[0].with_multikey({1}).with_multikey({0}))
    found = Catalogue.of(CollectionState("c", 7, catalogue.encode(), 5))
    assert found == catalogue
    assert found.indexes[0].multikey == {0, 1}
    assert found.indexes[1].reads == {"a", "b"}
    assert found.cleared == (IndexRef(3, False),)


def test_a_catalogue_of_the_first_format_is_read() -> None:
    def index_of(
        number: int, direction: int, multikey: bool, *, path: str = "a", sparse: bool = False
    ) -> dict[str, Any]:
        flags = {"unique": True, "sparse": sparse, "complete": True, "multikey": multikey}
        return {"number": number, "name": str(number), "fields": [[path, direction]], **flags}

    stored = {
        "format": 1,
        "next_number": 6,
        "indexes": [
            index_of(1, 1, True),
            index_of(2, 1, False),
            index_of(3, -1, False),
            index_of(4, 1, False, sparse=True),
            index_of(5, 1, True, path="a.b", sparse=True),
        ],
    }
    catalogue = Catalogue.of(CollectionState("c", 7, encode(stored), 5))
    assert [(found.number, found.multikey) for found in catalogue] == [
        (1, frozenset({0})),
        (2, frozenset()),
        (4, frozenset()),
    ]
    # The keys of a descending index were ascending then, and a sparse one had keys of what an array lacks.
    assert catalogue.cleared == (IndexRef(3, True), IndexRef(5, True))
    assert catalogue.next_number == 6


def test_documents_are_alive_until_their_time_by_any_index_is_over() -> None:
    def expiring(path: str, seconds: int, **options: Any) -> IndexSpec:
        return IndexSpec(name=path, fields=((path, 1),), expire_after=seconds, **options)

    catalogue = Catalogue("c").with_new(expiring("a", 10)).with_new(expiring("b", 0, partial={"x": 1}))
    assert catalogue.alive(0) == ALL
    for found in catalogue:
        catalogue = catalogue.with_index(replace(found, complete=True))
    is_alive = compile_filter(catalogue.alive(1_000_000))
    at = datetime(1970, 1, 1) + timedelta(seconds=990)
    late = at + timedelta(milliseconds=1)
    assert [is_alive({"a": value}) for value in (at, late, [late, at], None, "x")] == [False, True, False, True, True]
    assert [is_alive({"b": at, "x": x}) for x in (1, 2)] == [False, True]
    assert is_alive({})


def test_an_index_over_several_paths_has_joined_keys() -> None:
    spec = IndexSpec(name="x", fields=(("a", 1), ("b", -1)))
    two = Index(1, spec)
    joined = encode_key("x") + descending(encode_key(5))
    assert two.entries({"a": "x", "b": 5}) == ([joined], frozenset())
    assert two.keys({"a": "x"}) == [encode_key("x") + descending(NULL_KEY)]
    assert two.entries({"a": ["x", "y", "x"], "b": 5})[1] == {0}
    with pytest.raises(InvalidIndexKey):
        two.entries({"a": [1], "b": [5]})
    keys, several = two.entries({"a": "x", "b": [1, 2, None]})
    assert keys == [encode_key("x") + descending(encode_key(value)) for value in (2, 1, None)]
    assert several == {1}
    sparse = Index(1, replace(spec, sparse=True))
    assert sparse.keys({}) == []
    assert sparse.keys({"a": None}) == two.keys({})
    partial = Index(1, replace(spec, partial={"c": 1}))
    assert partial.keys({"a": "x", "b": 5, "c": 1}) == [joined]
    assert partial.keys({"a": "x", "b": 5}) == []


def test_a_sparse_index_has_what_an_array_has_of_a_path() -> None:
    document = {"s": [{"x": 1}, {"y": 2}, {}]}
    assert index("s.x", sparse=True).keys(document) == [encode_key(1)]
    assert index("s.x").keys(document) == [NULL_KEY, encode_key(1)]
    several = Index(1, IndexSpec(name="x", fields=(("s.x", 1), ("s.y", 1)), sparse=True))
    assert several.keys(document) == [NULL_KEY + encode_key(2), encode_key(1) + NULL_KEY]


# -- entries -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "changed", "expected"),
    [
        ("a", "a", True),
        ("a", "a.b", True),
        ("a.b", "a", True),
        ("a.b", "a.c", False),
        ("a", "ab", False),
        ("a.b", "a.0.b", True),
        ("a.0.b", "a.b", True),
        ("a.0", "a.1", True),
        ("a.b", "a.0", True),
        ("a.b", "b.0", False),
    ],
)
def test_an_index_is_affected_by_changes_that_may_reach_its_path(path: str, changed: str, expected: bool) -> None:
    assert bool(affected([index(path)], ["x", changed])) is expected
    filtered = Index(1, IndexSpec(name="x", fields=(("y", 1), ("z", 1)), partial={path: 1}), complete=True)
    assert bool(affected([filtered], ["x", changed])) is expected
    # One that is being built may lack what did not change.
    assert affected([index(path, complete=False)], [changed])


def test_only_what_differs_is_written() -> None:
    changes = CollectionChanges(0)
    indexes = [index("a")]
    old, new = (document_entries(indexes, {"a": tags}) for tags in (["x", "y"], ["y", "z"]))
    assert add_entries(changes, indexes, b"id", old, new) == {1: {0}}
    assert (changes.removed, changes.added) == ([(1, encode_key("x"), b"id")], [(1, encode_key("z"), b"id")])
    assert (changes.released, changes.claimed) == ([], [])


def test_everything_is_written_to_an_index_that_is_being_built() -> None:
    changes = CollectionChanges(0)
    indexes = [index("a", complete=False, unique=True)]
    keys = document_entries(indexes, {"a": "x"})
    add_entries(changes, indexes, b"id", keys, keys)
    assert changes.claimed == [(1, encode_key("x"), b"id")]
    assert changes.released == []


@pytest.mark.parametrize(
    ("document", "plain", "sparse"),
    [({}, [None], []), ({"a": None}, [None], [None]), ({"a": 1}, [1], [1]), ({"a": [1, 2, 1]}, [1, 2], [1, 2])],
)
def test_a_sparse_index_skips_what_is_missing(document: dict[str, Any], plain: list[Any], sparse: list[Any]) -> None:
    assert index("a").keys(document) == list(map(encode_key, plain))
    assert index("a", sparse=True).keys(document) == list(map(encode_key, sparse))
    assert index("x.a").keys({"x": document}) == list(map(encode_key, plain))
    assert index("x.a", sparse=True).keys({"x": document}) == list(map(encode_key, sparse))


# -- records -----------------------------------------------------------------------------------------------------------


def test_a_record_says_what_each_operation_did() -> None:
    id = ObjectId()
    effects = [Effect.INSERTED, Effect.NOTHING, Effect.DELETED, Effect.REPLACED]
    record = encode_record(effects, ["a", "b", "a", "b"], [1, "x", id, {"k": 1}])
    assert [tuple(operation) for operation in decode_record(record)] == [
        (Effect.INSERTED, "a", 1),
        (Effect.NOTHING, "b", "x"),
        (Effect.DELETED, "a", id),
        (Effect.REPLACED, "b", {"k": 1}),
    ]
    assert log_size(effects) == 3
    assert log_size([Effect.NOTHING]) == 1
    result = outcome(effects, 10)
    assert (list(result.revisions), list(result.existed)) == ([10, 0, 0, 12], [False, False, True, True])
    entries = change_entries(LoggedCommit(10, 3, b"op", b"me", record))
    assert [(entry.position, entry.kind, entry.id, entry.size) for entry in entries] == [
        (10, ChangeKind.PUT, 1, 3),
        (11, ChangeKind.DELETE, id, 3),
        (12, ChangeKind.PUT, {"k": 1}, 3),
    ]


def test_a_record_of_many_documents_is_small() -> None:
    many = 10_000
    record = encode_record([Effect.INSERTED] * many, ["c"] * many, [ObjectId() for _ in range(many)])
    assert len(record) < 25 * many


# -- sorting -----------------------------------------------------------------------------------------------------------


@given(
    numbers=st.lists(st.integers(0, 1 << 20), unique=True, max_size=60),
    wanted=st.none() | st.integers(0, 10),
)
def test_a_sorter_gives_the_first_in_order(numbers: list[int], wanted: int | None) -> None:
    sorter = Sorter(wanted)
    for number in numbers:
        sorter.add(number.to_bytes(4, "big"), b"id", number, b"document")
    assert [revision for _, _, revision, _ in sorter.sorted()] == sorted(numbers)[:wanted]


@pytest.mark.parametrize("wanted", [None, 10, RUN, RUN + 1, 100_000])
def test_a_sorter_merges_what_it_sorted_in_parts(wanted: int | None) -> None:
    numbers = random.Random(3).sample(range(1 << 20), 3 * RUN + 17)
    sorter = Sorter(wanted)
    for number in numbers:
        sorter.add(number.to_bytes(4, "big"), b"id", number, b"document")
    assert [revision for _, _, revision, _ in sorter.sorted()] == sorted(numbers)[:wanted]


def test_a_sorter_keeps_documents_only_as_long_as_there_is_room() -> None:
    sorter = Sorter(None)
    document = bytes(1 << 20)
    for number in range(40):
        sorter.add(bytes([number]), b"id", number, document)
    kept = [found for *_, found in sorter.sorted() if found is not None]
    assert len(kept) == KEPT_BYTES >> 20


# -- order and turns ---------------------------------------------------------------------------------------------------


async def test_holders_of_a_document_go_one_after_the_other_and_leave_nothing_behind() -> None:
    queue = DocumentQueue()
    inside: list[str] = []
    most = 0

    async def work(documents: list[tuple[str, bytes]]) -> None:
        nonlocal most
        async with queue.hold(documents):
            inside.append("x")
            most = max(most, len(inside))
            await asyncio.sleep(0.001)
            inside.pop()

    one, other = ("c", b"1"), ("c", b"2")
    await asyncio.gather(work([one, other]), work([other, one]), work([one]), work([one, one]))
    assert most == 1
    most = 0
    await asyncio.gather(work([one]), work([other]))
    assert most == 2
    waiting = asyncio.create_task(work([one]))
    async with queue.hold([one]):
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert len(queue._locks) == len(queue._users) == 0


async def test_long_work_lets_others_have_their_turn() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    breather = Breather()
    until = time.monotonic() + 10 * SLICE
    while time.monotonic() < until:
        await breather.breathe()
    counting.cancel()
    assert 1 <= turns <= 30
