"""Every edit is noticed, and what a save sends for it is as small as it can be."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from atomodm import Changes, Store
from atomodm.encoding import decode
from atomodm.serializer import FlattenScope, Form
from atomodm.session.documents import flatten_document
from tests.stores import read_again, stored_document
from tests.zoo.tracked import Address, Person


def new_person() -> Person:
    return Person(
        name="Ann",
        age=1,
        value=1,
        tags=["b", "a", "c"],
        watched=[3, 1, 2],
        scores={"x": 1, "y": 2},
        groups={"a": [1]},
        flags={"p", "q"},
        deep={"l": [{"k": [1, 2]}], "d": {"e": 1}},
        matrix=[[1, 2], [3]],
        home=Address(street="s", lines=["1", "2"]),
        addresses=[Address(street="a"), Address(street="b")],
        by_place={"work": Address(street="w")},
    )


def assert_leads_to_what_it_is_now(person: Person, changes: Changes) -> None:
    """The changes, applied to what is stored, give the same document as flattening everything."""
    whole = decode(flatten_document(person, person._id, FlattenScope(Form.DOCUMENT)))
    assert changes.apply(decode(person.__snapshot__)) == whole


def dirtiness(person: Person) -> tuple[bool, set[str]]:
    return person.__state__.dirty, set(person.__state__.dirty_fields)


def drop_last(person: Person) -> None:
    person.deep["l"][0]["k"].pop()


def rename(person: Person) -> None:
    person.name = "Bob"


def clear_value(person: Person) -> None:
    person.value = None


def change_dict_in_value(person: Person) -> None:
    person.value = {"a": 1}


def pop_key(person: Person) -> None:
    person.scores.pop("x")


def replace_key(person: Person) -> None:
    """The key moves to the end: an order that only the whole dict says."""
    person.scores["x"] = person.scores.pop("x")


def dotted_key(person: Person) -> None:
    person.scores["a.b"] = 1


def dollar_key(person: Person) -> None:
    person.deep["d"]["$x"] = 1


def new_group(person: Person) -> None:
    person.groups["b"].append(5)


def bypass_list(person: Person) -> None:
    list.append(person.tags, "z")


def bypass_dict(person: Person) -> None:
    dict.__setitem__(person.scores, "z", 9)


def bypass_set(person: Person) -> None:
    set.add(person.flags, "z")


def slice_assign(person: Person) -> None:
    person.tags[1:3] = ["x", "y", "z"]


def delete_slice(person: Person) -> None:
    del person.tags[0:2]


def in_place_add(person: Person) -> None:
    person.tags += ["d"]


def home_of(person: Person) -> Address:
    assert person.home is not None
    return person.home


def set_home_line(person: Person) -> None:
    home_of(person).lines[1] = "9"


def set_extra(person: Person) -> None:
    home_of(person).extra["k"] = [1]


EDITS: list[tuple[Callable[[Person], Any], dict[str, Any]]] = [
    (rename, {"$set": {"name": "Bob"}}),
    (clear_value, {"$set": {"value": None}}),
    (change_dict_in_value, {"$set": {"value": {"a": 1}}}),
    (lambda p: p.tags.append("d"), {"$push": {"tags": {"$each": ["d"]}}}),
    (lambda p: p.tags.extend(["d", "e"]), {"$push": {"tags": {"$each": ["d", "e"]}}}),
    (in_place_add, {"$push": {"tags": {"$each": ["d"]}}}),
    (lambda p: p.tags.__setitem__(0, "x"), {"$set": {"tags.0": "x"}}),
    (lambda p: p.tags.pop(), {"$set": {"tags": ["b", "a"]}}),
    (lambda p: p.tags.sort(), {"$set": {"tags": ["a", "b", "c"]}}),
    (lambda p: p.tags.clear(), {"$set": {"tags": []}}),
    (slice_assign, {"$set": {"tags": ["b", "x", "y", "z"]}}),
    (delete_slice, {"$set": {"tags": ["c"]}}),
    (lambda p: p.watched.append(9), {"$push": {"watched": {"$each": [9]}}}),
    (lambda p: p.watched.clear(), {"$set": {"watched": []}}),
    (lambda p: p.watched.sort(), {"$set": {"watched": [1, 2, 3]}}),
    (lambda p: p.watched.insert(0, 7), {"$set": {"watched": [7, 3, 1, 2]}}),
    (lambda p: p.scores.__setitem__("x", 5), {"$set": {"scores.x": 5}}),
    (lambda p: p.scores.__setitem__("z", 5), {"$set": {"scores.z": 5}}),
    (pop_key, {"$unset": {"scores.x": ""}}),
    (replace_key, {"$set": {"scores": {"y": 2, "x": 1}}}),
    (lambda p: p.scores.clear(), {"$unset": {"scores.x": "", "scores.y": ""}}),
    (dotted_key, {"$set": {"scores": {"x": 1, "y": 2, "a.b": 1}}}),
    (dollar_key, {"$set": {"deep.d": {"e": 1, "$x": 1}}}),
    (new_group, {"$set": {"groups.b": [5]}}),
    (lambda p: p.groups["a"].append(2), {"$push": {"groups.a": {"$each": [2]}}}),
    (lambda p: p.flags.add("r"), {"$push": {"flags": {"$each": ["r"]}}}),
    (lambda p: p.flags.discard("p"), {"$set": {"flags": ["q"]}}),
    (lambda p: p.flags.clear(), {"$set": {"flags": []}}),
    (lambda p: p.deep["l"][0]["k"].append(3), {"$push": {"deep.l.0.k": {"$each": [3]}}}),
    (drop_last, {"$set": {"deep.l.0.k": [1]}}),
    (lambda p: p.deep["d"].__setitem__("e", 2), {"$set": {"deep.d.e": 2}}),
    (lambda p: p.matrix[0].append(9), {"$push": {"matrix.0": {"$each": [9]}}}),
    (lambda p: p.matrix[1].__setitem__(0, 9), {"$set": {"matrix.1.0": 9}}),
    (lambda p: setattr(p.home, "street", "t"), {"$set": {"home.street": "t"}}),
    (set_home_line, {"$set": {"home.lines.1": "9"}}),
    (set_extra, {"$set": {"home.extra.k": [1]}}),
    (lambda p: setattr(p.addresses[1], "street", "c"), {"$set": {"addresses.1.street": "c"}}),
    (lambda p: p.addresses[0].lines.append("x"), {"$push": {"addresses.0.lines": {"$each": ["x"]}}}),
    (lambda p: setattr(p.by_place["work"], "street", "v"), {"$set": {"by_place.work.street": "v"}}),
    (bypass_list, {"$push": {"tags": {"$each": ["z"]}}}),
    (bypass_dict, {"$set": {"scores.z": 9}}),
    (bypass_set, {"$push": {"flags": {"$each": ["z"]}}}),
]


def name_of(case: Any) -> str:
    edit, update = case
    return f"{edit.__name__}-{update}"


@pytest.mark.parametrize("case", EDITS, ids=name_of)
async def test_an_edit_is_noticed_and_sent_as_small_as_it_is(store: Store, case: Any) -> None:
    edit, update = case
    person = new_person()
    await person.save()
    assert not person.__state__.changes()
    edit(person)
    changes = person.__state__.changes()
    assert changes.as_update() == update
    assert_leads_to_what_it_is_now(person, changes)
    person.__state__.refresh()
    member = next(iter(next(iter(update.values())))).partition(".")[0]
    assert dirtiness(person) == (True, {member})
    await person.save()
    assert dirtiness(person) == (False, set())
    assert not person.__state__.changes()
    found = await read_again(person)
    assert found.serializer.get_state(found) == person.serializer.get_state(person)
    assert not found.__state__.changes()


async def test_an_edit_of_a_restored_object_is_noticed_alike(store: Store) -> None:
    person = new_person()
    await person.save()
    for edit, update in EDITS:
        found = await read_again(person)
        edit(found)
        assert found.__state__.changes().as_update() == update
        found.revert()
        assert not found.__state__.changes()


@pytest.mark.parametrize(("old", "new"), [(1, True), (True, 1.0), (1.0, 1), (0, False), ("", None), (0.0, -0.0)])
async def test_an_equal_value_of_another_type_is_an_edit(store: Store, old: Any, new: Any) -> None:
    person = Person(value=old)
    await person.save()
    person.value = new
    assert person.__state__.changes().set == {"value": new}
    await person.save()
    stored = (await stored_document(person))["value"]
    assert (type(stored), repr(stored)) == (type(new), repr(new))


async def test_an_equal_value_of_another_type_inside_a_container_is_an_edit(store: Store) -> None:
    person = Person(deep={"a": [1, {"b": 2}]})
    await person.save()
    person.deep["a"][0] = True
    person.deep["a"][1]["b"] = 2.0
    await person.save()
    stored = (await stored_document(person))["deep"]
    assert repr(stored) == repr({"a": [True, {"b": 2.0}]})


async def test_setting_the_same_value_again_is_no_change(store: Store) -> None:
    person = new_person()
    await person.save()
    person.name = "Bob"
    person.name = "Ann"
    person.tags = ["b", "a", "c"]
    person.home = Address(street="s", lines=["1", "2"])
    assert not person.__state__.changes()
    result = await person.save()
    assert result.modified_count == 0  # type: ignore[union-attr]
    assert not person.__state__.dirty


async def test_deleting_a_member_saves_its_default(store: Store) -> None:
    person = new_person()
    await person.save()
    del person.name
    assert "name" in person.__state__.dirty_fields
    await person.save()
    assert (await stored_document(person))["name"] == ""


async def test_a_list_that_was_replaced_no_longer_counts(store: Store) -> None:
    person = new_person()
    await person.save()
    former = person.watched
    person.watched = [5]
    await person.save()
    former.append(1)
    assert not person.__state__.dirty
    assert not person.__state__.changes()


async def test_a_container_that_two_objects_share_is_saved_by_both(store: Store) -> None:
    shared: dict[str, Any] = {"a": [1]}
    one, other = Person(value=shared), Person(value=shared)
    await one.save()
    await other.save()
    shared["a"].append(2)
    assert one.__state__.changes().as_update() == {"$push": {"value.a": {"$each": [2]}}}
    await one.save()
    assert other.__state__.changes().as_update() == {"$push": {"value.a": {"$each": [2]}}}


async def test_changes_do_not_share_containers_with_the_object(store: Store) -> None:
    person = new_person()
    await person.save()
    person.tags.append("d")
    person.scores = {"n": 1}
    changes = person.__state__.changes()
    before = copy.deepcopy(changes.as_update())
    person.tags.append("e")
    person.scores["m"] = 2
    assert changes.as_update() == before


async def test_a_state_that_getstate_gives_does_not_follow_later_edits() -> None:
    person = new_person()
    state = person.__getstate__()
    before = copy.deepcopy(state)
    person.tags.append("z")
    person.watched.append(9)
    person.scores["z"] = 1
    person.groups["z"].append(1)
    person.matrix[0].append(1)
    home_of(person).lines.append("z")
    person.deep["d"]["z"] = 1
    assert state == before


async def test_edits_of_a_member_that_is_not_stored_do_not_count(store: Store) -> None:
    from tests.zoo.kinds import Special

    special = Special()
    await special.save()
    special.nickname = "x"
    special._secret = "y"
    assert not special.__state__.dirty
    assert not special.__state__.changes()


async def test_several_edits_travel_together(store: Store) -> None:
    person = new_person()
    await person.save()
    person.age = 2
    person.tags.append("d")
    del person.scores["x"]
    home_of(person).street = "t"
    assert person.__state__.changes().as_update() == {
        "$set": {"age": 2, "home.street": "t"},
        "$unset": {"scores.x": ""},
        "$push": {"tags": {"$each": ["d"]}},
    }
    result = await person.save()
    assert (result.matched_count, result.modified_count) == (1, 1)  # type: ignore[union-attr]
    assert (await read_again(person)).home.street == "t"


async def test_an_embedded_model_that_appears_and_goes_is_said_whole(store: Store) -> None:
    person = Person(name="x")
    await person.save()
    person.home = Address(street="n")
    assert set(person.__state__.changes().set) == {"home"}
    await person.save()
    person.home = None
    assert person.__state__.changes().set == {"home": None}
    await person.save()
    assert (await stored_document(person))["home"] is None
