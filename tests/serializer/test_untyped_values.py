"""Values in untyped places come back as they went in, whatever BSON has a type for."""

from __future__ import annotations

import math
import pathlib
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from bson import Int64, ObjectId
from hypothesis import given
from hypothesis import strategies as st

from atomodm import (
    FlattenProcessorDoesNotExist,
    Store,
    UnflattenProcessorDoesNotExist,
    ValueNotStorable,
    register_type,
)
from atomodm.encoding import decode, encode
from atomodm.errors import ModelDefinitionError
from atomodm.serializer import COERCERS, FlattenScope, Form, NoSQLModelSerializer, RestoreScope
from atomodm.serializer.awaiting import Detached
from atomodm.serializer.values import flatten_any, unflatten_any
from tests.model.test_member_kinds import assert_same
from tests.stores import change_stored, read_again, stored_document
from tests.zoo.kinds import Access, Color, Level, Name, Right, Size
from tests.zoo.values import Anything, Feature, Force, Part, Physics, Torque, Unknown, Vector, Weekday

BERLIN = ZoneInfo("Europe/Berlin")
NEPAL = timezone(timedelta(hours=5, minutes=45))
NAMED = timezone(timedelta(hours=-3, seconds=1, microseconds=5), "here")

VALUES: list[Any] = [
    date(1, 1, 1),
    date(9999, 12, 31),
    time(23, 59, 59, 999999),
    time(1, 2, 3, tzinfo=NEPAL, fold=1),
    time(1, 2, tzinfo=UTC),
    timedelta.min,
    timedelta.max,
    timedelta(microseconds=-1),
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("-Infinity"),
    Decimal("0." + "7" * 60),
    Decimal("1E+999999"),
    Decimal("-0.00"),
    UUID(int=5),
    ObjectId("1" * 24),
    complex(1, -0.0),
    {1, 2, 3},
    frozenset({"a"}),
    {frozenset({(1, 2)})},
    (),
    (1, (2, [3, {4}])),
    b"\0\xff",
    bytearray(b"\0\xff"),
    Color.RED,
    Level.HIGH,
    Size.LARGE,
    Access.READ,
    Right.READ | Right.RUN,
    Right(0),
    Weekday.TUESDAY,
    Feature.A | Feature.B,
    pathlib.Path("/a/b"),
    pathlib.PurePosixPath("a"),
    pathlib.PureWindowsPath("c:\\x"),
    datetime(1, 1, 1),
    datetime(1969, 12, 31, 23, 59, 59, 999999),
    datetime(9999, 12, 31, 23, 59, 59, 999999),
    datetime(2020, 1, 1, 12, tzinfo=UTC),
    datetime(2020, 6, 1, 12, 0, 0, 123456, tzinfo=BERLIN),
    datetime(2020, 10, 25, 2, 30, tzinfo=BERLIN),
    datetime(2020, 10, 25, 2, 30, tzinfo=BERLIN, fold=1),
    datetime(2020, 3, 29, 2, 30, tzinfo=BERLIN),
    datetime(2020, 1, 1, tzinfo=NEPAL),
    datetime(2020, 1, 1, tzinfo=NAMED),
    datetime(2020, 1, 1, fold=1),
    {"__model__": "x"},
    {"__model__": None, "name": 1},
    {"__py__": "set", "values": [1]},
    {"__py__": 5},
    {"__ref__": 1, "__model__": "tests.zoo.values.Part"},
    {"_id": ObjectId("1" * 24), "__model__": "tests.zoo.values.Part"},
    {"items": [1], "__py__": "dict"},
    {"$set": 1, "a.b": {"": 2}, "$": {".": []}},
    {"_id": 1, "__dt__": {"a": 1}, "__rev__": 3},
    {1: "a", "1": "b", (1, 2): "c", None: "d", 2.5: "e", date(2020, 1, 1): "f", Color.RED: "g"},
    {True: 1, "True": 2},
    [None, True, 1, 1.0, "1", b"1"],
]


def wrap_in_a_list(value: Any) -> Any:
    return [0, value]


def wrap_in_a_dict(value: Any) -> Any:
    return {"a": {"b": value}}


def wrap_in_a_tuple_in_a_dict_with_odd_keys(value: Any) -> Any:
    return {1: (value, {"__py__": value})}


