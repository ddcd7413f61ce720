"""Documents that earlier versions and other programs have left in the database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from bson import ObjectId

from atomodm import Store
from tests.zoo import wiki_atomdb as theirs
from tests.zoo.wiki import Address, Author, Comment, Everything, Page

#: A `__ref__` as each version of atom-db wrote it, made of a number.
Number = Callable[[int], Any]


def _random_bytes(number: int) -> bytes:
    return bytes([number % 256]) * 4 + b"\xff\x00"


def _random_32_bits(number: int) -> int:
    return 3_000_000_000 + number


def _address(number: int) -> int:
    return 140_000_000_000_000 + 16 * number


numbers = pytest.mark.parametrize("number", [_random_bytes, _random_32_bits, _address])


async def _read(document: dict[str, Any], model: Any = Page) -> Any:
    """The object of a document that was inserted as it is."""
    inserted = await model.objects.insert_one(document)
    return await model.objects.filter(_id=inserted.inserted_id).fetch(None).first()


async def _author(name: str = "a") -> Any:
    return (await Author.objects.insert_one({"__model__": "wiki.Author", "name": name})).inserted_id


# -- references --------------------------------------------------------------------------------------------------------


async def test_a_reference_is_an_id_and_a_tag(store: Store) -> None:
    page = Page(author=Author(name="a"))
    await page.save()
    document = await Page.objects.find_one({})
    assert document["author"] == {"_id": page.author._id, "__model__": "wiki.Author"}
    assert await Page.objects.find_one({"author._id": page.author._id}) == document


@numbers
async def test_a_reference_with_a_number_beside_it_is_read(store: Store, number: Number) -> None:
    _id = await _author()
    page = await _read({"__ref__": number(1), "author": {"_id": _id, "__ref__": number(2), "__model__": "wiki.Author"}})
    assert (page.author._id, page.author.name) == (_id, "a")


@numbers
async def test_a_second_reference_by_number_alone_means_the_same_object(store: Store, number: Number) -> None:
    _id = await _author()
    mention = {"__ref__": number(2), "__model__": "wiki.Author"}
    page = await _read(
        {
            "__ref__": number(1),
            "author": {"_id": _id, **mention},
            "editors": [mention, mention],
            "data": {"deep": [mention]},
            "pinned": {"__model__": "wiki.Comment", "__ref__": number(3), "author": mention},
        }
    )
    assert page.author.name == "a"
    assert all(author is page.author for author in (*page.editors, *page.data["deep"], page.pinned.author))


@numbers
async def test_a_reference_by_number_may_stand_before_what_it_means(store: Store, number: Number) -> None:
    _id = await _author()
    mention = {"__ref__": number(2), "__model__": "wiki.Author"}
    page = await _read(
        {
            "__ref__": number(1),
            "author": mention,
            "pinned": {"__model__": "wiki.Comment", "author": mention},
            "comments": [{"__model__": "wiki.Comment", "author": {"_id": _id, **mention}}],
        }
    )
    assert page.author.name == "a"
    assert page.pinned.author is page.author
    assert page.comments[0].author is page.author


@numbers
async def test_an_embedded_value_may_be_meant_by_number_before_and_after_its_state(
    store: Store, number: Number
) -> None:
    mention = {"__ref__": number(5), "__model__": "wiki.Comment"}
    before = {"__model__": "wiki.Comment", "text": "before", "parent": mention}
    after = {"__model__": "wiki.Comment", "text": "after", "parent": mention}
    page = await _read({"comments": [mention, before, {**mention, "text": "it"}, after], "pinned": mention})
    first, early, it, late = page.comments
    assert it.text == "it"
    assert first is early.parent is late.parent is page.pinned is it


@numbers
async def test_a_document_may_mean_itself_by_number(store: Store, number: Number) -> None:
    mention = {"__ref__": number(1), "__model__": "wiki.Page"}
    page = await _read({"__model__": "wiki.Page", "__ref__": number(1), "related": [mention], "data": {"a": mention}})
    assert page.related == [page]
    assert page.data["a"] is page


@numbers
async def test_a_number_means_an_object_of_its_own_document_only(store: Store, number: Number) -> None:
    one, two = await _author("one"), await _author("two")
    for title, _id in (("p", one), ("q", two)):
        mention = {"__ref__": number(7), "__model__": "wiki.Author"}
        await Page.objects.insert_one({"title": title, "author": {"_id": _id, **mention}, "editors": [mention]})
    pages = await Page.objects.order_by("title").fetch(None)
    assert [page.editors[0].name for page in pages] == ["one", "two"]


async def test_a_number_of_another_document_means_nothing_here(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    _id = await _author()
    await Page.objects.insert_one({"title": "p", "author": {"_id": _id, "__ref__": 7, "__model__": "wiki.Author"}})
    await Page.objects.insert_one({"title": "q", "author": {"__ref__": 7, "__model__": "wiki.Author"}})
    pages = await Page.objects.order_by("title")
    assert [page.author is None for page in pages] == [False, True]
    assert "wiki.Page.author" in caplog.text


@numbers
async def test_an_inline_copy_of_an_unsaved_reference_is_a_new_object(store: Store, number: Number) -> None:
    mention = {"__ref__": number(2), "__model__": "wiki.Author"}
    page = await _read(
        {
            "__ref__": number(1),
            "author": {**mention, "name": "a", "address": {"__model__": "wiki.Address", "street": "s"}},
            "editors": [mention],
        }
    )
    assert (page.author.name, page.author.address.street) == ("a", "s")
    assert (page.author._id, page.author.__restored__) == (None, False)
    assert page.editors[0] is page.author


async def test_an_inline_copy_is_saved_as_a_document_with_the_next_save(store: Store) -> None:
    page = await _read({"title": "p", "author": {"__ref__": 5, "__model__": "wiki.Author", "name": "a"}})
    await page.save()
    assert (await Author.objects.find_one({}))["name"] == "a"
    assert (await Page.objects.find_one({}))["author"] == {"_id": page.author._id, "__model__": "wiki.Author"}


@pytest.mark.parametrize("number", [[1], {"a": 1}, None, 1.5, "text"], ids=repr)
async def test_a_number_of_no_known_kind_does_no_harm(store: Store, number: Any) -> None:
    page = await _read({"__ref__": number, "title": "p", "pinned": {"__ref__": number, "text": "t"}})
    assert (page.title, page.pinned.text) == ("p", "t")


@pytest.mark.parametrize("tag", [[1], {"a": 1}, 5, None], ids=repr)
async def test_a_tag_of_no_known_kind_costs_its_member_only(
    store: Store, tag: Any, caplog: pytest.LogCaptureFixture
) -> None:
    page = await _read({"title": "p", "anything": {"__model__": tag, "x": 1}})
    assert (page.title, page.anything) == ("p", None)
    assert "wiki.Page.anything" in caplog.text


async def test_a_reference_to_a_missing_document_keeps_its_id_and_is_not_erased(store: Store) -> None:
    gone = ObjectId()
    page = await _read({"title": "p", "author": {"_id": gone, "__ref__": 3, "__model__": "wiki.Author"}})
    assert (page.author._id, page.author.__restored__) == (gone, False)
    page.title = "q"
    await page.save()
    assert (await Page.objects.find_one({}))["author"]["_id"] == gone


# -- values ------------------------------------------------------------------------------------------------------------

FORMS: list[tuple[dict[str, Any], Any]] = [
    ({"__py__": "datetime.date", "year": 2024, "month": 2, "day": 29}, date(2024, 2, 29)),
    ({"__py__": "datetime.time", "hour": 1, "minute": 2, "second": 3, "microsecond": 4}, time(1, 2, 3, 4)),
    (
        {
            "__py__": "datetime.datetime",
            "year": 2024,
            "month": 2,
            "day": 29,
            "hour": 1,
            "minute": 2,
            "second": 3,
            "microsecond": 4,
        },
        datetime(2024, 2, 29, 1, 2, 3, 4),
    ),
    ({"__py__": "bytes", "bytes": "AP8="}, b"\x00\xff"),
    ({"__py__": "decimal", "value": "1.10"}, Decimal("1.10")),
    ({"__py__": "uuid", "id": str(UUID(int=5))}, UUID(int=5)),
    ({"__py__": "set", "values": [1, 2]}, {1, 2}),
    ({"__py__": "atomset", "values": [1, 2]}, {1, 2}),
    ({"__py__": "tuple", "values": [1, {"__py__": "set", "values": [2]}]}, (1, {2})),
]


@pytest.mark.parametrize(("form", "value"), FORMS, ids=lambda part: part.get("__py__") if type(part) is dict else "")
async def test_values_that_bson_lacks_are_read(store: Store, form: dict[str, Any], value: Any) -> None:
    page = await _read({"anything": form, "data": {"deep": [form]}, "pinned": {"replies": [form]}})
    assert page.anything == page.data["deep"][0] == page.pinned.replies[0] == value
    assert type(page.anything) is type(value)


# -- documents that atom-db makes --------------------------------------------------------------------------------------


def _renumbered(value: Any, number: Number, known: dict[int, int]) -> Any:
    """A document of atom-db's with its numbers as another version of it wrote them."""
    if isinstance(value, dict):
        return {
            key: number(known.setdefault(item, len(known))) if key == "__ref__" else _renumbered(item, number, known)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_renumbered(item, number, known) for item in value]
    return value


