"""The serializer as programs call it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from atomodm import JSONSerializer, ModelSerializer, NoSQLModelSerializer, Store
from tests.zoo.facts import Named
from tests.zoo.wiki import Address, Author, Comment, Page

SERIALIZERS = [ModelSerializer, JSONSerializer, NoSQLModelSerializer]


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_there_is_one_instance_of_each_class(serializer: type[ModelSerializer]) -> None:
    assert serializer.instance() is serializer.instance()
    assert type(serializer.instance()) is serializer


def test_a_subclass_has_an_instance_of_its_own() -> None:
    class Mine(NoSQLModelSerializer):
        pass

    assert Mine.instance() is not NoSQLModelSerializer.instance()
    assert type(Mine.instance()) is Mine


def test_models_have_the_serializers_of_their_kind() -> None:
    assert Page.serializer is NoSQLModelSerializer.instance()
    assert Comment.serializer is JSONSerializer.instance()


@pytest.mark.parametrize("name", ["unflatten", "unflatten_object", "get_or_create", "get_object_state"])
def test_the_hooks_that_restore_are_coroutines(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(NoSQLModelSerializer.instance(), name))


@pytest.mark.parametrize("name", ["flatten", "flatten_object"])
def test_the_hooks_that_flatten_are_not(name: str) -> None:
    assert not inspect.iscoroutinefunction(getattr(NoSQLModelSerializer.instance(), name))


async def test_the_base_class_does_not_know_where_models_are() -> None:
    serializer = ModelSerializer.instance()
    with pytest.raises(NotImplementedError):
        serializer.flatten_object(Author(), {})
    with pytest.raises(NotImplementedError):
        await serializer.get_object_state(Author(), {}, {})


def test_flatten_takes_any_value_without_a_scope() -> None:
    serializer = NoSQLModelSerializer.instance()
    assert serializer.flatten({"a": [1, {"b": "c"}]}) == {"a": [1, {"b": "c"}]}
    assert serializer.flatten(None) is None
    assert serializer.flatten(Address(street="a"))["street"] == "a"


def test_a_json_serializer_flattens_to_what_json_holds() -> None:
    assert JSONSerializer.instance().flatten([date(2024, 2, 29), Decimal("1.50")]) == [
        {"__py__": "datetime.date", "year": 2024, "month": 2, "day": 29},
        {"__py__": "decimal", "value": "1.50"},
    ]


async def test_unflatten_takes_any_value_without_a_scope() -> None:
    serializer = JSONSerializer.instance()
    restored = await serializer.unflatten([{"__py__": "datetime.date", "year": 2024, "month": 2, "day": 29}, {"a": 1}])
    assert restored == [date(2024, 2, 29), {"a": 1}]
    address = await serializer.unflatten({"__model__": "wiki.Address", "street": "a", "zip": 5})
    assert (type(address), address.street, address.zip) == (Address, "a", 5)


def test_flattening_a_saved_model_gives_a_reference_and_an_unsaved_one_its_state() -> None:
    author = Author(name="a")
    flattened = Author.serializer.flatten_object(author, None)
    assert (flattened["__model__"], flattened["name"]) == ("wiki.Author", "a")
    assert "_id" not in flattened


async def test_get_or_create_gives_the_object_and_whether_it_was_made(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    serializer = Author.serializer
    assert await serializer.get_or_create(Author, {"_id": author._id}, {}) == (author, False)
    made, created = await serializer.get_or_create(Author, {}, {})
    assert (type(made), created) == (Author, True)


async def test_get_object_state_fetches_the_document(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    state = await Author.serializer.get_object_state(author, {"_id": author._id}, {})
    assert (state["_id"], state["name"]) == (author._id, "a")


async def test_unflatten_object_restores_a_reference(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    Author.objects.cache.clear()
    reference = {"_id": author._id, "__model__": "wiki.Author"}
    restored = await Author.serializer.unflatten_object(Author, reference, {})
    assert restored is not author
    assert (restored.name, restored.__restored__) == ("a", True)
    assert Author.objects.cache[author._id] is restored
    restored.name = "b"
    assert restored.__state__.dirty_fields == {"name"}
    await restored.save()
    assert (await Author.objects.find_one({"_id": author._id}))["name"] == "b"


async def test_an_unflattened_object_of_a_missing_document_is_unloaded_and_keeps_its_id(store: Store) -> None:
    author = Author(name="a")
    await author.save()
    await store["wiki.Author"].delete_one({"_id": author._id})
    Author.objects.cache.clear()
    restored = await Author.serializer.unflatten_object(Author, {"_id": author._id, "__model__": "wiki.Author"}, {})
    assert (restored.__restored__, restored._id) == (False, author._id)


# -- the registry ------------------------------------------------------------------------------------------------------


@pytest.fixture
def registry() -> Iterator[Any]:
    registry = NoSQLModelSerializer.instance().registry
    before = dict(registry)
    yield registry
    registry.clear()
    registry.update(before)


def test_the_registry_maps_the_tags_of_all_models_to_their_classes(registry: Any) -> None:
    assert registry["wiki.Page"] is Page
    assert registry["wiki.Comment"] is Comment


def test_a_model_made_later_is_in_the_registry(registry: Any) -> None:
    class Later(Author):
        __model__ = "wiki.Later"

    assert registry["wiki.Later"] is Later
    assert ModelSerializer.instance().registry["wiki.Later"] is Later


async def test_a_former_name_in_the_registry_makes_documents_and_references_readable(
    store: Store, registry: Any
) -> None:
    registry["old.Author"] = Author
    registry["old.Comment"] = Comment
    await Author.objects.insert_one({"_id": 1, "__model__": "old.Author", "name": "a"})
    await Page.objects.insert_one(
        {
            "title": "p",
            "author": {"_id": 1, "__model__": "old.Author"},
            "comments": [{"__model__": "old.Comment", "text": "t"}],
        }
    )
    page = await Page.objects.get(title="p")
    assert type(page.author) is Author
    assert (page.author.name, page.comments[0].text) == ("a", "t")
    assert await Author.objects.get(name="a") is page.author


async def test_a_document_under_a_former_name_takes_the_new_one_with_its_next_save(store: Store, registry: Any) -> None:
    registry["old.Author"] = Author
    await Author.objects.insert_one({"_id": 1, "__model__": "old.Author", "name": "a"})
    author = await Author.objects.get(name="a")
    author.email = "a@example.org"
    await author.save()
    document = await Author.objects.find_one({"_id": 1})
    assert (document["__model__"], document["email"], document["name"]) == ("wiki.Author", "a@example.org", "a")


async def test_a_name_taken_out_of_the_registry_is_unknown(store: Store, registry: Any) -> None:
    await Named(name="a").save()
    Named.objects.cache.clear()
    del registry["facts.named"]
    with pytest.raises(KeyError):
        await Author.restore({"__model__": "facts.named"})


# -- coercers ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def coercers() -> Iterator[Any]:
    coercers = NoSQLModelSerializer.instance().coercers
    before = dict(coercers)
    yield coercers
    coercers.clear()
    coercers.update(before)


def _sync(value: Any, scope: Any) -> Any:
    return ("point", value["x"], value["y"])


async def _slow(value: Any, scope: Any) -> Any:
    return _sync(value, scope)


class _SlowObject:
    async def __call__(self, value: Any, scope: Any) -> Any:
        return _sync(value, scope)


COERCERS = [_sync, _slow, _SlowObject()]
POINT = {"__py__": "point", "x": 1, "y": 2}


@pytest.mark.parametrize("coercer", COERCERS, ids=["sync", "async", "async object"])
async def test_a_coercer_restores_values_of_its_name_wherever_they_are(
    store: Store, coercers: Any, coercer: Any
) -> None:
    coercers["point"] = coercer
    await Page.objects.insert_one(
        {
            "title": "p",
            "anything": POINT,
            "data": {"deep": [POINT, {"deeper": POINT}]},
            "pinned": {"__model__": "wiki.Comment", "replies": [POINT]},
        }
    )
    page = await Page.objects.get(title="p")
    point = ("point", 1, 2)
    assert page.anything == point
    assert page.data == {"deep": [point, {"deeper": point}]}
    assert page.pinned.replies == [point]
    assert await Page.serializer.unflatten(POINT) == point


@pytest.mark.parametrize("coercer", COERCERS, ids=["sync", "async", "async object"])
async def test_a_coercer_gets_what_is_inside_restored(store: Store, coercers: Any, coercer: Any) -> None:
    coercers["point"] = coercer
    nested = {"__py__": "point", "x": POINT, "y": {"__py__": "datetime.date", "year": 2024, "month": 1, "day": 2}}
    assert await Page.serializer.unflatten(nested) == ("point", ("point", 1, 2), date(2024, 1, 2))


async def test_a_coercer_for_a_name_of_ours_is_used_in_place_of_ours(store: Store, coercers: Any) -> None:
    coercers["tuple"] = lambda value, scope: ["mine", *value["values"]]
    assert await Page.serializer.unflatten({"__py__": "tuple", "values": [1]}) == ["mine", 1]


def _fails(value: Any, scope: Any) -> Any:
    raise RuntimeError("no")


async def _fails_slowly(value: Any, scope: Any) -> Any:
    raise RuntimeError("no")


@pytest.mark.parametrize("coercer", [_fails, _fails_slowly])
async def test_a_coercer_that_raises_costs_its_member_only(
    store: Store, coercers: Any, coercer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    coercers["point"] = coercer
    await Page.objects.insert_one({"title": "p", "anything": POINT, "data": {"a": 1}})
    page = await Page.objects.get(title="p")
    assert (page.anything, page.data) == (None, {"a": 1})
    assert "Error loading state: wiki.Page.anything" in caplog.text
    page.title = "q"
    await page.save()
    assert (await Page.objects.find_one({}))["anything"] == POINT
