"""Embedded values, which are plain JSON on their own."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from atomodm import JSONModel, Store
from tests.zoo.wiki import Address, Author, Comment, Everything, Page

VALUES: list[Any] = [
    date(2024, 2, 29),
    time(23, 59, 58, 999_999),
    time(1, 2, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 30, 15, 123_456),
    datetime(2024, 2, 29, 12, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    Decimal("1.10"),
    Decimal("-1E+400"),
    UUID(int=5),
    b"\x00\xff",
    {1, 2},
    (1, (2, "three")),
    {(1, 2): date(2024, 1, 1)},
    {"a": [b"b", {"c": {Decimal("1")}}]},
    {"__model__": "no", "__py__": "tuple", "__ref__": 3},
    [None, True, 1.5, "text"],
]


async def _round_trip(value: JSONModel) -> Any:
    return await type(value).restore(json.loads(json.dumps(value.__getstate__())))


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_any_value_comes_back_from_json_as_it_went_in(value: Any) -> None:
    restored = (await _round_trip(Everything(anything=value))).anything
    assert restored == value
    assert type(restored) is type(value)


async def test_declared_members_come_back_from_json_as_they_went_in() -> None:
    everything = Everything(
        day=date(2024, 2, 29),
        clock=time(1, 2, 3, 4),
        moment=datetime(2024, 2, 29, 1, 2, 3, 4),
        price=Decimal("1.10"),
        number=UUID(int=7),
        blob=b"\x00\xff",
        tags={1, "a"},
        pair=(1, 2),
    )
    restored = await _round_trip(everything)
    for name in Everything.__fields__:
        assert getattr(restored, name) == getattr(everything, name), name
        assert type(getattr(restored, name)) is type(getattr(everything, name)), name


async def test_unset_members_come_back_unset() -> None:
    restored = await _round_trip(Everything())
    assert (restored.day, restored.number, restored.blob, restored.tags) == (None, None, b"", set())


async def test_a_circle_closes_on_the_object_itself() -> None:
    comment = Comment(text="a")
    comment.parent = comment
    restored = await _round_trip(comment)
    assert restored.parent is restored


async def test_a_circle_through_another_object_closes() -> None:
    comment = Comment(text="a")
    comment.replies = [Comment(text="b", parent=comment), Comment(text="c", parent=comment)]
    restored = await _round_trip(comment)
    assert [reply.text for reply in restored.replies] == ["b", "c"]
    assert all(reply.parent is restored for reply in restored.replies)


async def test_a_shared_value_comes_back_as_one_object() -> None:
    shared = Comment(text="shared")
    restored = await _round_trip(Comment(replies=[shared, {"deep": shared}], parent=shared))
    assert restored.replies[0] is restored.parent
    assert restored.replies[1]["deep"] is restored.parent


def test_an_object_that_nothing_refers_to_again_has_no_number() -> None:
    state = Comment(text="a", parent=Comment(text="b")).__getstate__()
    assert "__ref__" not in state["parent"]


def test_equal_objects_have_equal_states() -> None:
    def make() -> Comment:
        comment = Comment(text="a", replies=[{3, 1, 2}, Comment(text="b")])
        comment.parent = comment
        return comment

    assert json.dumps(make().__getstate__()) == json.dumps(make().__getstate__())


async def test_a_dict_without_a_tag_restores_by_the_declared_type(store: Store) -> None:
    author = await Author.restore({"address": {"street": "s", "zip": 5}, "friend": {"name": "f"}})
    assert type(author.address) is Address
    assert (author.address.street, author.address.zip) == ("s", 5)
    assert (type(author.friend), author.friend.name, author.friend.__restored__) == (Author, "f", False)
    page = await Page.restore({"comments": [{"text": "a"}, {"text": "b"}], "pinned": {"text": "c"}})
    assert [type(comment) for comment in (*page.comments, page.pinned)] == [Comment] * 3
    assert [comment.text for comment in (*page.comments, page.pinned)] == ["a", "b", "c"]


async def test_a_state_without_a_tag_restores_by_the_class_that_restores_it() -> None:
    address = await Address.restore({"street": "s"})
    assert (type(address), address.street, address.zip) == (Address, "s", 0)


async def test_a_value_inside_a_document_comes_back_with_it(store: Store) -> None:
    values = [value for value in VALUES if value != Decimal("-1E+400")]
    page = Page(pinned=Comment(text="a", replies=[*values, Everything(price=Decimal("1.10"))]), data={"deep": values})
    page.pinned.parent = page.pinned
    await page.save()
    Page.objects.cache.clear()
    restored = await Page.objects.get(_id=page._id)
    assert restored.pinned.replies[:-1] == values
    assert restored.pinned.replies[-1].price == Decimal("1.10")
    assert restored.pinned.parent is restored.pinned
    assert restored.data == {"deep": values}
    assert not restored.__state__.changes()


async def test_a_document_inside_a_value_is_a_reference(store: Store) -> None:
    page = Page(pinned=Comment(author=Author(name="a")))
    await page.save()
    document = await Page.objects.find_one({})
    assert document["pinned"]["author"] == {"_id": page.pinned.author._id, "__model__": "wiki.Author"}
    Page.objects.cache.clear()
    Author.objects.cache.clear()
    assert (await Page.objects.get(_id=page._id)).pinned.author.name == "a"
