"""``Model.objects``: what Django's users expect of it, and atom-db's."""

from __future__ import annotations

import asyncio
import gc
from datetime import date, datetime
from typing import Any

import pytest
from bson import ObjectId

from ... import (
    DoesNotExist,
    DuplicateKey,
    InvalidQuery,
    ModelNotRegistered,
    MultipleObjectsReturned,
    Q,
    Store,
    save_all,
)
from .models import Account, Animal, Cat, Country, Dog, Holder, Node, Part, Puppy, Visit
from .tools import Elsewhere, forget_all


async def _people(store: Store) -> list[Account]:
    people = [
        Account(name="Alice", email="alice@example.org", balance=10, tags=["admin", "x"], settings={"ui": {"size": 1}}),
        Account(name="Bob", email="bob@Example.org", balance=20, tags=["x"], note="100% sure", labels={"red"}),
        Account(name="Carol", email="carol@example.com", balance=30, note="a_b", settings={"ui": {"size": 5}}),
        Account(name="Dave", email="dave@example.com", balance=40, labels={"red", "blue"}),
    ]
    await save_all(people)
    return people


async def _names(query: Any) -> str:
    return "".join(account.name[0] for account in await query)


class LookupContract:
    """Filters by every lookup."""

    @pytest.mark.parametrize(
        ("lookups", "names"),
        [
            ({"name": "Bob"}, "B"),
            ({"name__exact": "Bob"}, "B"),
            ({"name__ne": "Bob"}, "ACD"),
            ({"balance__gt": 20}, "CD"),
            ({"balance__gte": 20}, "BCD"),
            ({"balance__ge": 20}, "BCD"),
            ({"balance__lt": 20}, "A"),
            ({"balance__lte": 20}, "AB"),
            ({"balance__le": 20}, "AB"),
            ({"balance__gt": 10, "balance__lt": 40}, "BC"),
            ({"name__in": ["Bob", "Dave", "Nobody"]}, "BD"),
            ({"name__in": []}, ""),
            ({"email__contains": "Example"}, "B"),
            ({"email__icontains": "EXAMPLE.ORG"}, "AB"),
            ({"note__contains": "%"}, "B"),
            ({"note__contains": "_"}, "C"),
            ({"name__startswith": "Ca"}, "C"),
            ({"name__istartswith": "ca"}, "C"),
            ({"email__endswith": ".org"}, "AB"),
            ({"email__iendswith": "EXAMPLE.ORG"}, "AB"),
            ({"tags": "x"}, "AB"),
            ({"tags__contains": "admin"}, "A"),
            ({"labels": "red"}, "BD"),
            ({"owner__isnull": True}, "ABCD"),
            ({"owner__isnull": False}, ""),
            ({"settings__ui__exists": True}, "AC"),
            ({"settings__ui__size": 5}, "C"),
            ({"settings__ui__size__gte": 1}, "AC"),
            ({"tags__0": "admin"}, "A"),
        ],
    )
    async def test_a_lookup_finds(self, store: Store, lookups: dict[str, Any], names: str) -> None:
        await _people(store)
        assert await _names(Account.objects.filter(**lookups)) == names
        assert await Account.objects.filter(**lookups).count() == len(names)
        rest = "".join(name for name in "ABCD" if name not in names)
        assert await _names(Account.objects.exclude(**lookups)) == rest

    async def test_conditions_combine(self, store: Store) -> None:
        await _people(store)
        objects = Account.objects
        assert await _names(objects.filter(Q(name="Bob") | Q(balance__gte=40))) == "BD"
        assert await _names(objects.filter(~Q(name="Bob"), balance__lt=40)) == "AC"
        assert await _names(objects.filter(balance__gt=10).exclude(name="Carol").filter(balance__lt=100)) == "BD"

    async def test_references_are_found_by_object_and_id(self, store: Store) -> None:
        people = await _people(store)
        node = Node(name="n")
        people[1].owner = node
        await people[1].save()
        assert await _names(Account.objects.filter(owner=node)) == "B"
        assert await _names(Account.objects.filter(owner___id=node._id)) == "B"
        assert await _names(Account.objects.filter(owner__in=[node])) == "B"
        assert await _names(Account.objects.exclude(owner=node)) == "ACD"
        holder = Holder(listed=[node], part=Part(node=node, label="p"))
        await holder.save()
        assert await Holder.objects.filter(listed=node).count() == 1
        assert await Holder.objects.filter(part__node=node).count() == 1
        assert await Holder.objects.filter(part__label__startswith="p").count() == 1

    async def test_positions_in_lists_lead_to_what_is_there(self, store: Store) -> None:
        first, second = Node(name="first"), Node(name="second")
        holder = Holder(listed=[first, second], parts=[Part(label="a"), Part(label="b", parts=[Part(label="c")])])
        await holder.save()
        cases: list[tuple[dict[str, Any], int]] = [
            ({"parts__0__label": "a"}, 1),
            ({"parts__0__label": "b"}, 0),
            ({"parts__1__label__in": ["b"]}, 1),
            ({"parts__1__parts__0__label": "c"}, 1),
            ({"listed__1": second}, 1),
            ({"listed__0": second}, 0),
            ({"listed__0___id": first._id}, 1),
            ({"listed__2__isnull": True}, 1),
        ]
        for lookups, number in cases:
            assert await Holder.objects.filter(**lookups).count() == number, lookups
        other = Holder(parts=[Part(label="0"), Part(label="z")])
        await other.save()
        assert await Holder.objects.order_by("parts__0__label").first() is other
        assert await Holder.objects.order_by("-parts__1__label").first() is other

    async def test_a_day_stands_for_its_first_moment(self, store: Store) -> None:
        for day, hour in ((1, 0), (1, 12), (2, 0)):
            await Visit(when=datetime(2024, 5, day, hour)).save()
        cases = [("when", 1), ("when__lte", 1), ("when__gt", 2), ("when__ne", 2)]
        for lookup, number in cases:
            assert await Visit.objects.filter(**{lookup: date(2024, 5, 1)}).count() == number, lookup

    async def test_other_members_of_what_is_referred_to_cannot_be_asked_for(self, store: Store) -> None:
        for name in ("owner__name", "owner__name__gt"):
            with pytest.raises(InvalidQuery, match=r"another collection.* _id or pk"):
                Account.objects.filter(**{name: "x"})

    async def test_a_key_with_a_dot_cannot_be_asked_for(self, store: Store) -> None:
        for name in ("settings__a.b", "settings__ui__a.b__gt", "settings__a\0b"):
            with pytest.raises(InvalidQuery, match="a key with a dot"):
                Account.objects.filter(**{name: 1})

    @pytest.mark.parametrize("name", ["nmae", "nmae__gt", "name__gtt", "owner__nmae", "settings__ui__gtt__x__in_"])
    async def test_unknown_names_of_lookups_are_refused_with_candidates(self, store: Store, name: str) -> None:
        if name.startswith("settings"):
            assert await Account.objects.filter(**{name: 1}).count() == 0  # any key may be in an untyped dict
            return
        with pytest.raises(InvalidQuery, match="did you mean"):
            Account.objects.filter(**{name: 1})

    async def test_ordering_by_an_unknown_name_is_refused(self, store: Store) -> None:
        with pytest.raises(InvalidQuery, match="balance"):
            Account.objects.order_by("balanec")


