"""Parts of the engine on their own: catalogue, records, entries, sorting, queues, giving way."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from atomodm.breathing import SLICE, Breather
from atomodm.contract import ChangeKind, IndexSpec
from atomodm.encoding import decode, encode
from atomodm.engine import CollectionChanges, CollectionState, LoggedCommit
from atomodm.engine.catalogue import FORMAT, Catalogue, Index
from atomodm.engine.document_queue import DocumentQueue
from atomodm.engine.entries import add_entries, affected, document_keys
from atomodm.engine.record import Effect, change_entries, decode_record, encode_record, log_size, outcome
from atomodm.engine.sorting import KEPT_BYTES, RUN, Sorter
from atomodm.errors import SchemaTooNew
from atomodm.query.keys import encode_key


def index(path: str, **options: bool) -> Index:
    complete = options.pop("complete", True)
    return Index(1, IndexSpec(name=path, fields=((path, 1),), **options), complete=complete)


# -- catalogue ---------------------------------------------------------------------------------------------------------


def test_a_catalogue_is_stored_and_read() -> None:
    catalogue = Catalogue("c", 7).with_new(IndexSpec(name="a_1", fields=(("a", 1),), unique=True))
    catalogue = catalogue.with_new(IndexSpec(name="b_-1", fields=(("b", -1),), sparse=True))
    catalogue = catalogue.with_index(Index(1, catalogue.indexes[0].spec, complete=True, multikey=True))
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
    # One that is being built may lack what did not change.
    assert affected([index(path, complete=False)], [changed])


def test_only_what_differs_is_written() -> None:
    changes = CollectionChanges(0)
    indexes = [index("a")]
    old, new = (document_keys(indexes, {"a": tags}) for tags in (["x", "y"], ["y", "z"]))
    assert add_entries(changes, indexes, b"id", old, new) == indexes
    assert (changes.removed, changes.added) == ([(1, encode_key("x"), b"id")], [(1, encode_key("z"), b"id")])
    assert (changes.released, changes.claimed) == ([], [])


def test_everything_is_written_to_an_index_that_is_being_built() -> None:
    changes = CollectionChanges(0)
    indexes = [index("a", complete=False, unique=True)]
    keys = document_keys(indexes, {"a": "x"})
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
    entries = change_entries(LoggedCommit(10, 3, b"op", b"me", record), since=10)
    assert [(entry.position, entry.kind, entry.id, entry.size) for entry in entries] == [
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