def _their_page() -> theirs.Page:
    """A page with everything that a page of atom-db's can have."""
    author = theirs.Author(_id=ObjectId(), name="a", address=theirs.Address(street="s", zip=5))
    author.former = author.address
    author.friend = theirs.Author(_id=ObjectId(), name="f", friend=author)
    comment = theirs.Comment(text="c", author=author)
    comment.replies = [theirs.Comment(text="r", parent=comment), 5, {"deep": comment}]
    everything = theirs.Everything(
        day=date(2024, 2, 29),
        clock=time(1, 2, 3, 4),
        moment=datetime(2024, 2, 29, 1, 2, 3, 4),
        price=Decimal("1.10"),
        number=UUID(int=5),
        blob=b"\x00\xff",
        tags={1, "a"},
        pair=(1, 2),
        anything={"inside": (1, {2})},
    )
    unsaved = theirs.Author(name="unsaved", friend=author)
    page = theirs.Page(_id=ObjectId(), title="p", author=author, editors=[author, unsaved], comments=[comment, comment])
    page.pinned = comment
    page.related = [page]
    page.data = {"everything": everything, "page": page, "unsaved": [unsaved]}
    page.anything = [datetime(2024, 1, 1), b"x", None]
    return page


@numbers
async def test_a_page_that_atom_db_stored_is_read(store: Store, number: Number) -> None:
    their_page = _their_page()
    for their_author in (their_page.author, their_page.author.friend):
        await Author.objects.insert_one(_renumbered(their_author.__getstate__(), number, {}))
    page = await _read(_renumbered(their_page.__getstate__(), number, {}))
    assert page._id == their_page._id
    author = page.author
    assert (author._id, author.name) == (their_page.author._id, "a")
    assert (author.address.street, author.address.zip) == ("s", 5)
    assert author.former is author.address
    assert author.friend.friend is author
    assert page.editors[0] is author
    assert (page.editors[1].name, page.editors[1]._id, page.editors[1].friend) == ("unsaved", None, author)
    comment = page.pinned
    assert (comment.text, comment.author) == ("c", author)
    assert page.comments == [comment, comment]
    assert (comment.replies[0].text, comment.replies[0].parent, comment.replies[1]) == ("r", comment, 5)
    assert comment.replies[2]["deep"] is comment
    assert page.related == [page]
    assert page.data["page"] is page
    assert page.data["unsaved"] == [page.editors[1]]
    assert page.anything == [datetime(2024, 1, 1), b"x", None]
    everything = page.data["everything"]
    assert type(everything) is Everything
    for name in Everything.__fields__:
        assert getattr(everything, name) == getattr(their_page.data["everything"], name), name


