"""Any query with indexes gives what it gives without, and what the evaluator says."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

import pytest
from bson import Decimal128
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ...contract import Batch, Delete, IndexSpec, Patch, Replace, Store
from ...encoding import encode
from ...errors import IndexConflict, InvalidIndexKey, InvalidQuery
from ...query.changes import Changes
from ...query.evaluator import compile_filter
from ...query.nodes import (
    ALL,
    ELEMENT,
    AllOf,
    And,
    Compare,
    ElementMatch,
    Exists,
    In,
    Node,
    Operator,
    Or,
    Regex,
    Size,
    Text,
    TextKind,
    TypeIs,
    conjunction,
    disjunction,
    negation,
    paths_of,
)
from ...query.sorting import sort_key
from .stores import Stores, find_all, ids, insert_all

#: Each example empties the store itself; and it is meant that one test runs in the classes of several stores.
SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow]

PATHS = ["a", "b", "a.b", "a.c", "a.0", "a.b.c", "b.c", "c"]
INDEXES = [
    IndexSpec(name="a", fields=[("a", 1)]),
    IndexSpec(name="b", fields=[("b", -1)]),
    IndexSpec(name="a.b", fields=[("a.b", 1)], sparse=True),
    IndexSpec(name="a.0", fields=[("a.0", 1)]),
    IndexSpec(name="a.b.c", fields=[("a.b.c", 1)]),
]

scalars = st.sampled_from(
    [None, 0, 1, 2, 2.5, -1, float("nan"), Decimal128("2"), "", "x", "xy", "y", True, False, b"x", datetime(2026, 1, 1)]
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc0"), inner, max_size=2),
    max_leaves=5,
)
#: Few values, so that conditions on several paths meet; and arrays of documents.
few = st.sampled_from([None, 0, 1, 2, "x"])
elements = st.lists(st.dictionaries(st.sampled_from("bc"), few | st.lists(few, max_size=2), max_size=2), max_size=3)
fields = st.dictionaries(st.sampled_from("abc"), few | values | elements, max_size=3)
#: No two of them have the same ``u``, so that indexes over it may be unique.
documents = st.lists(fields, min_size=1, max_size=12).map(
    lambda found: [{"_id": number, **document, "u": number * 7 % 13} for number, document in enumerate(found)]
)
paths = st.sampled_from(PATHS)
operands = few | values
conditions: st.SearchStrategy[Node] = st.one_of(
    st.builds(Compare, paths, st.sampled_from(Operator), operands),
    st.builds(Compare, paths, st.just(Operator.EQ), few),
    st.builds(In, paths, st.lists(operands, max_size=3).map(tuple)),
    st.builds(Exists, paths, st.booleans()),
    st.builds(Text, paths, st.sampled_from(TextKind), st.sampled_from(["", "x", "xy"]), st.booleans()),
    st.builds(Regex, paths, st.sampled_from(["^x", "^xy?", "^x|y", "y$"]), st.sampled_from(["", "i"])),
    st.builds(TypeIs, paths, st.sampled_from([("number",), ("string", "null"), ("array",), ("object", "bool")])),
)
of_an_element = st.one_of(
    st.lists(st.builds(Compare, st.sampled_from("bc"), st.sampled_from(Operator), few), min_size=1, max_size=3),
    st.lists(st.builds(Compare, st.just(ELEMENT), st.sampled_from(Operator), operands), min_size=1, max_size=2),
    st.lists(st.builds(In, st.just("b"), st.lists(few, max_size=2).map(tuple)), min_size=1, max_size=1),
).map(conjunction)
leaves: st.SearchStrategy[Node] = st.one_of(
    conditions,
    st.builds(Compare, st.just("_id"), st.sampled_from(Operator), st.integers(0, 12)),
    st.builds(In, st.just("_id"), st.lists(st.integers(0, 12), max_size=4).map(tuple)),
    st.builds(AllOf, paths, st.lists(values, max_size=2).map(tuple)),
    st.builds(Size, paths, st.integers(0, 2)),
    st.builds(ElementMatch, st.sampled_from(["a", "b", "a.b", "a.0"]), of_an_element),
)
anything: st.SearchStrategy[Node] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(conjunction),
        st.lists(inner, min_size=2, max_size=3).map(disjunction),
        inner.map(negation),
    ),
    max_leaves=5,
)
#: What indexes serve: conditions side by side, and alternatives of them.
usual_leaves = st.one_of(
    st.builds(Compare, paths, st.just(Operator.EQ), few),
    st.builds(Compare, paths, st.sampled_from(Operator), few),
    st.builds(In, paths, st.lists(few, min_size=1, max_size=3).map(tuple)),
    st.builds(ElementMatch, st.sampled_from(["a", "b"]), of_an_element),
    conditions,
)
side_by_side = st.lists(usual_leaves, min_size=1, max_size=3).map(conjunction)
alternatives = st.lists(side_by_side, min_size=2, max_size=3).map(disjunction)
filters: st.SearchStrategy[Node] = st.one_of(
    side_by_side, alternatives, st.tuples(usual_leaves, alternatives).map(conjunction), anything
)
ways = st.sampled_from([1, -1])
sorts = st.lists(st.tuples(st.sampled_from([*PATHS, "u", "_id"]), ways), max_size=3, unique_by=lambda item: item[0])
index_fields = st.lists(
    st.tuples(st.sampled_from([*PATHS, "u", "_id"]), ways), min_size=1, max_size=3, unique_by=lambda item: item[0]
)
#: Filters of partial indexes.
partial_filters = st.sampled_from(
    [
        {"a": {"$exists": True}},
        {"a": {"$gt": 0}},
        {"a": {"$in": [1, "x"]}, "b": {"$lte": 2}},
        {"$or": [{"b": 1}, {"c": {"$gte": 1}}]},
        {"b": None},
    ]
)
no_options: st.SearchStrategy[dict[str, Any]] = st.just({})
index_options = st.one_of(
    no_options, no_options, no_options, st.just({"sparse": True}), st.fixed_dictionaries({"partial": partial_filters})
)


def spec_of(name: str, fields: Sequence[tuple[str, int]], options: dict[str, Any]) -> IndexSpec:
    """An index, unique where it can be."""
    return IndexSpec(name=name, fields=fields, unique=any(path == "u" for path, _ in fields), **options)


index_specs = st.lists(st.tuples(index_fields, index_options), max_size=3).map(
    lambda found: [
        spec_of(f"index{number}", fields, options)
        for number, (fields, options) in enumerate(found)
        if fields != [("_id", 1)]
    ]
)


def usual(filter: Node, sort: list[tuple[str, int]]) -> st.SearchStrategy[list[IndexSpec]]:
    """Indexes that serve a filter and an order: one for each path of the filter, which has some of the others too."""
    asked = list(dict.fromkeys(indexable_paths(filter)))[:4]
    further = [path for path, _ in sort] + asked + ["u"]

    def made(path: str) -> st.SearchStrategy[IndexSpec]:
        rest = st.lists(st.sampled_from(further), max_size=2, unique=True) | st.just([name for name, _ in sort])
        names = rest.map(lambda found: list(dict.fromkeys([path, *found])))
        return st.tuples(names, st.lists(ways, min_size=5, max_size=5), index_options).map(
            lambda parts: spec_of(f"usual_{path}", list(zip(parts[0], parts[1], strict=False)), parts[2])
        )

    return st.tuples(*map(made, asked)).map(lambda found: [spec for spec in found if list(spec.fields) != [("_id", 1)]])


def indexable_paths(filter: Node) -> Iterator[str]:
    """The paths that a filter has conditions on, those of elements included."""
    match filter:
        case And(children) | Or(children):
            for child in children:
                yield from indexable_paths(child)
        case ElementMatch(path, inner):
            for name in paths_of(inner):
                yield path if name == ELEMENT else f"{path}.{name}"
        case _:
            yield from paths_of(filter)


Order = list[tuple[str, int]]


class Part(NamedTuple):
    """Which part of an answer is asked for, and in what chunks."""

    skip: int
    limit: int | None
    batch_size: int


def filter_documents(documents: list[dict[str, Any]], filter: Node) -> list[dict[str, Any]]:
    """Those that match, by the evaluator."""
    matches = compile_filter(filter)
    return [document for document in documents if matches(document)]


async def check_answers(
    store: Store, name: str, documents: list[dict[str, Any]], filter: Node, sort: Order, part: Part
) -> None:
    """Compare what a collection answers with what the evaluator says of its documents."""
    matching = filter_documents(documents, filter)
    try:
        matching = sorted(matching, key=sort_key(sort))
    except InvalidQuery:
        # Some have two arrays side by side, of which an order may come to know or not.
        sort = []
    expected = [document["_id"] for document in matching]
    end = None if part.limit is None else part.skip + part.limit
    found = await ids(store, name, filter, sort=sort, batch_size=part.batch_size)
    assert (found if sort else sorted(found)) == expected, name
    some = await ids(store, name, filter, sort=sort, **part._asdict())
    assert len(some) == len(expected[part.skip : end]), name
    if sort:
        assert some == expected[part.skip : end], name
    else:
        assert len(set(some)) == len(some), name
        assert set(some) <= set(expected), name
    assert await store.count(name, filter) == len(expected), name
    assert await store.count(name, filter, limit=part.limit) == len(expected[: part.limit]), name


class DifferentialContract:
    """Queries against the evaluator."""

    @pytest.mark.slow
    @settings(max_examples=150, deadline=None, suppress_health_check=SUPPRESSED)
    @given(data=st.data(), documents=documents, filter=filters, sort=sorts)
    async def test_a_query_with_indexes_is_the_same_query(
        self, stores: Stores, data: st.DataObject, documents: list[dict[str, Any]], filter: Node, sort: Order
    ) -> None:
        specs = data.draw(usual(filter, sort) | usual(filter, sort) | index_specs)
        part = Part(
            data.draw(st.integers(0, 3)), data.draw(st.none() | st.integers(0, 5)), data.draw(st.integers(1, 4))
        )
        before = data.draw(st.integers(0, len(documents)))
        async with Stores(stores.url) as handles:
            store = await handles.open()
            await store.drop("indexed")
            await store.drop("plain")
            await insert_all(store, "indexed", documents[:before])
            for spec in specs:
                with suppress(InvalidIndexKey, IndexConflict):
                    await store.ensure_indexes("indexed", [spec])
            stored = documents[:before]
            for document in documents[before:]:
                with suppress(InvalidIndexKey):
                    await insert_all(store, "indexed", [document])
                    stored.append(document)
            await insert_all(store, "plain", stored)
            for name in ("plain", "indexed"):
                await check_answers(store, name, stored, filter, sort, part)

    @settings(max_examples=40, deadline=None, suppress_health_check=SUPPRESSED)
    @given(steps=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), values), max_size=25), seed=st.integers(0, 9))
    async def test_indexes_are_right_after_any_history(
        self, stores: Stores, steps: list[tuple[int, int, Any]], seed: int
    ) -> None:
        async with Stores(stores.url) as handles:
            store, other = await handles.open(), await handles.open()
            await store.drop("people")
            declare_at = random.Random(seed).randrange(len(steps) + 1)
            model: dict[int, dict[str, Any]] = {}
            for number, (id, kind, value) in enumerate(steps):
                if number == declare_at:
                    await store.ensure_indexes("people", INDEXES)
                handle = store if number % 2 else other
                if kind == 0:
                    model.pop(id, None)
                    await handle.write(Batch([Delete("people", id)]))
                elif kind == 1 and id in model:
                    model[id]["a"] = value
                    await handle.write(Batch([Patch("people", id, Changes(set={"a": value}))]))
                elif kind == 2 and id in model:
                    model[id].pop("a", None)
                    await handle.write(Batch([Patch("people", id, Changes(unset=["a"]))]))
                else:
                    model[id] = {"_id": id, "a": value}
                    await handle.write(Batch([Replace("people", id, encode(model[id]))]))
            await store.ensure_indexes("people", INDEXES)
            tried = [ALL, *(Compare(path, Operator.EQ, value) for path in PATHS for _, _, value in steps)]
            for filter in tried:
                matches = compile_filter(filter)
                expected = sorted(id for id, document in model.items() if matches(document))
                found = await find_all(other, "people", filter)
                assert sorted(document["_id"] for document in found) == expected, filter
