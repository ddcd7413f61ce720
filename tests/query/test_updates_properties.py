"""What holds for every update of every document."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from atomodm.encoding import decode, encode
from atomodm.errors import InvalidUpdate
from atomodm.query import compile_filter, encode_key, parse_filter
from atomodm.query.changes import overlap
from atomodm.query.paths import MISSING
from atomodm.query.updates import UPDATE_OPERATORS, parse_update, upsert_document
from atomodm.query.updates.places import get_item
from tests.query.strategies import documents, few_values, numbers, paths
from tests.query.updating import NOW

positional = st.sampled_from(
    ["a.$", "a.$[]", "a.$.b", "a.$[].b", "b.$[].$[]", "a.b.$[]", "a.$[x]", "a.$[x].b", "a.0.$"]
)
any_path = paths | positional
arrays = st.lists(few_values, max_size=3)
directions = st.sampled_from([1, -1])
modifiers = st.fixed_dictionaries(
    {"$each": arrays},
    optional={
        "$position": st.integers(-3, 3),
        "$slice": st.integers(-3, 3),
        "$sort": directions | st.dictionaries(st.sampled_from(["a", "b", "a.b"]), directions, min_size=1),
    },
)
OPERANDS: dict[str, st.SearchStrategy[Any]] = {
    "$set": few_values,
    "$setOnInsert": few_values,
    "$unset": st.just(""),
    "$inc": numbers,
    "$mul": numbers,
    "$min": few_values,
    "$max": few_values,
    "$rename": paths,
    "$currentDate": st.booleans() | st.sampled_from(["date", "timestamp"]).map(lambda kind: {"$type": kind}),
    "$push": few_values | modifiers,
    "$addToSet": few_values | st.fixed_dictionaries({"$each": arrays}),
    "$pull": few_values | st.fixed_dictionaries({"$gte": few_values}) | st.fixed_dictionaries({"a": few_values}),
    "$pullAll": arrays,
    "$pop": directions,
    "$bit": st.dictionaries(st.sampled_from(["and", "or", "xor"]), st.integers(-9, 2**40), min_size=1),
}
operations = st.sampled_from(sorted(OPERANDS)).flatmap(
    lambda name: st.tuples(st.just(name), st.dictionaries(any_path, OPERANDS[name], max_size=2))
)
updates = st.lists(operations, min_size=1, max_size=3).map(dict)
positions = st.none() | st.integers(0, 2)


def stored(document: dict[str, Any]) -> dict[str, Any]:
    return decode(encode(document))


def array_filters(update: dict[str, Any]) -> list[dict[str, Any]] | None:
    used = any("$[x]" in path for operand in update.values() for path in operand)
    return [{"x": {"$gt": 0}}] if used else None


def place(document: dict[str, Any], path: str) -> Any:
    found: Any = document
    for part in path.split("."):
        found = get_item(found, part)
    return found


def test_the_properties_are_tried_with_every_operator() -> None:
    assert OPERANDS.keys() == UPDATE_OPERATORS


@given(documents, updates, positions, st.booleans())
def test_an_update_changes_nothing_that_it_was_given_and_gives_what_can_be_stored(
    document: dict[str, Any], update: dict[str, Any], position: int | None, inserting: bool
) -> None:
    document = stored(document)
    before, told = encode(document), encode(update)
    try:
        operators = parse_update(update, array_filters=array_filters(update))
        result = operators.apply(document, position=position, inserting=inserting, now=NOW)
        again = operators.apply(document, position=position, inserting=inserting, now=NOW)
    except InvalidUpdate:
        pass
    else:
        assert encode(stored(result)) == encode(result) == encode(again)
    assert encode(document) == before
    assert encode(update) == told


@given(documents, updates, positions)
def test_fields_that_an_update_does_not_name_stay_as_and_where_they_are(
    document: dict[str, Any], update: dict[str, Any], position: int | None
) -> None:
    document = stored({**document, "z": [{"b": 1}], "0z": {"a": None}})
    try:
        operators = parse_update(update, array_filters=array_filters(update))
        result = operators.apply(document, position=position, now=NOW)
    except InvalidUpdate:
        return
    roots = {path.partition(".")[0] for path in operators.paths}
    untouched = [name for name in document if name not in roots]
    assert [name for name in result if name in untouched] == untouched
    assert all(result[name] is document[name] for name in untouched)
    # Nothing that is new is outside of the paths that the update says it may change.
    assert {name for name in result if name not in document} <= roots


@given(documents, paths, few_values)
def test_what_was_set_is_there_and_is_gone_when_it_is_unset(document: dict[str, Any], path: str, value: Any) -> None:
    document = stored(document)
    try:
        result = parse_update({"$set": {path: value}}).apply(document, now=NOW)
    except InvalidUpdate as error:
        # Only what stands in the way hinders.
        assume(error.server_code != 28)
        raise
    assert encode_key(place(result, path)) == encode_key(value)
    left = parse_update({"$unset": {path: ""}}).apply(result, now=NOW)
    assert place(left, path) in (MISSING, None)


@given(documents, paths, few_values, paths, few_values)
def test_the_order_in_which_operators_are_written_has_no_meaning(
    document: dict[str, Any], path: str, value: Any, other: str, other_value: Any
) -> None:
    assume(not overlap(path, other))
    document = stored(document)
    results = []
    for operand in ({path: value, other: other_value}, {other: other_value, path: value}):
        try:
            results.append(encode(parse_update({"$set": operand}).apply(document, now=NOW)))
        except InvalidUpdate as error:
            results.append(str(error.server_code).encode())
    assert results[0] == results[1]


@given(documents, paths, few_values)
def test_what_was_pushed_can_be_popped(document: dict[str, Any], path: str, value: Any) -> None:
    document = stored(document)
    try:
        pushed = parse_update({"$push": {path: {"$each": [value]}}}).apply(document, now=NOW)
    except InvalidUpdate:
        assume(False)
    before = place(document, path)
    popped = parse_update({"$pop": {path: 1}}).apply(pushed, now=NOW)
    assert encode({"": place(popped, path)}) == encode({"": [] if before is MISSING else before})


@given(arrays, few_values)
def test_a_set_has_what_was_added_once_more_at_most_and_not_what_was_pulled(array: list[Any], value: Any) -> None:
    array = stored({"a": array})["a"]
    keys = [encode_key(item) for item in array]
    added = parse_update({"$addToSet": {"a": {"$each": [value, value]}}}).apply({"a": array}, now=NOW)["a"]
    key = encode_key(value)
    assert [encode_key(item) for item in added] == (keys if key in keys else [*keys, key])
    pulled = parse_update({"$pullAll": {"a": [value]}}).apply({"a": added}, now=NOW)["a"]
    assert [encode_key(item) for item in pulled] == [item for item in keys if item != key]


@given(st.dictionaries(paths, few_values, max_size=3))
def test_a_document_made_by_an_upsert_matches_the_equalities_that_it_was_made_of(filter: dict[str, Any]) -> None:
    node = parse_filter({path: {"$eq": value} for path, value in filter.items()})
    if any(one != other and overlap(one, other) for one in filter for other in filter):
        with pytest.raises(InvalidUpdate) as caught:
            upsert_document(node)
        assert caught.value.server_code == 54
    else:
        assert compile_filter(node)(stored(upsert_document(node)))
