"""Programs of two versions share a database: neither loses what only the other knows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from atomodm import Store
from tests.stores import read_again, stored_document
from tests.zoo.versions import Address, Customer, ForgetfulAddress, MigratingAddress, Office, Parcel

#: A time as it is stored in two parts.
DATE, NOTE = datetime(2020, 1, 1, 1, 1, 1, 123000), {"us": 1577840461123456, "tz": "UTC"}

#: An address of another version: without ``city``, with a ``zip`` and ``names`` that the member refuses.
FOREIGN = {"street": "s", "zip": "A1", "names": [1], "floor": 4, "map": {"x": [1]}}


async def stored_customer(**fields: Any) -> Any:
    """A customer that was read from a document with `fields`."""
    result = await Customer.objects.insert_one({"__model__": Customer.__model__, "name": "a", **fields})
    return await Customer.objects.get(_id=result.inserted_id)


def foreign(model: type[Any], **fields: Any) -> dict[str, Any]:
    return {"__model__": model.__model__, **FOREIGN, **fields}


@pytest.mark.parametrize("model", [Address, MigratingAddress])
async def test_what_an_embedded_model_does_not_take_stays_in_the_store(store: Store, model: type[Any]) -> None:
    fields: dict[str, Any] = {
        "address": foreign(model, street="S"),
        "addresses": [foreign(model, street="T"), foreign(model, street="U")],
        "by_name": {"k": foreign(model, street="V")},
        "anything": [foreign(model, street="W")],
    }
    customer = await stored_customer(**fields)
    assert not customer.__state__.changes()
    customer.addresses = [customer.addresses[1], customer.addresses[0]]
    customer.address.street = "X"
    await customer.save()
    fields["addresses"].reverse()
    fields["address"]["street"] = "X"
    document = await stored_document(customer)
    assert {key: document[key] for key in fields} == fields


@pytest.mark.parametrize("fields", [{}, {"tags": [1], "counts": {"a": "b"}}], ids=["absent", "refused"])
async def test_a_container_that_was_not_restored_is_written_when_it_is_changed_in_place(
    store: Store, fields: dict[str, Any]
) -> None:
    customer = await stored_customer(**fields)
    customer.tags.append("t")
    customer.counts["k"] = 1
    assert customer.__state__.changes().set == {"tags": ["t"], "counts": {"k": 1}}
    await customer.save()
    document = await stored_document(customer)
    assert (document["tags"], document["counts"]) == (["t"], {"k": 1})


async def test_a_document_stored_inline_keeps_what_its_model_does_not_take(store: Store) -> None:
    inline = {"__model__": Office.__model__, "name": "n", "rooms": "many", "floor": 4}
    customer = await stored_customer(office=inline)
    customer.office.name = "m"
    await customer.save()
    assert (await stored_document(customer))["office"] == {**inline, "name": "m"}


async def test_setting_a_member_of_an_embedded_model_replaces_what_was_refused(store: Store) -> None:
    customer = await stored_customer(address=foreign(Address))
    customer.address.zip = 8
    customer.address.zip = 7  # the default, which a program has set now
    customer.address.names.append("n")
    customer.address.city = "c"
    await customer.save()
    address = (await stored_document(customer))["address"]
    assert address == foreign(Address, zip=7, names=["n"], city="c")
    customer.address.names.clear()
    customer.address.city = "nowhere"
    await customer.save()
    address = (await stored_document(customer))["address"]
    assert address == foreign(Address, zip=7, names=[], city="nowhere")


async def test_an_embedded_model_drops_unknown_fields_where_it_says_so(store: Store) -> None:
    customer = await stored_customer(address=foreign(ForgetfulAddress))
    customer.address.street = "t"
    await customer.save()
    address = (await stored_document(customer))["address"]
    assert address == {"__model__": ForgetfulAddress.__model__, "street": "t", "zip": "A1", "names": [1]}


async def test_an_embedded_model_that_was_restored_on_its_own_brings_unknown_fields_along(store: Store) -> None:
    address = await Address.restore(foreign(Address))
    customer = Customer(address=address)
    await customer.save()
    assert (await stored_document(customer))["address"] == foreign(Address)


async def test_what_an_embedded_model_does_not_take_is_stored_once_where_a_document_mentions_it_twice(
    store: Store,
) -> None:
    customer = await stored_customer(address=foreign(Address))
    customer.anything = customer.address
    await customer.save()
    again = await read_again(customer)
    assert again.anything is again.address
    assert (await stored_document(again))["address"] == {**foreign(Address), "__ref__": 1}


async def test_an_object_made_by_default_can_be_held_elsewhere_too(store: Store) -> None:
    customer = await stored_customer(anything=[{"__model__": Parcel.__model__}])
    parcel = customer.anything[0]
    customer.anything.append(parcel.address)
    await customer.save()
    again = await read_again(customer)
    assert isinstance(again.anything[1], Address)
    assert again.anything[1] is again.anything[0].address


@pytest.mark.parametrize("held", ["document", "embedded"])
async def test_a_renamed_time_keeps_its_zone_and_microseconds(store: Store, held: str) -> None:
    exact = datetime(2020, 1, 1, 1, 1, 1, 123456, tzinfo=UTC)
    if held == "document":
        customer = await stored_customer(entered=DATE, __dt__={"entered": NOTE})
        assert customer.joined == exact
        assert customer.joined.utcoffset() is not None
    else:
        customer = await stored_customer(address=foreign(Address, moved=DATE, __dt__={"moved": NOTE}))
        assert customer.address.since == exact
    customer.name = "b"
    await customer.save()
    again = await read_again(customer)
    assert (again.joined if held == "document" else again.address.since) == exact


@pytest.mark.parametrize("key", ["unknown", "remark"])
async def test_what_a_date_lacks_stays_beside_dates_that_the_model_does_not_take(store: Store, key: str) -> None:
    customer = await stored_customer(**{key: DATE, "left": DATE}, __dt__={key: NOTE, "left": NOTE})
    assert not customer.__state__.changes()
    customer.left = None
    await customer.save()
    document = await stored_document(customer)
    assert (document[key], document["__dt__"]) == (DATE, {key: NOTE})


@pytest.mark.parametrize("key", ["unknown", "zip"])
async def test_so_it_does_inside_embedded_models(store: Store, key: str) -> None:
    address = foreign(Address, **{key: DATE, "since": DATE}, __dt__={key: NOTE, "since": NOTE})
    customer = await stored_customer(address=address)
    assert not customer.__state__.changes()
    customer.address.since = None
    await customer.save()
    assert (await stored_document(customer))["address"] == {**address, "since": None, "__dt__": {key: NOTE}}


async def test_what_a_date_lacks_goes_with_a_date_that_was_refused_when_the_member_is_set(store: Store) -> None:
    customer = await stored_customer(remark=DATE, __dt__={"remark": NOTE})
    customer.remark = "set"
    await customer.save()
    assert not (await stored_document(customer)).get("__dt__")
