"""What the tags of members, ``Meta`` and ``__on_error__`` do."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest
from bson import ObjectId

from atomodm import DeletionRefused, DuplicateKey, RestoreError, SaveError, Store, ValueNotStorable
from tests.stores import change_stored, read_again, stored_document
from tests.zoo.tagged import (
    AnyKey,
    Author,
    Cascaded,
    Denied,
    Dropping,
    Ignoring,
    Indexed,
    IntKey,
    Keeping,
    Kept,
    Logging,
    Nested,
    Nullified,
    Ordered,
    Raising,
    Renamed,
    Required,
    RequiredHolder,
    RequiredPart,
    Snapshot,
)

REFUSED = {"age": "s3cret", "percent": 500, "word": "s3cret", "names": ["ok", 5], "moment": "s3cret"}
DEFAULTS = {"age": 7, "percent": 50, "word": "a", "names": [], "moment": None}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_refused_value_is_logged_without_the_value_and_stays_stored(
    store: Store, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    obj = Logging(note="x")
    await obj.save()
    await change_stored(obj, **{name: REFUSED[name]})
    found = await read_again(obj)
    assert getattr(found, name) == DEFAULTS[name]
    assert "Error loading state:" in caplog.text
    assert f"{Logging.__model__}.{name}" in caplog.text
    assert "s3cret" not in caplog.text
    assert not found.__state__.dirty
    assert not found.__state__.changes()
    found.note = "y"
    assert found.__state__.changes().set == {"note": "y"}
    await found.save()
    assert (await stored_document(found))[name] == REFUSED[name], "it stays until the member is set"
    found.note = "z"
    await found.save()
    assert (await stored_document(found))[name] == REFUSED[name], "after the second save too"
    setattr(found, name, DEFAULTS[name])
    value = {"age": 8, "percent": 1, "word": "b", "names": ["n"], "moment": datetime(2020, 1, 1)}[name]
    setattr(found, name, value)
    await found.save()
    assert (await stored_document(found))[name] == value


async def test_a_refused_value_can_be_ignored_in_silence(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    obj = Ignoring()
    await obj.save()
    await change_stored(obj, age="x")
    assert (await read_again(obj)).age == 7
    assert caplog.text == ""


async def test_a_refused_value_can_stop_the_restore(store: Store) -> None:
    obj = Raising()
    await obj.save()
    await change_stored(obj, age="s3cret")
    with pytest.raises(RestoreError) as caught:
        await read_again(obj)
    error = caught.value
    assert (error.field, error.cls, error.path) == ("age", Raising, "age")
    assert isinstance(error.exc, TypeError)
    assert "s3cret" not in str(error)
    await change_stored(obj, age=3)
    assert (await Raising.objects.get(_id=obj._id)).age == 3, "what was refused left no half-filled object behind"


async def test_setting_the_default_where_a_refused_value_is_stored_writes_it(store: Store) -> None:
    obj = Logging()
    await obj.save()
    await change_stored(obj, age="x")
    found = await read_again(obj)
    found.age = 8
    found.age = 7
    await found.save()
    assert (await stored_document(found))["age"] == 7


async def test_unknown_fields_are_kept_and_come_along(store: Store) -> None:
    obj = Keeping(name="x")
    await obj.save()
    await change_stored(obj, newer={"a": [1]}, name="x")
    found = await read_again(obj)
    found.name = "y"
    await found.save()
    document = await stored_document(found)
    assert (document["newer"], document["name"]) == ({"a": [1]}, "y")
    await found.save()
    assert (await stored_document(found))["newer"] == {"a": [1]}


async def test_unknown_fields_are_dropped_where_the_model_says_so(store: Store) -> None:
    obj = Dropping(name="x")
    await obj.save()
    await change_stored(obj, older=1)
    found = await read_again(obj)
    found.name = "y"
    await found.save()
    assert set(await stored_document(found)) == {"_id", "__model__", "name"}


async def test_members_are_stored_under_their_stored_names_and_read_from_former_ones(store: Store) -> None:
    obj = Renamed(title="a", count=1)
    await obj.save()
    assert set(await stored_document(obj)) == {"_id", "__model__", "t", "count"}
    for old in ("headline", "head"):
        result = await Renamed.objects.insert_one({"__model__": Renamed.__model__, old: "old", "number": 5})
        found = await Renamed.objects.get(_id=result.inserted_id)
        assert (found.title, found.count) == ("old", 5)
        assert not found.__state__.dirty
        found.title = "new"
        await found.save()
        document = await stored_document(found)
        assert document["t"] == "new"
        assert old not in document, "the former name goes when the member is written"
        again = await read_again(found)
        assert (again.title, again.count) == ("new", 5)


async def test_the_stored_name_counts_where_both_are_there(store: Store) -> None:
    result = await Renamed.objects.insert_one({"__model__": Renamed.__model__, "t": "new", "head": "old", "count": 1})
    assert (await Renamed.objects.get(_id=result.inserted_id)).title == "new"


async def test_lookups_use_member_names(store: Store) -> None:
    await Renamed(title="a").save()
    assert (await Renamed.objects.get(title="a")).title == "a"


async def test_a_required_member_without_value_stops_the_save(store: Store) -> None:
    with pytest.raises(ValueNotStorable, match="required") as caught:
        await Required(name="x").save()
    assert (caught.value.model, caught.value.path) == (Required.__model__, "owner")
    assert await Required.objects.count() == 0
    obj = Required(name="x", owner=0)
    await obj.save()
    obj.owner = None
    with pytest.raises(ValueNotStorable):
        await obj.save()
    assert obj.__state__.dirty_fields == {"owner"}


async def test_a_required_member_of_an_embedded_model_is_named_by_its_path(store: Store) -> None:
    with pytest.raises(ValueNotStorable, match="required") as caught:
        await RequiredHolder(part=RequiredPart()).save()
    assert (caught.value.model, caught.value.path) == (RequiredHolder.__model__, "part.label")


async def test_tags_create_indexes(store: Store) -> None:
    author = Author(name="a")
    await Indexed(listed=1, single="x", by_meta="m", to=author).save()
    indexes = {index.name: index for index in await store.list_indexes(Indexed.__model__)}
    assert {name: (index.fields, index.unique) for name, index in indexes.items()} == {
        "listed_1": ((("listed", 1),), False),
        "s_1": ((("s", 1),), True),
        "by_meta_1": ((("by_meta", 1),), False),
        "to._id_1": ((("to._id", 1),), False),
    }


async def test_a_unique_member_is_unique(store: Store) -> None:
    await Indexed(single="x").save()
    second = Indexed(single="x")
    with pytest.raises(DuplicateKey) as caught:
        await second.save()
    assert caught.value.fields == ("s",)
    assert caught.value.model == Indexed.__model__
    assert second._id is None
    second.single = "y"
    await second.save()
    assert await Indexed.objects.count() == 2


async def test_on_delete_keep_leaves_the_reference(store: Store) -> None:
    author = Author(name="a")
    kept = Kept(author=author)
    await kept.save()
    author_id = author._id
    await author.delete()
    assert (await stored_document(kept))["author"] == {"_id": author_id, "__model__": Author.__model__}


async def test_on_delete_nullify_empties_the_reference_and_nothing_else(store: Store) -> None:
    author, other = Author(name="a"), Author(name="b")
    one, two = Nullified(author=author, title="1"), Nullified(author=other, title="2")
    await one.save()
    await two.save()
    await author.delete()
    document = await stored_document(one)
    assert (document["author"], document["title"]) == (None, "1")
    assert (await stored_document(two))["author"]["_id"] == other._id
    assert (await read_again(one)).author is None


async def test_on_delete_cascade_deletes_at_every_level(store: Store) -> None:
    author = Author(name="a")
    cascaded = Cascaded(author=author)
    nested = Nested(parent=cascaded)
    other = Cascaded(author=Author(name="b"))
    await nested.save()
    await other.save()
    await author.delete()
    assert await Cascaded.objects.count() == 1
    assert await Nested.objects.count() == 0
    assert (cascaded._id, nested._id) == (None, None)
    assert other._id is not None


async def test_on_delete_deny_refuses_and_deletes_nothing(store: Store) -> None:
    author = Author(name="a")
    denied, nullified = Denied(author=author), Nullified(author=author)
    await denied.save()
    await nullified.save()
    with pytest.raises(DeletionRefused) as caught:
        await author.delete()
    assert caught.value.path == "author"
    assert author._id is not None
    assert (await stored_document(nullified))["author"] is not None
    await denied.delete()
    await author.delete()
    assert await Author.objects.count() == 0


async def test_an_embedded_document_model_is_a_value_of_its_own(store: Store) -> None:
    author = Author(name="a")
    snapshot = Snapshot(author=author, authors=[author, Author(name="b")])
    await snapshot.save()
    assert author._id is None, "it is no document"
    assert await Author.objects.count() == 0
    document = await stored_document(snapshot)
    assert document["author"]["name"] == "a"
    found = await read_again(snapshot)
    assert (found.author.name, [item.name for item in found.authors]) == ("a", ["a", "b"])
    assert found.author is found.authors[0]
    found.author.name = "c"
    assert found.__state__.changes().as_update() == {"$set": {"author.name": "c"}}


async def test_setstate_order_is_the_order_of_setting(store: Store) -> None:
    obj = Ordered(first=1, second=2, third=3)
    await obj.save()
    found = await read_again(obj)
    assert found.log == ["third", "second", "first"]


# -- primary keys ------------------------------------------------------------------------------------------------------

KEYS: list[Any] = [0, -5, 2**40, 1.5, "", "text", b"bytes", True, ObjectId("1" * 24), UUID(int=3), datetime(2020, 1, 1)]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: type(key).__name__)
async def test_a_primary_key_of_any_type_finds_its_document_and_its_object(store: Store, key: Any) -> None:
    obj = AnyKey(key=key)
    assert obj._id == key
    await obj.save()
    assert AnyKey.objects.cache[key] is obj
    assert await AnyKey.objects.get(_id=key) is obj
    found = await read_again(obj)
    assert (found.key, found._id) == (key, key)
    holder = AnyKey(key="holder", to=found)
    await holder.save()
    assert (await stored_document(holder))["to"] == {"_id": key, "__model__": AnyKey.__model__}
    assert (await read_again(holder)).to.key == key
    await found.delete()
    assert found.key == key, "a declared key stays"
    await found.save()
    assert await AnyKey.objects.count() == 2


async def test_setting_the_id_sets_the_primary_key(store: Store) -> None:
    obj = IntKey(_id=5, name="x")
    assert obj.number == 5
    await obj.save()
    document = await stored_document(obj)
    assert set(document) == {"_id", "__model__", "name"}
    with pytest.raises(TypeError):
        obj._id = "text"


async def test_a_second_object_with_a_taken_key_is_refused(store: Store) -> None:
    await IntKey(number=1, name="x").save()
    with pytest.raises(SaveError):
        await IntKey(number=1, name="y").save()
    assert (await IntKey.objects.find_one({"_id": 1}))["name"] == "x"


async def test_the_primary_key_of_a_stored_object_cannot_change(store: Store) -> None:
    obj = IntKey(number=1)
    await obj.save()
    obj.number = 2
    with pytest.raises(SaveError):
        await obj.save()
    obj.number = 1
    await obj.save()
    assert await IntKey.objects.count() == 1


async def test_a_primary_key_that_is_not_set_is_a_typed_error(store: Store) -> None:
    with pytest.raises(SaveError, match="primary key") as caught:
        await AnyKey().save()
    assert caught.value.path == "key"


async def test_a_date_or_another_value_without_bson_type_is_stored_as_a_key_in_its_stored_form(store: Store) -> None:
    from atom.api import Typed

    from atomodm import NoSQLModel

    class Day(NoSQLModel):
        day = Typed(date).tag(primary_key=True)

    obj = Day(day=date(2020, 1, 1))
    await obj.save()
    assert (await Day.objects.find_one({}))["_id"] == datetime(2020, 1, 1)
    Day.objects.cache.clear()
    found = await Day.objects.get(day=date(2020, 1, 1))
    assert (found.day, found._id) == (date(2020, 1, 1), date(2020, 1, 1))
    assert await Day.objects.get(pk=date(2020, 1, 1)) is found
    await found.delete()
    assert await Day.objects.count() == 0
