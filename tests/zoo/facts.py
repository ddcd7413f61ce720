"""Model classes for what a class alone decides: names, stored members, the order and the errors of a restore."""

from __future__ import annotations

from typing import Any, ClassVar

from atom.api import Bool, Enum, Int, List, Property, Str, Value

from atomodm import JSONModel, NoSQLModel


class Base(NoSQLModel):
    """Takes its name from its module."""

    name = Str()


class Derived(Base):
    """Takes a name of its own."""

    age = Int()


class Named(NoSQLModel):
    """Says its name in its body."""

    __model__ = "facts.named"

    name = Str()


class DerivedFromNamed(Named):
    """Does not inherit the name of its base."""


class ChoosesFields(NoSQLModel, use_annotations=False):
    """Says in its body what is stored."""

    __fields__: ClassVar[list[str]] = ["name"]

    name = Str()
    scratch = Str()


class SharesCollection(NoSQLModel):
    """Lives in a collection with a name of its own."""

    class Meta:
        name = "shared.things"

    name = Str()


class SharesCollectionToo(SharesCollection):
    """Lives in the collection of its base."""

    size = Int()


def _name_of(stored: Any) -> str:
    name: str = stored.name
    return name


class Country(NoSQLModel):
    """Has a member for its id."""

    code = Str().tag(primary_key=True)
    name = Str()


class Stored(NoSQLModel):
    """Members that are stored and members that are not."""

    name = Str()
    secret = Str().tag(store=False)
    _private = Str()
    _kept = Str().tag(store=True)
    twice: Any = Property(lambda stored: _name_of(stored) * 2).tag(store=True)
    thrice: Any = Property(lambda stored: _name_of(stored) * 3)


class Computed(NoSQLModel):
    """A member for a computed field of a pipeline."""

    name = Str()
    total = Int().tag(store=False)


class Ordered(NoSQLModel):
    """Members whose order of restoring is not the order in which they are declared."""

    late = Int().tag(setstate_order=2000)
    usual = Int()
    early = Int().tag(setstate_order=-1)
    seen = List().tag(store=False)

    def _observe_late(self, change: dict[str, Any]) -> None:
        self.seen.append("late")

    def _observe_usual(self, change: dict[str, Any]) -> None:
        self.seen.append("usual")

    def _observe_early(self, change: dict[str, Any]) -> None:
        self.seen.append("early")


def text_of(value: Any, scope: Any) -> Any:
    """Store a bool as a word."""
    return "yes" if value else "no"


def bool_of(value: Any, scope: Any) -> Any:
    """Restore a bool from a word."""
    return {"yes": True, "no": False}[value]


async def bool_of_slowly(value: Any, scope: Any) -> Any:
    """Restore a bool from a word, in a coroutine."""
    return bool_of(value, scope)


class Tagged(NoSQLModel):
    """Members with conversions of their own."""

    sync = Bool().tag(flatten=text_of, unflatten=bool_of)
    slow = Bool().tag(flatten=text_of, unflatten=bool_of_slowly)
    renamed = Bool().tag(flatten=text_of, unflatten=bool_of_slowly, name="kept_as", alias=["once", "before"])


class TaggedValue(JSONModel):
    """The same inside a document."""

    slow = Bool().tag(flatten=text_of, unflatten=bool_of_slowly)
    label = Str()


class HoldsTagged(NoSQLModel):
    """A document that holds values whose restoring is awaited."""

    one = Value()
    two = Value()
    many = List(TaggedValue)
    label = Str()


class LogsErrors(NoSQLModel):
    """Does with refused values what is the default."""

    size = Int(7)
    mood = Enum("good", "bad")
    slow = Bool(True).tag(flatten=text_of, unflatten=bool_of_slowly)
    name = Str()


class IgnoresErrors(LogsErrors):
    """Says nothing of refused values."""

    __on_error__ = "ignore"


class RaisesErrors(LogsErrors):
    """Refuses the document with the value."""

    __on_error__ = "raise"
