"""Operators on arrays: the cases of MongoDB's manual and of its servers' behaviour."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Code as JavaScript
from bson import DBRef, Decimal128, Int64, Regex

from atomodm.query.updates import PUSH_MODIFIERS
from tests.query.updating import Code, Result, check

Case = tuple[dict[str, Any], dict[str, Any], Result]


def each(*items: Any, **modifiers: Any) -> dict[str, Any]:
    return {"$push": {"a": {"$each": list(items), **{f"${name}": value for name, value in modifiers.items()}}}}


QUIZZES = [{"wk": 1, "score": 10}, {"wk": 2, "score": 8}, {"wk": 3, "score": 5}]

PUSH: list[Case] = [
    ({"a": [1]}, {"$push": {"a": 2}}, {"a": [1, 2]}),
    ({}, {"$push": {"a": 2}}, {"a": [2]}),
    ({"a": []}, {"$push": {"a": [1, 2]}}, {"a": [[1, 2]]}),
    ({"a": [1]}, {"$push": {"a": None}}, {"a": [1, None]}),
    ({}, {"$push": {"a.b": 1}}, {"a": {"b": [1]}}),
    ({"a": [[1]]}, {"$push": {"a.0": 2}}, {"a": [[1, 2]]}),
    ({"a": [[1]]}, {"$push": {"a.2": 2}}, {"a": [[1], None, [2]]}),
    ({"a": 1}, {"$push": {"a": 2}}, Code(2)),
    ({"a": None}, {"$push": {"a": 2}}, Code(2)),
    ({"a": {}}, {"$push": {"a": 2}}, Code(2)),
    # $each
    ({"a": [1]}, each(2, 3), {"a": [1, 2, 3]}),
    ({"a": [1]}, each(), {"a": [1]}),
    ({}, each(), {"a": []}),
    ({"a": [1]}, {"$push": {"a": {"$slice": 1}}}, {"a": [1, {"$slice": 1}]}),
    ({"a": [1]}, {"$push": {"a": {"$each": 1}}}, Code(2)),
    ({"a": [1]}, {"$push": {"a": {"$each": {"0": 1}}}}, Code(2)),
    ({"a": [1]}, each(2, x=1), Code(2)),
    ({"a": [1]}, {"$push": {"a": {"$each": [1], "b": 1}}}, Code(2)),
    # $position
    ({"a": [100]}, each(50, 60, 70, position=0), {"a": [50, 60, 70, 100]}),
    ({"a": [50, 60, 70, 100]}, each(20, 30, position=2), {"a": [50, 60, 20, 30, 70, 100]}),
    ({"a": [50, 60, 20, 30, 70, 100]}, each(90, 80, position=-2), {"a": [50, 60, 20, 30, 90, 80, 70, 100]}),
    ({"a": [1, 2]}, each(3, position=9), {"a": [1, 2, 3]}),
    ({"a": [1, 2]}, each(3, position=2), {"a": [1, 2, 3]}),
    ({"a": [1, 2]}, each(3, position=-1), {"a": [1, 3, 2]}),
    ({"a": [1, 2]}, each(3, position=-2), {"a": [3, 1, 2]}),
    ({"a": [1, 2]}, each(3, position=-9), {"a": [3, 1, 2]}),
    ({"a": [1, 2]}, each(3, position=1.0), {"a": [1, 3, 2]}),
    ({"a": [1, 2]}, each(3, position=1.5), Code(2)),
    ({"a": [1, 2]}, each(3, position="1"), Code(2)),
    ({"a": [1, 2]}, each(3, position=None), Code(2)),
    ({}, each(3, position=-1), {"a": [3]}),
    # $slice
    ({"a": [40, 50, 60]}, each(80, 78, 86, slice=-5), {"a": [50, 60, 80, 78, 86]}),
    ({"a": [89, 90]}, each(100, 20, slice=3), {"a": [89, 90, 100]}),
    ({"a": [89, 70, 100, 20]}, each(slice=-3), {"a": [70, 100, 20]}),
    ({"a": [1, 2]}, each(3, slice=0), {"a": []}),
    ({"a": [1]}, each(2, slice=5), {"a": [1, 2]}),
    ({"a": [1]}, each(2, slice=-5), {"a": [1, 2]}),
    ({"a": [1]}, each(2, slice=-(2**63)), {"a": [1, 2]}),
    ({"a": [1]}, each(2, slice=Decimal128("1")), {"a": [1]}),
    ({"a": [1]}, each(2, slice=-2.1), Code(2)),
    ({"a": [1]}, each(2, slice=[1, 2]), Code(2)),
    ({"a": [1]}, each(2, slice=True), Code(2)),
    # $sort
    ({"a": [89, 70, 89, 50]}, each(40, 60, sort=1), {"a": [40, 50, 60, 70, 89, 89]}),
    ({"a": [89, 70]}, each(100, 20, sort=-1), {"a": [100, 89, 70, 20]}),
    ({"a": [3, "x", None]}, each(2.5, {"b": 1}, sort=1), {"a": [None, 2.5, 3, "x", {"b": 1}]}),
    ({"a": [2, 1]}, each(sort=1), {"a": [1, 2]}),
    ({"a": [1, 1.0, Int64(1)]}, each(0, sort=-1), {"a": [1, 1.0, Int64(1), 0]}),
    ({"a": QUIZZES}, each({"wk": 4, "score": 7}, sort={"score": 1}),
     {"a": [QUIZZES[2], {"wk": 4, "score": 7}, QUIZZES[1], QUIZZES[0]]}),
    ({"a": QUIZZES}, each(sort={"score": -1, "wk": 1}), {"a": QUIZZES}),
    ({"a": [{"b": 1, "c": 1}, {"b": 1, "c": 2}]}, each({"b": 0, "c": 9}, sort={"b": 1, "c": -1}),
     {"a": [{"b": 0, "c": 9}, {"b": 1, "c": 2}, {"b": 1, "c": 1}]}),
    # elements without the field, or that are no documents, count as null
    ({"a": [{"b": 1}, 5, {}, {"b": None}, "x"]}, each(sort={"b": 1}), {"a": [5, {}, {"b": None}, "x", {"b": 1}]}),
    ({"a": [{"b": {"c": 2}}, {"b": {"c": 1}}, {"b": 5}]}, each(sort={"b.c": 1}),
     {"a": [{"b": 5}, {"b": {"c": 1}}, {"b": {"c": 2}}]}),
    ({"a": [{"b": [1, 9]}, {"b": [1, 2]}]}, each(sort={"b.1": 1}), {"a": [{"b": [1, 2]}, {"b": [1, 9]}]}),
    # arrays are compared as arrays
    ({"a": [{"b": [5, 1]}, {"b": [2, 9]}]}, each(sort={"b": 1}), {"a": [{"b": [2, 9]}, {"b": [5, 1]}]}),
    ({"a": [1]}, each(2, sort=2), Code(2)),
    ({"a": [1]}, each(2, sort=True), Code(2)),
    ({"a": [1]}, each(2, sort="x"), Code(2)),
    ({"a": [1]}, each(2, sort=[{"b": 1}]), Code(2)),
    ({"a": [1]}, each(2, sort={}), Code(2)),
    ({"a": [1]}, each(2, sort={"b": 100}), Code(2)),
    ({"a": [1]}, each(2, sort={"": 1}), Code(2)),
    ({"a": [1]}, each(2, sort={"b.": 1}), Code(2)),
    ({"a": [1]}, each(2, sort={"b..c": 1}), Code(2)),
    # all together: first the place, then the order, then the length
    ({"a": QUIZZES}, each({"wk": 5, "score": 8}, {"wk": 6, "score": 7}, {"wk": 7, "score": 6}, slice=3,
                          sort={"score": -1}), {"a": [QUIZZES[0], QUIZZES[1], {"wk": 5, "score": 8}]}),
    ({"a": [3, 1]}, each(2, 5, position=0, sort=-1, slice=2), {"a": [5, 3]}),
    ({"a": [3, 1]}, each(2, 5, position=0, slice=2), {"a": [2, 5]}),
]  # fmt: skip

ADD_TO_SET: list[Case] = [
    ({"a": ["x"]}, {"$addToSet": {"a": "y"}}, {"a": ["x", "y"]}),
    ({"a": ["x"]}, {"$addToSet": {"a": "x"}}, {"a": ["x"]}),
    ({}, {"$addToSet": {"a": "x"}}, {"a": ["x"]}),
    ({"a": ["x"]}, {"$addToSet": {"a": ["x", "y"]}}, {"a": ["x", ["x", "y"]]}),
    ({"a": ["x"]}, {"$addToSet": {"a": {"$each": ["x", "y", "y", "z"]}}}, {"a": ["x", "y", "z"]}),
    ({}, {"$addToSet": {"a": {"$each": ["y", "x", "y"]}}}, {"a": ["y", "x"]}),
    ({}, {"$addToSet": {"a": {"$each": []}}}, {"a": []}),
    # what is there twice stays there twice
    ({"a": [1, 1]}, {"$addToSet": {"a": 2}}, {"a": [1, 1, 2]}),
    # equal is what MongoDB compares as equal
    ({"a": [1]}, {"$addToSet": {"a": {"$each": [1.0, Int64(1), Decimal128("1.0"), True]}}}, {"a": [1, True]}),
    ({"a": ["x"]}, {"$addToSet": {"a": JavaScript("x")}}, {"a": ["x", JavaScript("x")]}),
    ({"a": [{"b": 1, "c": 2}]}, {"$addToSet": {"a": {"b": 1.0, "c": 2}}}, {"a": [{"b": 1, "c": 2}]}),
    ({"a": [{"b": 1, "c": 2}]}, {"$addToSet": {"a": {"c": 2, "b": 1}}}, {"a": [{"b": 1, "c": 2}, {"c": 2, "b": 1}]}),
    ({"a": [None]}, {"$addToSet": {"a": None}}, {"a": [None]}),
    ({"a": [float("nan")]}, {"$addToSet": {"a": float("nan")}}, {"a": [float("nan")]}),
    ({"a": "x"}, {"$addToSet": {"a": "x"}}, Code(2)),
    ({"a": None}, {"$addToSet": {"a": "x"}}, Code(2)),
    ({"a": []}, {"$addToSet": {"a": {"$each": "x"}}}, Code(14)),
    ({"a": []}, {"$addToSet": {"a": {"$each": ["x"], "$slice": 1}}}, Code(2)),
    ({"a": []}, {"$addToSet": {"a": {"b": 1, "$each": ["x"]}}}, {"a": [{"b": 1, "$each": ["x"]}]}),
    ({"a": [1]}, {"$addToSet": {"a.b": 1}}, Code(28)),
]

POP: list[Case] = [
    ({"a": [8, 9, 10]}, {"$pop": {"a": -1}}, {"a": [9, 10]}),
    ({"a": [8, 9, 10]}, {"$pop": {"a": 1}}, {"a": [8, 9]}),
    ({"a": [8, 9, 10]}, {"$pop": {"a": 1.0}}, {"a": [8, 9]}),
    ({"a": [8]}, {"$pop": {"a": 1}}, {"a": []}),
    ({"a": []}, {"$pop": {"a": 1}}, {"a": []}),
    ({}, {"$pop": {"a": 1}}, {}),
    ({}, {"$pop": {"a.b": 1}}, {}),
    ({"a": [[1, 2]]}, {"$pop": {"a.0": 1}}, {"a": [[1]]}),
    ({"a": [[1, 2]]}, {"$pop": {"a.5": 1}}, {"a": [[1, 2]]}),
    ({"a": 1}, {"$pop": {"a": 1}}, Code(14)),
    ({"a": 1}, {"$pop": {"a.b": 1}}, Code(28)),
    ({"a": [1]}, {"$pop": {"a.b": 1}}, Code(28)),
    ({"a": [1]}, {"$pop": {"a": 0}}, Code(9)),
    ({"a": [1]}, {"$pop": {"a": 2}}, Code(9)),
    ({"a": [1]}, {"$pop": {"a": 1.5}}, Code(9)),
    ({"a": [1]}, {"$pop": {"a": "1"}}, Code(9)),
    ({"a": [1]}, {"$pop": {"a": Decimal128("sNaN")}}, Code(9)),
    ({"a": [1]}, {"$pop": {"a": float("inf")}}, Code(9)),
    ({"a": [1]}, {"$pop": {"a": Decimal128("1E+6000")}}, Code(9)),
    ({"a": [1]}, {"$pop": {"a": True}}, Code(9)),
]

RESULTS = [{"item": "A", "score": 5}, {"item": "B", "score": 8}]
ANSWERED = [{"item": "C", "answers": [{"q": 1, "a": 4}, {"q": 2, "a": 6}]}]

PULL: list[Case] = [
    ({"a": ["x", "y", "x"], "b": ["x"]}, {"$pull": {"a": "x", "b": "y"}}, {"a": ["y"], "b": ["x"]}),
    ({"a": ["x", "y", "z"]}, {"$pull": {"a": {"$in": ["x", "z"]}}}, {"a": ["y"]}),
    ({"a": [3, 5, 6, 7]}, {"$pull": {"a": {"$gte": 6}}}, {"a": [3, 5]}),
    ({"a": [3, 5, 6, 7]}, {"$pull": {"a": {"$gt": 3, "$lt": 7}}}, {"a": [3, 7]}),
    ({"a": [1, 1.0, "1", True, [1]]}, {"$pull": {"a": 1}}, {"a": ["1", True, [1]]}),
    ({"a": [None, 0, []]}, {"$pull": {"a": None}}, {"a": [0, []]}),
    ({"a": ["ab", "b"]}, {"$pull": {"a": Regex("^a")}}, {"a": ["b"]}),
    ({"a": ["ab", "b"]}, {"$pull": {"a": {"$regex": "^A", "$options": "i"}}}, {"a": ["b"]}),
    ({"a": ["ab", "b"]}, {"$pull": {"a": {"$not": {"$eq": "b"}}}}, {"a": ["b"]}),
    # an array is pulled when it is the same, and by operators also for its elements
    ({"a": [[1, 2], [2, 1], 1]}, {"$pull": {"a": [1, 2]}}, {"a": [[2, 1], 1]}),
    ({"a": [[1, 2], [3], 1]}, {"$pull": {"a": {"$gte": 2}}}, {"a": [1]}),
    ({"a": [[{"b": 1}], {"b": 1}]}, {"$pull": {"a": {"$elemMatch": {"b": 1}}}}, {"a": [{"b": 1}]}),
    # a condition on documents
    ({"a": RESULTS}, {"$pull": {"a": {"score": 8, "item": "B"}}}, {"a": RESULTS[:1]}),
    ({"a": RESULTS}, {"$pull": {"a": {"item": "B", "score": {"$gte": 9}}}}, {"a": RESULTS}),
    ({"a": [*RESULTS, 8, "B"]}, {"$pull": {"a": {"score": {"$gt": 1}}}}, {"a": [8, "B"]}),
    ({"a": [{"b": 1, "c": 2}]}, {"$pull": {"a": {"b": 1}}}, {"a": []}),
    ({"a": [{"b": {"c": 1, "d": 2}}, {"b": {"c": 1}}]}, {"$pull": {"a": {"b": {"c": 1}}}},
     {"a": [{"b": {"c": 1, "d": 2}}]}),
    ({"a": [{"b": {"c": 1, "d": 2}}, {"b": {"c": 1}}]}, {"$pull": {"a": {"b.c": 1}}}, {"a": []}),
    ({"a": ANSWERED}, {"$pull": {"a": {"answers": {"$elemMatch": {"q": 2, "a": {"$gte": 6}}}}}}, {"a": []}),
    ({"a": ANSWERED}, {"$pull": {"a": {"answers": {"$elemMatch": {"q": 1, "a": {"$gte": 6}}}}}}, {"a": ANSWERED}),
    ({"a": [{"b": 1}, {"b": 2}, {"b": 3}]}, {"$pull": {"a": {"$or": [{"b": 1}, {"b": 3}]}}}, {"a": [{"b": 2}]}),
    ({"a": [{"b": 1}, {}]}, {"$pull": {"a": {"b": None}}}, {"a": [{"b": 1}]}),
    ({"a": [{"b": 1}, {}, 1, []]}, {"$pull": {"a": {}}}, {"a": [1, []]}),
    ({"a": [DBRef("x", 1), DBRef("x", 2), 1]}, {"$pull": {"a": DBRef("x", 1)}}, {"a": [DBRef("x", 2), 1]}),
    ({"a": [DBRef("x", 1), {"b": 1}]}, {"$pull": {"a": {"$id": 1}}}, {"a": [{"b": 1}]}),
    # positions and places
    ({"a": [{"b": [1, 2]}]}, {"$pull": {"a.0.b": 1}}, {"a": [{"b": [2]}]}),
    ({}, {"$pull": {"a": 1}}, {}),
    ({}, {"$pull": {"a.b": 1}}, {}),
    ({"a": [1]}, {"$pull": {"a.7": 1}}, {"a": [1]}),
    ({"a": 1}, {"$pull": {"a": 1}}, Code(2)),
    ({"a": None}, {"$pull": {"a": None}}, Code(2)),
    ({"a": 1}, {"$pull": {"a.b": 1}}, Code(28)),
    ({"a": [{"b": [1]}]}, {"$pull": {"a.b": 1}}, Code(28)),
    ({"a": [1]}, {"$pull": {"a": {"$foo": 1}}}, Code(2)),
    ({"a": [1]}, {"$pull": {"a": {"b": {"$expr": 1}}}}, Code(2)),
    ({"a": [1]}, {"$pull": {"a": {"$gt": 1, "b": 1}}}, Code(2)),
    ({"a": [1]}, {"$pull": {"a": {"$in": 1}}}, Code(2)),
]  # fmt: skip

PULL_ALL: list[Case] = [
    ({"a": [0, 2, 5, 5, 1, 0]}, {"$pullAll": {"a": [0, 5]}}, {"a": [2, 1]}),
    ({"a": [1, 1.0, True]}, {"$pullAll": {"a": [Int64(1)]}}, {"a": [True]}),
    ({"a": [{"b": 1, "c": 2}, {"b": 1}]}, {"$pullAll": {"a": [{"b": 1}]}}, {"a": [{"b": 1, "c": 2}]}),
    ({"a": [{"b": 1, "c": 2}]}, {"$pullAll": {"a": [{"c": 2, "b": 1}]}}, {"a": [{"b": 1, "c": 2}]}),
    ({"a": ["x", Regex("x")]}, {"$pullAll": {"a": [Regex("x")]}}, {"a": ["x"]}),
    ({"a": [1]}, {"$pullAll": {"a": []}}, {"a": [1]}),
    ({}, {"$pullAll": {"a": [1]}}, {}),
    ({"a": 1}, {"$pullAll": {"a": [1]}}, Code(2)),
    ({"a": [1]}, {"$pullAll": {"a": 1}}, Code(2)),
    ({"a": [1]}, {"$pullAll": {"a": {"$each": [1]}}}, Code(2)),
]


@pytest.mark.parametrize(("document", "update", "result"), [*PUSH, *ADD_TO_SET, *POP, *PULL, *PULL_ALL], ids=str)
def test_an_operator_on_arrays_gives_what_a_mongodb_server_gives(
    document: dict[str, Any], update: dict[str, Any], result: Result
) -> None:
    check(document, update, result)


def test_the_modifiers_of_push_are_those_of_the_portable_set() -> None:
    assert set(PUSH_MODIFIERS) == {"$each", "$slice", "$sort", "$position"}
