"""What projections give: the cases of MongoDB's manual and of its servers' behaviour."""

from __future__ import annotations

from typing import Any

from bson import DBRef, Decimal128, Int64

PERSON = {"_id": 1, "name": "Ann", "age": 5, "address": {"city": "Rome", "zip": "00100", "geo": {"x": 1, "y": 2}}}
ARRAYS = {"_id": 1, "a": [{"b": 1, "c": 2}, 5, [{"b": 3, "c": 4}, 6], {"c": 7}], "n": [1, 2, 3, 4, 5]}

#: Projections, documents, and what is given of them.
PROJECTION_CASES: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    # names
    (["name"], PERSON, {"_id": 1, "name": "Ann"}),
    (("age", "name"), PERSON, {"_id": 1, "name": "Ann", "age": 5}),
    (frozenset({"age"}), PERSON, {"_id": 1, "age": 5}),
    (["none"], PERSON, {"_id": 1}),
    # flags
    ({"age": 1, "name": 1}, PERSON, {"_id": 1, "name": "Ann", "age": 5}),
    ({"name": True}, PERSON, {"_id": 1, "name": "Ann"}),
    ({"name": 0.5}, PERSON, {"_id": 1, "name": "Ann"}),
    ({"name": -1}, PERSON, {"_id": 1, "name": "Ann"}),
    ({"name": Int64(2)}, PERSON, {"_id": 1, "name": "Ann"}),
    ({"name": Decimal128("1")}, PERSON, {"_id": 1, "name": "Ann"}),
    ({"name": float("nan")}, PERSON, {"_id": 1, "name": "Ann"}),
    ({"address": Decimal128("0.0"), "age": 0.0}, PERSON, {"_id": 1, "name": "Ann"}),
    ({"address": False, "age": 0}, PERSON, {"_id": 1, "name": "Ann"}),
    # _id
    ({"_id": 1}, PERSON, {"_id": 1}),
    ({"_id": 0, "name": 1}, PERSON, {"name": "Ann"}),
    ({"name": 1, "_id": 0}, PERSON, {"name": "Ann"}),
    ({"_id": 0, "address": 0, "age": 0}, PERSON, {"name": "Ann"}),
    ({"_id": 1, "address": 0}, PERSON, {"_id": 1, "name": "Ann", "age": 5}),
    ({"_id": 0}, {"_id": 1, "a": 2}, {"a": 2}),
    ({"_id.x": 1}, {"_id": {"x": 1, "y": 2}, "a": 1}, {"_id": {"x": 1}}),
    ({"_id": {"x": 1}, "a": 1}, {"_id": {"x": 1, "y": 2}, "a": 1}, {"_id": {"x": 1}, "a": 1}),
    ({"_id.x": 0}, {"_id": {"x": 1, "y": 2}, "a": 1}, {"_id": {"y": 2}, "a": 1}),
    ({"a": 1}, {"b": 1, "a": 2, "_id": 3}, {"a": 2, "_id": 3}),
    # fields of fields
    ({"address.city": 1}, PERSON, {"_id": 1, "address": {"city": "Rome"}}),
    ({"address": {"city": 1}}, PERSON, {"_id": 1, "address": {"city": "Rome"}}),
    ({"address": {"geo.x": 1, "city": 1}}, PERSON, {"_id": 1, "address": {"city": "Rome", "geo": {"x": 1}}}),
    (
        {"address": {"geo": {"x": 1}}, "address.city": 1},
        PERSON,
        {"_id": 1, "address": {"city": "Rome", "geo": {"x": 1}}},
    ),
    ({"_id": 0, "address.geo.y": 1, "address.geo.x": 1}, PERSON, {"address": {"geo": {"x": 1, "y": 2}}}),
    ({"address.none": 1}, PERSON, {"_id": 1, "address": {}}),
    ({"name.first": 1}, PERSON, {"_id": 1}),
    ({"address.geo": 0, "name": 0, "age": 0}, PERSON, {"_id": 1, "address": {"city": "Rome", "zip": "00100"}}),
    (
        {"address": {"geo": {"x": 0}, "zip": 0, "city": 0}, "name": 0},
        PERSON,
        {"_id": 1, "age": 5, "address": {"geo": {"y": 2}}},
    ),
    ({"name.first": 0, "address": 0, "age": 0}, PERSON, {"_id": 1, "name": "Ann"}),
    # arrays on the way
    ({"a.b": 1}, ARRAYS, {"_id": 1, "a": [{"b": 1}, [{"b": 3}], {}]}),
    ({"a.b": 0, "n": 0}, ARRAYS, {"_id": 1, "a": [{"c": 2}, 5, [{"c": 4}, 6], {"c": 7}]}),
    ({"n.x": 1}, ARRAYS, {"_id": 1, "n": []}),
    ({"n.0": 1}, ARRAYS, {"_id": 1, "n": []}),
    ({"a.0": 1}, {"_id": 1, "a": {"0": 5, "1": 6}}, {"_id": 1, "a": {"0": 5}}),
    ({"d.$id": 1}, {"_id": 1, "d": DBRef("people", 7)}, {"_id": 1, "d": {"$id": 7}}),
    ({"d.x": 0}, {"_id": 1, "d": DBRef("people", 7, x=1)}, {"_id": 1, "d": DBRef("people", 7)}),
    # $slice
    ({"n": {"$slice": 2}, "a": 0}, ARRAYS, {"_id": 1, "n": [1, 2]}),
    ({"n": {"$slice": -2}, "a": 0}, ARRAYS, {"_id": 1, "n": [4, 5]}),
    ({"n": {"$slice": 0}, "a": 0}, ARRAYS, {"_id": 1, "n": []}),
    ({"n": {"$slice": 99}, "a": 0}, ARRAYS, {"_id": 1, "n": [1, 2, 3, 4, 5]}),
    ({"n": {"$slice": -99}, "a": 0}, ARRAYS, {"_id": 1, "n": [1, 2, 3, 4, 5]}),
    ({"n": {"$slice": [1, 2]}, "a": 0}, ARRAYS, {"_id": 1, "n": [2, 3]}),
    ({"n": {"$slice": [-2, 1]}, "a": 0}, ARRAYS, {"_id": 1, "n": [4]}),
    ({"n": {"$slice": [-99, 2]}, "a": 0}, ARRAYS, {"_id": 1, "n": [1, 2]}),
    ({"n": {"$slice": [9, 2]}, "a": 0}, ARRAYS, {"_id": 1, "n": []}),
    ({"n": {"$slice": (1.9, Decimal128("1"))}, "a": 0}, ARRAYS, {"_id": 1, "n": [2]}),
    ({"n": {"$slice": 2**40}, "a": 0}, ARRAYS, {"_id": 1, "n": [1, 2, 3, 4, 5]}),
    ({"n": {"$slice": 1}}, {"_id": 1, "x": 2, "n": [1, 2], "y": 3}, {"_id": 1, "x": 2, "n": [1], "y": 3}),
    ({"n": {"$slice": 1}, "_id": 0}, {"_id": 1, "x": 2, "n": [1, 2]}, {"x": 2, "n": [1]}),
    ({"n": {"$slice": 1}, "_id": 1}, {"_id": 1, "x": 2, "n": [1, 2]}, {"_id": 1, "n": [1]}),
    ({"n": {"$slice": 1}, "y": 1}, {"_id": 1, "x": 2, "n": [1, 2], "y": 3}, {"_id": 1, "n": [1], "y": 3}),
    ({"n": {"$slice": 1}}, {"_id": 1, "n": "text"}, {"_id": 1, "n": "text"}),
    ({"n": {"$slice": 1}}, {"_id": 1}, {"_id": 1}),
    ({"a.n": {"$slice": 1}}, {"_id": 1, "a": {"n": [1, 2], "x": 1}}, {"_id": 1, "a": {"n": [1], "x": 1}}),
    ({"a.n": {"$slice": 1}, "b": 1}, {"_id": 1, "a": {"n": [1, 2], "x": 1}}, {"_id": 1, "a": {"n": [1]}}),
    ({"a.n": {"$slice": 1}}, {"_id": 1, "a": [{"n": [1, 2]}, 5]}, {"_id": 1, "a": [{"n": [1]}, 5]}),
    ({"a.n": {"$slice": 1}}, {"_id": 1, "a": [[{"n": [1, 2]}]]}, {"_id": 1, "a": [[{"n": [1, 2]}]]}),
    ({"a": {"n": {"$slice": 1}}}, {"_id": 1, "a": {"n": [1, 2]}}, {"_id": 1, "a": {"n": [1]}}),
    # $elemMatch
    ({"n": {"$elemMatch": {"$gt": 3}}}, ARRAYS, {"_id": 1, "n": [4]}),
    ({"n": {"$elemMatch": {"$gt": 3}}, "_id": 0}, ARRAYS, {"n": [4]}),
    ({"n": {"$elemMatch": {"$gt": 9}}}, ARRAYS, {"_id": 1}),
    ({"a": {"$elemMatch": {"c": {"$gt": 2}}}}, ARRAYS, {"_id": 1, "a": [{"c": 7}]}),
    ({"name": {"$elemMatch": {"$gt": ""}}, "age": 1}, PERSON, {"_id": 1, "age": 5}),
    ({"n": {"$elemMatch": {"$gt": 3}}, "z": 1}, {"_id": 1, "n": [4], "z": 1}, {"_id": 1, "z": 1, "n": [4]}),
    ({"n": {"$elemMatch": {"$gt": 3}}, "z": 0}, {"_id": 1, "n": [3, 4], "z": 1, "y": 2}, {"_id": 1, "n": [4], "y": 2}),
    (
        {"m": {"$elemMatch": {"$gt": 3}}, "n": {"$elemMatch": {"$lt": 3}}},
        {"_id": 1, "n": [9, 1], "m": [1, 9]},
        {"_id": 1, "m": [9], "n": [1]},
    ),
    (
        {"n": {"$elemMatch": {"$gt": 3}}, "m": {"$slice": 1}, "x": 1},
        {"_id": 1, "n": [4], "m": [1, 2], "x": 1, "y": 1},
        {"_id": 1, "m": [1], "x": 1, "n": [4]},
    ),
]

