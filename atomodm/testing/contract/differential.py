"""Any query with indexes gives what it gives without, and what the evaluator says."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ...contract import Batch, Delete, IndexSpec, Patch, Replace
from ...encoding import encode
from ...query.changes import Changes
from ...query.evaluator import compile_filter
from ...query.nodes import (
    ALL,
    AllOf,
    Compare,
    ElementMatch,
    Exists,
    In,
    Node,
    Operator,
    Size,
    Text,
    TextKind,
    TypeIs,
    conjunction,
    disjunction,
    negation,
)
from ...query.sorting import sort_key
from .stores import Stores, find_all, insert_all

#: Each example empties the store itself; and it is meant that one test runs in the classes of several stores.
SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow]

PATHS = ["a", "b", "a.b", "a.0", "a.b.c"]
INDEXES = [
    IndexSpec(name="a", fields=[("a", 1)]),
    IndexSpec(name="b", fields=[("b", -1)]),
    IndexSpec(name="a.b", fields=[("a.b", 1)], sparse=True),
    IndexSpec(name="a.0", fields=[("a.0", 1)]),
    IndexSpec(name="a.b.c", fields=[("a.b.c", 1)]),
]

scalars = st.sampled_from([None, 0, 1, 2, 2.5, -1, float("nan"), "", "x", "xy", True, False, b"x"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=5,
)
documents = st.lists(st.dictionaries(st.sampled_from("ab"), values, max_size=2), min_size=1, max_size=12).map(
    lambda found: [{"_id": number, **document} for number, document in enumerate(found)]
)
paths = st.sampled_from(PATHS)
leaves: st.SearchStrategy[Node] = st.one_of(
    st.builds(Compare, paths, st.sampled_from(Operator), values),
    st.builds(Compare, st.just("_id"), st.sampled_from(Operator), st.integers(0, 12)),
    st.builds(In, paths, st.lists(values, max_size=3).map(tuple)),
    st.builds(In, st.just("_id"), st.lists(st.integers(0, 12), max_size=4).map(tuple)),
    st.builds(AllOf, paths, st.lists(values, max_size=2).map(tuple)),
    st.builds(Exists, paths, st.booleans()),
    st.builds(Size, paths, st.integers(0, 2)),
    st.builds(TypeIs, paths, st.just(("number", "array"))),
    st.builds(Text, paths, st.sampled_from(TextKind), st.sampled_from(["", "x", "xy"]), st.booleans()),
    st.builds(ElementMatch, paths, st.builds(Compare, st.just("b"), st.sampled_from(Operator), scalars)),
)
filters: st.SearchStrategy[Node] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(conjunction),
        st.lists(inner, min_size=2, max_size=3).map(disjunction),
        inner.map(negation),
    ),
    max_leaves=4,
)
sorts = st.lists(
    st.tuples(st.sampled_from([*PATHS, "_id"]), st.sampled_from([1, -1])), max_size=2, unique_by=lambda item: item[0]
)


class DifferentialContract:
    """Queries against the evaluator."""

    @settings(max_examples=150, deadline=None, suppress_health_check=SUPPRESSED)
    @given(
        documents=documents,
        filter=filters,
        sort=sorts,
        skip=st.integers(0, 3),
        limit=st.none() | st.integers(0, 5),
        batch_size=st.integers(1, 4),
        built_before=st.booleans(),
    )
    async def test_a_query_with_indexes_is_the_same_query(
        self,
        stores: Stores,
        documents: list[dict[str, Any]],
        filter: Node,
        sort: list[tuple[str, int]],
        skip: int,
        limit: int | None,
        batch_size: int,
        built_before: bool,
    ) -> None:
        async with Stores(stores.url) as handles:
            store = await handles.open()
            await store.drop("indexed")
            await store.drop("plain")
            if built_before:
                await store.ensure_indexes("indexed", INDEXES)
            await insert_all(store, "indexed", documents)
            await insert_all(store, "plain", documents)
            await store.ensure_indexes("indexed", INDEXES)
            matches = compile_filter(filter)
            expected = [document for document in documents if matches(document)]
            if sort:
                expected.sort(key=sort_key(sort))
                expected = expected[skip : None if limit is None else skip + limit]
            for name in ("plain", "indexed"):
                options = {"sort": sort, "skip": skip, "limit": limit} if sort else {}
                found = await find_all(store, name, filter, batch_size=batch_size, **options)  # type: ignore[arg-type]
                if not sort:
                    found.sort(key=lambda document: int(document["_id"]))
                assert [document["_id"] for document in found] == [document["_id"] for document in expected], name
                if not sort:
                    assert await store.count(name, filter) == len(expected), name
                    part = await find_all(store, name, filter, skip=skip, limit=limit, batch_size=batch_size)
                    numbers = {document["_id"] for document in part}
                    left = max(0, len(expected) - skip)
                    assert len(part) == len(numbers) == (left if limit is None else min(left, limit)), name
                    assert numbers <= {document["_id"] for document in expected}, name

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