async def test_reading_what_atom_db_stored_makes_nothing_dirty(store: Store) -> None:
    author = theirs.Author(_id=ObjectId(), name="a", address=theirs.Address(street="s"))
    other = theirs.Author(_id=ObjectId(), name="b")
    comment = theirs.Comment(text="c", author=other, replies=[theirs.Comment(text="r")])
    their_page = theirs.Page(_id=ObjectId(), title="p", author=author, comments=[comment])
    page = await _read(their_page.__getstate__())
    assert page.__state__.dirty is False
    assert page.__state__.changes().as_update() == {}
    page.title = "q"
    assert page.__state__.changes().as_update() == {"$set": {"title": "q"}}
    page.comments[0].text = "d"
    assert page.__state__.changes().as_update() == {"$set": {"title": "q", "comments.0.text": "d"}}


async def test_an_edit_of_what_atom_db_stored_keeps_the_document_readable(store: Store) -> None:
    their_page = _their_page()
    for their_author in (their_page.author, their_page.author.friend):
        await Author.objects.insert_one(their_author.__getstate__())
    page = await _read(their_page.__getstate__())
    page.pinned.text = "edited"
    page.editors = [page.editors[0]]
    await page.save()
    for model in (Page, Author):
        model.objects.cache.clear()
    again = await Page.objects.filter(_id=page._id).fetch(None).first()
    assert again is not None
    assert again is not page
    assert again.pinned.text == "edited"
    assert again.comments == [again.pinned, again.pinned]
    assert again.pinned.replies[0].parent is again.pinned
    assert again.editors == [again.author]
    assert again.related == [again]
    assert not again.__state__.changes()