def leave(value: Any) -> Any:
    return value


def assert_came_back(found: Any, value: Any) -> None:
    if isinstance(value, datetime | time):
        assert found.tzinfo == value.tzinfo
        assert (found.replace(tzinfo=None), found.fold) == (value.replace(tzinfo=None), value.fold)
        assert type(found.tzinfo) is type(value.tzinfo)
        assert found.tzname() == value.tzname()
    elif isinstance(value, Decimal):
        assert found.as_tuple() == value.as_tuple()
    else:
        assert_same(found, value)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
async def test_a_value_comes_back_from_a_member_of_any_type(store: Store, value: Any) -> None:
    obj = Anything(value=value)
    await obj.save()
    found = await read_again(obj)
    assert_came_back(found.value, value)
    assert not found.__state__.changes()


@pytest.mark.parametrize("wrap", [wrap_in_a_list, wrap_in_a_dict, wrap_in_a_tuple_in_a_dict_with_odd_keys])
async def test_values_come_back_from_inside_of_containers(store: Store, wrap: Callable[[Any], Any]) -> None:
    plain = [value for value in VALUES if not isinstance(value, Decimal | datetime | time)]
    obj = Anything(items=[wrap(value) for value in plain], entries={str(i): wrap(v) for i, v in enumerate(plain)})
    await obj.save()
    found = await read_again(obj)
    assert_same(found.items, obj.items)
    assert_same(found.entries, obj.entries)
    assert not found.__state__.changes()


@pytest.mark.parametrize(
    "moment", [value for value in VALUES if isinstance(value, datetime)], ids=lambda value: value.isoformat()
)
async def test_a_moment_comes_back_from_every_place(store: Store, moment: datetime) -> None:
    obj = Anything(moment=moment, moments=[moment], items=[moment], entries={"a": [moment]})
    await obj.save()
    found = await read_again(obj)
    for place in (found.moment, found.moments[0], found.items[0], found.entries["a"][0]):
        assert_came_back(place, moment)
    assert not found.__state__.changes()


async def test_a_declared_moment_is_stored_as_a_date_that_queries_can_compare(store: Store) -> None:
    obj = Anything(moment=datetime(2020, 6, 1, 12, 0, 0, 123456, tzinfo=BERLIN))
    await obj.save()
    document = await stored_document(obj)
    assert document["moment"] == datetime(2020, 6, 1, 10, 0, 0, 123000)
    assert document["__dt__"]["moment"]["tz"] == "Europe/Berlin"
    plain = Anything(moment=datetime(2020, 6, 1))
    await plain.save()
    assert "__dt__" not in await stored_document(plain), "a note is only written where a Date says too little"


async def test_a_program_that_changes_a_date_beside_a_stale_note_is_believed(store: Store) -> None:
    obj = Anything(moment=datetime(2020, 6, 1, 12, 0, 0, 123456, tzinfo=BERLIN))
    await obj.save()
    await change_stored(obj, moment=datetime(2021, 6, 1, 10))
    found = await read_again(obj)
    assert found.moment == datetime(2021, 6, 1, 12, tzinfo=BERLIN)
    assert found.moment.microsecond == 0


async def test_a_note_goes_when_the_moment_no_longer_needs_it(store: Store) -> None:
    obj = Anything(moment=datetime(2020, 6, 1, 12, 0, 0, 1))
    await obj.save()
    obj.moment = datetime(2021, 1, 1)
    await obj.save()
    assert not (await stored_document(obj)).get("__dt__")
    obj.moment = datetime(2021, 1, 1, 0, 0, 0, 5)
    await obj.save()
    obj.moment = None
    await obj.save()
    assert not (await stored_document(obj)).get("__dt__")
    assert (await read_again(obj)).moment is None


async def test_a_change_of_the_zone_alone_is_saved(store: Store) -> None:
    obj = Anything(moment=datetime(2020, 6, 1, 12, tzinfo=BERLIN))
    await obj.save()
    obj.moment = datetime(2020, 6, 1, 12, tzinfo=BERLIN).astimezone(NEPAL)
    await obj.save()
    found = await read_again(obj)
    assert found.moment.tzinfo == NEPAL


