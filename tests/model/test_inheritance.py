"""Models that inherit: members, collections, tags and identity."""

from __future__ import annotations

import pytest
from atom.api import Atom, ContainerList, Int, List, Str

from atomodm import ModelDefinitionError, ModelNotRegistered, NoSQLModel, Store, WrongModel
from atomodm.model import REGISTRY, spec_of
from tests.stores import read_again, stored_document
from tests.zoo.hierarchy import (
    Animal,
    Bird,
    Circle,
    Country,
    Dog,
    Drawing,
    Fossil,
    Kingdom,
    Puppy,
    Robot,
    Shape,
    Stamped,
    Zoo,
)


async def populate() -> list[Animal]:
    animals = [
        Animal(name="a", created_by="me"),
        Dog(name="d", breed="pug"),
        Puppy(name="p", breed="lab", age=1),
        Bird(name="b"),
        Robot(name="r", serial="x1", tags=["metal"], weight=9),
    ]
    for animal in animals:
        await animal.save()
    return animals


def test_members_of_an_abstract_base_are_stored_by_its_subclasses() -> None:
    assert {"created_by", "note", "name", "legs", "friend"} == set(Animal.__fields__)
    assert spec_of(Animal).by_name["created_by"].index


def test_an_abstract_base_is_not_registered_and_its_subclasses_are() -> None:
    assert Stamped.__model__ not in REGISTRY
    assert REGISTRY[Animal.__model__] is Animal
    assert not Animal.__options__.abstract, "abstract is not inherited"


def test_classes_that_share_a_collection_keep_tags_of_their_own() -> None:
    models = [Animal, Dog, Puppy, Bird, Robot]
    assert {spec_of(model).collection for model in models} == {"animals"}
    assert len({spec_of(model).tag for model in models}) == len(models)
    assert {spec_of(model).owner for model in models} == {Animal}
    assert spec_of(Fossil).collection == "fossils"
    assert spec_of(Fossil).owner is Fossil


async def test_one_collection_gives_each_document_its_own_class(store: Store) -> None:
    animals = await populate()
    Animal.objects.cache.clear()
    found = {animal.name: animal async for animal in Animal.objects.all()}
    assert {name: type(animal) for name, animal in found.items()} == {animal.name: type(animal) for animal in animals}
    robot = found["r"]
    assert isinstance(robot, Robot)
    assert (robot.serial, robot.tags, robot.weight, robot.legs) == ("x1", ["metal"], 9, 4)
    assert found["b"].legs == 2


async def test_a_subclass_queries_itself_and_its_own_subclasses(store: Store) -> None:
    await populate()
    Animal.objects.cache.clear()
    assert {type(dog) async for dog in Dog.objects.all()} == {Dog, Puppy}
    assert await Puppy.objects.count() == 1
    assert await Animal.objects.count() == 5
    assert await Fossil.objects.count() == 0


async def test_references_restore_to_the_class_that_was_saved(store: Store) -> None:
    puppy, bird = Puppy(name="p", age=2), Bird(name="b")
    puppy.friend, bird.friend = bird, puppy
    zoo = Zoo(star=puppy, animals=[bird, puppy, Robot(name="r")], keeper_dog=Dog(name="d"))
    await zoo.save()
    _id = zoo._id
    for model in (Zoo, Animal):
        model.objects.cache.clear()
    found = await Zoo.objects.get()
    await found.refresh()
    assert found._id == _id
    assert type(found.star) is Puppy
    assert [type(animal) for animal in found.animals] == [Bird, Puppy, Robot]
    assert type(found.keeper_dog) is Dog
    assert found.animals[1] is found.star
    assert type(found.star.friend) is Bird
    assert found.star.friend is found.animals[0]


async def test_a_reference_to_a_class_that_the_member_does_not_take_is_refused(store: Store) -> None:
    bird = Bird(name="b")
    zoo = Zoo()
    await bird.save()
    await zoo.save()
    with pytest.raises(TypeError):
        zoo.keeper_dog = bird  # type: ignore[assignment]
    document = await stored_document(zoo)
    document["keeper_dog"] = {"_id": bird._id, "__model__": Bird.__model__}
    await Zoo.objects.replace_one({"_id": zoo._id}, document)
    found = await read_again(zoo)
    assert found.keeper_dog is None
    found.star = bird
    await found.save()
    assert (await stored_document(found))["keeper_dog"] == document["keeper_dog"], "what was refused stays stored"


async def test_an_unknown_tag_stops_a_query_before_any_object_changes(store: Store) -> None:
    animal = Animal(name="a")
    await animal.save()
    await Animal.objects.insert_one({"name": "ghost", "__model__": "no.such.Model"})
    with pytest.raises(ModelNotRegistered) as caught:
        [found async for found in Animal.objects.all()]
    assert isinstance(caught.value, KeyError)


async def test_a_document_without_tag_belongs_to_the_owner_of_its_collection(store: Store) -> None:
    result = await Animal.objects.insert_one({"name": "old"})
    found = await Animal.objects.get(name="old")
    assert type(found) is Animal
    assert found._id == result.inserted_id
    assert await Dog.objects.count() == 0


