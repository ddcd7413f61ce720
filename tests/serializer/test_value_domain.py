"""What cannot be stored is a typed error with model and path, before anything is written, on every store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from bson import Regex
from hypothesis import given
from hypothesis import strategies as st

from atomodm import (
    DocumentTooLarge,
    IntegerOutOfRange,
    InvalidQuery,
    InvalidText,
    JSONModel,
    NestingTooDeep,
    Store,
    ValueNotStorable,
)
from atomodm.encoding import MAX_SIZE, check_values, decode, encode
from atomodm.testing.contract.samples import UNSOUND
from tests.stores import read_again, stored_document
from tests.zoo.kinds import Containers, Scalars
from tests.zoo.tagged import Wide
from tests.zoo.values import Anything, Machine, Part


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def chain(length: int) -> Part:
    part = Part()
    for _ in range(length - 1):
        part = Part(inner=part)
    return part


def endless_list() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def endless_dict() -> Any:
    value: dict[str, Any] = {}
    value["a"] = [value]
    return value


REFUSED: list[tuple[type[ValueNotStorable], type, dict[str, Any], str]] = [
    (IntegerOutOfRange, Scalars, {"count": 2**63}, "count"),
    (IntegerOutOfRange, Scalars, {"count": -(2**63) - 1}, "count"),
    (IntegerOutOfRange, Scalars, {"anything": 2**64}, "anything"),
    (IntegerOutOfRange, Containers, {"lists": [[1], [2, 2**63]]}, "lists.1.1"),
    (IntegerOutOfRange, Containers, {"counts": {"a": 2**63}}, "counts.a"),
    (IntegerOutOfRange, Containers, {"series": (1, 2**70)}, "series.1"),
    (IntegerOutOfRange, Containers, {"by_number": {2**70: "a"}}, "by_number.(key)"),
    (IntegerOutOfRange, Containers, {"groups": {"g": [2**63]}}, "groups.g.0"),
    (IntegerOutOfRange, Wide, {"entries": {"a": [{"b": (2**63,)}]}}, "entries.a.0.b.0"),
    (IntegerOutOfRange, Machine, {"main": Part(value=2**63)}, "main.value"),
    (IntegerOutOfRange, Machine, {"parts": [Part(), Part(more=[2**63])]}, "parts.1.more.0"),
    (IntegerOutOfRange, Machine, {"by_name": {"k": Part(inner=Part(value=2**63))}}, "by_name.k.inner.value"),
    (InvalidText, Wide, {"text": "a\ud800"}, "text"),
    (InvalidText, Wide, {"value": ["\udfff"]}, "value.0"),
    (InvalidText, Wide, {"names": ["a", "\ud800"]}, "names.1"),
    (InvalidText, Wide, {"entries": {"\ud800": 1}}, "entries.(key)"),
    (InvalidText, Wide, {"entries": {"a\0b": 1}}, "entries.(key)"),
    (InvalidText, Wide, {"counts": {"a\0": 1}}, "counts.(key)"),
    (InvalidText, Wide, {"value": [{"x": {"a\0": 1}}]}, "value.0.x.(key)"),
    (InvalidText, Machine, {"by_name": {"\0": Part()}}, "by_name.(key)"),
    (InvalidText, Wide, {"value": {"a": Regex("a\0b")}}, "value.a"),
    (ValueNotStorable, Wide, {"value": {"a": [UNSOUND]}}, "value.a.0"),
    (DocumentTooLarge, Wide, {"text": "x" * MAX_SIZE}, "text"),
]


@pytest.mark.parametrize(
    "case",
    REFUSED,
    ids=lambda case: f"{case[0].__name__}-{case[1].__name__}-{case[3].encode('ascii', 'replace').decode()}",
)
async def test_a_value_outside_of_the_domain_is_refused_with_its_path(store: Store, case: Any) -> None:
    error, model, values, path = case
    obj = model(**values)
    with pytest.raises(error) as caught:
        await obj.save()
    if error is not DocumentTooLarge:
        assert caught.value.path == path
    assert caught.value.model == model.__model__
    assert type(caught.value) is error
    str(caught.value).encode("utf-8")
    assert obj._id is None
    assert await model.objects.count() == 0


@pytest.mark.parametrize(
    "case", [case for case in REFUSED if case[0] is not DocumentTooLarge], ids=lambda case: case[3]
)
async def test_a_refused_edit_leaves_the_document_and_a_graph_beside_it_alone(store: Store, case: Any) -> None:
    error, model, values, path = case
    obj, bystander = model(), Wide(text="new")
    await obj.save()
    before = await stored_document(obj)
    for name, value in values.items():
        setattr(obj, name, value)
    holder = Anything(items=[bystander, obj])
    with pytest.raises(error) as caught:
        await holder.save()
    assert caught.value.path == path
    assert await stored_document(obj) == before
    assert bystander._id is None
    assert await Anything.objects.count() == 0
    with pytest.raises(error) as caught:
        obj.__state__.changes()
    assert caught.value.path == path


@pytest.mark.parametrize("make", [endless_list, endless_dict])
@pytest.mark.parametrize("name", ["value", "items", "entries"])
async def test_a_container_that_contains_itself_is_refused(store: Store, make: Callable[[], Any], name: str) -> None:
    value = make()
    if name == "items":
        value = [value]
    elif name == "entries":
        value = {"k": value}
    with pytest.raises(NestingTooDeep) as caught:
        await Anything(**{name: value}).save()
    assert caught.value.path is not None
    assert caught.value.path.partition(".")[0] == name
    assert len(caught.value.path) < 100
    assert await Anything.objects.count() == 0


async def test_a_hundred_levels_can_be_stored(store: Store) -> None:
    obj = Anything(value=nested(99))
    await obj.save()
    assert (await read_again(obj)).value == nested(99)


@pytest.mark.parametrize("levels", [101, 150, 1500])
async def test_more_than_a_hundred_levels_are_refused(store: Store, levels: int) -> None:
    with pytest.raises(NestingTooDeep) as caught:
        await Anything(value=nested(levels)).save()
    assert caught.value.model == Anything.__model__
    assert caught.value.path is not None
    assert caught.value.path.startswith("value.0")
    assert await Anything.objects.count() == 0


async def test_a_chain_of_embedded_models_comes_back(store: Store) -> None:
    machine = Machine(main=chain(90))
    await machine.save()
    found = await read_again(machine)
    assert not found.__state__.changes()


@pytest.mark.parametrize("length", [120, 500])
async def test_a_long_chain_of_embedded_models_is_refused(store: Store, length: int) -> None:
    with pytest.raises(NestingTooDeep) as caught:
        await Machine(main=chain(length)).save()
    assert caught.value.model == Machine.__model__
    assert caught.value.path is not None
    assert caught.value.path.startswith("main.inner")
    assert await Machine.objects.count() == 0


async def test_embedded_models_may_refer_to_each_other_in_cycles(store: Store) -> None:
    one, two = Part(label="1"), Part(label="2")
    one.inner, two.inner = two, one
    one.value = {"me": one}
    machine = Machine(main=one, parts=[two, one, two], by_name={"x": two})
    await machine.save()
    found = await read_again(machine)
    main = found.main
    assert main.inner.inner is main
    assert main.value["me"] is main
    assert found.parts == [main.inner, main, main.inner]
    assert found.by_name["x"] is main.inner
    assert not found.__state__.changes()
    await found.save()
    assert await stored_document(found) == await stored_document(machine)


async def test_a_document_of_just_under_16_megabytes_is_stored(store: Store) -> None:
    obj = Wide(text="x" * (MAX_SIZE - 200))
    await obj.save()
    assert len((await stored_document(obj))["text"]) == MAX_SIZE - 200


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
        datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
async def test_a_moment_whose_utc_is_no_date_is_a_typed_error_or_comes_back(store: Store, moment: datetime) -> None:
    obj = Anything(moment=moment)
    with pytest.raises(ValueNotStorable) as caught:
        await obj.save()
    assert (caught.value.model, caught.value.path) == (Anything.__model__, "moment")
    with pytest.raises(InvalidQuery, match="cannot be flattened") as asked:
        await Anything.objects.filter(moment__gte=moment).count()
    assert (asked.value.model, asked.value.path) == (Anything.__model__, "moment")
    untyped = Anything(value=moment)
    await untyped.save()
    assert (await read_again(untyped)).value == moment


async def test_the_first_and_the_last_moment_come_back(store: Store) -> None:
    for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), datetime.min, datetime.max):
        obj = Anything(moment=moment, value=moment)
        await obj.save()
        found = await read_again(obj)
        assert (found.moment, found.moment.tzinfo) == (moment, moment.tzinfo)
        assert found.value == moment


async def test_a_missing_value_of_a_member_without_default_is_a_typed_error(store: Store) -> None:
    from atom.api import Typed

    from atomodm import NoSQLModel

    class Strict(NoSQLModel):
        moment = Typed(datetime, optional=False)

    with pytest.raises(ValueNotStorable, match="no value") as caught:
        await Strict().save()
    assert caught.value.path == "moment"


def test_embedded_models_alone_name_the_path_too() -> None:
    class Holder(JSONModel):
        pass

    with pytest.raises(NestingTooDeep):
        Part(value=endless_list()).__getstate__()
    assert Holder().__getstate__()["__model__"] == Holder.__model__


@given(
    st.recursive(
        st.one_of(st.integers(-(2**70), 2**70), st.text(max_size=3), st.floats(), st.binary(max_size=2), st.none()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    )
)
def test_what_the_check_accepts_can_be_encoded_and_the_reverse(value: Any) -> None:
    checked, encoded = refusal_of(check_values, value), refusal_of(encode, value)
    assert checked == encoded
    if encoded is None:
        data = encode({"v": value})
        assert encode(decode(data)) == data


def refusal_of(function: Callable[[dict[str, Any]], Any], value: Any) -> tuple[type, str | None] | None:
    try:
        function({"v": value})
    except ValueNotStorable as error:
        return type(error), error.path
    return None
