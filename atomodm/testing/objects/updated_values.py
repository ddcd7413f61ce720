"""What an update can do to members of all types, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from atom.api import (
    Int,
)
from bson import Decimal128

from ... import (
    DeletedObject,
    InvalidQuery,
    InvalidUpdate,
    NoSQLModel,
    Store,
    ValueNotStorable,
    save_all,
)
from .meters import Address, Colour, Level, Meter, Right, new_meter, stored_in
from .models import Country, Node
from .tools import counted, forget_all


@contextmanager
def _naming(case: object) -> Iterator[None]:
    """Have a failure say which of many cases it is about."""
    try:
        yield
    except BaseException as failure:
        failure.add_note(f"with {case}")
        raise


#: What a meter has, how it is updated, the member concerned, what the object has then, and what is stored.
CASES: list[tuple[dict[str, Any], dict[str, Any], str, Any, Any]] = [
    ({}, {"count": 5}, "count", 5, 5),
    ({"count": 1}, {"count__set": 5}, "count", 5, 5),
    ({"count": 1}, {"count__inc": 2}, "count", 3, 3),
    ({"count": 1}, {"count__inc": -3}, "count", -2, -2),
    ({"count": 3}, {"count__mul": 4}, "count", 12, 12),
    ({"count": 3}, {"count__min": 2}, "count", 2, 2),
    ({"count": 3}, {"count__max": 2}, "count", 3, 3),
    ({"count": 6}, {"count__bit": {"and": 12, "or": 1}}, "count", 5, 5),
    ({"count": 3}, {"count__unset": True}, "count", 0, None),
    ({"ratio": 1.5}, {"ratio__inc": 1}, "ratio", 2.5, 2.5),
    ({"ratio": 1.5}, {"ratio": 2}, "ratio", 2.0, 2.0),
    ({"ratio": 1.5}, {"ratio__mul": 0.5}, "ratio", 0.75, 0.75),
    ({"price": Decimal("1.10")}, {"price__inc": Decimal("2.20")}, "price", Decimal("3.30"), Decimal128("3.30")),
    ({"price": Decimal("1.10")}, {"price__mul": 3}, "price", Decimal("3.30"), Decimal128("3.30")),
    ({"price": Decimal(7)}, {"price__min": Decimal("6.5")}, "price", Decimal("6.5"), Decimal128("6.5")),
    ({"spent": timedelta(1)}, {"spent__inc": timedelta(hours=1)}, "spent", timedelta(1, 3600), 90_000_000_000),
    ({"spent": timedelta(1)}, {"spent__mul": 2}, "spent", timedelta(2), 172_800_000_000),
    ({"spent": timedelta(1)}, {"spent__max": timedelta(3)}, "spent", timedelta(3), 259_200_000_000),
    ({}, {"opens": time(1, 2)}, "opens", time(1, 2), 3_720_000_000),
    ({"opens": time(9)}, {"opens__min": time(8)}, "opens", time(8), 28_800_000_000),
    ({}, {"day": date(2024, 5, 1)}, "day", date(2024, 5, 1), datetime(2024, 5, 1)),
    ({"day": date(2024, 5, 1)}, {"day__max": date(2024, 6, 1)}, "day", date(2024, 6, 1), datetime(2024, 6, 1)),
    ({}, {"when": datetime(2024, 5, 1, 12)}, "when", datetime(2024, 5, 1, 12), datetime(2024, 5, 1, 12)),
    ({}, {"colour": Colour.BLUE}, "colour", Colour.BLUE, "b"),
    ({}, {"level": Level.HIGH}, "level", Level.HIGH, 2),
    ({"rights": Right.READ}, {"rights__bit": {"or": Right.WRITE}}, "rights", Right.READ | Right.WRITE, 3),
    ({}, {"choice": "b"}, "choice", "b", "b"),
    ({"size": 10}, {"size__inc": 5}, "size", 15, 15),
    ({"flag": False}, {"flag": True}, "flag", True, True),
    ({"anything": 1}, {"anything__inc": 0.5}, "anything", 1.5, 1.5),
    ({"anything": "a"}, {"anything__max": "b"}, "anything", "b", "b"),
    (
        {"anything": [1]},
        {"anything__push": (2, 3)},
        "anything",
        [1, (2, 3)],
        [1, {"__py__": "tuple", "values": [2, 3]}],
    ),
    ({"tags": ["a"]}, {"tags__push": "b"}, "tags", ["a", "b"], ["a", "b"]),
    ({"tags": ["a"]}, {"tags__push": {"$each": ["c", "b"], "$sort": 1, "$slice": 2}}, "tags", ["a", "b"], ["a", "b"]),
    ({"tags": ["a"]}, {"tags__push": {"$position": 0, "$each": ["c"]}}, "tags", ["c", "a"], ["c", "a"]),
    ({"tags": ["a"]}, {"tags__add_to_set": "a"}, "tags", ["a"], ["a"]),
    ({"tags": ["a"]}, {"tags__add_to_set": {"$each": ["b", "a"]}}, "tags", ["a", "b"], ["a", "b"]),
    ({"tags": ["a", "b", "a"]}, {"tags__pull": "a"}, "tags", ["b"], ["b"]),
    ({"tags": ["ab", "b"]}, {"tags__pull": {"$in": ["b", "c"]}}, "tags", ["ab"], ["ab"]),
    ({"tags": ["a", "b", "c"]}, {"tags__pull_all": ["a", "c"]}, "tags", ["b"], ["b"]),
    ({"tags": ["a", "b"]}, {"tags__pop": 1}, "tags", ["a"], ["a"]),
    ({"tags": ["a", "b"]}, {"tags__pop": -1}, "tags", ["b"], ["b"]),
    ({"tags": ["a", "b"]}, {"tags__1": "c"}, "tags", ["a", "c"], ["a", "c"]),
    ({"numbers": [1, 5, 9]}, {"numbers__pull": {"$gte": 5}}, "numbers", [1], [1]),
    ({"numbers": [1, 5]}, {"numbers__1__inc": 2}, "numbers", [1, 7], [1, 7]),
    ({"spans": []}, {"spans__push": timedelta(seconds=1)}, "spans", [timedelta(seconds=1)], [1_000_000]),
    ({"days": {2}}, {"days__add_to_set": 1}, "days", {1, 2}, [2, 1]),
    ({"days": {1, 2}}, {"days__pull": 1}, "days", {2}, [2]),
    ({}, {"days": {2, 1}}, "days", {1, 2}, [1, 2]),
    ({"pair": (1,)}, {"pair__push": 2}, "pair", (1, 2), [1, 2]),
    ({"facts": {"a": {"b": 1}}}, {"facts__a__b__inc": 1}, "facts", {"a": {"b": 2}}, {"a": {"b": 2}}),
    ({"facts": {"a": 1}}, {"facts__inc__set": 2}, "facts", {"a": 1, "inc": 2}, {"a": 1, "inc": 2}),
    ({"facts": {"a": 1}}, {"facts__a__rename": "facts__b"}, "facts", {"b": 1}, {"b": 1}),
    ({"facts": {"a": 1, "b": 2}}, {"facts__a__unset": True}, "facts", {"b": 2}, {"b": 2}),
    ({"totals": {"a": 1}}, {"totals__b": 2}, "totals", {"a": 1, "b": 2}, {"a": 1, "b": 2}),
    ({"tripled": 1}, {"tripled": 5}, "tripled", 5, 15),
    ({"count": 7, "size": 1}, {"size__rename": "count"}, "count", 1, 1),
]


class UpdateWordContract:
    """Each word, and how operands of each type are stored."""

    async def test_an_update_stores_what_a_save_would(self, store: Store) -> None:
        for before, update, member, after, stored in CASES:
            with _naming(update):
                meter = await new_meter(**before)
                await meter.update(**update)
                assert getattr(meter, member) == after
                assert (await stored_in(store, meter)).get("c" if member == "count" else member) == stored
                assert not meter.__state__.dirty
                with counted(store) as requests:
                    await meter.save()
                assert requests.count == 0
                forget_all(store, Meter)
                assert getattr(await Meter.objects.get(_id=meter._id), member) == after

    async def test_references_and_embedded_objects_are_stored_as_a_save_stores_them(self, store: Store) -> None:
        first, second = Node(name="first"), Node(name="second")
        await save_all([first, second])
        meter = await new_meter(nodes=[first], address=Address(city="Ulm"))
        await meter.update(
            node=first,
            nodes__push=second,
            address__city="Bonn",
            address__number__inc=2,
            addresses__push=Address(city="Rom", number=1),
        )
        assert (meter.node, list(meter.nodes)) == (first, [first, second])
        assert (meter.address.city, meter.address.number) == ("Bonn", 2)
        assert [(address.city, address.number) for address in meter.addresses] == [("Rom", 1)]
        updated = await stored_in(store, meter)
        await meter.save(replace=True)
        assert await stored_in(store, meter) == updated
        await meter.update(nodes__pull=first, addresses__0__city="Bari", address=None)
        assert (list(meter.nodes), meter.address) == ([second], None)
        assert [address.city for address in meter.addresses] == ["Bari"]

    async def test_what_a_date_lacks_is_kept_beside_it_and_goes_with_it(self, store: Store) -> None:
        exact = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
        meter = await new_meter(address=Address())
        await meter.update(when=exact, address__since=exact)
        forget_all(store, Meter)
        meter = await Meter.objects.get()
        assert (meter.when, meter.address.since) == (exact, exact)
        await meter.update(when=datetime(2024, 6, 1), address__since=datetime(2024, 6, 1))
        assert (meter.when, meter.address.since) == (datetime(2024, 6, 1), datetime(2024, 6, 1))
        assert not meter.__state__.changes()
        await meter.update(when=exact)
        await meter.update(when__current_date=True)
        assert meter.when.tzinfo is None
        assert abs(meter.when - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=5)
        await meter.update(when=exact)
        await meter.update(when__unset=True)
        assert meter.when is None
        assert not meter.__state__.changes()

    async def test_operators_in_mongodbs_language_have_stored_names(self, store: Store) -> None:
        meter = await new_meter(count=1, tags=["a", "b"], addresses=[Address(city="Ulm"), Address(city="Rom")])
        await meter.update({"$inc": {"c": 2}, "$push": {"tags": "c"}}, flag=True)
        assert (meter.count, list(meter.tags), meter.flag) == (3, ["a", "b", "c"], True)
        await meter.update({"$set": {"addresses.$[].number": 7}})
        assert [address.number for address in meter.addresses] == [7, 7]
        updated = Meter.objects.filter(addresses__city="Rom").update({"$set": {"addresses.$.town": "Bari"}})
        assert await updated == 1
        assert [address.city for address in meter.addresses] == ["Ulm", "Bari"]

    async def test_an_embedded_object_that_an_update_began_is_no_edit(self, store: Store) -> None:
        meter = await new_meter(address=Address(city="Ulm"))
        await meter.update(address__unset=True)
        await meter.update(address__number__inc=7, addresses__0__city="Rom")
        assert (meter.address.number, meter.addresses[0].city) == (7, "Rom")
        assert not meter.__state__.changes()
        meter.address.number, meter.addresses[0].number = 8, 9
        assert meter.__state__.changes().as_update() == {"$set": {"address.number": 8, "addresses.0.number": 9}}
        await meter.save()
        forget_all(store, Meter)
        meter = await Meter.objects.get()
        assert (meter.address.number, meter.addresses[0].city, meter.addresses[0].number) == (8, "Rom", 9)

    async def test_a_member_under_its_former_name_is_counted_up_from_there(self, store: Store) -> None:
        meter = await new_meter()
        document = await stored_in(store, meter)
        del document["moved"]
        await Meter.objects.replace_one({"_id": meter._id}, {**document, "former": 5})
        forget_all(store, Meter)
        meter = await Meter.objects.get()
        await meter.update(moved__inc=1)
        assert meter.moved == 6
        assert (await Meter.objects.find_one({}, {"_id": 0, "former": 1, "moved": 1})) == {"moved": 6}
        await Meter.objects.replace_one({"_id": meter._id}, {**document, "former": 5})
        assert await Meter.objects.filter(name="m").update(moved__inc=2) == 1
        assert (await Meter.objects.find_one({}))["moved"] == 7
        await Meter.objects.replace_one({"_id": meter._id}, {**document, "former": 5})
        await Meter.objects.all().update(moved=1)
        assert (await Meter.objects.find_one({}, {"_id": 0, "former": 1, "moved": 1})) == {"moved": 1}


#: Updates that are refused before anything is sent, and what the message says.
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "something to change"),
    ({"cuont": 1}, r"no 'cuont' here; did you mean count\?"),
    ({"count__icn": 1}, r"no 'icn' here; did you mean min, inc"),
    ({"address__ctiy": "x"}, r"did you mean city\b"),
    ({"node__name": "x"}, "in another document"),
    ({"node___id": 1}, "in another document"),
    ({"addresses__city": "x"}, "by its position"),
    ({"count__inc__set": 1}, "no 'inc' here"),
    ({"_id": 1}, "id of a document"),
    ({"pk": 1}, "id of a document"),
    ({"fixed": 1}, "read-only"),
    ({"name": None}, "required"),
    ({"name__unset": True}, "required"),
    ({"count": "5"}, "does not take a value of type str"),
    ({"count": None}, "does not take None"),
    ({"size": 101}, "does not take a value of type int"),
    ({"choice": "c"}, "does not take a value of type str"),
    ({"tags": [1]}, "does not take a value of type list"),
    ({"tags__push": 1}, "does not take a value of type int"),
    ({"tags__0": 1}, "does not take a value of type int"),
    ({"tags__push": {"$each": "ab"}}, "several elements"),
    ({"tags__add_to_set": {"$each": ["a"], "$slice": 1}}, "no modifier"),
    ({"totals__a": "x"}, "does not take a value of type str"),
    ({"node": 5}, "does not take a value of type int"),
    ({"count__inc": 1.5}, "'inc' takes int here, not a value of type float"),
    ({"count__inc": True}, "'inc' takes int here"),
    ({"count__inc": "1"}, "'inc' takes int here"),
    ({"ratio__mul": Decimal(1)}, "'mul' takes int or float here"),
    ({"price__inc": 0.1}, "'inc' takes int or Decimal here"),
    ({"spent__inc": 5}, "takes a duration"),
    ({"spent__mul": 1.5}, "'mul' takes int here"),
    ({"name__inc": 1}, "changes numbers only"),
    ({"flag__inc": 1}, "changes numbers only"),
    ({"level__inc": 1}, "changes numbers only"),
    ({"opens__inc": 1}, "changes numbers only"),
    ({"tags__inc": 1}, "changes numbers only"),
    ({"facts__inc": 1}, "changes numbers only"),
    ({"tripled__inc": 1}, "changes numbers only"),
    ({"anything__inc": "x"}, "takes a number"),
    ({"tags__max": "x"}, "compares numbers"),
    ({"count__min": None}, "not None"),
    ({"count__push": 1}, "changes arrays only"),
    ({"days__push": 1}, "use add_to_set and pull"),
    ({"days__pop": 1}, "use add_to_set and pull"),
    ({"days__0": 1}, "no position"),
    ({"tags__pop": 2}, "takes 1 for the last"),
    ({"tags__pull_all": "ab"}, "several elements"),
    ({"tags__0__unset": True}, "use pull or pop"),
    ({"count__unset": False}, "takes True"),
    ({"day__current_date": True}, "as a datetime"),
    ({"count__bit": {"nand": 1}}, "and, or, xor"),
    ({"name__bit": {"or": 1}}, "changes integers only"),
    ({"count__rename": "name"}, "same type"),
    ({"count__rename": "nowhere"}, "no 'nowhere' here"),
    ({"facts__a.b": 1}, "key with a dot"),
    ({"by_number__1": 1}, "stored as pairs"),
    ({"count": 1, "count__inc": 1}, "twice"),
    ({"count__set": 1, "count": 2}, r"\$set has this path twice"),
    ({"facts": {}, "facts__a": 1}, "in part"),
    ({"operators": 1}, "no 'operators' here"),
]
#: As `REFUSED`, of operators in MongoDB's language.
REFUSED_OPERATORS: list[tuple[Any, str]] = [
    ([{"$set": {"c": 1}}], "mapping of operators"),
    ({"c": 1}, "no operators"),
    ({"$sett": {"c": 1}}, "not supported"),
    ({"$set": {"_id": 1}}, "cannot change"),
    ({"$unset": {"__model__": ""}}, "cannot change"),
    ({"$rename": {"c": "__rev__"}}, "cannot change"),
    ({"$set": {"fixed": 1}}, "cannot change"),
    ({"$inc": {"c": "x"}}, "number"),
]


class UpdateRefusalContract:
    """What cannot be is refused before anything is sent, with errors that show no operands."""

    async def test_updates_that_make_no_sense_are_refused(self, store: Store) -> None:
        meter = await new_meter()
        for values, message in REFUSED:
            for update in (meter.update, Meter.objects.filter(count=1).update):
                with (
                    _naming(values),
                    counted(store) as requests,
                    pytest.raises(InvalidUpdate, match=message) as caught,
                ):
                    await update(**values)
                assert requests.count == 0, values
                assert caught.value.model == "contract.Meter"
        for operators, message in REFUSED_OPERATORS:
            with (
                _naming(operators),
                counted(store) as requests,
                pytest.raises(InvalidUpdate, match=message) as caught,
            ):
                await meter.update(operators)
            assert requests.count == 0, operators
            assert caught.value.model == "contract.Meter"

    @pytest.mark.parametrize(
        "value", [{1: "a"}, {"__model__": "a"}, (1, 2), Decimal(1), Node()], ids=lambda value: type(value).__name__
    )
    async def test_nothing_is_written_inside_of_what_has_no_keys_in_the_store(self, store: Store, value: Any) -> None:
        meter = await new_meter(anything=value)
        before = await stored_in(store, meter)
        for loaded in (True, False):
            for update in ({"anything__x": 1}, {"anything__x__inc": 1}, {"facts__a__rename": "anything__x"}):
                with pytest.raises(InvalidUpdate, match="no keys") as found:
                    await meter.update(**update)
                assert found.value.path == "anything"
                with pytest.raises(InvalidUpdate, match="no keys"):
                    await Meter.objects.filter(name="m").update(**update)
            assert await stored_in(store, meter) == before
            if loaded:
                meter = Meter(_id=meter._id)
        assert await Meter.objects.all().update(anything={"y": 1}) == 1
        assert await Meter.objects.all().update(anything__x=1) == 1
        assert (await stored_in(store, meter))["anything"] == {"y": 1, "x": 1}

    async def test_operands_are_never_shown(self, store: Store) -> None:
        meter = await new_meter()
        for values in ({"count": "s3cret"}, {"count__inc": "s3cret"}, {"tags__push": {"$each": "s3cret"}}):
            with pytest.raises(InvalidUpdate) as caught:
                await meter.update(**values)
            assert "s3cret" not in str(caught.value)
            assert caught.value.__cause__ is None

    async def test_values_that_cannot_be_stored_are_refused(self, store: Store) -> None:
        meter = await new_meter()
        refused: list[dict[str, Any]] = [
            {"anything": 2**64},
            {"anything": object()},
            {"name": "\ud800"},
            {"price__inc": Decimal("1." + 40 * "1")},
        ]
        for values in refused:
            with counted(store) as requests, pytest.raises(ValueNotStorable) as caught:
                await meter.update(**values)
            assert requests.count == 0
            assert caught.value.model == "contract.Meter"

    async def test_references_to_what_has_no_document_are_refused(self, store: Store) -> None:
        meter, node = await new_meter(), Node(name="n")
        for values in ({"node": node}, {"nodes__push": node}, {"facts__a": node}):
            with pytest.raises(InvalidUpdate, match="never saved"):
                await meter.update(**values)
        await node.save()
        await node.delete()
        with pytest.raises(DeletedObject):
            await meter.update(node=node)

    async def test_the_primary_key_cannot_change(self, store: Store) -> None:
        country = await Country.objects.create(code="CH", name="Switzerland")
        for values in ({"code": "DE"}, {"pk": "DE"}, {"_id": "DE"}):
            with pytest.raises(InvalidUpdate, match=r"primary key|id of a document"):
                await country.update(**values)
        await country.update(name="Schweiz")
        assert (country.code, country.name) == ("CH", "Schweiz")

    async def test_a_sliced_query_is_not_updated(self, store: Store) -> None:
        with pytest.raises(InvalidQuery, match="update comes before slicing"):
            await Meter.objects.all()[:5].update(count=1)

    async def test_a_member_cannot_be_named_like_it(self, store: Store) -> None:
        metaclass: Any = type(NoSQLModel)
        with pytest.raises(TypeError, match="interface"):
            metaclass("Named", (NoSQLModel,), {"__module__": __name__, "update": Int()})
