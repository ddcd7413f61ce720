"""Kinds of indexes: over several paths, partial, over arrays; which options go together, and when two are the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ...contract import Batch, Delete, Find, IndexSpec, Replace, Store
from ...encoding import encode
from ...errors import DuplicateKey, IndexConflict, InvalidIndexKey, UnsupportedOperation
from ...query.filters import parse_filter
from ...query.nodes import ALL
from .stores import Stores, find_all, ids, insert_all

_Fields = tuple[tuple[str, int], ...]


def spec(*fields: tuple[str, int], **options: Any) -> IndexSpec:
    """An index with the name that MongoDB gives it."""
    return IndexSpec(name="_".join(f"{path}_{direction}" for path, direction in fields), fields=fields, **options)


async def refused(store: Store, index: IndexSpec) -> int:
    """The server's code for what is wrong with an index."""
    with pytest.raises(IndexConflict) as caught:
        await store.ensure_indexes("people", [index])
    assert index.name in str(caught.value)
    return caught.value.server_code


async def insert_one(store: Store, document: Mapping[str, Any]) -> bool:
    """Insert a document unless a unique index refuses it."""
    try:
        await insert_all(store, "people", [document])
    except DuplicateKey:
        return False
    return True


_SCALARS = st.sampled_from([None, 0, 1, 1.0, "a", "b", True])
_VALUES = st.one_of(_SCALARS, st.lists(_SCALARS, max_size=3))
_DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "a": _VALUES,
            "b": _SCALARS,
            "s": st.lists(st.fixed_dictionaries({}, optional={"x": _SCALARS, "y": _SCALARS}), max_size=3),
        },
    ),
    max_size=6,
)
_FIELDS: st.SearchStrategy[_Fields] = st.sampled_from(
    [
        (("a", 1),),
        (("b", -1),),
        (("a", -1), ("b", 1)),
        (("b", 1), ("a", 1)),
        (("s.x", 1), ("s.y", -1)),
        (("s.x", 1),),
        (("b", 1), ("s.y", 1), ("s.x", 1)),
    ]
)
_OPTIONS = st.sampled_from(
    [{}, {"sparse": True}, {"partial": {"b": {"$gte": 0}}}, {"partial": {"a": {"$exists": True}}}]
)


