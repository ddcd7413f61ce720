"""Keys in indexes over several paths."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomodm.query.document_keys import ParallelArrays, compile_composite, index_keys
from atomodm.query.keys import NULL_KEY, UNDEFINED_KEY, encode_key

#: What an empty array is indexed as.
EMPTY = object()


def keys(paths: str, document: dict[str, Any]) -> set[tuple[bytes | None, ...]]:
    return compile_composite(tuple(paths.split()))(document)


def encoded(value: Any) -> bytes | None:
    return UNDEFINED_KEY if value is EMPTY else None if value == "missing" else encode_key(value)


@pytest.mark.parametrize(
    ("paths", "document", "expected"),
    [
        ("a b", {"a": 1, "b": 2}, [(1, 2)]),
        ("a b", {"a": 1}, [(1, "missing")]),
        ("a b", {"a": None}, [(None, "missing")]),
        ("a b", {}, [("missing", "missing")]),
        ("a b", {"a": [1, 2, 1], "b": 3}, [(1, 3), (2, 3)]),
        ("a b", {"a": [], "b": 3}, [(EMPTY, 3)]),
        ("a b", {"a": [[], [1]], "b": 3}, [([], 3), ([1], 3)]),
        ("a.b a.c", {"a": {"b": 1, "c": 2}}, [(1, 2)]),
        ("a.b a.c", {"a": [{"b": 1, "c": 2}, {"b": 3, "c": 4}]}, [(1, 2), (3, 4)]),
        ("a.b a.c", {"a": [{"b": 1}, {"c": 4}]}, [(1, "missing"), ("missing", 4)]),
        ("a.b a.c", {"a": [{"b": [1, 2], "c": 3}, {"b": 4, "c": [5, 6]}]}, [(1, 3), (2, 3), (4, 5), (4, 6)]),
        ("a.b a.c", {"a": []}, [("missing", "missing")]),
        ("a.b a.c", {"a": [1, "x"]}, [("missing", "missing")]),
        ("a.b a.c", {"a": [1, {"b": 2}]}, [("missing", "missing"), (2, "missing")]),
        ("a.b c", {"a": [{"b": 1}, {"b": 2}], "c": 3}, [(1, 3), (2, 3)]),
        ("a a.b", {"a": [5, {"b": 1}]}, [(5, "missing"), ({"b": 1}, 1)]),
        ("a a.b", {"a": []}, [(EMPTY, "missing")]),
        ("a a.b", {"a": {"b": 1}}, [({"b": 1}, 1)]),
        ("a.0 b", {"a": [7, 8], "b": 1}, [(7, 1)]),
        ("a.0 b", {"a": [[7, 8]], "b": 1}, [([7, 8], 1)]),
        ("a.2 b", {"a": [7, 8], "b": 1}, [("missing", 1)]),
        ("a.0 a.1", {"a": [7, 8]}, [(7, 8)]),
        ("a.0.b c", {"a": [{"b": 1}, {"b": 2}], "c": 3}, [(1, 3)]),
        ("a.0.b a.c", {"a": [{"b": 1, "c": 2}, {"c": 3}]}, [(1, 2), (1, 3)]),
        ("a.0.b c", {"a": [7, {"b": 2}], "c": 3}, [("missing", 3)]),
        # a name that is also a position
        ("a.0 b", {"a": [7, {"0": 8}], "b": 1}, [(7, 1), ("missing", 1), (8, 1)]),
        ("a.b.c d", {"a": [{"b": [{"c": 1}, {"c": 2}]}, {"b": {"c": 3}}], "d": 4}, [(1, 4), (2, 4), (3, 4)]),
    ],
)
def test_paths_are_expanded_together(paths: str, document: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    found = keys(paths, document)
    assert found == {tuple(map(encoded, key)) for key in expected}


@pytest.mark.parametrize(
    ("paths", "document", "culprits"),
    [
        ("a b", {"a": [1], "b": [2]}, ("a", "b")),
        ("a b", {"a": [], "b": []}, ("a", "b")),
        ("a.b a.c", {"a": {"b": [1], "c": [2]}}, ("a.b", "a.c")),
        ("a.b a.c", {"a": [{"b": [1], "c": [2]}]}, ("a.b", "a.c")),
        ("x a.b c.d", {"a": [{"b": 1}], "c": [{"d": 1}]}, ("a.b", "c.d")),
    ],
)
def test_arrays_side_by_side_are_refused(paths: str, document: dict[str, Any], culprits: tuple[str, ...]) -> None:
    with pytest.raises(ParallelArrays) as caught:
        keys(paths, document)
    assert caught.value.paths == culprits


_SCALARS = st.sampled_from([None, 0, 1, "x", 2.5])
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "0", "1"]), inner, max_size=3),
    ),
    max_leaves=10,
)
_DOCUMENTS = st.dictionaries(st.sampled_from(["a", "b"]), _VALUES, max_size=2)
_PATHS = st.lists(st.sampled_from(["a", "b", "0", "1"]), min_size=1, max_size=3).map(".".join)


@given(document=_DOCUMENTS, path=_PATHS)
def test_one_path_of_several_has_the_keys_that_it_has_alone(document: dict[str, Any], path: str) -> None:
    alone = set(index_keys(document, path))
    beside = {key[0] or NULL_KEY for key in keys(f"{path} nothing", document)}
    assert alone == beside


@given(document=_DOCUMENTS, paths=st.lists(_PATHS, min_size=2, max_size=3, unique=True))
def test_each_of_several_paths_has_the_keys_that_it_has_alone(document: dict[str, Any], paths: list[str]) -> None:
    try:
        found = compile_composite(tuple(paths))(document)
    except ParallelArrays:
        return
    assert found
    for place, path in enumerate(paths):
        assert set(index_keys(document, path)) == {key[place] or NULL_KEY for key in found}
