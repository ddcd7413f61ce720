"""Models that inherit from each other."""

from __future__ import annotations

from atom.api import Atom, ForwardTyped, Int, List, Str, Typed

from atomodm import JSONModel, NoSQLModel


class Stamped(NoSQLModel):
    """An abstract base: members, and no collection."""

    created_by = Str().tag(index=True)
    note = Str()

    class Meta:
        abstract = True


class Tagged(Atom):
    """A mixin that knows nothing of models."""

    tags = List(Str())
    weight = Int()


class Animal(Stamped):
    name = Str()
    legs = Int(4)
    friend = ForwardTyped(lambda: Animal)

    class Meta:
        name = "animals"


class Dog(Animal):
    breed = Str()


class Puppy(Dog):
    age = Int()


class Bird(Animal):
    legs = Int(2)
    wings = Int(2)


class Robot(Animal, Tagged):
    serial = Str()


class Zoo(NoSQLModel):
    star = Typed(Animal)
    animals = List(Animal)
    keeper_dog = Typed(Dog)


class Fossil(Animal):
    """Of the hierarchy, in a collection of its own."""

    class Meta:
        name = "fossils"


class Country(NoSQLModel):
    code = Str().tag(primary_key=True)
    name = Str()
    neighbours = List(ForwardTyped(lambda: Country))


class Kingdom(Country):
    monarch = Str()


class Shape(JSONModel):
    label = Str()


class Circle(Shape):
    radius = Int()


class Drawing(NoSQLModel):
    main = Typed(Shape)
    shapes = List(Shape)