class IndexKindContract:
    """What an index may be."""

    async def test_an_index_keeps_all_that_it_was_declared_with(self, stores: Stores) -> None:
        store, other = await stores.open(), await stores.open()
        declared = [
            spec(("age", 1), ("name", -1), unique=True, sparse=True),
            spec(("name", 1), partial={"age": {"$gt": 3, "$lt": 9}, "name": "A"}),
            spec(("at", -1), expire_after=3600),
            IndexSpec(name="mine", fields=[("_id", -1)]),
        ]
        await store.ensure_indexes("people", declared)
        listed = {index.name: index for index in await other.list_indexes("people")}
        assert listed.keys() == {"age_1_name_-1", "name_1", "at_-1", "mine"}
        for index in declared:
            found = listed[index.name]
            assert tuple(map(tuple, found.fields)) == tuple(map(tuple, index.fields))
            assert (found.unique, found.sparse) == (index.unique, index.sparse)
            assert (found.partial, found.expire_after) == (index.partial, index.expire_after)
        await other.ensure_indexes("people", declared)
        assert len(await store.list_indexes("people")) == 4

    @pytest.mark.parametrize(
        ("index", "code"),
        [
            (IndexSpec(name="x", fields=[]), 67),
            (IndexSpec(name="x", fields=[("", 1)]), 67),
            (IndexSpec(name="x", fields=[("a..b", 1)]), 67),
            (IndexSpec(name="x", fields=[("a.$b", 1)]), 67),
            (IndexSpec(name="x", fields=[("a", 0)]), 67),
            (IndexSpec(name="x", fields=cast("Any", ["a"])), 67),
            (IndexSpec(name="x", fields=cast("Any", [("a", 1, 1)])), 67),
            (IndexSpec(name="", fields=[("a", 1)]), 67),
            (IndexSpec(name="*", fields=[("a", 1)]), 2),
            (IndexSpec(name="_id_", fields=[("a", 1)]), 2),
            (spec(("a", 1), sparse=True, partial={"b": 1}), 67),
            (spec(("a", 1), partial={"b": {"$regex": "x"}}), 67),
            (spec(("a", 1), partial={"b": {"$exists": False}}), 67),
            (spec(("a", 1), partial={"b": {"$ne": 1}}), 67),
            (spec(("a", 1), ("b", 1), expire_after=5), 67),
            (spec(("a", 1), expire_after=-1), 67),
            (spec(("a", 1), expire_after=2**31), 67),
            (spec(("a", 1), unique="no"), 14),
            (spec(("a", 1), sparse="no"), 14),
            (IndexSpec(name="_id_", fields=[("_id", 1)], expire_after=5), 197),
            (IndexSpec(name="_id_", fields=[("_id", 1)], unique=True), 197),
            (IndexSpec(name="_id_", fields=[("_id", 1)], sparse=True), 197),
        ],
    )
    async def test_what_is_no_index_is_refused(self, stores: Stores, index: IndexSpec, code: int) -> None:
        store = await stores.open()
        assert await refused(store, index) == code
        assert await store.list_indexes("people") == []
        assert await store.list_collection_names() == []

    @pytest.mark.parametrize("fields", [[("a", "text")], [("a", "2dsphere")], [("$**", 1)], [("a.$**", 1)]])
    async def test_kinds_that_are_not_portable_are_refused(self, stores: Stores, fields: Any) -> None:
        store = await stores.open()
        with pytest.raises(UnsupportedOperation):
            await store.ensure_indexes("people", [IndexSpec(name="x", fields=fields)])

    async def test_two_indexes_are_told_apart_by_what_they_hold(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [spec(("a", 1)), spec(("b", 1), partial={"a": 1, "b": {"$gt": 2}})])
        # The same name, and another index.
        assert await refused(store, spec(("a", 1), unique=True)) == 86
        assert await refused(store, spec(("a", 1), sparse=True)) == 86
        assert await refused(store, IndexSpec(name="a_1", fields=[("c", 1)])) == 86
        assert await refused(store, spec(("b", 1), partial={"a": 2})) == 86
        # The same index, and other options or another name.
        assert await refused(store, spec(("a", 1), expire_after=5)) == 85
        assert await refused(store, IndexSpec(name="other", fields=[("a", 1)])) == 85
        # The same fields, and another index under another name.
        await store.ensure_indexes(
            "people",
            [
                IndexSpec(name="unique", fields=[("a", 1)], unique=True),
                IndexSpec(name="falling", fields=[("a", -1)]),
                IndexSpec(name="partial", fields=[("a", 1)], partial={"b": 1}),
                # The order of conditions makes no difference.
                spec(("b", 1), partial={"$and": [{"b": {"$gt": 2}}, {"a": 1}]}),
            ],
        )
        assert len(await store.list_indexes("people")) == 5

    async def test_an_index_that_cannot_be_declared_leaves_the_others_undeclared(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [spec(("a", 1))])
        with pytest.raises(IndexConflict):
            await store.ensure_indexes("people", [spec(("b", 1)), spec(("a", 1), unique=True)])
        assert [index.name for index in await store.list_indexes("people")] == ["a_1"]

    # -- several paths -------------------------------------------------------------------------------------------------

    async def test_a_unique_index_over_several_paths_compares_them_together(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [spec(("a", 1), ("b", -1), unique=True)])
        assert await insert_one(store, {"_id": 1, "a": 1, "b": 1})
        assert await insert_one(store, {"_id": 2, "a": 1, "b": 2})
        assert await insert_one(store, {"_id": 3, "a": 2, "b": 1})
        assert not await insert_one(store, {"_id": 4, "a": 1.0, "b": 2})
        assert await insert_one(store, {"_id": 5, "a": 1})
        assert not await insert_one(store, {"_id": 6, "a": 1, "b": None})
        assert await insert_one(store, {"_id": 7})
        assert not await insert_one(store, {"_id": 8})
        assert await insert_one(store, {"_id": 9, "a": ["x", "y"], "b": 1})
        assert not await insert_one(store, {"_id": 10, "a": ["y", "z"], "b": 1})
        assert await insert_one(store, {"_id": 11, "a": ["y", "z"], "b": 2})

    async def test_a_sparse_index_over_several_paths_has_documents_with_one_of_them(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [spec(("a", 1), ("b", 1), unique=True, sparse=True)])
        assert await insert_one(store, {"_id": 1})
        assert await insert_one(store, {"_id": 2})
        assert await insert_one(store, {"_id": 3, "a": 1})
        assert not await insert_one(store, {"_id": 4, "a": 1})
        assert await insert_one(store, {"_id": 5, "b": 1})
        assert not await insert_one(store, {"_id": 6, "a": None, "b": 1})
        assert await ids(store, "people", sort=[("a", 1), ("b", 1)]) == [1, 2, 5, 3]

    async def test_a_unique_index_on_a_position_compares_what_is_there(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [spec(("a.0.b", 1), unique=True)])
        assert await insert_one(store, {"_id": 1, "a": [{"b": 1}, {"b": 2}]})
        assert await insert_one(store, {"_id": 2, "a": [{"b": 2}, {"b": 1}]})
        assert not await insert_one(store, {"_id": 3, "a": [{"b": 1}]})
        assert await ids(store, "people", parse_filter({"a.0.b": 2})) == [2]
        # None of the elements has a field that is named 0.
        assert await ids(store, "people", parse_filter({"a.0.b": None}), sort=[("_id", 1)]) == [1, 2]

    async def test_a_unique_partial_index_holds_for_the_documents_that_match(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [spec(("a", 1), unique=True, partial={"b": {"$gt": 5}})])
        assert await insert_one(store, {"_id": 1, "a": 1, "b": 9})
        assert await insert_one(store, {"_id": 2, "a": 1, "b": 5})
        assert await insert_one(store, {"_id": 3, "a": 1})
        assert not await insert_one(store, {"_id": 4, "a": 1, "b": 6})
        with pytest.raises(DuplicateKey):
            await store.write(Batch([Replace("people", 2, encode({"_id": 2, "a": 1, "b": 6}))]))
        # A document that no longer matches gives its value up.
        await store.write(Batch([Replace("people", 1, encode({"_id": 1, "a": 1, "b": 0}))]))
        assert await insert_one(store, {"_id": 4, "a": 1, "b": 6})
        assert await ids(store, "people", parse_filter({"a": 1}), sort=[("_id", 1)]) == [1, 2, 3, 4]
        assert await ids(store, "people", parse_filter({"a": 1, "b": {"$gt": 5}})) == [4]

    async def test_two_arrays_side_by_side_cannot_be_indexed_together(self, stores: Stores) -> None:
        store = await stores.open()
        await store.ensure_indexes("people", [spec(("a", 1), ("b", 1))])
        await insert_all(store, "people", [{"_id": 1, "a": [1, 2], "b": 1}, {"_id": 2, "a": 1, "b": [1, 2]}])
        with pytest.raises(InvalidIndexKey) as caught:
            await insert_all(store, "people", [{"_id": 3}, {"_id": 4, "a": ["secret"], "b": [1]}])
        error = caught.value
        assert (error.index, error.paths, error.server_code) == ("a_1_b_1", ("a", "b"), 171)
        assert "secret" not in str(error)
        assert await ids(store, "people", sort=[("_id", 1)]) == [1, 2]
        # One array may be gone through by several paths.
        await store.write(Batch([Delete("people", 1), Delete("people", 2)]))
        await store.ensure_indexes("people", [spec(("s.x", 1), ("s.y", 1), unique=True)])
        await insert_all(store, "people", [{"_id": 5, "s": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}])
        assert await insert_one(store, {"_id": 6, "s": [{"x": 1, "y": 4}, {"x": 3, "y": 2}]})
        assert not await insert_one(store, {"_id": 7, "s": {"x": 3, "y": 4}})

    async def test_an_index_is_not_built_over_arrays_side_by_side(self, stores: Stores) -> None:
        store = await stores.open()
        documents: list[dict[str, Any]] = [{"_id": number, "a": number, "b": number} for number in range(700)]
        await insert_all(store, "people", [*documents, {"_id": 1000, "a": [1], "b": [2]}])
        with pytest.raises(InvalidIndexKey):
            await store.ensure_indexes("people", [spec(("a", 1), ("b", 1))])
        assert await store.list_indexes("people") == []
        await insert_all(store, "people", [{"_id": 1001, "a": [1], "b": [2]}])
        await store.write(Batch([Delete("people", 1000), Delete("people", 1001)]))
        await store.ensure_indexes("people", [spec(("a", 1), ("b", 1))])
        explanation = await store.explain("people", Find(filter=parse_filter({"a": 7, "b": 7})))
        assert (explanation.index, explanation.scanned) == ("a_1_b_1", 1)

    # -- any kind ------------------------------------------------------------------------------------------------------

    @pytest.mark.slow
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(fields=_FIELDS, options=_OPTIONS, documents=_DOCUMENTS, changed=_DOCUMENTS)
    async def test_what_a_unique_index_refuses_does_not_depend_on_when_it_was_made(
        self,
        stores: Stores,
        fields: _Fields,
        options: dict[str, Any],
        documents: list[dict[str, Any]],
        changed: list[dict[str, Any]],
    ) -> None:
        store = await stores.open()
        await store.drop("people")
        await store.drop("later")
        index = spec(*fields, unique=True, **options)
        await store.ensure_indexes("people", [index])
        for id, document in enumerate(documents):
            await insert_one(store, {"_id": id, **document})
        for id, document in enumerate(changed):
            try:
                await store.write(Batch([Replace("people", id, encode({"_id": id, **document}))]))
            except DuplicateKey:
                continue
        kept = await find_all(store, "people", sort=[("_id", 1)])
        # Each alone and all at once: what was accepted has no equal values, and what was refused has.
        await insert_all(store, "later", kept)
        await store.ensure_indexes("later", [index])
        for number, document in enumerate([*documents, *changed]):
            results = []
            for collection in ("people", "later"):
                try:
                    await insert_all(store, collection, [{"_id": 100 + number, **document}])
                    results.append(True)
                except DuplicateKey:
                    results.append(False)
            assert results[0] == results[1]
        assert await store.count("people", ALL) == await store.count("later", ALL)
