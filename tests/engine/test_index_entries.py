"""Indexes of any kind beside documents of any form: their entries, and what a unique one refuses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atomodm.contract import Batch, Delete, IndexSpec, Operation, Patch, Replace
from atomodm.encoding import encode
from atomodm.errors import DuplicateKey, InvalidIndexKey, RevisionMismatch
from atomodm.query.changes import Changes
from atomodm.query.evaluator import compile_filter
from atomodm.query.filters import parse_filter
from atomodm.query.nodes import ALL, Compare, Operator
from atomodm.store.memory import MemoryStore
from atomodm.testing.contract.stores import find_all, insert, insert_all

Fields = tuple[tuple[str, int], ...]

_SCALARS = st.sampled_from([None, 0, 1, 1.0, 2, "a", "b", True, float("nan")])
_NESTED = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["x", "y", "0"]), inner, max_size=2)
    ),
    max_leaves=6,
)
_DIRECTIONS = st.sampled_from([1, -1])


def fields_of(paths: Sequence[str]) -> st.SearchStrategy[Fields]:
    """Some of the paths in any order, each in any direction."""
    chosen = st.lists(st.tuples(st.sampled_from(paths), _DIRECTIONS), min_size=1, max_size=3, unique_by=lambda f: f[0])
    return chosen.map(tuple)


_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "sparse": st.just(True),
        "unique": st.just(True),
        "partial": st.sampled_from([{"b": {"$gte": 0}}, {"a.x": {"$exists": True}}, {"$or": [{"b": 1}, {"a": None}]}]),
    },
).filter(lambda options: not ("sparse" in options and "partial" in options))
_INDEXES = st.lists(
    st.tuples(fields_of(["a", "b", "a.x", "a.y", "a.0", "a.x.y"]), _OPTIONS), min_size=1, max_size=3, unique_by=repr
)
_DOCUMENTS = st.fixed_dictionaries({}, optional={"a": _NESTED, "b": _NESTED})
_WRITES = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["insert", "replace", "patch", "delete"]), _DOCUMENTS), max_size=12
)


def operation(id: int, kind: str, document: Mapping[str, Any]) -> Operation:
    match kind:
        case "insert":
            return insert("c", {"_id": id, **document})
        case "replace":
            return Replace("c", id, encode({"_id": id, **document}))
        case "patch":
            return Patch("c", id, Changes(set=document))
        case _:
            return Delete("c", id)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(indexes=_INDEXES, writes=_WRITES, built=st.integers(0, 12))
async def test_entries_are_those_of_the_documents_whatever_was_written(
    indexes: list[tuple[Fields, dict[str, Any]]], writes: list[tuple[int, str, dict[str, Any]]], built: int
) -> None:
    store = MemoryStore()
    await store.open()
    specs = [IndexSpec(name=f"index {n}", fields=fields, **options) for n, (fields, options) in enumerate(indexes)]
    for number, (id, kind, document) in enumerate(writes):
        if number == built:
            for spec in specs:
                try:
                    await store.ensure_indexes("c", [spec])
                except (DuplicateKey, InvalidIndexKey):
                    assert spec.name not in {found.name for found in await store.list_indexes("c")}
        with contextlib.suppress(DuplicateKey, InvalidIndexKey, RevisionMismatch):
            await store.write(Batch([operation(id, kind, document)]))
    report = await store.check()
    assert report.ok, report
    for index in await store._catalogues.reload("c"):
        expected = {key for document in await find_all(store, "c") for key in index.keys(document)}
        places = await store._driver.entries("c", index.ref, [(b"", b"\xff")], limit=10_000)
        assert {key for key, _ in places} == expected
        several = [index.entries(document)[1] for document in await find_all(store, "c")]
        assert frozenset().union(*several) <= index.multikey
    await store.close()


# -- what a unique index refuses ---------------------------------------------------------------------------------------


def tuples(fields: Fields, document: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """The values that a unique index compares, by MongoDB's manual: one for each element, null for what is missing."""
    ends = [document.get(path) for path, _ in fields]
    return product(*((end or ["no element"] if isinstance(end, list) else [end]) for end in ends))


def equal(one: Any, other: Any) -> bool:
    """Whether a filter that asks for one value finds the other."""
    return compile_filter(Compare("value", Operator.EQ, one))({"value": other})


def holds(spec: IndexSpec, document: Mapping[str, Any]) -> bool:
    """Whether a document is one of those that an index is about."""
    if spec.sparse:
        return any(path in document for path, _ in spec.fields)
    return compile_filter(ALL if spec.partial is None else parse_filter(spec.partial))(document)


def collide(spec: IndexSpec, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (
        holds(spec, one)
        and holds(spec, other)
        and any(
            all(map(equal, mine, theirs))
            for mine in tuples(tuple(spec.fields), one)
            for theirs in tuples(tuple(spec.fields), other)
        )
    )


_FLAT = st.fixed_dictionaries(
    {}, optional={"a": _SCALARS, "b": _SCALARS, "c": st.one_of(_SCALARS, st.lists(_SCALARS, max_size=3))}
)
_FLAT_OPTIONS = st.sampled_from(
    [{}, {"sparse": True}, {"partial": {"b": {"$gte": 1}}}, {"partial": {"c": {"$exists": True}}}]
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(fields=fields_of(["a", "b", "c"]), options=_FLAT_OPTIONS, documents=st.lists(_FLAT, max_size=8))
async def test_a_unique_index_refuses_what_a_filter_would_find(
    fields: Fields, options: dict[str, Any], documents: list[dict[str, Any]]
) -> None:
    store = MemoryStore()
    await store.open()
    spec = IndexSpec(name="unique", fields=fields, unique=True, **options)
    await store.ensure_indexes("c", [spec])
    kept: list[dict[str, Any]] = []
    for id, document in enumerate(documents):
        expected = any(collide(spec, document, other) for other in kept)
        try:
            await insert_all(store, "c", [{"_id": id, **document}])
        except DuplicateKey:
            assert expected
        else:
            assert not expected
            kept.append(document)
    # Built over them all at once, it comes to the same.
    await insert_all(store, "all", [{"_id": id, **document} for id, document in enumerate(documents)])
    if len(kept) == len(documents):
        await store.ensure_indexes("all", [spec])
    else:
        with pytest.raises(DuplicateKey):
            await store.ensure_indexes("all", [spec])
    await store.close()
