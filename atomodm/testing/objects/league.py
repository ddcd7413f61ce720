"""Models of several collections that refer to each other to and fro, and looking at what is stored of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from atom.api import ForwardInstance, Instance, Int, List, Str

from ... import NoSQLModel, Store
from ...contract.finding import Find
from ...encoding import decode, encode, id_key
from ...model import spec_of


class Sponsor(NoSQLModel):
    """Closes cycles with players."""

    name = Str()
    note = Str()
    tags: Any = List(Str())
    favourite: Any = ForwardInstance(lambda: Player)

    class Meta:
        app_label = "contract"


class Player(NoSQLModel):
    """Refers to a sponsor and, back, to a team."""

    name = Str()
    note = Str()
    tags: Any = List(Str())
    sponsor: Any = Instance(Sponsor)
    team: Any = ForwardInstance(lambda: Team)

    class Meta:
        app_label = "contract"


class Team(NoSQLModel):
    """Refers to players."""

    name = Str()
    note = Str()
    tags: Any = List(Str())
    lead: Any = Instance(Player)
    players: Any = List(Instance(Player))

    class Meta:
        app_label = "contract"


class Country(NoSQLModel):
    """Goes, and takes its cities along."""

    name = Str()

    class Meta:
        app_label = "contract.places"


class City(NoSQLModel):
    """Goes with its country, and takes its streets along."""

    name = Str()
    country: Any = Instance(Country).tag(on_delete="cascade")

    class Meta:
        app_label = "contract.places"


class Street(NoSQLModel):
    """Goes with its city."""

    name = Str()
    city: Any = Instance(City).tag(on_delete="cascade")

    class Meta:
        app_label = "contract.places"


class Traveller(NoSQLModel):
    """Outlives the places that it was at."""

    name = Str()
    country: Any = Instance(Country).tag(on_delete="nullify")
    street: Any = Instance(Street).tag(on_delete="nullify")

    class Meta:
        app_label = "contract.places"


class _Bead(NoSQLModel):
    name = Str()
    number = Int()

    class Meta:
        abstract = True


class Red(_Bead):
    """One of five collections in a circle."""

    next: Any = ForwardInstance(lambda: Yellow)
    others: Any = List(Instance(_Bead))

    class Meta:
        app_label = "contract.beads"


class Yellow(_Bead):
    """The second."""

    next: Any = ForwardInstance(lambda: Green)
    others: Any = List(Instance(_Bead))

    class Meta:
        app_label = "contract.beads"


class Green(_Bead):
    """The third."""

    next: Any = ForwardInstance(lambda: Blue)
    others: Any = List(Instance(_Bead))

    class Meta:
        app_label = "contract.beads"


class Blue(_Bead):
    """The fourth."""

    next: Any = ForwardInstance(lambda: White)
    others: Any = List(Instance(_Bead))

    class Meta:
        app_label = "contract.beads"


class White(_Bead):
    """The last, which leads to the first."""

    next: Any = Instance(Red)
    others: Any = List(Instance(_Bead))

    class Meta:
        app_label = "contract.beads"


LEAGUE = (Team, Player, Sponsor)
PLACES = (Country, City, Street, Traveller)
COLOURS = (Red, Yellow, Green, Blue, White)


async def documents(store: Store, models: Iterable[Any]) -> dict[tuple[str, Any], dict[str, Any]]:
    """All documents of some models, by tag and key of the id."""
    found = {}
    for model in models:
        async for chunk in store.find(spec_of(model).collection, Find()):
            for document in map(decode, chunk.documents):
                found[document["__model__"], id_key(document["_id"])] = document
    return found


async def dangling(store: Store, models: Iterable[Any]) -> list[str]:
    """Where documents of some models refer to one that is not there."""
    stored = await documents(store, models)
    return [
        f"{tag}.{name}"
        for (tag, _), document in stored.items()
        for name, value in document.items()
        for reference in _references_in(value)
        if (reference["__model__"], id_key(reference["_id"])) not in stored
    ]


def _references_in(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "_id" in value:
            yield value
        for inner in value.values():
            yield from _references_in(inner)
    elif isinstance(value, list):
        for item in value:
            yield from _references_in(item)


async def check_object(store: Store, obj: Any, *, uncertain: bool = False) -> None:
    """Raise AssertionError unless the state of an object says what is stored of it.

    Parameters
    ----------
    store : Store
    obj : NoSQLModel
        Its edits were all signalled.
    uncertain : bool
        The answer to the last write of it was lost: it says that it was not written.
    """
    state = obj.__state__
    _id = obj._id if obj._id is not None else obj.__track__().reserved_id
    chunk = await store.get(spec_of(type(obj)).collection, [_id])
    if uncertain:
        assert state.dirty
    elif not state.persistent:
        assert state.dirty
        assert not chunk.documents
    else:
        assert [bytes(data) for data in chunk.documents] == [obj.__snapshot__]
        assert list(chunk.revisions) == [state.revision]
        assert state.dirty_fields == obj.__changed_members__()
        assert state.dirty is bool(state.dirty_fields)
        if not state.dirty:
            assert encode(decode(chunk.documents[0])) == obj.__snapshot__
            assert not state.changes()