async def test_a_value_that_members_share_stays_shared_when_an_edited_object_follows_its_document(
    store: Store,
) -> None:
    comment = Comment(text="c")
    page = Page(title="p", comments=[comment], pinned=comment)
    await page.save()
    document = await Page.objects.find_one({})
    document["comments"][0]["text"] = "theirs"
    await store["wiki.Page"].replace_one({"_id": page._id}, document)
    page.title = "q"
    await page.save()
    assert (page.pinned.text, page.pinned) == ("theirs", page.comments[0])
    document["title"], document["comments"][0]["text"] = "q", "again"
    await store["wiki.Page"].replace_one({"_id": page._id}, document)
    page.title = "r"
    await page.refresh()
    assert (page.title, page.pinned.text, page.pinned) == ("r", "again", page.comments[0])
    assert page.__state__.changes().as_update() == {"$set": {"title": "r"}}


# -- documents that atom-db reads --------------------------------------------------------------------------------------


async def _their_reading(page: Page) -> Any:
    """The page as a program of atom-db's restores it from what was stored."""
    documents = {
        "wiki.Page": await Page.objects.find({}).to_list(),
        "wiki.Author": await Author.objects.find({}).to_list(),
    }
    theirs.use_documents(documents)
    (state,) = [document for document in documents["wiki.Page"] if document["_id"] == page._id]
    model: Any = theirs.Page
    return await model.restore(state)


async def test_atom_db_reads_members_and_references(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    author = Author(name="a", address=Address(street="s", zip=5))
    author.friend = Author(name="f", friend=author)
    page = Page(title="p", author=author, editors=[author, author.friend], data={"deep": [author]}, anything=[1, b"x"])
    page.related = [page]
    await page.save()
    read = await _their_reading(page)
    assert (type(read), read.title, read._id) == (theirs.Page, "p", page._id)
    assert (read.author._id, read.author.name, read.author.address.zip) == (author._id, "a", 5)
    assert read.author.friend.friend is read.author
    assert read.editors == [read.author, read.author.friend]
    assert read.data["deep"] == [read.author]
    assert read.related == [read]
    assert read.anything == [1, b"x"]
    assert not caplog.records


async def test_atom_db_reads_embedded_values_that_are_shared_and_circles_of_them(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    comment = Comment(text="c")
    comment.parent = comment
    comment.replies = [Comment(text="r", parent=comment)]
    page = Page(title="p", comments=[comment], pinned=comment, data={"deep": comment})
    await page.save()
    read = await _their_reading(page)
    assert read.comments[0].text == "c"
    assert read.pinned is read.comments[0]
    assert read.data["deep"] is read.pinned
    assert read.pinned.parent is read.pinned
    assert (read.pinned.replies[0].text, read.pinned.replies[0].parent) == ("r", read.pinned)
    assert not caplog.records


async def test_atom_db_reads_values_in_untyped_places(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    values = [
        date(2024, 2, 29),
        time(1, 2, 3, 4),
        datetime(2024, 2, 29, 1, 2, 3),
        datetime(2024, 2, 29, 1, 2, 3, 4),
        Decimal("1.10"),
        UUID(int=5),
        b"\x00\xff",
        {1, 2},
        (1, 2),
        {"nested": [(1, {2})]},
    ]
    page = Page(anything=values, data={"values": values})
    await page.save()
    read = await _their_reading(page)
    assert read.anything == values
    assert [type(value) for value in read.anything] == [type(value) for value in values]
    assert read.data == {"values": values}
    assert not caplog.records


async def test_a_document_that_atom_db_has_saved_again_is_read_and_saved(store: Store) -> None:
    comment = Comment(text="c")
    page = Page(title="p", author=Author(name="a"), comments=[comment], pinned=comment)
    await page.save()
    read = await _their_reading(page)
    read.title = "theirs"
    await store["wiki.Page"].replace_one({"_id": page._id}, read.__getstate__())
    page.data = {"ours": 1}
    await page.save()
    assert (page.title, page.data) == ("theirs", {"ours": 1})
    assert page.pinned is page.comments[0]
    document = await Page.objects.find_one({"_id": page._id})
    assert (document["title"], document["data"]) == ("theirs", {"ours": 1})
    read = await _their_reading(page)
    assert (read.title, read.data, read.author.name) == ("theirs", {"ours": 1}, "a")
    assert read.pinned is read.comments[0]