async def test_a_state_of_another_hierarchy_is_a_value_error(store: Store) -> None:
    with pytest.raises(WrongModel) as caught:
        await Dog.restore({"__model__": Bird.__model__})
    assert isinstance(caught.value, ValueError)
    with pytest.raises(KeyError):
        await Dog.restore({"__model__": "nobody.knows.Me"})
    assert type(await Dog.restore({"__model__": Puppy.__model__, "age": 3})) is Puppy


def test_a_redefined_member_counts_for_the_subclass_only() -> None:
    assert spec_of(Bird).by_name["legs"].member is not spec_of(Animal).by_name["legs"].member
    assert (Animal().legs, Dog().legs, Bird().legs) == (4, 4, 2)


def test_a_tag_in_a_subclass_does_not_change_the_base() -> None:
    class TagBase(NoSQLModel):
        plain = Str().tag(required=True)
        listed = Int()

    class TagChild(TagBase):
        plain = TagBase.plain.tag(index=True, name="p")
        listed = TagBase.listed.tag(store=False)

    base, child = spec_of(TagBase), spec_of(TagChild)
    assert (base.by_name["plain"].stored_name, base.by_name["plain"].index) == ("plain", False)
    assert (child.by_name["plain"].stored_name, child.by_name["plain"].index) == ("p", True)
    assert child.by_name["plain"].required, "the base's own tags stay"
    assert "listed" in base.by_name
    assert "listed" not in child.by_name
    assert (TagBase.plain.metadata, TagBase.listed.metadata) == ({"required": True}, None)


def test_a_tag_in_the_second_of_two_subclasses_does_not_change_the_first() -> None:
    class TagRoot(NoSQLModel):
        word = Str()

    class TagFirst(TagRoot):
        pass

    class TagSecond(TagRoot):
        word = TagRoot.word.tag(unique=True)

    assert not spec_of(TagRoot).by_name["word"].unique
    assert not spec_of(TagFirst).by_name["word"].unique
    assert spec_of(TagSecond).by_name["word"].unique


def test_members_of_a_plain_mixin_are_stored_without_changing_the_mixin() -> None:
    class Mixin(Atom):
        word = Str()
        words = ContainerList(Str())

    class Mixed(NoSQLModel, Mixin):
        pass

    assert {"word", "words"} == set(Mixed.__fields__)
    assert Mixin.members()["word"].static_observers() == ()
    alone = Mixin(word="x", words=["a"])
    alone.words.append("b")
    assert alone.words == ["a", "b"]


async def test_edits_of_mixin_members_are_noticed(store: Store) -> None:
    robot = Robot(name="r")
    await robot.save()
    robot.weight = 3
    robot.tags = ["a"]
    assert robot.__state__.dirty_fields == {"weight", "tags"}
    await robot.save()
    assert (await read_again(robot)).weight == 3


def test_two_models_that_are_bases_give_their_members_once() -> None:
    class Left(NoSQLModel):
        a = Int()

        class Meta:
            abstract = True

    class Right(NoSQLModel):
        b = Int()

        class Meta:
            abstract = True

    class Both(Left, Right):  # type: ignore[misc]
        c = Int()

    assert sorted(Both.__fields__) == ["a", "b", "c"]


async def test_a_primary_key_is_inherited(store: Store) -> None:
    kingdom = Kingdom(code="dk", name="Denmark", monarch="x")
    assert kingdom._id == "dk"
    await kingdom.save()
    found = await read_again(kingdom)
    assert (type(found), found._id, found.code, found.monarch) == (Kingdom, "dk", "dk", "x")
    document = await stored_document(found)
    assert document["_id"] == "dk"
    assert "code" not in document
    key = spec_of(Kingdom).primary_key
    assert key is not None
    assert key.name == "code"


def test_a_second_primary_key_in_a_subclass_is_refused() -> None:
    class Twice(Country):
        iso = Str().tag(primary_key=True)

    with pytest.raises(ModelDefinitionError, match="code and iso"):
        spec_of(Twice)


def test_two_primary_keys_in_one_class_are_refused() -> None:
    with pytest.raises(ModelDefinitionError, match="primary key"):

        class Twice(NoSQLModel):
            iso = Str().tag(primary_key=True)
            code = Str().tag(primary_key=True)


async def test_embedded_models_restore_to_their_own_class(store: Store) -> None:
    drawing = Drawing(main=Circle(radius=1), shapes=[Shape(label="s"), Circle(radius=2)])
    await drawing.save()
    found = await read_again(drawing)
    assert type(found.main) is Circle
    assert [type(shape) for shape in found.shapes] == [Shape, Circle]


def test_a_class_that_is_defined_again_takes_the_place_of_the_former() -> None:
    def define() -> type[NoSQLModel]:
        class Again(NoSQLModel):
            items = List(Int())

        return Again

    first, second = define(), define()
    assert first.__model__ == second.__model__
    assert REGISTRY[first.__model__] is second