@pytest.mark.parametrize("digits", [35, 60])
@pytest.mark.parametrize("name", ["price", "prices"])
async def test_a_declared_decimal_of_more_than_34_digits_is_a_typed_error(store: Store, digits: int, name: str) -> None:
    value = Decimal("1" * digits)
    obj = Anything(**{name: value if name == "price" else [Decimal(1), value]})
    with pytest.raises(ValueNotStorable, match="34 digits") as caught:
        await obj.save()
    assert caught.value.path == ("price" if name == "price" else "prices.1")
    assert caught.value.model == Anything.__model__
    assert str(value) not in str(caught.value)
    assert await Anything.objects.count() == 0


@pytest.mark.parametrize("text", ["NaN", "-NaN", "sNaN", "Infinity", "-Infinity", "0E-6176", "-0", "1." + "0" * 33])
async def test_special_decimals_come_back_from_declared_members(store: Store, text: str) -> None:
    obj = Anything(price=Decimal(text), prices=[Decimal(text)])
    await obj.save()
    found = await read_again(obj)
    assert found.price.as_tuple() == Decimal(text).as_tuple()
    assert found.prices[0].as_tuple() == Decimal(text).as_tuple()
    assert not found.__state__.changes()


async def test_a_type_of_ones_own_comes_back_through_its_converter(store: Store) -> None:
    obj = Physics(vector=Vector(1, 2), vectors=[Vector(3, 4)], anything={"a": [Vector(5, 6)]})
    await obj.save()
    found = await read_again(obj)
    assert (found.vector, found.vectors, found.anything) == (Vector(1, 2), [Vector(3, 4)], {"a": [Vector(5, 6)]})
    assert (await stored_document(obj))["vector"] == {"__py__": "tests.zoo.values.Vector", "value": [1, 2]}


async def test_a_subclass_is_converted_as_its_base_unless_it_has_its_own_converter(store: Store) -> None:
    obj = Physics(anything=[Force(1, 2), Torque(1, 2)])
    await obj.save()
    found = await read_again(obj)
    assert [type(value) for value in found.anything] == [Vector, Torque]


async def test_a_converter_that_is_registered_later_counts_for_types_that_were_looked_up_before() -> None:
    class Base:
        pass

    class Derived(Base):
        pass

    serializer = NoSQLModelSerializer.instance()
    with pytest.raises(FlattenProcessorDoesNotExist):
        serializer.flatten(Derived())
    register_type(Base, name="late", flatten=lambda value: 1, unflatten=lambda stored: Base())
    try:
        assert serializer.flatten(Derived()) == {"__py__": "late", "value": 1}
        assert type(await serializer.unflatten({"__py__": "late", "value": 1})) is Base
    finally:
        del COERCERS["late"]


def test_register_type_takes_a_class_only() -> None:
    with pytest.raises(ModelDefinitionError):
        register_type("Vector", flatten=str, unflatten=str)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"value": Unknown()}, "value"),
        ({"value": {"a": [1, Unknown()]}}, "value.a.1"),
        ({"items": [[0, {"b": (1, Unknown())}]]}, "items.0.1.b.1"),
        ({"entries": {"k": {"deep": {1: Unknown()}}}}, "entries.k.deep.1"),
        ({"value": Part(value=Unknown())}, "value.value"),
        ({"items": [Part(inner=Part(more=[Unknown()]))]}, "items.0.inner.more.0"),
        ({"entries": {"a": [Part(value={"x": Unknown()})]}}, "entries.a.0.value.x"),
        ({"value": {Unknown(): 1}}, "value.(key)"),
    ],
)
async def test_a_missing_converter_names_type_model_and_path(store: Store, values: dict[str, Any], path: str) -> None:
    obj = Anything(**values)
    with pytest.raises(FlattenProcessorDoesNotExist, match=r"tests\.zoo\.values\.Unknown") as caught:
        await obj.save()
    assert caught.value.path == path
    assert caught.value.model == Anything.__model__
    assert obj._id is None
    assert await Anything.objects.count() == 0


