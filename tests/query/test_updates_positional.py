"""The positional parts of paths: ``$``, ``$[]`` and ``$[name]``."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Regex

from atomodm.errors import InvalidUpdate
from atomodm.query import parse_filter
from atomodm.query.positions import compile_position
from atomodm.query.updates import parse_update
from tests.query.updating import NOW, Code, Result, check

Case = tuple[dict[str, Any], dict[str, Any], Result]

AT_ONE: list[Case] = [
    ({"a": [85, 80, 80]}, {"$set": {"a.$": 82}}, {"a": [85, 82, 80]}),
    ({"a": [{"b": 1}, {"b": 2}]}, {"$inc": {"a.$.b": 5}}, {"a": [{"b": 1}, {"b": 7}]}),
    ({"a": [{"b": 1}, {"b": 2}]}, {"$set": {"a.$.b": 5, "a.$.c": 6}}, {"a": [{"b": 1}, {"b": 5, "c": 6}]}),
    ({"a": [1, 2, 3]}, {"$unset": {"a.$": ""}}, {"a": [1, None, 3]}),
    ({"a": [[1], [2]]}, {"$push": {"a.$": 3}}, {"a": [[1], [2, 3]]}),
    ({"a": [1, 2]}, {"$set": {"a.$": 5, "a.0": 6, "a.3": 7}}, {"a": [6, 5, None, 7]}),
    ({"a": [{"b": 1}, {"b": 2}]}, {"$set": {"a.$.b": 5, "a.1.c": 6}}, {"a": [{"b": 1}, {"b": 5, "c": 6}]}),
    ({"a": [1, 2]}, {"$set": {"a.$": 5, "a.1": 6}}, Code(40)),
    ({"a": [{}, {}]}, {"$set": {"a.$.b": 5}, "$inc": {"a.1.b": 6}}, Code(40)),
    ({"a": [{}, {}]}, {"$set": {"a.$": 5}, "$inc": {"a.1.b": 6}}, Code(40)),
    ({"a": [1, 2], "b": [3, 4]}, {"$set": {"a.$": 5, "b.$": 6}}, {"a": [1, 5], "b": [3, 6]}),
    ({"a": [1]}, {"$set": {"a.$": 5}}, {"a": [1, 5]}),
    # of a document it is a name
    ({"a": {"1": 0}}, {"$set": {"a.$": 5}}, {"a": {"1": 5}}),
    ({}, {"$set": {"a.$": 5}}, {"a": {"1": 5}}),
    ({"a": 5}, {"$set": {"a.$": 5}}, Code(28)),
    ({"a": [1]}, {"$set": {"$": 5}}, Code(2)),
    ({"a": [1]}, {"$set": {"$.a": 5}}, Code(2)),
    ({"a": [1]}, {"$set": {"a.$.b.$": 5}}, Code(2)),
    ({"a": [1]}, {"$set": {"a.$": 5, "a.$.b": 5}}, Code(40)),
    ({"a": [[1, 2], [3, 4]]}, {"$inc": {"a.$.$[]": 10}}, {"a": [[1, 2], [13, 14]]}),
]


@pytest.mark.parametrize(("document", "update", "result"), AT_ONE, ids=str)
def test_the_positional_part_is_the_position_that_the_filter_matched(
    document: dict[str, Any], update: dict[str, Any], result: Result
) -> None:
    check(document, update, result, position=1)


def test_the_positional_part_needs_a_match_in_the_filter() -> None:
    check({"a": [1]}, {"$set": {"a.$": 5}}, Code(2))


@pytest.mark.parametrize(
    ("filter", "document", "update", "result"),
    [
        ({"grades": 80}, {"grades": [85, 80, 80]}, {"$set": {"grades.$": 82}}, {"grades": [85, 82, 80]}),
        (
            {"grades.grade": 85},
            {"grades": [{"grade": 80, "std": 8}, {"grade": 85, "std": 5}]},
            {"$set": {"grades.$.std": 6}},
            {"grades": [{"grade": 80, "std": 8}, {"grade": 85, "std": 6}]},
        ),
        (
            {"grades": {"$elemMatch": {"grade": {"$lte": 90}, "mean": {"$gt": 80}}}},
            {"grades": [{"grade": 90, "mean": 75}, {"grade": 85, "mean": 90}]},
            {"$set": {"grades.$.std": 6}},
            {"grades": [{"grade": 90, "mean": 75}, {"grade": 85, "mean": 90, "std": 6}]},
        ),
    ],
    ids=str,
)
def test_the_examples_of_the_manual_for_the_positional_part(
    filter: dict[str, Any], document: dict[str, Any], update: dict[str, Any], result: dict[str, Any]
) -> None:
    check(document, update, result, position=compile_position(parse_filter(filter))(document))


AT_ALL: list[Case] = [
    ({"a": [1, 2]}, {"$inc": {"a.$[]": 10}}, {"a": [11, 12]}),
    ({"a": [{"b": 1}, {"b": 2}]}, {"$inc": {"a.$[].b": -2}}, {"a": [{"b": -1}, {"b": 0}]}),
    ({"a": [{"b": [1, 2]}, {"b": [3]}]}, {"$mul": {"a.$[].b.$[]": 2}}, {"a": [{"b": [2, 4]}, {"b": [6]}]}),
    ({"a": [{}, {"b": 1}]}, {"$set": {"a.$[].b": 5, "a.$[].c": 6}}, {"a": [{"b": 5, "c": 6}, {"b": 5, "c": 6}]}),
    ({"a": [1, 2]}, {"$unset": {"a.$[]": ""}}, {"a": [None, None]}),
    ({"a": []}, {"$set": {"a.$[]": 1}}, {"a": []}),
    ({"a": [1, {"b": 1}]}, {"$set": {"a.$[].b": 1}}, Code(28)),
    ({"a": [1, {"b": 1}]}, {"$unset": {"a.$[].b": 1}}, {"a": [1, {}]}),
    ({}, {"$set": {"a.$[]": 1}}, Code(2)),
    ({}, {"$unset": {"a.b.$[]": 1}}, Code(2)),
    ({"a": 5}, {"$set": {"a.$[]": 1}}, Code(2)),
    ({"a": {}}, {"$set": {"a.$[]": 1}}, Code(2)),
    ({"a": [{}]}, {"$set": {"a.$[].b.$[]": 1}}, Code(2)),
    ({"a": [1]}, {"$set": {"$[]": 1}}, Code(2)),
    ({"a": [1]}, {"$set": {"$[].a": 1}}, Code(2)),
    ({"a": [1]}, {"$set": {"a.$[x]": 1}}, Code(2)),
    ({"a": [1]}, {"$set": {"a.$[]": 1}, "$inc": {"a.$[]": 1}}, Code(40)),
]


@pytest.mark.parametrize(("document", "update", "result"), AT_ALL, ids=str)
def test_the_all_positional_part_is_every_element(
    document: dict[str, Any], update: dict[str, Any], result: Result
) -> None:
    check(document, update, result)


Filters = list[dict[str, Any]]
FILTERED: list[tuple[dict[str, Any], dict[str, Any], Filters, Result]] = [
    ({"a": [95, 102, 90]}, {"$set": {"a.$[x]": 100}}, [{"x": {"$gte": 100}}], {"a": [95, 100, 90]}),
    (
        {"a": [{"grade": 80, "mean": 75}, {"grade": 90, "mean": 85}]},
        {"$set": {"a.$[elem].mean": 100}},
        [{"elem.grade": {"$gte": 85}}],
        {"a": [{"grade": 80, "mean": 75}, {"grade": 90, "mean": 100}]},
    ),
    (
        {"a": [{"g": 80, "s": 5}, {"g": 90, "s": 2}, {"g": 85, "s": 9}]},
        {"$inc": {"a.$[e].s": -1}},
        [{"e.g": {"$gte": 80}, "e.s": {"$gte": 5}}],
        {"a": [{"g": 80, "s": 4}, {"g": 90, "s": 2}, {"g": 85, "s": 8}]},
    ),
    (
        {"a": [{"t": "quiz", "q": [10, 8, 5]}, {"t": "exam", "q": [9, 10]}]},
        {"$inc": {"a.$[t].q.$[score]": 2}},
        [{"t.t": "quiz"}, {"score": {"$gte": 8}}],
        {"a": [{"t": "quiz", "q": [12, 10, 5]}, {"t": "exam", "q": [9, 10]}]},
    ),
    (
        {"a": [{"q": [10, 5]}, {"q": [9]}]},
        {"$inc": {"a.$[].q.$[s]": 2}},
        [{"s": {"$gte": 8}}],
        {"a": [{"q": [12, 5]}, {"q": [11]}]},
    ),
    ({"a": [1, 2, 3]}, {"$set": {"a.$[x]": 0}}, [{"$or": [{"x": 1}, {"x": 3}]}], {"a": [0, 2, 0]}),
    ({"a": ["ab", "b"]}, {"$set": {"a.$[x]": 0}}, [{"x": Regex("^a")}], {"a": [0, "b"]}),
    ({"a": [{"b": 1}, {"b": 2}]}, {"$set": {"a.$[x].c": 0}}, [{"x": {"b": 1}}], {"a": [{"b": 1, "c": 0}, {"b": 2}]}),
    ({"a": [1, {}, None]}, {"$set": {"a.$[x]": 0}}, [{"x": {"$type": "number"}}], {"a": [0, {}, None]}),
    ({"a": [[1, 2], [3]]}, {"$set": {"a.$[x]": 0}}, [{"x": 3}], {"a": [[1, 2], 0]}),
    ({"a": [1, 2]}, {"$set": {"a.$[x]": 0}}, [{"x": 5}], {"a": [1, 2]}),
    ({"a": [1, 2], "b": [1]}, {"$set": {"a.$[x]": 0, "b.$[x]": 5}}, [{"x": 1}], {"a": [0, 2], "b": [5]}),
    # several for one element are joined, unless they contradict one another
    (
        {"a": [{"b": 1, "c": 1}, {"b": 1}]},
        {"$set": {"a.$[x].d": 0, "a.$[y].e": 5, "a.$[].f": 6}},
        [{"x.b": 1}, {"y.c": 1}],
        {"a": [{"b": 1, "c": 1, "d": 0, "e": 5, "f": 6}, {"b": 1, "d": 0, "f": 6}]},
    ),
    ({"a": [1, 2]}, {"$set": {"a.$[x]": 0, "a.$[y]": 5}}, [{"x": 1}, {"y": 2}], {"a": [0, 5]}),
    ({"a": [1, 2]}, {"$set": {"a.$[x]": 0, "a.$[y]": 5}}, [{"x": 1}, {"y": {"$gt": 0}}], Code(40)),
    (
        {"a": [{"b": [1]}]},
        {"$inc": {"a.$[x].b.$[]": 1, "a.$[y].b.$[z]": 1}},
        [{"x.b": 1}, {"y.b": 2}, {"z": 1}],
        {"a": [{"b": [2]}]},
    ),
    ({"a": [{"b": [1]}]}, {"$inc": {"a.$[].b.$[]": 1, "a.$[y].b.$[z]": 1}}, [{"y.b": 1}, {"z": 1}], Code(40)),
    (
        {"a": [{"b": [1]}]},
        {"$inc": {"a.$[].b.$[]": 1, "a.$[y].b.$[z]": 1}},
        [{"y.b": 1}, {"z": 9}],
        {"a": [{"b": [2]}]},
    ),
    # names
    ({"a": [1]}, {"$set": {"a.$[x]": 0}}, [{"y": 1}], Code(2)),
    ({"a": [1]}, {"$set": {"a.$[x]": 0}}, [{"x": 1}, {"y": 1}], Code(9)),
    ({"a": [1]}, {"$set": {"a.$[x]": 0}}, [{"x": 1}, {"x": 2}], Code(9)),
    ({"a": [1]}, {"$set": {"a.$[x]": 0}}, [{"x": 1, "y": 2}], Code(9)),
    ({"a": [1]}, {"$set": {"a.$[x]": 0}}, [{"$and": [{"x": 1}, {"y.z": 2}]}], Code(9)),
    ({"a": [1]}, {"$set": {"a.$[x]": 0}}, [{}], Code(9)),
    ({"a": [1]}, {"$set": {"a.$[X]": 0}}, [{"X": 1}], Code(2)),
    ({"a": [1]}, {"$set": {"a.$[x_y]": 0}}, [{"x_y": 1}], Code(2)),
    ({"a": [1]}, {"$set": {"a.$[1]": 0}}, [{"1": 1}], Code(2)),
    ({"a": [1]}, {"$set": {"a": 0}}, [{"x": 1}], Code(9)),
    ({"a": [1]}, {"$set": {"a.$[x]": 0}}, [{"x": {"$foo": 1}}], Code(2)),
    ({"a": [1]}, {"$set": {"a.$[x]": 0}}, [{"$expr": {"x": 1}}], Code(2)),
    ({"a": [1]}, {"$set": {"$[x].a": 0}}, [{"x": 1}], Code(2)),
]


@pytest.mark.parametrize(("document", "update", "filters", "result"), FILTERED, ids=str)
def test_the_filtered_positional_part_is_the_elements_that_an_array_filter_matches(
    document: dict[str, Any], update: dict[str, Any], filters: Filters, result: Result
) -> None:
    check(document, update, result, filters=filters)


JOINED: list[tuple[dict[str, Any], Result]] = [
    ({"a.$[x].b.$.c": 1, "a.$[y].b.$.d": 2}, {"a": [{"b": [{"c": 1, "d": 2}]}]}),
    ({"a.$[x].b.$.c": 1, "a.$[y].b.1": 2}, {"a": [{"b": [{"c": 1}, 2]}]}),
    ({"a.$[x].b.$.c": 1, "a.$[y].b.0.d": 2}, {"a": [{"b": [{"c": 1, "d": 2}]}]}),
    ({"a.$[x].b.$": 1, "a.$[y].b.$": 2}, Code(40)),
    ({"a.$[x].b.$": 1, "a.$[y].b.0": 2}, Code(40)),
    ({"a.$[x].b.$.c": 1, "a.$[y].b.0": 2}, Code(40)),
    ({"a.$[x].b.$[]": 1, "a.$[y].b.0": 2}, Code(40)),
    ({"a.$[x].b.0": 1, "a.$[y].b.$[]": 2}, Code(40)),
    ({"a.$[x]": 1, "a.$[y].b.$": 2}, Code(40)),
    ({"a.$[x].b.$": 1, "a.$[y]": 2}, Code(40)),
]


@pytest.mark.parametrize(("paths", "result"), JOINED, ids=str)
def test_filters_that_match_one_element_join_what_they_change_below_it(paths: dict[str, Any], result: Result) -> None:
    filters = [{"x.b": {"$exists": True}}, {"y.b": {"$exists": True}}]
    check({"a": [{"b": [{}]}]}, {"$set": paths}, result, position=0, filters=filters)


def test_an_operator_that_filters_do_not_have_is_refused_by_name_in_array_filters_too() -> None:
    with pytest.raises(InvalidUpdate, match=r"an array filter is refused: .*\$where"):
        parse_update({"$set": {"a.$[x]": 0}}, array_filters=[{"x": 1, "$where": "1"}])


def test_an_array_filter_that_is_no_document_is_a_mismatch_of_types() -> None:
    with pytest.raises(InvalidUpdate) as caught:
        parse_update({"$set": {"a.$[x]": 0}}, array_filters=[5])  # type: ignore[list-item]
    assert caught.value.server_code == 14


def test_a_filtered_update_is_applied_to_many_documents_alike() -> None:
    update = parse_update({"$inc": {"a.$[].b": 1, "a.$[x].c": 1}}, array_filters=[{"x.b": 1}])
    documents: list[dict[str, Any]] = [{"a": [{"b": 1}, {"b": 2}]}, {"a": []}, {"a": [{"b": 1}]}]
    assert [update.apply(document, now=NOW) for document in documents] == [
        {"a": [{"b": 2, "c": 1}, {"b": 3}]},
        {"a": []},
        {"a": [{"b": 2, "c": 1}]},
    ]
