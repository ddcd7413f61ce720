"""What updates of fields do: the cases of MongoDB's manual and of its servers' behaviour."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from bson import DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp

from atomodm.encoding import encode
from atomodm.errors import IntegerOutOfRange, InvalidText, InvalidUpdate, NestingTooDeep, ValueNotStorable
from atomodm.query.updates import UPDATE_OPERATORS, parse_update
from tests.ids import readable
from tests.query.updating import NOW, Code, Result, check, updated

Case = tuple[dict[str, Any], dict[str, Any], Result]

SET: list[Case] = [
    ({"a": 1}, {"$set": {"a": 2}}, {"a": 2}),
    ({"a": 1, "b": 2}, {"$set": {"a": "x"}}, {"a": "x", "b": 2}),
    ({}, {"$set": {"a": None}}, {"a": None}),
    ({"a": {"b": 1, "c": 2}}, {"$set": {"a": {"d": 3}}}, {"a": {"d": 3}}),
    ({"a": {"b": 1, "c": 2}}, {"$set": {"a.b": 3}}, {"a": {"b": 3, "c": 2}}),
    ({}, {"$set": {"a.b.c": 1}}, {"a": {"b": {"c": 1}}}),
    ({"a": {}}, {"$set": {"a.b.c": 1}}, {"a": {"b": {"c": 1}}}),
    # new fields come in lexicographic order, numbers in theirs, behind those that are there
    ({"z": 0}, {"$set": {"c": 1, "a": 2, "b": 3}}, {"z": 0, "a": 2, "b": 3, "c": 1}),
    ({}, {"$set": {"a.10": 1, "a.9": 2, "a.b": 3}}, {"a": {"9": 2, "10": 1, "b": 3}}),
    ({}, {"$set": {"b": 1}, "$inc": {"a": 1}, "$push": {"c": 1}}, {"a": 1, "b": 1, "c": [1]}),
    ({"b": 1}, {"$set": {"b.c": 1}}, Code(28)),
    ({"b": None}, {"$set": {"b.c": 1}}, Code(28)),
    ({"a": {"b": "x"}}, {"$set": {"a.b.c.d": 1}}, Code(28)),
    # names like numbers
    ({"a": {"0": 1}}, {"$set": {"a.0": 2}}, {"a": {"0": 2}}),
    ({"a": {}}, {"$set": {"a.0": 2}}, {"a": {"0": 2}}),
    ({}, {"$set": {"a.0": 2}}, {"a": {"0": 2}}),
    ({"a": [1, 2]}, {"$set": {"a.0": 3}}, {"a": [3, 2]}),
    ({"a": [1, 2]}, {"$set": {"a.01": 3}}, {"a": [1, 3]}),
    ({"a": [1, 2]}, {"$set": {"a.2": 3}}, {"a": [1, 2, 3]}),
    ({"a": [1]}, {"$set": {"a.3": 3}}, {"a": [1, None, None, 3]}),
    ({"a": []}, {"$set": {"a.1.b": 3}}, {"a": [None, {"b": 3}]}),
    ({"a": []}, {"$set": {"a.1": 1, "a.3": 3}}, {"a": [None, 1, None, 3]}),
    ({"a": [{"b": 1}]}, {"$set": {"a.0.b": 2}}, {"a": [{"b": 2}]}),
    ({"a": [{"b": 1}]}, {"$set": {"a.b": 2}}, Code(28)),
    ({"a": [1]}, {"$set": {"a.-1": 2}}, Code(28)),
    ({"a": [1]}, {"$set": {"a.0.b": 2}}, Code(28)),
    ({"a": [[1]]}, {"$set": {"a.0.0": 2}}, {"a": [[2]]}),
    ({"a": []}, {"$set": {"a.1500001": 1}}, Code(34)),
    ({"a": []}, {"$set": {"a.4294967296": 1}}, Code(28)),
    # references are documents
    ({"a": DBRef("people", 1)}, {"$set": {"a.$id": 2}}, {"a": DBRef("people", 2)}),
    # names that only a nested field can have
    ({"a": {}}, {"$set": {"a.$b": 1}}, {"a": {"$b": 1}}),
    ({}, {"$set": {"a": {"$b": 1, "c.d": 2, "": 3}}}, {"a": {"$b": 1, "c.d": 2, "": 3}}),
    ({}, {"$set": {"$a": 1}}, Code(52)),
    ({}, {"$set": {"$a": None}}, Code(52)),
    ({"$a": "x y"}, {"$set": {"$a": "x z"}}, Code(52)),
    ({"$a": "x y"}, {"$set": {"$a": "x y"}}, {"$a": "x y"}),
    ({}, {"$inc": {"$a.b": 1}}, Code(52)),
    ({}, {"$set": {"$id": 1}}, Code(55)),
    ({"$a": 1}, {"$unset": {"$a": 1}}, {}),
    ({"$a": 1}, {"$min": {"$a": 2}}, {"$a": 1}),
    ({}, {"$set": {"": 1}}, Code(56)),
    ({}, {"$set": {"a.": 1}}, Code(56)),
    ({}, {"$set": {".a": 1}}, Code(56)),
    ({}, {"$unset": {"a..b": 1}}, Code(56)),
]

UNSET: list[Case] = [
    ({"a": 1, "b": 2}, {"$unset": {"a": ""}}, {"b": 2}),
    ({"a": 1}, {"$unset": {"b": 1}}, {"a": 1}),
    ({"a": 1}, {"$unset": {"a.b": 1}}, {"a": 1}),
    ({"a": {"b": 1, "c": 2}}, {"$unset": {"a.b": 1}}, {"a": {"c": 2}}),
    ({"a": {"b": 1}}, {"$unset": {"a.b": 1}}, {"a": {}}),
    ({}, {"$unset": {"a.b.c": 1}}, {}),
    ({"a": [1, 2, 3]}, {"$unset": {"a.1": 1}}, {"a": [1, None, 3]}),
    ({"a": [1]}, {"$unset": {"a.5": 1}}, {"a": [1]}),
    ({"a": [1]}, {"$unset": {"a.b": 1}}, {"a": [1]}),
    ({"a": [1]}, {"$unset": {"a.-b": 1, "a.0": 1}}, {"a": [None]}),
    ({"a": [{"b": 1}]}, {"$unset": {"a.0.b": 1}}, {"a": [{}]}),
    ({"a": 1, "b": 2}, {"$unset": {"a": {"any": ["thing"]}, "b": None}}, {}),
]

EXTREMES: list[Case] = [
    ({"low": 150}, {"$min": {"low": 100}}, {"low": 100}),
    ({"low": 100}, {"$min": {"low": 150}}, {"low": 100}),
    ({"high": 800}, {"$max": {"high": 950}}, {"high": 950}),
    ({"high": 800}, {"$max": {"high": 750}}, {"high": 800}),
    ({}, {"$min": {"a": 1}, "$max": {"b": 2}}, {"a": 1, "b": 2}),
    # of equal ones the old one stays
    ({"a": 1}, {"$min": {"a": 1.0}}, {"a": 1}),
    ({"a": 1}, {"$max": {"a": 1.0}}, {"a": 1}),
    ({"a": 1}, {"$max": {"a": Decimal128("1.0")}}, {"a": 1}),
    ({"a": 2**53}, {"$max": {"a": 2**53 + 1}}, {"a": Int64(2**53 + 1)}),
    ({"a": 1}, {"$min": {"a": float("nan")}}, {"a": float("nan")}),
    ({"a": float("nan")}, {"$max": {"a": -1}}, {"a": -1}),
    ({"a": 1}, {"$min": {"a": None}}, {"a": None}),
    ({"a": None}, {"$max": {"a": -5}}, {"a": -5}),
    ({"a": "x"}, {"$max": {"a": 5}}, {"a": "x"}),
    ({"a": "x"}, {"$min": {"a": 5}}, {"a": 5}),
    ({"a": True}, {"$max": {"a": 5}}, {"a": True}),
    ({"a": 5}, {"$max": {"a": MaxKey()}}, {"a": MaxKey()}),
    ({"a": 5}, {"$min": {"a": MinKey()}}, {"a": MinKey()}),
    ({"a": [1, 9]}, {"$max": {"a": [2]}}, {"a": [2]}),
    ({"a": {"b": 1}}, {"$min": {"a": {"b": 0}}}, {"a": {"b": 0}}),
    ({"a": datetime(2013, 10, 1)}, {"$min": {"a": datetime(2013, 9, 25)}}, {"a": datetime(2013, 9, 25)}),
    ({"a": 5}, {"$min": {"a.b": 1}}, Code(28)),
]

RENAME: list[Case] = [
    ({"nmae": "x", "b": 1}, {"$rename": {"nmae": "name"}}, {"b": 1, "name": "x"}),
    ({"name": {"first": "x"}}, {"$rename": {"name.first": "name.fname"}}, {"name": {"fname": "x"}}),
    ({"name": {"first": "x"}}, {"$rename": {"name.first": "contact.first"}}, {"name": {}, "contact": {"first": "x"}}),
    ({"a": 1}, {"$rename": {"b": "c"}}, {"a": 1}),
    ({"a": 1, "c": 3}, {"$rename": {"b": "c"}}, {"a": 1, "c": 3}),
    # what has the new name is replaced where it stands
    ({"b": 1, "c": 2, "a": 3}, {"$rename": {"a": "b"}}, {"b": 3, "c": 2}),
    ({"a": 1, "q": 0}, {"$rename": {"a": "m"}, "$set": {"z": 1, "b": 2}}, {"q": 0, "b": 2, "m": 1, "z": 1}),
    ({"a": [1], "b": {}}, {"$rename": {"a": "b.c"}}, {"b": {"c": [1]}}),
    ({"a": 1, "b": 5}, {"$rename": {"a": "b.c"}}, Code(28)),
    ({"b": 5}, {"$rename": {"a": "b.c"}}, {"b": 5}),
    ({"a": 5}, {"$rename": {"a.b": "c"}}, Code(28)),
    ({"a": [{"b": 1}]}, {"$rename": {"a.b": "c"}}, Code(28)),
    ({"a": [{"b": 1}]}, {"$rename": {"a.0.b": "c"}}, Code(2)),
    ({"a": [{"b": 1}]}, {"$rename": {"a.7.b": "c"}}, {"a": [{"b": 1}]}),
    ({"a": 1, "b": [{}]}, {"$rename": {"a": "b.0.c"}}, Code(2)),
    ({"a": 1, "b": [5]}, {"$rename": {"a": "b.x"}}, Code(2)),
    ({"a": 1}, {"$rename": {"a": "a"}}, Code(2)),
    ({"a": {}}, {"$rename": {"a": "a.b"}}, Code(2)),
    ({"a": {}}, {"$rename": {"a.b": "a"}}, Code(2)),
    ({"a": 1}, {"$rename": {"a": 5}}, Code(2)),
    ({"a": 1}, {"$rename": {"a": ""}}, Code(56)),
    ({"a": 1}, {"$rename": {"a": "b\0"}}, Code(2)),
    ({"a": [1]}, {"$rename": {"a.$": "b"}}, Code(2)),
    ({"a": 1}, {"$rename": {"a": "b.$[]"}}, Code(2)),
    ({"a": 1}, {"$rename": {"a": "b", "b": "c"}}, Code(40)),
    ({"a": 1}, {"$rename": {"a": "b"}, "$set": {"b": 1}}, Code(40)),
    ({"a": 1}, {"$rename": {"a": "b"}, "$inc": {"a": 1}}, Code(40)),
    ({"a": 1}, {"$rename": {"a": "$b"}}, Code(52)),
    ({"_id": 1, "a": 1}, {"$rename": {"_id": "b"}}, Code(66)),
    ({"_id": 1, "a": 2}, {"$rename": {"a": "_id"}}, Code(66)),
]

DATES: list[Case] = [
    ({}, {"$currentDate": {"a": True}}, {"a": NOW}),
    ({"a": 1}, {"$currentDate": {"a": False}}, {"a": NOW}),
    ({"a": {}}, {"$currentDate": {"a.b": {"$type": "date"}}}, {"a": {"b": NOW}}),
    ({}, {"$currentDate": {"a": {"$type": "timestamp"}}}, {"a": Timestamp(1_772_600_767, 90)}),
    ({}, {"$currentDate": {"a": {"$type": "Date"}}}, Code(2)),
    ({}, {"$currentDate": {"a": {"$type": 9}}}, Code(2)),
    ({}, {"$currentDate": {"a": {"type": "date"}}}, Code(2)),
    ({}, {"$currentDate": {"a": {"$type": "date", "b": 1}}}, Code(2)),
    ({}, {"$currentDate": {"a": {}}}, Code(2)),
    ({}, {"$currentDate": {"a": 1}}, Code(2)),
]

IDS: list[Case] = [
    ({"_id": 1, "a": 1}, {"$set": {"_id": 2}}, Code(66)),
    ({"_id": 1, "a": 1}, {"$set": {"_id": 1, "a": 2}}, {"_id": 1, "a": 2}),
    ({"_id": 1}, {"$set": {"_id": 1.0}}, Code(66)),
    ({"_id": 1}, {"$inc": {"_id": 1}}, Code(66)),
    ({"_id": 1}, {"$inc": {"_id": 0}}, {"_id": 1}),
    ({"_id": 1}, {"$max": {"_id": 0}}, {"_id": 1}),
    ({"_id": 1}, {"$unset": {"_id": 1}}, Code(66)),
    ({"_id": 1}, {"$currentDate": {"_id": True}}, Code(66)),
    ({"_id": {"a": 1}}, {"$set": {"_id.a": 2}}, Code(66)),
    ({"_id": {"a": 1}}, {"$set": {"_id.a": 1}}, {"_id": {"a": 1}}),
    ({"_id": {"a": 1}}, {"$set": {"_id.b": 1}}, Code(66)),
    ({"_id": {"a": 1}}, {"$unset": {"_id.a": 1}}, Code(66)),
    ({"a": {"_id": 1}}, {"$set": {"a._id": 2}}, {"a": {"_id": 2}}),
]

CONFLICTS: list[Case] = [
    ({}, {"$set": {"a": 1}, "$inc": {"a": 1}}, Code(40)),
    ({}, {"$set": {"a": {}}, "$inc": {"a.b": 1}}, Code(40)),
    ({}, {"$set": {"a.b": 1}, "$unset": {"a": 1}}, Code(40)),
    ({}, {"$set": {"a.b.c": 1, "a.b": 1}}, Code(40)),
    ({}, {"$set": {"a": 1}, "$setOnInsert": {"a": 1}}, Code(40)),
    ({}, {"$push": {"a": 1}, "$pull": {"a": 1}}, Code(40)),
    ({}, {"$set": {"a.0": 1, "a.$[]": 2}}, Code(40)),
    ({}, {"$set": {"a.b": 1, "a.bc": 2, "ab": 3}}, {"a": {"b": 1, "bc": 2}, "ab": 3}),
]

FORMS: list[Case] = [
    # operators without fields do nothing, since version 5.0
    ({"a": 1}, {"$set": {}, "$push": {}}, {"a": 1}),
    ({"a": 1}, {}, Code(9)),
    ({"a": 1}, {"a": 2}, Code(9)),
    ({"a": 1}, {"$set": {"a": 2}, "b": 1}, Code(9)),
    ({"a": 1}, {"a": 2, "$set": {"b": 1}}, Code(9)),
    ({"a": 1}, {"$foo": {"a": 2}}, Code(9)),
    ({"a": 1}, {"$pushAll": {"a": [2]}}, Code(9)),
    ({"a": 1}, {"$set": 5}, Code(9)),
    ({"a": 1}, {"$set": ["a"]}, Code(9)),
    ({"a": 1}, {"$unset": "a"}, Code(9)),
    ({"a": 1}, {"$unset": None}, Code(9)),
]


@pytest.mark.parametrize(
    ("document", "update", "result"),
    [*SET, *UNSET, *EXTREMES, *RENAME, *DATES, *IDS, *CONFLICTS, *FORMS],
    ids=str,
)
def test_an_update_gives_what_a_mongodb_server_gives(
    document: dict[str, Any], update: dict[str, Any], result: Result
) -> None:
    check(document, update, result)


INSERTING: list[Case] = [
    ({}, {"$setOnInsert": {"a": 1}, "$set": {"b": 2}}, {"a": 1, "b": 2}),
    ({"x": 1}, {"$set": {"_id": 5}}, {"_id": 5, "x": 1}),
    ({"_id": 5}, {"$setOnInsert": {"_id": 5}}, {"_id": 5}),
    ({"_id": 5}, {"$setOnInsert": {"_id": 6}}, Code(66)),
    ({"x": 1}, {"$set": {"_id.a": 5}}, {"_id": {"a": 5}, "x": 1}),
    ({}, {"$set": {"_id": [1]}}, Code(53)),
    ({}, {"$set": {"_id": Regex("a")}}, Code(53)),
    ({}, {"$set": {"_id": {"$a": 1}}}, Code(52)),
    # an insert may have such a name, and so may an upsert
    ({}, {"$set": {"$a": 1}}, {"$a": 1}),
    ({"a": 1}, {"$set": {"a.$": 2}}, Code(2)),
]


@pytest.mark.parametrize(("document", "update", "result"), INSERTING, ids=str)
def test_an_upsert_inserts_what_a_mongodb_server_inserts(
    document: dict[str, Any], update: dict[str, Any], result: Result
) -> None:
    check(document, update, result, inserting=True)


def test_set_on_insert_leaves_a_document_alone_that_exists() -> None:
    check({"a": 1, "c": 0}, {"$setOnInsert": {"a": 5, "b": 6, "c.d": 7}, "$set": {"e": 8}}, {"a": 1, "c": 0, "e": 8})


def test_padding_an_array_stops_at_the_limit_of_servers() -> None:
    assert len(updated({"a": []}, {"$set": {"a.1500000": 1}})["a"]) == 1_500_001


# -- refusing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "update",
    [
        {"$set": {"a": 1, "a.b": 2}},
        {"$inc": {"a": "x"}},
        {"$push": {"a": {"$each": 5}}},
        {"$pull": {"a": {"$where": "1"}}},
        {"$rename": {"a": "a.b"}},
        {"$set": {"a.$[x]": 1}},
        {"$foo": {}},
    ],
    ids=str,
)
def test_what_no_document_can_make_good_is_refused_before_one_is_seen(update: dict[str, Any]) -> None:
    with pytest.raises(InvalidUpdate):
        parse_update(update)


def test_a_pipeline_is_refused_by_name() -> None:
    with pytest.raises(InvalidUpdate, match=r"a pipeline \(\$addFields\) is not supported") as caught:
        parse_update([{"$addFields": {"a": 1}}])  # type: ignore[arg-type]
    assert caught.value.server_code == 9
    assert caught.value.code == "update.invalid"


def test_an_operator_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(InvalidUpdate, match=r"\$explode is not supported in an update"):
        parse_update({"$explode": {"a": 1}})


def test_what_is_no_document_is_refused() -> None:
    with pytest.raises(InvalidUpdate, match="not int"):
        parse_update(5)  # type: ignore[arg-type]


SECRET = "s3cret-of-somebody"


@pytest.mark.parametrize(
    ("document", "update"),
    [
        ({"a": SECRET}, {"$inc": {"a": 1}}),
        ({"a": SECRET}, {"$push": {"a": SECRET}}),
        ({"a": SECRET}, {"$addToSet": {"a": SECRET}}),
        ({"a": SECRET}, {"$pull": {"a": SECRET}}),
        ({"a": SECRET}, {"$pop": {"a": 1}}),
        ({"a": SECRET}, {"$bit": {"a": {"and": 1}}}),
        ({"a": SECRET}, {"$set": {"a.b": SECRET}}),
        ({"a": SECRET}, {"$set": {"a.$[]": SECRET}}),
        ({"a": SECRET, "b": 1}, {"$rename": {"a.b": "c"}}),
        ({}, {"$inc": {"a": SECRET}}),
        ({}, {"$mul": {"a": SECRET}}),
        ({}, {"$pop": {"a": SECRET}}),
        ({}, {"$bit": {"a": {"and": SECRET}}}),
        ({}, {"$bit": {"a": {SECRET: 1}}}),
        ({}, {"$pullAll": {"a": SECRET}}),
        ({}, {"$pull": {"a": {"$in": SECRET}}}),
        ({}, {"$push": {"a": {"$each": SECRET}}}),
        ({}, {"$push": {"a": {"$each": [], "$sort": SECRET}}}),
        ({}, {"$currentDate": {"a": SECRET}}),
        ({"_id": SECRET}, {"$set": {"_id": 1, "a": 1}}),
    ],
    ids=str,
)
def test_an_error_names_the_path_and_never_a_value(document: dict[str, Any], update: dict[str, Any]) -> None:
    with pytest.raises(InvalidUpdate) as caught:
        updated(document, update)
    assert SECRET not in str(caught.value)
    assert caught.value.path is not None
    assert str(caught.value.path) in str(caught.value)


def test_a_printed_update_shows_operators_and_paths_without_values() -> None:
    update = parse_update({"$set": {"a.b": SECRET}, "$push": {"c": {"$each": [SECRET]}}})
    assert repr(update) == "<UpdateOperators $set a.b, $push c>"


@pytest.mark.parametrize(
    ("operand", "error", "path"),
    [
        ({"a": 2**63}, IntegerOutOfRange, "a"),
        ({"a": {"b": [0, 2**63]}}, IntegerOutOfRange, "a.b.1"),
        ({"a.b": "\ud800"}, InvalidText, "a.b"),
        ({"a": {"b\0c": 1}}, InvalidText, "a"),
        ({"a\0b": 1}, InvalidText, None),
        ({"a": object()}, ValueNotStorable, "a"),
    ],
    ids=readable,
)
@pytest.mark.parametrize("operator", ["$set", "$push", "$setOnInsert", "$addToSet", "$min", "$pull"])
def test_a_value_that_no_store_can_have_is_refused_with_its_path(
    operator: str, operand: dict[str, Any], error: type[ValueNotStorable], path: str | None
) -> None:
    with pytest.raises(error) as caught:
        parse_update({operator: operand})
    assert caught.value.path == path


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(NestingTooDeep):
        parse_update({"$set": {"a": value}})


@pytest.mark.parametrize("name", ["a", "a.$[]"])
@pytest.mark.parametrize("operator", ["$set", "$unset", "$pull"])
def test_a_path_longer_than_documents_are_deep_is_refused(operator: str, name: str) -> None:
    parse_update({operator: {".".join(["a"] * 100): 1}})
    with pytest.raises(NestingTooDeep, match=r"more than 100 parts \(field a\.…\)"):
        parse_update({operator: {name + ".a" * 100_000: 1}})


def test_a_document_that_becomes_too_deep_is_for_the_store_to_refuse() -> None:
    result = updated({}, {"$set": {".".join(["a"] * 100): {"b": 1}}})
    with pytest.raises(NestingTooDeep):
        encode(result)


# -- the form of what comes out ----------------------------------------------------------------------------------------


def test_values_are_set_as_they_are_stored() -> None:
    result = updated({}, {"$set": {"a": (1, 2), "b": datetime(2026, 1, 1, microsecond=1234)}})
    assert result == {"a": [1, 2], "b": datetime(2026, 1, 1, microsecond=1000)}


def test_an_update_is_not_changed_with_the_operands_that_it_was_made_of() -> None:
    operand = {"b": [1]}
    update = parse_update({"$set": {"a": operand}})
    operand["b"].append(2)
    assert update.apply({}, now=NOW) == {"a": {"b": [1]}}


def test_applying_twice_gives_documents_that_do_not_grow_together() -> None:
    update = parse_update({"$push": {"a": {"$each": [1]}}, "$addToSet": {"b": 1}})
    first = update.apply({}, now=NOW)
    second = update.apply(first, now=NOW)
    assert first == {"a": [1], "b": [1]}
    assert second == {"a": [1, 1], "b": [1]}
    assert update.apply({}, now=NOW) == first


def test_what_an_update_does_not_change_is_shared_with_the_old_document() -> None:
    document = {"a": {"b": 1}, "c": {"d": [1]}}
    result = updated(document, {"$set": {"a.b": 2}})
    assert result["c"] is document["c"]


@pytest.mark.parametrize(
    ("update", "filters", "paths"),
    [
        ({"$set": {"b": 1, "a.c": 2}}, None, ("b", "a.c")),
        ({"$set": {"a.$[].b": 1}}, None, ("a.b",)),
        ({"$set": {"a.$.b": 1}, "$inc": {"a.$[x].c": 1}}, [{"x": 1}], None),
        ({"$inc": {"a.$[x].c.$[]": 1}}, [{"x": 1}], ("a.c",)),
        ({"$unset": {"a.$": 1}}, None, ("a",)),
        ({"$set": {"a.0.b": 1}}, None, ("a.0.b",)),
        ({"$rename": {"a": "b.c"}}, None, ("a", "b.c")),
        ({"$setOnInsert": {"a": 1}}, None, ("a",)),
        ({"$set": {}}, None, ()),
    ],
    ids=str,
)
def test_an_update_says_which_stored_paths_it_may_change(
    update: dict[str, Any], filters: list[dict[str, Any]] | None, paths: tuple[str, ...] | None
) -> None:
    if paths is None:
        with pytest.raises(InvalidUpdate):
            parse_update(update, array_filters=filters)
    else:
        assert sorted(parse_update(update, array_filters=filters).paths) == sorted(paths)


def test_the_operators_are_those_of_the_portable_set() -> None:
    names = "set unset inc mul min max rename setOnInsert currentDate push addToSet pull pullAll pop bit"
    assert {f"${name}" for name in names.split()} == UPDATE_OPERATORS


def test_every_type_can_be_set() -> None:
    values = {"a": ObjectId(), "b": b"x", "c": Timestamp(1, 2), "d": Regex("a", "i"), "e": Decimal128("1.10")}
    assert encode(updated({}, {"$set": values})) == encode(values)
