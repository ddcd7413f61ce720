"""How often saving, loading and deleting objects asks a store that is far away."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator

import pytest
from atom.api import ForwardTyped, Int, List, Str, Typed

from atomodm import NoSQLModel, NoSQLModelManager, UnsavedChangesWarning, save_all
from tests.engine.far import FarStore


class Wheel(NoSQLModel):
    size = Int()


class Motor(NoSQLModel):
    name = Str().tag(index=True)


class Driver(NoSQLModel):
    name = Str().tag(unique=True)
    age = Int()
    friend = ForwardTyped(lambda: Driver)


class Car(NoSQLModel):
    driver = Typed(Driver)
    motor = Typed(Motor)
    wheels = List(Wheel)


MODELS = (Wheel, Motor, Driver, Car)


@pytest.fixture
async def store() -> AsyncIterator[FarStore]:
    store = FarStore()
    await store.open()
    NoSQLModelManager.instance().connect(store)
    # Indexes are declared before the first write of a model, once for each handle.
    for model in MODELS:
        await model(**({"name": "first"} if model is Driver else {})).save()
    try:
        yield store
        assert store.driver.under_way == 0
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnsavedChangesWarning)
            await store.close()


async def test_a_save_takes_one_round_trip(store: FarStore) -> None:
    driver = Driver(name="Ann", age=1)
    with store.calls() as made:
        await driver.save()
    assert made == ["apply"]
    driver.age = 2
    with store.calls() as made:
        await driver.save()
    assert made == ["apply"]
    with store.calls() as made:
        await driver.save()
    assert made == []


async def test_a_graph_is_saved_in_one_round_trip(store: FarStore) -> None:
    driver = Driver(name="Ann", friend=Driver(name="Bob"))
    assert driver.friend is not None
    driver.friend.friend = driver
    car = Car(driver=driver, motor=Motor(name="x"), wheels=[Wheel(size=number) for number in range(4)])
    with store.calls() as made:
        await car.save()
    assert made == ["apply"]


async def test_each_level_is_read_with_one_request_for_each_collection_all_at_a_time(
    store: FarStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Other tests' models may have hooks that are awaited, next to which fetches go one by one.
    monkeypatch.setattr("atomodm.session.fetch.anything_to_await", lambda: False)
    cars = [
        Car(
            driver=Driver(name=f"a{number}", friend=Driver(name=f"b{number}")),
            motor=Motor(name=str(number)),
            wheels=[Wheel(size=number) for number in range(4)],
        )
        for number in range(30)
    ]
    for car in cars:
        await car.save()
    del car, cars
    for model in MODELS:
        model.objects.cache.clear()
    with store.calls() as made:
        found = await Car.objects.filter(motor__isnull=False).fetch(None).to_list()
    assert made == ["scan", *["get"] * 3, "get"]
    assert store.driver.most == 3
    friends = [car.driver.friend for car in found if car.driver is not None]
    assert [friend.name for friend in friends if friend is not None] == [f"b{number}" for number in range(30)]
    assert all(len(car.wheels) == 4 and car.wheels[3].size == 3 for car in found)


async def test_an_object_is_found_and_deleted_with_one_round_trip_each(store: FarStore) -> None:
    await Driver(name="Ann").save()
    await Driver(name="Bob").save()
    Driver.objects.cache.clear()
    store._writer.queue.latest = type(store._writer.queue.latest)()
    with store.calls() as made:
        ann = await Driver.objects.get(name="Ann")
    assert made == ["scan"]
    with store.calls() as made:
        assert await Driver.objects.get(_id=ann._id) is ann
    assert made == ["get"]
    with store.calls() as made:
        await ann.delete()
    assert made == ["apply"]
    with store.calls() as made:
        assert [driver.name for driver in await Driver.objects.order_by("name")] == ["Bob", "first"]
    assert made == ["scan"]


async def test_references_of_a_long_answer_are_read_in_large_parts(store: FarStore) -> None:
    await save_all([Car(motor=Motor(name=str(number))) for number in range(2000)])
    for model in MODELS:
        model.objects.cache.clear()
    with store.calls() as made:
        found = await Car.objects.filter(motor__isnull=False).to_list()
    assert len(found) == 2000
    assert all(car.motor is not None and car.motor.name for car in found)
    # Each chunk is larger than the one before: 128, 256, 512 and so on.
    assert made.count("get") <= 6
    assert made.count("scan") <= 3
