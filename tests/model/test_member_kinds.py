"""Every kind of atom member comes back from a store as it went in."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from atomodm import NoSQLModel, Store
from atomodm.model import spec_of
from tests.stores import change_stored, read_again, stored_document
from tests.zoo.annotated import Annotated
from tests.zoo.kinds import (
    CLASSES,
    CONTAINERS,
    SCALARS,
    Classes,
    Computed,
    Containers,
    House,
    Point,
    Scalars,
    Special,
)

KINDS: list[tuple[type[NoSQLModel], str, Any]] = [
    (model, name, value)
    for model, table in ((Scalars, SCALARS), (Classes, CLASSES), (Containers, CONTAINERS))
    for name, values in table.items()
    for value in values
]


def python_type(value: Any) -> type:
    """The type of a value, less what marks atom's own containers and BSON's long integers."""
    return next(base for base in type(value).__mro__ if not base.__module__.startswith(("atom", "bson.int64")))


def assert_same(one: Any, other: Any) -> None:
    """Equal, and of the same types all the way down."""
    assert python_type(one) is python_type(other)
    if isinstance(other, float):
        assert math.copysign(1, one) == math.copysign(1, other)
    if isinstance(other, Decimal):
        assert one.as_tuple() == other.as_tuple()
    assert one == other
    if isinstance(other, dict):
        for (key, value), (other_key, other_value) in zip(one.items(), other.items(), strict=True):
            assert_same(key, other_key)
            assert_same(value, other_value)
    elif isinstance(other, list | tuple):
        for item, other_item in zip(one, other, strict=True):
            assert_same(item, other_item)
    elif isinstance(other, set | frozenset):
        assert sorted(map(str, map(python_type, one))) == sorted(map(str, map(python_type, other)))


def describe(case: tuple[type[NoSQLModel], str, Any]) -> str:
    model, name, value = case
    return f"{model.__name__}.{name}-{type(value).__name__}"


@pytest.mark.parametrize("case", KINDS, ids=describe)
async def test_a_value_comes_back_as_it_went_in(store: Store, case: tuple[type[NoSQLModel], str, Any]) -> None:
    model, name, value = case
    obj = model(**{name: value})
    await obj.save()
    found = await read_again(obj)
    assert found is not obj
    assert_same(getattr(found, name), value)
    assert not found.__state__.changes(), "what was just read is clean"
    assert not obj.__state__.changes(), "what was just saved is clean"


@pytest.mark.parametrize("model", [Scalars, Classes, Containers])
async def test_defaults_come_back_clean(store: Store, model: type[NoSQLModel]) -> None:
    obj = model()
    await obj.save()
    found = await read_again(obj)
    assert {name: getattr(found, name) for name in model.__fields__} == {
        name: getattr(obj, name) for name in model.__fields__
    }
    assert not found.__state__.changes()


def test_the_tables_cover_every_member_that_holds_plain_values() -> None:
    embedded = {"points", "by_name", "points_tuple", "later_point"}
    for model, table in ((Scalars, SCALARS), (Classes, CLASSES), (Containers, CONTAINERS)):
        assert set(model.__fields__) - embedded == set(table)


async def test_nan_comes_back(store: Store) -> None:
    obj = Scalars(ratio=float("nan"))
    await obj.save()
    found = await read_again(obj)
    assert math.isnan(found.ratio)
    assert not found.__state__.changes()


async def test_embedded_models_come_back_in_every_container(store: Store) -> None:
    obj = Containers(
        points=[Point(x=1), Point(y=2)],
        by_name={"a": Point(x=3)},
        points_tuple=(Point(x=4), Point(x=5)),
        any_list=[Point(x=6)],
    )
    await obj.save()
    found = await read_again(obj)
    assert [(point.x, point.y) for point in found.points] == [(1, 0), (0, 2)]
    assert found.by_name["a"].x == 3
    assert [point.x for point in found.points_tuple] == [4, 5]
    assert type(found.any_list[0]) is Point
    assert not found.__state__.changes()


async def test_a_default_dict_keeps_making_defaults_after_a_restore(store: Store) -> None:
    obj = Containers()
    obj.groups["a"].append(1)
    await obj.save()
    found = await read_again(obj)
    found.groups["b"].append(2)
    assert found.groups == {"a": [1], "b": [2]}
    await found.save()
    assert (await stored_document(found))["groups"] == {"a": [1], "b": [2]}


async def test_restored_containers_go_on_validating_their_items(store: Store) -> None:
    obj = Containers(names=["a"], counts={"a": 1}, tags={"a"}, watched=[1])
    await obj.save()
    found = await read_again(obj)
    with pytest.raises(TypeError):
        found.names.append(1)
    with pytest.raises(TypeError):
        found.counts["b"] = "x"
    with pytest.raises(TypeError):
        found.tags.add(1)
    with pytest.raises(TypeError):
        found.watched.append("x")


async def test_a_property_is_stored_only_where_it_is_tagged_so(store: Store) -> None:
    obj = Computed(first="abc", last="xyz")
    await obj.save()
    document = await stored_document(obj)
    assert document["length"] == 3
    assert document["reversed"] == "zyx"
    assert "unstored" not in document


async def test_a_stored_property_without_setter_is_never_restored(store: Store) -> None:
    obj = Computed(first="abc", last="xyz")
    await obj.save()
    await change_stored(obj, length=99)
    found = await read_again(obj)
    assert found.length == 3


async def test_a_stored_property_with_setter_is_restored_through_it(store: Store) -> None:
    obj = Computed(first="abc", last="xyz")
    await obj.save()
    await change_stored(obj, reversed="cba")
    found = await read_again(obj)
    assert found.last == "abc"


async def test_a_constant_is_stored_and_never_restored(store: Store) -> None:
    obj = Special()
    await obj.save()
    assert (await stored_document(obj))["version"] == 3
    await change_stored(obj, version=9)
    assert (await read_again(obj)).version == 3


async def test_read_only_members_come_back_and_stay_read_only(store: Store) -> None:
    values = {
        "made": "by hand",
        "made_text": "x",
        "made_on": date(2020, 1, 1),
        "made_at": datetime(2020, 1, 1, 1, 1, 1, 1),
    }
    obj = Special(**values)
    await obj.save()
    found = await read_again(obj)
    assert {name: getattr(found, name) for name in values} == values
    assert found.serial == "by default"
    for name in values:
        with pytest.raises(TypeError):
            setattr(found, name, values[name])
    assert not found.__state__.changes()


async def test_a_read_only_member_that_was_never_set_can_be_set_once_after_a_save_and_after_a_load(
    store: Store,
) -> None:
    obj = Special()
    await obj.save()
    assert (await stored_document(obj))["made_text"] is None
    found = await read_again(obj)
    for one in (obj, found):
        assert not one.__state__.changes()
        one.made_text = "now"
        with pytest.raises(TypeError):
            one.made_text = "again"
    await found.save()
    assert (await read_again(found)).made_text == "now"


async def test_a_read_only_member_follows_the_store_on_refresh(store: Store) -> None:
    obj = Special(made="by hand", made_text="x")
    await obj.save()
    await change_stored(obj, made="by machine", made_text=None)
    await obj.refresh()
    assert obj.made == "by machine"
    obj.made_text = "open again"
    assert obj.__state__.changes().set == {"made_text": "open again"}


async def test_a_document_without_a_read_only_member_leaves_it_open(store: Store) -> None:
    result = await Special.objects.insert_one({"__model__": Special.__model__, "version": 3})
    found = await Special.objects.get(_id=result.inserted_id)
    assert not found.__state__.changes()
    found.made = "later"
    assert found.__state__.changes().set == {"made": "later"}


async def test_delegators_are_stored_as_what_they_delegate_to(store: Store) -> None:
    house = House(built=date(1900, 1, 1), tags=["old"])
    await house.save()
    assert (await stored_document(house))["built"] == datetime(1900, 1, 1)
    found = await read_again(house)
    assert (found.size, found.built, found.tags) == (7, date(1900, 1, 1), ["old"])
    found.size = 9
    assert found.__state__.dirty_fields == {"size"}
    found.tags.append("new")
    assert found.__state__.changes().as_update() == {"$set": {"size": 9}, "$push": {"tags": {"$each": ["new"]}}}


async def test_what_is_not_stored_stays_out_of_the_document(store: Store) -> None:
    obj = Special(nickname="n", _secret="s", _kept="k")
    await obj.save()
    assert set(await stored_document(obj)) == {"_id", "__model__", *Special.__fields__}
    assert "_kept" in Special.__fields__
    assert not {"changed", "signalled", "nickname", "_secret"} & set(Special.__fields__)
    found = await read_again(obj)
    assert (found.nickname, found._secret, found._kept) == ("", "", "k")


async def test_a_model_of_annotations_alone_works(store: Store) -> None:
    obj = Annotated(name="x", tags=["a"], parts={"a": 1}, flags={1}, point=Point(x=1))
    await obj.save()
    found = await read_again(obj)
    assert (found.count, found.name, found.tags, found.parts, found.flags) == (3, "x", ["a"], {"a": 1}, {1})
    assert found.point.x == 1
    assert type(spec_of(Annotated).by_name["tags"].member).__name__ == "List"