#: Filters, positional projections, documents that match, and what is given of them.
POSITIONAL_CASES: list[tuple[dict[str, Any], Any, dict[str, Any], dict[str, Any]]] = [
    ({"n": {"$gt": 2}}, {"n.$": 1}, {"_id": 1, "n": [1, 3, 4], "x": 1}, {"_id": 1, "n": [3]}),
    ({"n": {"$gt": 2}}, {"n.$": True, "_id": 0}, {"_id": 1, "n": [1, 3, 4], "x": 1}, {"n": [3]}),
    (
        {"n.b": 2},
        {"n.$": 1, "x": 1},
        {"_id": 1, "x": 1, "n": [{"b": 1}, {"b": 2}]},
        {"_id": 1, "x": 1, "n": [{"b": 2}]},
    ),
    ({"a.n": 2}, {"a.n.$": 1}, {"_id": 1, "a": {"n": [1, 2], "x": 1}}, {"_id": 1, "a": {"n": [2]}}),
    ({"a.n": 2}, {"a": {"n.$": 1}}, {"_id": 1, "a": {"n": [1, 2], "x": 1}}, {"_id": 1, "a": {"n": [2]}}),
    ({"a.b": 2}, {"a.b.$": 1}, {"_id": 1, "a": [{"b": 1, "c": 1}, {"b": 2, "c": 2}]}, {"_id": 1, "a": [{"b": 2}]}),
    ({"n": {"$elemMatch": {"b": 2}}}, {"n.$": 1}, {"_id": 1, "n": [{}, {"b": 2}]}, {"_id": 1, "n": [{"b": 2}]}),
    # another array of the same length, as servers allow since 4.4
    ({"n": 2}, {"m.$": 1}, {"_id": 1, "n": [1, 2], "m": ["a", "b"]}, {"_id": 1, "m": ["b"]}),
    # no array
    ({"n": 2}, {"n.$": 1}, {"_id": 1, "n": 2}, {"_id": 1, "n": 2}),
    ({"n": 2}, {"m.$": 1}, {"_id": 1, "n": 2}, {"_id": 1}),
    (
        {"n": 2},
        {"n.$": 1, "m": {"$slice": 1}},
        {"_id": 1, "n": [1, 2], "m": [1, 2]},
        {"_id": 1, "n": [2], "m": [1]},
    ),
]
