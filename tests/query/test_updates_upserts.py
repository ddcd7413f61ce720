"""What an upsert takes from its filter."""

from __future__ import annotations

from typing import Any

import pytest
from bson import DBRef, Regex

from atomodm.encoding import encode
from atomodm.errors import InvalidUpdate
from atomodm.query import parse_filter
from atomodm.query.paths import MISSING
from atomodm.query.updates import parse_update, upsert_document, upsert_id
from tests.query.updating import NOW

TAKEN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"a": 1}, {"a": 1}),
    ({"a": None}, {"a": None}),
    ({"a": {"$eq": 1}}, {"a": 1}),
    ({"a": {"$in": [1]}}, {"a": 1}),
    ({"a": {"$all": [1]}}, {"a": 1}),
    ({"a": [1, 2]}, {"a": [1, 2]}),
    ({"a": {"b": 1}}, {"a": {"b": 1}}),
    ({"a": {"$eq": Regex("x")}}, {"a": Regex("x")}),
    ({"a": DBRef("people", 1)}, {"a": DBRef("people", 1)}),
    ({"$and": [{"a": 1}, {"b": 2}]}, {"a": 1, "b": 2}),
    ({"$and": [{"a": 1}, {"$and": [{"b": 2}]}], "c": 3}, {"a": 1, "b": 2, "c": 3}),
    ({"$or": [{"a": 1}]}, {"a": 1}),
    ({"a.b": 1, "a.c.d": 2}, {"a": {"b": 1, "c": {"d": 2}}}),
    ({"a.0": 1}, {"a": {"0": 1}}),
    ({"b": 1, "_id": 5, "a": 2}, {"_id": 5, "a": 2, "b": 1}),
    ({"_id.b": 1, "_id.a": 2}, {"_id": {"a": 2, "b": 1}}),
    ({"a": 1, "b": {"$gt": 5}, "c": {"$eq": 2, "$lt": 9}}, {"a": 1, "c": 2}),
    # no equalities
    ({"a": {"$in": [1, 2]}}, {}),
    ({"a": {"$in": []}}, {}),
    ({"a": {"$ne": 1}, "b": {"$exists": True}, "c": Regex("x"), "d": {"$in": [Regex("x")]}}, {}),
    ({"a": {"$not": {"$eq": 1}}}, {}),
    ({"a": {"$elemMatch": {"b": 1}}}, {}),
    ({"$or": [{"a": 1}, {"a": 2}]}, {}),
    ({"$nor": [{"a": 1}]}, {}),
    ({"a": {"$gte": 1, "$lte": 1}}, {}),
]


@pytest.mark.parametrize(("filter", "document"), TAKEN, ids=str)
def test_an_upsert_takes_the_equalities_of_its_filter(filter: dict[str, Any], document: dict[str, Any]) -> None:
    assert encode(upsert_document(parse_filter(filter))) == encode(document)


@pytest.mark.parametrize(
    "filter",
    [
        {"a": 1, "$and": [{"a": 1}]},
        {"$and": [{"a": 1}, {"a": 2}]},
        {"a": 1, "a.b": 2},
        {"a.b": 1, "a": {"c": 2}},
        {"a.b.c": 1, "a": 2},
        {"a": {"$all": [1, 2]}},
        {"_id": 1, "_id.a": 1},
    ],
    ids=str,
)
def test_an_upsert_is_refused_where_the_filter_says_twice_what_a_field_is(filter: dict[str, Any]) -> None:
    with pytest.raises(InvalidUpdate) as caught:
        upsert_document(parse_filter(filter))
    assert caught.value.server_code == 54


@pytest.mark.parametrize(
    ("filter", "id"),
    [
        ({"_id": 1, "a": 1}, 1),
        ({"$and": [{"_id": {"x": 1}}, {"a": 1}, {"a": 2}]}, {"x": 1}),
        ({"_id": {"$gt": 1}, "a": 1, "a.b": 2}, MISSING),
        ({"_idx.a": 1}, MISSING),
    ],
    ids=str,
)
def test_an_upsert_by_a_replacement_takes_the_id_only(filter: dict[str, Any], id: Any) -> None:
    assert upsert_id(parse_filter(filter)) == id


@pytest.mark.parametrize(
    ("filter", "code"), [({"_id.x": 1}, 111), ({"_id": {"x": 1}, "_id.x": 1}, 111), ({"_id": {"$all": [1, 1]}}, 54)]
)
def test_an_upsert_by_a_replacement_has_to_know_the_whole_id(filter: dict[str, Any], code: int) -> None:
    with pytest.raises(InvalidUpdate) as caught:
        upsert_id(parse_filter(filter))
    assert caught.value.server_code == code


def test_fields_with_names_that_only_start_alike_are_no_conflict() -> None:
    assert upsert_document(parse_filter({"a": 1, "ab": 2, "a-b.c": 3})) == {"a": 1, "a-b": {"c": 3}, "ab": 2}


def test_an_upsert_is_its_filter_and_then_its_operators() -> None:
    update = parse_update({"$set": {"c": 1, "a.c": 2}, "$inc": {"b": 5}, "$setOnInsert": {"d": 0}})
    document = upsert_document(parse_filter({"a.b": 1, "b": 1, "e": {"$gt": 1}}))
    assert update.apply(document, inserting=True, now=NOW) == {"a": {"b": 1, "c": 2}, "b": 6, "c": 1, "d": 0}


def test_the_operators_of_an_upsert_do_not_change_what_the_filter_holds() -> None:
    node = parse_filter({"a": [1]})
    parse_update({"$push": {"a": 2}}).apply(upsert_document(node), inserting=True, now=NOW)
    assert upsert_document(node) == {"a": [1]}
