"""Lookups and Q objects mean what Django's users expect, on stored paths."""

from __future__ import annotations

import pickle
import re
from datetime import date, datetime
from typing import Any

import pytest

from atomodm.errors import InvalidQuery
from atomodm.query import LOOKUPS, Q, Resolved, compile_filter
from atomodm.query.lookups import split_name
from atomodm.query.nodes import ALL, And, Compare, In, Node, Not, Operator, Or, Regex, Text, TextKind
from tests.ids import readable
from tests.query.people import PEOPLE, PeopleResolver, ids

RESOLVER = PeopleResolver()


def bind(*conditions: Q, **lookups: Any) -> Node:
    return Q(*conditions, **lookups).bind(RESOLVER, model="Person")


def found(*conditions: Q, **lookups: Any) -> list[Any]:
    check = compile_filter(bind(*conditions, **lookups))
    return ids([person for person in PEOPLE if check(person)])


@pytest.mark.parametrize(
    ("lookups", "expected"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"name": "Ann"}, [1]),
        ({"name__exact": "Ann"}, [1]),
        ({"age": 31, "name": "Cid"}, [3]),
        ({"age": None}, [4, 5]),
        ({"age__exact": None}, [4, 5]),
        ({"age__ne": 31}, [2, 4, 5]),
        ({"age__ne": None}, [1, 2, 3]),
        ({"age__gt": 25}, [1, 3]),
        ({"age__gte": 25}, [1, 2, 3]),
        ({"age__ge": 31}, [1, 3]),
        ({"age__lt": 31}, [2]),
        ({"age__lte": 25.0}, [2]),
        ({"age__le": 31}, [1, 2, 3]),
        ({"age__in": [25, 26]}, [2]),
        ({"age__in": (n for n in (25, None))}, [2, 4, 5]),
        ({"age__in": {31}}, [1, 3]),
        ({"age__in": []}, []),
        ({"_id__in": [2, 3]}, [2, 3]),
        ({"name__contains": "n"}, [1, 4]),
        ({"name__contains": "N"}, []),
        ({"name__icontains": "N"}, [1, 4]),
        ({"name__startswith": "A"}, [1]),
        ({"name__startswith": "a"}, []),
        ({"name__istartswith": "a"}, [1]),
        ({"name__endswith": "n"}, [1, 4]),
        ({"name__iendswith": "N"}, [1, 4]),
        ({"name__contains": "."}, []),
        ({"name__icontains": "."}, []),
        ({"name__contains": ""}, [1, 2, 3, 4, 5]),
        ({"home__city": "Ulm"}, [1]),
        ({"home__city__icontains": "ULM"}, [1, 4]),
        ({"home__city__icontains": "KÖ"}, [5]),
        ({"tags__contains": "a"}, [1, 5]),
        ({"tags__contains": "x"}, []),
        ({"tags__contains": None}, []),
        ({"tags__contains": ["b"]}, []),
        ({"tags": "b"}, [1, 3]),
        ({"tags": ["b"]}, [3]),
        ({"tags__in": ["b", "c"]}, [1, 3, 4]),
        ({"tags__istartswith": "A"}, [1, 5]),
        ({"age__exists": True}, [1, 2, 3, 4]),
        ({"age__exists": False}, [5]),
        ({"age__isnull": True}, [4, 5]),
        ({"age__isnull": False}, [1, 2, 3]),
        ({"home__city__isnull": True}, [3]),
        ({"name__regex": "^[AB]"}, [1, 2]),
        ({"name__iregex": "^[ab]"}, [1, 2]),
        ({"name__regex": re.compile("^a", re.I)}, [1]),
        ({"born": date(2001, 5, 1)}, [2]),
        ({"born__gte": datetime(2001, 1, 1)}, [2]),
        ({"attrs__size": 1}, [1]),
        ({"attrs__size__gt": 1}, [5]),
        ({"attrs__in__exact": 5}, [3]),
        ({"attrs__deep__er": 7}, [3]),
    ],
    ids=readable,
)
def test_a_lookup_finds(lookups: dict[str, Any], expected: list[int]) -> None:
    assert found(**lookups) == expected


def test_every_lookup_stands_in_the_table_that_resolvers_consult() -> None:
    assert set(LOOKUPS) == {
        *("exact", "ne", "gt", "gte", "ge", "lt", "lte", "le", "in", "exists", "isnull", "regex", "iregex"),
        *("contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"),
    }


@pytest.mark.parametrize(
    ("lookups", "message"),
    [
        ({"age__in": "secret"}, "the lookup 'in' takes a list of values, not str"),
        ({"age__in": b"secret"}, "the lookup 'in' takes a list of values, not bytes"),
        ({"age__in": {"secret": 1}}, "the lookup 'in' takes a list of values, not dict"),
        ({"age__in": 7777}, "the lookup 'in' takes a list of values, not int"),
        ({"age__isnull": 7777}, "the lookup 'isnull' takes True or False, not int"),
        ({"age__exists": "secret"}, "the lookup 'exists' takes True or False, not str"),
        ({"age__contains": 7777}, "the lookup 'contains' takes text, not int"),
        ({"age__startswith": None}, "the lookup 'startswith' takes text, not NoneType"),
        ({"age__icontains": ["secret"]}, "the lookup 'icontains' takes text, not list"),
        ({"age__gt": None}, "the lookup 'gt' takes a value to compare with, not None"),
        ({"age__regex": 7777}, "the lookup 'regex' takes text, not int"),
        ({"age__regex": "(secret"}, "no regular expression"),
        ({"age__regex": re.compile(b"secret")}, "takes text, not bytes"),
        ({"age": 2**70}, "the lookup 'exact' has an operand that cannot be stored"),
        ({"age__gt": 7777j}, "the lookup 'gt' has an operand that cannot be stored"),
        ({"age": {1: "secret"}}, "the lookup 'exact' has an operand that cannot be stored"),
        ({"age__contains": "secret\ud800"}, "the lookup 'contains' has an operand that cannot be stored"),
    ],
    ids=repr,
)
def test_a_bad_operand_is_refused_by_lookup_and_field_but_never_shown(lookups: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidQuery, match=re.escape(message)) as caught:
        bind(**lookups)
    assert "age" in str(caught.value)
    assert caught.value.path == "age"
    assert not re.search("secret|7777", str(caught.value))
    assert caught.value.__cause__ is None


