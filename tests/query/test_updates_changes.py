"""Applying the changes of a save to a decoded document: the same ways as those of updates."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomodm.encoding import decode, encode
from atomodm.errors import InvalidUpdate
from atomodm.query.changes import Changes
from atomodm.query.updates import parse_update
from tests.query.strategies import documents, few_values, paths
from tests.query.updating import NOW

Case = tuple[dict[str, Any], Changes, dict[str, Any]]

CASES: list[Case] = [
    ({"a": 1}, Changes(set={"a": 2, "b": 3}), {"a": 2, "b": 3}),
    ({}, Changes(set={"a.b.c": 1}), {"a": {"b": {"c": 1}}}),
    ({"a": [{"b": 1}]}, Changes(set={"a.0.b": 2}), {"a": [{"b": 2}]}),
    ({"a": [1]}, Changes(set={"a.2": 3}), {"a": [1, None, 3]}),
    ({"a": {"0": 1}}, Changes(set={"a.0": 2}), {"a": {"0": 2}}),
    ({"a": 1, "b": {"c": 1}}, Changes(unset=["a", "b.c"]), {"b": {}}),
    ({"a": 1}, Changes(unset=["b.c", "a.b"]), {"a": 1}),
    ({"a": [1, 2]}, Changes(unset=["a.0"]), {"a": [None, 2]}),
    ({"a": [1]}, Changes(push={"a": [2, 3], "b.c": [4]}), {"a": [1, 2, 3], "b": {"c": [4]}}),
    ({"a": [[1]]}, Changes(push={"a.0": [2], "a.1": [3]}), {"a": [[1, 2], [3]]}),
]


@pytest.mark.parametrize(("document", "changes", "result"), CASES, ids=str)
def test_changes_are_applied_in_place(document: dict[str, Any], changes: Changes, result: dict[str, Any]) -> None:
    document = decode(encode(document))
    assert changes.apply(document) is document
    assert document == result


@pytest.mark.parametrize(
    ("document", "changes", "code"),
    [
        ({"a": "secret"}, Changes(set={"a.b": 1}), 28),
        ({"a": ["secret"]}, Changes(set={"a.b": 1}), 28),
        ({"a": ["secret"]}, Changes(set={"a.0.b": 1}), 28),
        ({"a": []}, Changes(set={"a.1500001": 1}), 34),
        ({"a": "secret"}, Changes(push={"a": [1]}), 2),
        ({"a": "secret"}, Changes(push={"a.b": [1]}), 28),
    ],
    ids=str,
)
def test_changes_that_do_not_fit_a_document_are_refused_without_its_values(
    document: dict[str, Any], changes: Changes, code: int
) -> None:
    with pytest.raises(InvalidUpdate) as caught:
        changes.apply(document)
    assert caught.value.server_code == code
    assert caught.value.path == changes.paths()[0]
    assert "secret" not in str(caught.value)


def test_what_was_pushed_is_not_pushed_again_by_a_later_change() -> None:
    changes = Changes(push={"a": [1]})
    first = changes.apply({})
    changes.apply(first)
    assert first == {"a": [1, 1]}
    assert changes.apply({}) == {"a": [1]}


one_change = (
    st.builds(lambda path, value: Changes(set={path: value}), paths, few_values)
    | st.builds(lambda path: Changes(unset=[path]), paths)
    | st.builds(lambda path, items: Changes(push={path: items}), paths, st.lists(few_values, max_size=2))
)


@given(documents, one_change)
def test_a_change_does_what_the_update_does_that_it_is_written_as(document: dict[str, Any], change: Changes) -> None:
    document, update = decode(encode(document)), parse_update(change.as_update())
    try:
        expected = update.apply(document, now=NOW)
    except InvalidUpdate as error:
        code = error.server_code
        with pytest.raises(InvalidUpdate) as caught:
            change.apply(document)
        assert caught.value.server_code == code
    else:
        assert encode(change.apply(document)) == encode(expected)