class QueryContract:
    """Getting, ordering, slicing, iterating."""

    async def test_get_wants_exactly_one(self, store: Store) -> None:
        people = await _people(store)
        assert await Account.objects.get(name="Bob") is people[1]
        assert await Account.objects.filter(balance__gt=30).get() is people[3]
        with pytest.raises(DoesNotExist):
            await Account.objects.get(name="Nobody")
        with pytest.raises(MultipleObjectsReturned):
            await Account.objects.get(balance__gt=20)

    async def test_objects_come_in_the_order_asked_for(self, store: Store) -> None:
        await _people(store)
        assert await _names(Account.objects.all()) == "ABCD"
        assert await _names(Account.objects.order_by("-balance")) == "DCBA"
        assert await _names(Account.objects.all().reverse()) == "DCBA"
        first = await Account.objects.order_by("-name").first()
        assert first is not None
        assert first.name == "Dave"

    async def test_slices_give_parts(self, store: Store) -> None:
        await _people(store)
        assert await _names(Account.objects.all()[1:3]) == "BC"
        assert await _names(Account.objects[:2]) == "AB"
        assert await _names(Account.objects.all()[3:]) == "D"
        assert await _names(Account.objects.all()[10:]) == ""
        assert await Account.objects.all()[1:3].count() == 2

    async def test_first_of_nothing_is_none(self, store: Store) -> None:
        assert await Account.objects.first() is None
        assert await Account.objects.count() == 0
        assert await Account.objects.all() == []

    async def test_iterating_gives_each_object_once(self, store: Store) -> None:
        people = await _people(store)
        assert [account async for account in Account.objects] == people
        assert [account async for account in Account.objects.filter(balance__gt=20)] == people[2:]

    async def test_iterating_keeps_few_objects_in_memory(self, store: Store) -> None:
        await save_all([Node(name=str(number), value=number) for number in range(2000)])
        gc.collect()
        assert len(Node.objects.cache) == 0
        most = seen = 0
        async for _node in Node.objects.all():
            seen += 1
            if seen % 50 == 0:
                most = max(most, len(Node.objects.cache))
        assert seen == 2000
        assert most <= 400

    async def test_iteration_may_be_left_early(self, store: Store) -> None:
        await save_all([Node(name=str(number)) for number in range(500)])
        async for _node in Node.objects.all():
            break
        gc.collect()
        await asyncio.sleep(0)
        assert await Node.objects.count() == 500

    async def test_objects_may_change_while_they_are_iterated(self, store: Store) -> None:
        await save_all([Node(name=str(number), value=0) for number in range(300)])
        async for node in Node.objects.all():
            node.value = 1
            await node.save()
        assert await Node.objects.filter(value=1).count() == 300

    async def test_create_saves(self, store: Store) -> None:
        account = await Account.objects.create(name="Bob", email="b")
        assert account.__state__.persistent
        assert await Account.objects.get(name="Bob") is account

    async def test_get_or_create_creates_what_is_not_there(self, store: Store) -> None:
        account, created = await Account.objects.get_or_create(email="b", defaults={"name": "Bob"})
        assert created
        assert (account.name, account.email) == ("Bob", "b")
        again, created = await Account.objects.get_or_create(email="b", defaults={"name": "Other"})
        assert not created
        assert again is account
        assert account.name == "Bob"

    async def test_get_or_create_takes_the_values_of_exact_lookups(self, store: Store) -> None:
        account, created = await Account.objects.get_or_create(
            email__exact="b", balance__gte=5, defaults={"balance": 7}
        )
        assert created
        assert (account.email, account.balance) == ("b", 7)

    async def test_concurrent_get_or_create_makes_one_document(self, store: Store) -> None:
        found = await asyncio.gather(*(Account.objects.get_or_create(email="b") for _ in range(10)))
        assert len({id(account) for account, _ in found}) == 1
        assert sum(created for _, created in found) == 1
        assert await Account.objects.count() == 1

    async def test_get_or_create_tells_of_another_unique_value(self, store: Store) -> None:
        await Account(name="Bob", email="b").save()
        with pytest.raises(DuplicateKey):
            await Account.objects.get_or_create(name="New", defaults={"email": "b"})


