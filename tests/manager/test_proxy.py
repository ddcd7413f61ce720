"""``Model.objects`` as the query for all objects."""

from __future__ import annotations

import pytest
from atom.api import Int, Str

from atomodm import NoSQLModel, Store
from atomodm.manager.proxy import NoSQLDatabaseProxy
from atomodm.manager.query import Query


class Note(NoSQLModel):
    """A line of text."""

    text = Str()
    place = Int()

    class Meta:
        ordering = ("place",)


@pytest.fixture
async def notes(store: Store) -> list[Note]:
    """Three saved notes."""
    made = [Note(text=text, place=place) for place, text in enumerate("abc")]
    for note in made:
        await note.save()
    return made


def test_it_has_every_word_of_a_query() -> None:
    words = {word for word in vars(Query) if not word.startswith("_")}
    assert words - set(vars(NoSQLDatabaseProxy)) == set()


async def test_its_words_mean_what_they_mean_for_the_query_of_all_objects(notes: list[Note]) -> None:
    first, second, third = notes
    objects = Note.objects
    assert await objects.to_list() == await objects.all() == notes
    assert await objects.reverse() == [third, second, first]
    assert await objects.limit(2) == [first, second]
    assert await objects.skip(1) == [second, third]
    assert await objects.fetch(0) == notes
    assert (await objects.first(), await objects.last()) == (first, third)
    assert (await objects.count(), await objects.exists()) == (3, True)
    assert (await objects.explain()).returned == 3
    await objects.delete_many({})
    assert (await objects.first(), await objects.last(), await objects.exists()) == (None, None, False)