def test_a_wrong_lookup_is_refused_with_those_that_exist() -> None:
    with pytest.raises(InvalidQuery, match="'greater' is no lookup; there are exact, ne, gt"):
        bind(age__greater=3)
    with pytest.raises(InvalidQuery, match="'city__gt' is no lookup"):
        bind(age__city__gt=3)


def test_an_unknown_name_is_refused_with_those_that_are_alike() -> None:
    with pytest.raises(InvalidQuery, match="'nmae' is no member; did you mean name"):
        bind(nmae="Ann")


@pytest.mark.parametrize(
    ("name", "segments"),
    [
        ("age", ["age"]),
        ("age__gt", ["age", "gt"]),
        ("_id", ["_id"]),
        ("home___id", ["home", "_id"]),
        ("home___id__in", ["home", "_id", "in"]),
        ("class___in", ["class_", "in"]),
        ("class____id", ["class_", "_id"]),
        ("a_b__c_d", ["a_b", "c_d"]),
    ],
)
def test_names_are_split_at_double_underscores(name: str, segments: list[str]) -> None:
    assert split_name(name) == segments


@pytest.mark.parametrize("name", ["", "__age", "age__", "__"])
def test_an_empty_part_of_a_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidQuery):
        bind(**{name: 1})


def test_operands_are_copied_when_the_query_is_made() -> None:
    tags = ["b"]
    check = bind(tags=tags)
    tags.append("c")
    assert check == Compare("tags", Operator.EQ, ["b"])


def test_conditions_combine_with_and_or_and_not() -> None:
    assert found(Q(age=31) & Q(name="Ann")) == [1]
    assert found(Q(age=25) | Q(name="Ann")) == [1, 2]
    assert found(~Q(age=31)) == [2, 4, 5]
    assert found(~(Q(age=31) & ~Q(name="Ann"))) == [1, 2, 4, 5]
    assert found(Q(Q(age=31) | Q(age=25), name__ne="Bob"), tags="b") == [1, 3]
    assert found(~~Q(age=25)) == [2]


def test_a_condition_without_lookups_is_neutral() -> None:
    assert not Q()
    assert bind(Q()) is ALL
    assert Q() & Q(age=1) == Q(age=1) == Q() | Q(age=1)
    assert not ~Q()
    assert Q(Q(), Q(age=1)) == Q(age=1)


def test_conditions_that_are_nested_too_deep_are_refused() -> None:
    condition = Q(age=0)
    for age in range(1, 2000):
        condition = ~(condition & Q(age=age))
    with pytest.raises(InvalidQuery, match="deeper than 100 levels"):
        bind(condition)


def test_conditions_become_flat_trees() -> None:
    either = Q(age=0)
    for age in range(1, 5000):
        either |= Q(age=age)
    node = bind(either)
    assert isinstance(node, Or)
    assert len(node.children) == 5000
    assert bind(Q(age=1, name="x") & Q(age=2)) == And(
        (Compare("age", Operator.EQ, 1), Compare("n", Operator.EQ, "x"), Compare("age", Operator.EQ, 2))
    )
    assert bind(~Q(age=1)) == Not(Compare("age", Operator.EQ, 1))


def test_lookups_become_these_nodes() -> None:
    assert bind(name__icontains="x") == Text("n", TextKind.CONTAINS, "x", True)
    assert bind(name__iregex="x") == Regex("n", "x", "i")
    assert bind(name__in=["x", None]) == In("n", ("x", None))


def test_members_may_be_named_like_python_arguments() -> None:
    class Anything:
        def resolve(self, segments: Any) -> Resolved:
            return Resolved(".".join(segments), (), lambda value: value, False)

    names = {"self": 1, "conditions": 2, "lookups": 3, "model": 4, "value": 5, "name": 6}
    node = Q(**names).bind(Anything())
    assert compile_filter(node)(dict(names))


def test_a_condition_is_immutable_and_has_no_hash() -> None:
    condition = Q(age=1)
    with pytest.raises(AttributeError):
        condition.age = 2
    with pytest.raises(AttributeError):
        del condition._kind
    with pytest.raises(TypeError):
        hash(condition)
    joined = condition & Q(name="x")
    assert condition == Q(age=1)
    assert joined != condition
    assert condition != "age"


def test_a_condition_can_be_pickled() -> None:
    condition = ~(Q(age__in=[1, 2]) | Q(name="x")) & Q(_id=3)
    assert pickle.loads(pickle.dumps(condition)) == condition


def test_a_condition_shows_how_it_is_written() -> None:
    assert repr(Q()) == "Q()"
    assert repr(~(Q(age=1) | Q(name="x", _id=2))) == "~(Q(age=1) | Q(name='x', _id=2))"


def test_only_conditions_combine_with_conditions() -> None:
    with pytest.raises(TypeError):
        Q(age=1) & {"age": 2}  # type: ignore[operator]
    with pytest.raises(InvalidQuery, match="not dict"):
        Q({"age": 1})  # type: ignore[arg-type]