class CollectionUseContract:
    """The collection's own methods, as atom-db's users call them."""

    async def test_documents_are_found_inserted_replaced_and_deleted(self, store: Store) -> None:
        objects = Account.objects
        result = await objects.insert_one({"name": "Bob", "email": "b", "__model__": "contract.Account"})
        assert isinstance(result.inserted_id, ObjectId)
        document = await objects.find_one({"name": "Bob"})
        assert document["email"] == "b"
        account = await objects.get(name="Bob")
        assert (account._id, account.balance) == (result.inserted_id, 0)
        await objects.replace_one({"_id": account._id}, {**document, "name": "Bobby"})
        assert [found["name"] async for found in objects.find({})] == ["Bobby"]
        assert [found["name"] for found in await objects.find({}).to_list(None)] == ["Bobby"]
        assert (await objects.delete_one({"name": "Bobby"})).deleted_count == 1
        assert await objects.find_one({}) is None

    async def test_names_that_the_collection_lacks_are_refused_with_candidates(self, store: Store) -> None:
        with pytest.raises(AttributeError, match="find_one"):
            _ = Account.objects.find_oen
        with pytest.raises(AttributeError, match="filter"):
            _ = Account.objects.fliter
        assert not hasattr(Account.objects, "some_sub_collection")

    async def test_the_table_is_the_stores_collection(self, store: Store) -> None:
        assert Account.objects.table.name == "contract.Account"
        await Account.objects.table.insert_one({"_id": 1, "name": "x", "email": "x"})
        assert (await Account.objects.get(pk=1)).name == "x"

    async def test_an_instance_has_the_same_objects(self, store: Store) -> None:
        assert Account().objects is Account.objects

    async def test_errors_of_objects_show_no_values_and_no_cause(self, store: Store) -> None:
        await Account(name="secret name", email="secret").save()
        with pytest.raises(DuplicateKey) as caught:
            await Account(name="secret name", email="secret").save()
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is None or caught.value.__suppress_context__


