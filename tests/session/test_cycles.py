"""Cycles that a store cannot write at once: which reference comes later, and what it leaves of the document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from atom.api import Dict, ForwardInstance, Instance, List, Str, Typed

from atomodm import BatchTooLarge, Conflict, JSONModel, NoSQLModel, PartlyApplied, StoreUnavailable, save_all
from atomodm.contract import Atomicity, Batch, IndexSpec, Insert, Replace, Update
from atomodm.encoding import decode
from atomodm.session import Planner
from atomodm.session.steps import steps_of
from atomodm.testing.objects.league import LEAGUE, Player, Sponsor, Team, check_object, dangling, documents
from atomodm.testing.objects.tools import Elsewhere
from tests.session.narrow import NarrowStore, connected_narrow
from tests.zoo.links import Link, links


class Leaf(NoSQLModel):
    name = Str()
    plain: Any = ForwardInstance(lambda: Tree)
    needed: Any = ForwardInstance(lambda: Tree).tag(required=True)


class Tree(NoSQLModel):
    name = Str()
    leaf: Any = Instance(Leaf)
    leaves: Any = List(Instance(Leaf))
    keyed: Any = Dict(Str(), Instance(Leaf))
    only: Any = Instance(Leaf).tag(unique=True)
    rare: Any = Instance(Leaf).tag(unique=True, sparse=True)
    note = Str()
    at = Typed(datetime)
    part: Any = ForwardInstance(lambda: Bark)
    bark: Any = ForwardInstance(lambda: Bark)


class Bark(JSONModel):
    leaf: Any = Instance(Leaf)
    label = Str()


class Husband(NoSQLModel):
    name = Str()
    wife: Any = ForwardInstance(lambda: Wife).tag(unique=True)


class Wife(NoSQLModel):
    name = Str()
    husband: Any = Instance(Husband)


class Chicken(NoSQLModel):
    egg: Any = ForwardInstance(lambda: Egg, optional=False)


class Egg(NoSQLModel):
    chicken: Any = Instance(Chicken, optional=False)


class Written(NoSQLModel):
    other: Any = ForwardInstance(lambda: Other)

    def __getstate__(self, scope: Any = None) -> dict[str, Any]:
        return {**super().__getstate__(scope), "other_is_set": self.other is not None}


class Other(NoSQLModel):
    name = Str()
    written: Any = Instance(Written)


@pytest.fixture(params=[Atomicity.COLLECTION, Atomicity.DOCUMENT], ids=lambda atomic: f"{atomic.value}-atomic")
async def store(request: pytest.FixtureRequest) -> AsyncIterator[NarrowStore]:
    async with connected_narrow(request.param) as store:
        yield store


@pytest.fixture
async def by_collection() -> AsyncIterator[NarrowStore]:
    async with connected_narrow(Atomicity.COLLECTION) as store:
        yield store


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Callable[[NarrowStore], list[Batch]]:
    """Gives the list of the batches that are written to a store from now on."""

    def watch(store: NarrowStore) -> list[Batch]:
        seen: list[Batch] = []
        write = store.write

        async def noting(batch: Batch) -> Any:
            seen.append(batch)
            return await write(batch)

        monkeypatch.setattr(store, "write", noting)
        return seen

    return watch


Batches = Callable[[NarrowStore], list[Batch]]


def summary(batches: list[Batch]) -> list[str]:
    """What happens to documents of which collections, batch by batch."""
    return [
        " ".join(
            f"{type(operation).__name__} {operation.collection.rpartition('.')[2]}" for operation in batch.operations
        )
        for batch in batches
    ]


def first_form(batches: list[Batch], model: Any) -> dict[str, Any]:
    """The document of a model as it was first written."""
    operations = [operation for batch in batches for operation in batch.operations]
    first = next(o for o in operations if isinstance(o, Insert | Replace) and o.collection.endswith(model.__name__))
    return decode(first.document)


async def all_is_stored(store: NarrowStore, *objects: Any) -> None:
    for obj in objects:
        await check_object(store, obj)
        assert not obj.__state__.dirty


async def test_the_closing_reference_is_left_out_and_linked(store: NarrowStore, batches: Batches) -> None:
    wife = Wife(name="w")
    player, sponsor = Player(name="p"), Sponsor(name="s")
    player.sponsor, sponsor.favourite = sponsor, player
    seen = batches(store)
    await player.save()
    assert summary(seen) == ["Insert Sponsor", "Insert Player", "Update Sponsor"]
    assert "favourite" not in first_form(seen, Sponsor)
    last = seen[-1].operations[0]
    assert isinstance(last, Update)
    assert list(last.changes.paths()) == ["favourite"]
    await all_is_stored(store, player, sponsor)
    assert wife._id is None


async def test_a_reference_that_a_unique_index_covers_is_not_left_out(store: NarrowStore, batches: Batches) -> None:
    couples = [(Husband(name=str(number)), Wife(name=str(number))) for number in range(5)]
    for husband, wife in couples:
        husband.wife, wife.husband = wife, husband
    seen = batches(store)
    await save_all([person for couple in couples for person in couple])
    assert set(first_form(seen, Wife)) == {"_id", "__model__", "name"}
    assert "wife" in first_form(seen, Husband)
    await all_is_stored(store, *(person for couple in couples for person in couple))


async def test_nor_is_one_that_an_index_covers_which_no_model_declares(store: NarrowStore, batches: Batches) -> None:
    collection = Sponsor.objects.name
    index = IndexSpec(name="made_by_hand", fields=[("favourite._id", 1), ("name", 1)], unique=True)
    await store.ensure_indexes(collection, [index])
    players = [Player(name="p") for _ in range(3)]
    for player in players:
        player.sponsor = Sponsor(name="same", favourite=player)
    seen = batches(store)
    await save_all(players)
    assert "favourite" in first_form(seen, Sponsor)
    assert "sponsor" not in first_form(seen, Player)
    await all_is_stored(store, *players, *(player.sponsor for player in players))


async def test_a_sparse_index_over_the_reference_alone_counts_no_document_without_it(
    store: NarrowStore, batches: Batches
) -> None:
    trees = [Tree(name=str(number)) for number in range(3)]
    for number, tree in enumerate(trees):
        tree.rare = Leaf(name=str(number), needed=tree)
        tree.only = tree.rare
    single = [Tree(name="x", only=Leaf(name="y", needed=trees[0]))]
    seen = batches(store)
    # Both references of these cycles are firm: each cycle is closed ahead.
    await save_all([*trees, *single])
    await all_is_stored(store, *trees, *single, *(tree.rare for tree in trees))
    assert await dangling(store, [Tree, Leaf]) == []
    assert seen


async def test_a_required_reference_is_not_left_out(store: NarrowStore, batches: Batches) -> None:
    tree = Tree(name="tree")
    tree.leaf = Leaf(name="leaf", needed=tree, plain=tree)
    seen = batches(store)
    await tree.save()
    assert summary(seen) == ["Insert Tree", "Insert Leaf", "Update Tree"]
    assert "leaf" not in first_form(seen, Tree)
    await all_is_stored(store, tree, tree.leaf)


async def test_where_no_reference_of_a_cycle_can_be_left_out_one_is_written_ahead(
    store: NarrowStore, batches: Batches
) -> None:
    egg = Egg.__new__(Egg)
    chicken = Chicken(egg=egg)
    egg.chicken = chicken
    seen = batches(store)
    await chicken.save()
    assert len(seen) == 2
    assert all(isinstance(operation, Insert) for batch in seen for operation in batch.operations)
    assert await dangling(store, [Chicken, Egg]) == []
    await all_is_stored(store, chicken, egg)


async def test_a_form_of_the_programs_own_is_written_as_it_is(store: NarrowStore, batches: Batches) -> None:
    written, other = Written(), Other(name="o")
    written.other, other.written = other, written
    seen = batches(store)
    await other.save()
    assert first_form(seen, Written)["other_is_set"]
    assert "written" not in first_form(seen, Other)
    await all_is_stored(store, other)


@pytest.mark.parametrize("name", ["leaf", "leaves", "keyed"])
async def test_a_field_is_left_out_as_a_whole(store: NarrowStore, batches: Batches, name: str) -> None:
    tree = Tree(name="tree", at=datetime(2024, 1, 1, tzinfo=UTC))
    closing, plain = Leaf(name="closing", needed=tree), Leaf(name="plain", needed=tree)
    value = {"leaf": closing, "leaves": [plain, closing], "keyed": {"a": plain, "b": closing}}[name]
    setattr(tree, name, value)
    seen = batches(store)
    await tree.save()
    first = first_form(seen, Tree)
    assert name not in first
    assert first["__dt__"].keys() == {"at"}
    await all_is_stored(store, tree, closing)


async def test_embedded_objects_that_a_document_mentions_twice_come_together(
    store: NarrowStore, batches: Batches
) -> None:
    tree = Tree(name="tree")
    bark = Bark(label="b", leaf=Leaf(name="leaf", needed=tree))
    tree.part = tree.bark = bark
    seen = batches(store)
    await tree.save()
    first = first_form(seen, Tree)
    assert "part" not in first
    assert "bark" not in first
    await all_is_stored(store, tree, bark.leaf)
    _id = tree._id
    Tree.objects.cache.clear()
    Leaf.objects.cache.clear()
    again = await Tree.objects.get(_id=_id)
    assert again.part is again.bark
    assert again.part.leaf.name == "leaf"


async def test_a_document_that_is_replaced_is_there_to_be_referred_to(store: NarrowStore, batches: Batches) -> None:
    sponsor = Sponsor(name="s")
    await sponsor.save()
    sponsor.favourite = Player(name="new", sponsor=sponsor)
    seen = batches(store)
    await sponsor.save(replace=True)
    assert summary(seen) == ["Insert Player", "Replace Sponsor"]
    await all_is_stored(store, sponsor, sponsor.favourite)


async def test_one_that_somebody_else_deleted_is_not(store: NarrowStore, batches: Batches) -> None:
    sponsor = Sponsor(name="s")
    await sponsor.save()
    sponsor.favourite = Player(name="new", sponsor=sponsor)
    await Elsewhere(store).delete(sponsor)
    with pytest.raises(Conflict):
        await sponsor.save()
    seen = batches(store)
    await sponsor.save(replace=True)
    assert len(seen) <= 3
    assert await dangling(store, LEAGUE) == []
    await all_is_stored(store, sponsor, sponsor.favourite)


async def test_a_changed_document_comes_after_the_new_ones_that_it_refers_to(
    store: NarrowStore, batches: Batches
) -> None:
    sponsor = Sponsor(name="s")
    await sponsor.save()
    sponsor.favourite = Player(name="p", sponsor=sponsor)
    seen = batches(store)
    await sponsor.save()
    assert summary(seen) == ["Insert Player", "Update Sponsor"]
    await all_is_stored(store, sponsor, sponsor.favourite)


async def test_unique_values_move_between_documents_of_one_collection(by_collection: NarrowStore) -> None:
    first, second = (Husband(name=name, wife=Wife(name=name)) for name in "ab")
    await save_all([first, second])
    first.wife, second.wife = second.wife, first.wife
    first.wife.name = "changed"
    second.name = "changed"
    await save_all([first, second])
    await all_is_stored(by_collection, first, second, first.wife)


async def test_a_plan_is_printed_without_values(by_collection: NarrowStore) -> None:
    team = Team(name="secret")
    team.players = [Player(name="secret", team=team, sponsor=Sponsor(name="secret"))]

    def lines() -> list[Any]:
        return Planner(lambda obj: type(obj).objects.cache).plan([team])

    printed = "\n".join([step.describe() for step in await steps_of(lines(), None)])
    assert printed == "\n".join([step.describe() for step in await steps_of(lines(), None)])
    assert "secret" not in printed
    player, sponsor, teams = (model.objects.name for model in (Player, Sponsor, Team))
    assert printed.splitlines() == [
        "memory://collection",
        f"  insert {sponsor} ObjectId: all fields",
        "memory://collection",
        f"  insert {player} ObjectId: all fields but team",
        "memory://collection",
        f"  insert {teams} ObjectId: all fields",
        "memory://collection",
        f"  update {player} ObjectId: team",
    ]


# -- parts that are too large ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("atomic", [Atomicity.STORE, Atomicity.COLLECTION])
async def test_parts_of_a_collection_have_references_to_later_parts_linked(
    atomic: Atomicity, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected_narrow(atomic, max_batch=10) as store:
        nodes = links(45)
        nodes[-1].next = nodes[0]
        with pytest.raises(BatchTooLarge):
            await nodes[0].save()
        assert await Link.objects.count() == 0
        write = store.write

        async def looking(batch: Batch) -> Any:
            outcome = await write(batch)
            assert await dangling(store, [Link]) == []
            return outcome

        monkeypatch.setattr(store, "write", looking)
        await nodes[0].save(atomic=False)
        await all_is_stored(store, *nodes)


async def test_changes_that_are_too_many_go_in_parts(store: NarrowStore) -> None:
    nodes = links(25)
    await nodes[0].save()
    for node in nodes:
        node.value += 1
    await nodes[0].save(atomic=False)
    await all_is_stored(store, *nodes)


# -- failures beside those of every store ------------------------------------------------------------------------------


async def test_an_object_that_was_left_is_written_by_its_own_save_too(
    by_collection: NarrowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    player, sponsor = Player(name="p"), Sponsor(name="s")
    player.sponsor, sponsor.favourite = sponsor, player
    write, calls = by_collection.write, iter(range(10))

    async def failing(batch: Batch) -> Any:
        if next(calls) == 2:
            raise StoreUnavailable("gone", store=by_collection.url)
        return await write(batch)

    monkeypatch.setattr(by_collection, "write", failing)
    with pytest.raises(PartlyApplied) as caught:
        await player.save()
    assert (caught.value.applied, caught.value.unlinked, caught.value.unapplied) == ((player,), (sponsor,), ())
    assert caught.value.retryable
    assert "1 " in str(caught.value)
    assert sponsor.__state__.dirty_fields == {"favourite"}
    await sponsor.save()
    await all_is_stored(by_collection, player, sponsor)
    await player.save()
    assert len(await documents(by_collection, LEAGUE)) == 2


async def test_a_document_that_was_changed_between_its_parts_is_merged(
    by_collection: NarrowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    player, sponsor = Player(name="p"), Sponsor(name="s")
    player.sponsor, sponsor.favourite = sponsor, player
    write, elsewhere = by_collection.write, Elsewhere(by_collection)

    async def overtaken(batch: Batch) -> Any:
        if isinstance(batch.operations[0], Update):
            monkeypatch.setattr(by_collection, "write", write)
            await elsewhere.set(sponsor, note="theirs")
        return await write(batch)

    monkeypatch.setattr(by_collection, "write", overtaken)
    await player.save()
    assert sponsor.note == "theirs"
    await all_is_stored(by_collection, player, sponsor)