async def test_a_stored_type_name_that_nobody_knows_follows_on_error(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    obj = Anything(value=1, items=[1])
    await obj.save()
    await change_stored(obj, value={"__py__": "who.knows", "secret": "s3cret"})
    found = await read_again(obj)
    assert found.value is None
    assert found.items == [1]
    assert "Anything.value" in caplog.text
    assert "s3cret" not in caplog.text
    with pytest.raises(UnflattenProcessorDoesNotExist):
        await NoSQLModelSerializer.instance().unflatten({"__py__": "who.knows"})


async def test_an_enum_that_is_not_imported_is_never_imported_by_stored_data(store: Store) -> None:
    obj = Anything(value=1)
    await obj.save()
    await change_stored(obj, value={"__py__": "enum", "type": "antigravity.Thing", "name": "x"})
    import sys

    found = await read_again(obj)
    assert found.value is None
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("kind", ["os.path", "builtins.eval", "enum.Enum", "tests.zoo.kinds.Point", "tests", ""])
async def test_stored_data_cannot_name_anything_but_an_enum(store: Store, kind: str) -> None:
    obj = Anything(value=1)
    await obj.save()
    await change_stored(obj, value={"__py__": "enum", "type": kind, "name": "RED"})
    assert (await read_again(obj)).value is None


async def test_mappings_and_texts_of_other_classes_become_plain(store: Store) -> None:
    obj = Anything(items=[OrderedDict(a=1), MappingProxyType({"b": 2}), Name("n"), Int64(3)])
    await obj.save()
    assert (await read_again(obj)).items == [{"a": 1}, {"b": 2}, "n", 3]


async def test_a_deque_has_no_converter(store: Store) -> None:
    with pytest.raises(FlattenProcessorDoesNotExist, match=r"collections\.deque"):
        await Anything(value=deque()).save()


# -- any nesting at all ------------------------------------------------------------------------------------------------

KEYS = st.sampled_from(["__model__", "__py__", "__ref__", "_id", "$x", "a.b", "", "items", "values", "value", "a"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    TEXTS,
    st.binary(max_size=8),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.datetimes(timezones=st.one_of(st.none(), st.just(UTC), st.just(BERLIN), st.just(NEPAL)), allow_imaginary=False),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.complex_numbers(allow_nan=False),
    st.sampled_from([*Color, *Level, *Size, Weekday.TUESDAY, Right.READ | Right.RUN]),
    st.builds(pathlib.PurePosixPath, st.sampled_from(["/", "a/b"])),
)
HASHABLE = st.recursive(ATOMS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5)
NESTED = st.recursive(
    ATOMS | st.sets(HASHABLE, max_size=4) | HASHABLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS | TEXTS.filter(lambda text: "\0" not in text), inner, max_size=4),
        st.dictionaries(HASHABLE, inner, max_size=3),
    ),
    max_leaves=20,
)


@given(NESTED)
def test_any_nested_value_comes_back_from_bson_as_it_went_in(value: Any) -> None:
    data = encode({"v": flatten_any(value, FlattenScope(Form.DOCUMENT))})
    restored = unflatten_any(decode(data)["v"], RestoreScope(Detached()))
    assert_same(restored, value)
    assert encode({"v": flatten_any(restored, FlattenScope(Form.DOCUMENT))}) == data, "the same bytes when saved again"


@given(NESTED)
def test_any_nested_value_comes_back_from_json_as_it_went_in(value: Any) -> None:
    import json

    text = json.dumps(flatten_any(value, FlattenScope(Form.JSON)))
    assert_same(unflatten_any(json.loads(text), RestoreScope(Detached())), value)


@given(st.dictionaries(KEYS, st.one_of(ATOMS, st.dictionaries(KEYS, ATOMS, max_size=4)), max_size=6))
def test_dicts_whose_keys_look_like_ours_come_back(value: dict[str, Any]) -> None:
    flat = flatten_any(value, FlattenScope(Form.DOCUMENT))
    assert_same(unflatten_any(decode(encode({"v": flat}))["v"], RestoreScope(Detached())), value)


def test_nan_comes_back_from_untyped_places() -> None:
    flat = flatten_any([math.nan, complex(math.nan, 1)], FlattenScope(Form.DOCUMENT))
    number, pair = unflatten_any(decode(encode({"v": flat}))["v"], RestoreScope(Detached()))
    assert math.isnan(number)
    assert math.isnan(pair.real)
    assert pair.imag == 1
