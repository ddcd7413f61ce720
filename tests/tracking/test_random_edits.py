"""Random edits of random nested structures: what is sent leads to exactly what flattening everything gives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from atomodm import Changes, connect
from atomodm.encoding import decode, encode
from atomodm.model import spec_of
from atomodm.serializer import FlattenScope, Form
from atomodm.session.diff import diff_documents
from atomodm.session.documents import flatten_document
from tests.tracking.test_edits import new_person
from tests.zoo.tracked import Address, Person

KEYS = st.sampled_from(["a", "b", "c", "", "a.b", "$x", "0", "1", "__py__", "__model__", "_id", "items"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from([0.0, 1.0, -0.0, "", "x"]),
    st.dates(),
    st.binary(max_size=1),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(st.integers(0, 2), inner, max_size=2),
        st.lists(inner, max_size=2).map(tuple),
        st.sets(st.integers(0, 5), max_size=3),
    ),
    max_leaves=12,
)


def containers_in(value: Any) -> list[Any]:
    """All lists, dicts and sets that can be edited, wherever they are."""
    found: list[Any] = []
    places = [value]
    while places:
        place = places.pop()
        if isinstance(place, list | tuple):
            places.extend(place)
        elif isinstance(place, dict):
            places.extend(place.values())
        if isinstance(place, list | dict | set):
            found.append(place)
    return found


def edit_list(data: st.DataObject, place: list[Any]) -> None:
    kind = data.draw(st.sampled_from(["append", "set", "pop", "insert", "clear", "reverse", "slice", "swap"]))
    if kind == "append" or not place:
        place.append(data.draw(VALUES))
    elif kind == "set":
        place[data.draw(st.integers(0, len(place) - 1))] = data.draw(VALUES)
    elif kind == "pop":
        place.pop(data.draw(st.integers(0, len(place) - 1)))
    elif kind == "insert":
        place.insert(0, data.draw(VALUES))
    elif kind == "slice":
        place[0:1] = data.draw(st.lists(VALUES, max_size=2))
    elif kind == "swap":
        place[0], place[-1] = place[-1], place[0]
    elif kind == "clear":
        place.clear()
    else:
        place.reverse()


def edit_dict(data: st.DataObject, place: dict[Any, Any]) -> None:
    kind = data.draw(st.sampled_from(["set", "delete", "clear", "move"]))
    if kind == "set" or not place:
        place[data.draw(KEYS)] = data.draw(VALUES)
        return
    key = data.draw(st.sampled_from(list(place)))
    if kind == "delete":
        del place[key]
    elif kind == "move":
        place[key] = place.pop(key)
    else:
        place.clear()


def edit_set(data: st.DataObject, place: set[Any]) -> None:
    place.symmetric_difference_update(data.draw(st.sets(st.integers(0, 5), max_size=2)))


def edit(data: st.DataObject, root: Any) -> None:
    places = containers_in(root)
    if not places:
        return
    place = data.draw(st.sampled_from(range(len(places))))
    found = places[place]
    if isinstance(found, list):
        edit_list(data, found)
    elif isinstance(found, dict):
        edit_dict(data, found)
    else:
        edit_set(data, found)


def stored_form(person: Person) -> dict[str, Any]:
    """The whole document that the person flattens to now."""
    return decode(flatten_document(person, person._id, FlattenScope(Form.DOCUMENT)))


def assert_smallest(changes: Changes, base: dict[str, Any]) -> None:
    """No path is inside of another one, nothing is sent that is there already, and nothing removed that is not."""
    paths = list(changes.paths())
    assert len(set(paths)) == len(paths)
    for one in paths:
        assert not any(other.startswith(one + ".") for other in paths)
    for path, value in changes.set.items():
        assert encode({"": find(base, path)}) != encode({"": value}) or find(base, path) is None
    assert all(changes.push.values())


def find(document: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(document, list):
            document = document[int(part)] if int(part) < len(document) else None
        else:
            document = document.get(part) if isinstance(document, dict) else None
    return document


@given(st.data())
def test_changes_applied_to_the_base_give_the_whole_document(data: st.DataObject) -> None:
    values = {"deep": data.draw(st.dictionaries(KEYS, VALUES, min_size=2, max_size=4)), "value": data.draw(VALUES)}

    async def run() -> None:
        async with connect("memory://"):
            person = Person(**values)
            await person.save()
            for _ in range(3):
                for _ in range(data.draw(st.integers(0, 3))):
                    edit(data, [person.deep, person.value])
                base = decode(person.__snapshot__)
                changes = person.__state__.changes()
                assert_smallest(changes, base)
                whole = stored_form(person)
                assert encode(changes.apply(base)) == encode(whole)
                assert bool(changes) == (encode(decode(person.__snapshot__)) != encode(whole))
                await person.save()
                assert await Person.objects.find_one({"_id": person._id}) == whole
                assert not person.__state__.dirty
                assert not person.__state__.changes()

    asyncio.run(run())


def rename(person: Person, number: int) -> None:
    person.name = f"n{number}"


def age(person: Person, number: int) -> None:
    person.age = number


def tag(person: Person, number: int) -> None:
    person.tags.append(str(number))


def untag(person: Person, number: int) -> None:
    del person.tags[: number % 2]


def watch(person: Person, number: int) -> None:
    person.watched.insert(0, number)


def score(person: Person, number: int) -> None:
    person.scores[str(number)] = number


def unscore(person: Person, number: int) -> None:
    person.scores.pop(str(number), None)


def group(person: Person, number: int) -> None:
    person.groups[str(number)].append(number)


def flag(person: Person, number: int) -> None:
    person.flags ^= {str(number)}


def flag_in_place(person: Person, number: int) -> None:
    person.flags.symmetric_difference_update({str(number)})


def cell(person: Person, number: int) -> None:
    person.matrix[0].append(number)


def row(person: Person, number: int) -> None:
    person.matrix.append([number])


def move(person: Person, number: int) -> None:
    person.home = Address(street=str(number))


def street(person: Person, number: int) -> None:
    if person.home is not None:
        person.home.street = str(number)


def line(person: Person, number: int) -> None:
    for address in person.addresses:
        address.lines.append(str(number))


def address(person: Person, number: int) -> None:
    person.addresses.insert(0, Address(extra={"n": number}))


def leave_home(person: Person, number: int) -> None:
    person.home = None


def place(person: Person, number: int) -> None:
    person.by_place[str(number)] = person.addresses[0] if person.addresses else Address()


def reverse_keys(person: Person, number: int) -> None:
    person.scores = dict(reversed(person.scores.items()))


def extra(person: Person, number: int) -> None:
    if person.home is not None:
        person.home.extra[str(number)] = {"n": [number]}


STEPS: list[Callable[[Person, int], None]] = [
    rename, age, tag, untag, watch, score, unscore, group, flag, flag_in_place, cell, row, move, street, line, address,
    leave_home, place, reverse_keys, extra,
]  # fmt: skip


@given(st.lists(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 3)), max_size=5), min_size=1, max_size=4))
def test_any_series_of_edits_of_typed_members_is_saved_exactly(
    rounds: list[list[tuple[Callable[[Person, int], None], int]]],
) -> None:
    async def run() -> None:
        async with connect("memory://"):
            person = new_person()
            await person.save()
            for steps in rounds:
                for step, number in steps:
                    step(person, number)
                whole = stored_form(person)
                changes = person.__state__.changes()
                base = decode(person.__snapshot__)
                assert_smallest(changes, base)
                assert encode(changes.apply(base)) == encode(whole)
                person.__state__.refresh()
                fields = {path.partition(".")[0] for path in changes.paths()} - {"__ref__"}
                assert person.__state__.dirty_fields == fields
                assert person.__state__.dirty == bool(fields)
                await person.save()
                assert await Person.objects.find_one({"_id": person._id}) == whole
                Person.objects.cache.clear()
                found = await Person.objects.get(_id=person._id)
                assert encode(stored_form(found)) == encode(whole)
                assert not found.__state__.changes()

    asyncio.run(run())


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.dictionaries(KEYS, VALUES, max_size=4))
def test_the_difference_of_any_two_documents_turns_one_into_the_other(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    serializer = Person.serializer
    old, new = ({"_id": 1, "deep": serializer.flatten(value)} for value in (one, other))
    changes = diff_documents(spec_of(Person), old, new, {})
    assert encode(changes.apply(decode(encode(old)))) == encode(new)


@pytest.mark.parametrize("document", [{"_id": ObjectId("0" * 24), "deep": {"a": 1}}])
def test_equal_documents_do_not_differ(document: dict[str, Any]) -> None:
    assert not diff_documents(spec_of(Person), document, decode(encode(document)), {})