class PolymorphismContract:
    """Several models in one collection."""

    async def _stored(self) -> None:
        await save_all(
            [Animal(name="it"), Dog(name="Rex", tricks=["sit"]), Puppy(name="Tim", weeks=3), Cat(name="Tom")]
        )

    async def test_the_owner_finds_all_each_of_its_own_class(self, store: Store) -> None:
        await self._stored()
        forget_all(store, Animal)
        found = await Animal.objects.order_by("name")
        assert [(type(animal), animal.name) for animal in found] == [
            (Dog, "Rex"),
            (Puppy, "Tim"),
            (Cat, "Tom"),
            (Animal, "it"),
        ]

    async def test_a_subclass_finds_its_own_and_its_subclasses(self, store: Store) -> None:
        await self._stored()
        assert {animal.name for animal in await Dog.objects.all()} == {"Rex", "Tim"}
        assert await Cat.objects.count() == 1
        with pytest.raises(DoesNotExist):
            await Cat.objects.get(name="Rex")

    async def test_a_missing_tag_means_the_owner(self, store: Store) -> None:
        await Elsewhere(store).insert(Animal, {"_id": 1, "name": "untagged"})
        assert type(await Animal.objects.get()) is Animal
        assert await Dog.objects.count() == 0

    async def test_an_unknown_tag_is_refused_before_any_object_changes(self, store: Store) -> None:
        known = Animal(name="a")
        await known.save()
        await Elsewhere(store).set(known, name="changed")
        await Elsewhere(store).insert(Animal, {"_id": 1, "name": "b", "__model__": "contract.Unknown"})
        with pytest.raises(ModelNotRegistered) as caught:
            await Animal.objects.order_by("name")
        assert isinstance(caught.value, KeyError)
        assert known.name == "a"

    async def test_references_restore_the_class_of_the_document(self, store: Store) -> None:
        dog = Puppy(name="Tim", weeks=3)
        holder = Holder(anything=dog)
        await holder.save()
        forget_all(store, Animal, Holder)
        loaded = await Holder.objects.get()
        assert type(loaded.anything) is Puppy
        assert loaded.anything.weeks == 3

    async def test_models_of_one_collection_share_a_cache(self, store: Store) -> None:
        await self._stored()
        rex = await Dog.objects.get(name="Rex")
        assert await Animal.objects.get(name="Rex") is rex
        assert Animal.objects.cache is Dog.objects.cache

    async def test_a_unique_index_of_a_declared_member_is_in_force(self, store: Store) -> None:
        await Country.objects.create(code="CH")
        assert {index.name for index in await store.list_indexes("contract.Account")} == set()
        await Account.objects.count()
        indexes = {index.name: index.unique for index in await store.list_indexes("contract.Account")}
        assert indexes == {"email_1": True, "name_1": False}
