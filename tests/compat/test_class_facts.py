"""What a model class alone decides."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from bson import ObjectId

from atomodm import NoSQLModel, RestoreError, Store
from tests.zoo import facts


def test_the_model_is_named_by_its_module_and_its_class() -> None:
    assert facts.Base.__model__ == "tests.zoo.facts.Base"


def test_a_subclass_is_named_by_itself() -> None:
    assert facts.Derived.__model__ == "tests.zoo.facts.Derived"
    assert facts.DerivedFromNamed.__model__ == "tests.zoo.facts.DerivedFromNamed"


def test_a_name_in_the_class_body_wins() -> None:
    assert facts.Named.__model__ == "facts.named"


async def test_the_name_names_the_collection_and_tags_references(store: Store) -> None:
    named = facts.Named(name="a")
    await named.save()
    assert await store.list_collection_names() == ["facts.named"]
    assert named.__getstate__()["__model__"] == "facts.named"
    assert facts.Named.serializer.flatten(named) == {"_id": named._id, "__model__": "facts.named"}


def test_the_fields_are_the_stored_members() -> None:
    assert facts.Derived.__fields__ == ["name", "age"]
    assert set(facts.Stored.__fields__) == {"name", "_kept", "twice"}


def test_fields_in_the_class_body_win() -> None:
    assert facts.ChoosesFields.__fields__ == ["name"]


async def test_members_that_the_fields_leave_out_are_not_stored(store: Store) -> None:
    await facts.ChoosesFields(name="a", scratch="b").save()
    document = await facts.ChoosesFields.objects.find_one({})
    assert set(document) == {"_id", "__model__", "name"}


async def test_meta_name_sets_the_collection_and_leaves_the_tags_distinct(store: Store) -> None:
    await facts.SharesCollection(name="a").save()
    await facts.SharesCollectionToo(name="b", size=2).save()
    assert await store.list_collection_names() == ["shared.things"]
    documents = await facts.SharesCollection.objects.find({}).to_list()
    assert {document["name"]: document["__model__"] for document in documents} == {
        "a": "tests.zoo.facts.SharesCollection",
        "b": "tests.zoo.facts.SharesCollectionToo",
    }


async def test_private_members_properties_and_untagged_ones_are_stored_by_their_tags_alone(store: Store) -> None:
    await facts.Stored(name="ab", secret="no", _private="no", _kept="yes").save()
    document = await facts.Stored.objects.find_one({})
    del document["_id"]
    assert document == {"__model__": "tests.zoo.facts.Stored", "name": "ab", "_kept": "yes", "twice": "abab"}


async def test_a_private_member_that_is_stored_is_restored(store: Store) -> None:
    await facts.Stored(name="ab", _kept="yes").save()
    facts.Stored.objects.cache.clear()
    assert (await facts.Stored.objects.get(name="ab"))._kept == "yes"


async def test_tagged_conversions_are_used_both_ways(store: Store) -> None:
    await facts.Tagged(sync=True, slow=True, renamed=True).save()
    document = await facts.Tagged.objects.find_one({})
    assert (document["sync"], document["slow"], document["kept_as"]) == ("yes", "yes", "yes")
    facts.Tagged.objects.cache.clear()
    restored = await facts.Tagged.objects.get(_id=document["_id"])
    assert (restored.sync, restored.slow, restored.renamed) == (True, True, True)


async def test_a_tagged_flatten_gets_the_value_and_a_scope_and_its_result_is_diffed(store: Store) -> None:
    tagged = facts.Tagged(sync=True)
    await tagged.save()
    tagged.sync = False
    assert tagged.__state__.changes().as_update() == {"$set": {"sync": "no"}}


@pytest.mark.parametrize("key", ["once", "before"])
async def test_an_async_unflatten_is_used_for_a_former_name_too(store: Store, key: str) -> None:
    await facts.Tagged.objects.insert_one({"__model__": facts.Tagged.__model__, key: "yes"})
    (restored,) = await facts.Tagged.objects.all()
    assert restored.renamed is True


async def test_async_tags_work_inside_embedded_values(store: Store) -> None:
    shared = facts.TaggedValue(slow=True, label="shared")
    holder = facts.HoldsTagged(one=shared, two=[shared, {"deep": shared}], many=[shared, facts.TaggedValue(slow=True)])
    await holder.save()
    facts.HoldsTagged.objects.cache.clear()
    restored = await facts.HoldsTagged.objects.get(_id=holder._id)
    assert restored is not holder
    assert restored.one.slow is True
    assert restored.two[0] is restored.one
    assert restored.two[1]["deep"] is restored.one
    assert restored.many[0] is restored.one
    assert restored.many[1].slow is True
    assert restored.many[1] is not restored.one


async def test_an_async_value_is_found_where_it_is_mentioned_before_it_is_defined(store: Store) -> None:
    tag = facts.TaggedValue.__model__
    await facts.HoldsTagged.objects.insert_one(
        {
            "__model__": facts.HoldsTagged.__model__,
            "one": {"__ref__": 5, "__model__": tag},
            "two": {"__ref__": 5, "__model__": tag, "slow": "yes", "label": "the one"},
        }
    )
    (restored,) = await facts.HoldsTagged.objects.all()
    assert restored.one is restored.two
    assert (restored.one.slow, restored.one.label) == (True, "the one")


async def test_members_are_restored_in_the_order_of_their_tags(store: Store) -> None:
    ordered = facts.Ordered()
    await ordered.__restorestate__({"late": 1, "usual": 2, "early": 3})
    assert ordered.seen == ["early", "usual", "late"]


async def test_observers_are_told_of_a_load_in_the_order_of_the_tags(store: Store) -> None:
    ordered = facts.Ordered(late=1, usual=2, early=3)
    await ordered.save()
    facts.Ordered.objects.cache.clear()
    restored = await facts.Ordered.objects.get(_id=ordered._id)
    assert restored.seen == ["early", "usual", "late"]


REFUSED: list[dict[str, Any]] = [{"size": "secret"}, {"mood": "secret"}, {"slow": "secret"}]


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: next(iter(refused)))
async def test_a_refused_value_is_logged_without_the_value_and_the_member_keeps_its_default(
    store: Store, refused: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    (field,) = refused
    await facts.LogsErrors.objects.insert_one({"name": "a", **refused})
    with caplog.at_level(logging.WARNING):
        restored = await facts.LogsErrors.objects.get(name="a")
    assert (restored.size, restored.mood, restored.slow) == (7, "good", True)
    (record,) = caplog.records
    assert record.getMessage().startswith("Error loading state:")
    assert f"tests.zoo.facts.LogsErrors.{field}" in record.getMessage()
    assert "secret" not in caplog.text


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: next(iter(refused)))
async def test_a_refused_value_is_ignored_where_the_model_says_so(
    store: Store, refused: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    await facts.IgnoresErrors.objects.insert_one({"name": "a", **refused})
    restored = await facts.IgnoresErrors.objects.get(name="a")
    assert (restored.size, restored.mood, restored.slow) == (7, "good", True)
    assert not caplog.records


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: next(iter(refused)))
async def test_a_refused_value_raises_where_the_model_says_so(store: Store, refused: dict[str, Any]) -> None:
    (field,) = refused
    await facts.RaisesErrors.objects.insert_one({"name": "a", **refused})
    with pytest.raises(RestoreError) as caught:
        await facts.RaisesErrors.objects.get(name="a")
    assert caught.value.field == field
    assert caught.value.cls is facts.RaisesErrors
    assert isinstance(caught.value.exc, Exception)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: next(iter(refused)))
async def test_after_a_raised_refusal_the_object_can_be_loaded_from_the_mended_document(
    store: Store, refused: dict[str, Any]
) -> None:
    _id = ObjectId()
    await facts.RaisesErrors.objects.insert_one({"_id": _id, "name": "a", **refused})
    with pytest.raises(RestoreError) as caught:
        await facts.RaisesErrors.objects.get(name="a")
    await facts.RaisesErrors.objects.replace_one({"_id": _id}, {"name": "b", "size": 3})
    restored = await facts.RaisesErrors.objects.get(name="b")
    changes: list[Any] = []
    restored.observe("size", changes.append)
    restored.size = 4
    assert caught.value.field in refused
    assert (restored.__restored__, restored.name, len(changes)) == (True, "b", 1)
    assert restored.__state__.dirty_fields == {"size"}
    await restored.save()
    assert (await facts.RaisesErrors.objects.find_one({"_id": _id}))["size"] == 4


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: next(iter(refused)))
async def test_a_refused_value_stays_in_the_store_until_its_member_is_set(
    store: Store, refused: dict[str, Any]
) -> None:
    (field,) = refused
    await facts.IgnoresErrors.objects.insert_one({"name": "a", **refused})
    restored = await facts.IgnoresErrors.objects.get(name="a")
    restored.name = "b"
    await restored.save()
    assert (await facts.IgnoresErrors.objects.find_one({}))[field] == "secret"
    setattr(restored, field, {"size": 1, "mood": "bad", "slow": False}[field])
    await restored.save()
    assert (await facts.IgnoresErrors.objects.find_one({}))[field] == {"size": 1, "mood": "bad", "slow": "no"}[field]


async def test_a_state_sets_a_member_that_is_not_stored_and_it_is_never_written_back(store: Store) -> None:
    _id = (await facts.Computed.objects.insert_one({"name": "a"})).inserted_id
    computed = await facts.Computed.restore({"_id": _id, "name": "a", "total": 12})
    assert computed.total == 12
    computed.name = "b"
    await computed.save()
    assert await facts.Computed.objects.find_one({"_id": _id}) == {
        "_id": _id,
        "__model__": facts.Computed.__model__,
        "name": "b",
    }


@pytest.mark.parametrize("value", ["log", "ignore", "raise"])
def test_on_error_is_a_word_of_the_class(value: str) -> None:
    class Words(NoSQLModel):
        __model__ = "facts.words"
        __on_error__ = value

    assert NoSQLModel.__on_error__ == "log"
    assert Words.__on_error__ == value


# -- awaited conversions where others write in between -----------------------------------------------------------------


async def _overwritten(store: Store) -> facts.Tagged:
    """An object whose document somebody else has changed."""
    tagged = facts.Tagged(sync=True, slow=True)
    await tagged.save()
    document = {"__model__": facts.Tagged.__model__, "sync": "yes", "slow": "no", "kept_as": "no"}
    await store[facts.Tagged.__model__].replace_one({"_id": tagged._id}, document)
    return tagged


async def test_a_clean_object_follows_its_document_through_async_conversions(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    tagged = await _overwritten(store)
    await tagged.refresh()
    assert (tagged.sync, tagged.slow) == (True, False)
    assert not tagged.__state__.changes()
    assert not caplog.records


async def test_an_edited_object_follows_its_document_through_async_conversions(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    tagged = await _overwritten(store)
    tagged.sync = False
    await tagged.refresh()
    assert (tagged.sync, tagged.slow) == (False, False)
    assert tagged.__state__.changes().as_update() == {"$set": {"sync": "no"}}
    assert not caplog.records


async def test_a_save_that_was_overtaken_merges_through_async_conversions(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    tagged = await _overwritten(store)
    tagged.sync = False
    await tagged.save()
    assert (tagged.sync, tagged.slow) == (False, False)
    document = await facts.Tagged.objects.find_one({"_id": tagged._id})
    assert (document["sync"], document["slow"]) == ("no", "no")
    assert not caplog.records


async def test_restoring_by_force_uses_async_conversions(store: Store) -> None:
    tagged = await _overwritten(store)
    tagged.slow = False
    tagged.sync = False
    state = {"_id": tagged._id, "sync": "yes", "slow": "yes", "kept_as": "no"}
    assert await facts.Tagged.restore(state, force=True) is tagged
    assert (tagged.sync, tagged.slow, tagged.__state__.dirty) == (True, True, False)


async def test_reverting_what_must_be_awaited_is_refused_before_anything_changes(store: Store) -> None:
    tagged = await _overwritten(store)
    tagged.sync = tagged.slow = False
    with pytest.raises(NotImplementedError, match="force=True"):
        tagged.revert()
    assert (tagged.sync, tagged.slow) == (False, False)
    assert tagged.__state__.dirty_fields == {"sync", "slow"}
