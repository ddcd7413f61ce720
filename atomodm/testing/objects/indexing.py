"""Indexes that models declare: in force from a model's first use."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from atom.api import Dict, Int, List, Str, Typed
from pymongo import IndexModel

from ... import (
    Conflict,
    DoesNotExist,
    DuplicateKey,
    IndexConflict,
    JSONModel,
    ModelDefinitionError,
    NoSQLModel,
    Store,
)
from ...contract import IndexSpec
from ...model import spec_of
from .tools import forget_all


class Address(JSONModel):
    """Embedded in `Customer`."""

    city = Str()
    street = Str().tag(name="line1")


class Region(NoSQLModel):
    """Referred to by `Customer`."""

    name = Str()


class Customer(NoSQLModel):
    """Declares an index of each kind."""

    class Meta:
        name = "contract_customers"
        indexes = (
            "address__city",
            "-score",
            ["region", "-score"],
            ("name", "address__street"),
            IndexModel([("score", 1), ("name", 1)], unique=True, partialFilterExpression={"score": {"$gt": 0}}),
            IndexModel([("address.street", -1)], sparse=True),
            IndexSpec(name="mine", fields=[("extra.size", 1)]),
            "name",
        )

    name = Str().tag(name="n", index=True)
    email = Str().tag(unique=True, sparse=True)
    score = Int()
    visits = Int().tag(index=-1)
    address = Typed(Address, ())
    region = Typed(Region)
    regions = List(Region).tag(index=True)
    seen = Typed(datetime).tag(expires=timedelta(days=1))
    extra = Dict()


def _declared() -> dict[str, IndexSpec]:
    specs = [
        IndexSpec(name="n_1", fields=(("n", 1),)),
        IndexSpec(name="email_1", fields=(("email", 1),), unique=True, sparse=True),
        IndexSpec(name="visits_-1", fields=(("visits", -1),)),
        IndexSpec(name="regions._id_1", fields=(("regions._id", 1),)),
        IndexSpec(name="seen_1", fields=(("seen", 1),), expire_after=86_400),
        IndexSpec(name="address.city_1", fields=(("address.city", 1),)),
        IndexSpec(name="score_-1", fields=(("score", -1),)),
        IndexSpec(name="region._id_1_score_-1", fields=(("region._id", 1), ("score", -1))),
        IndexSpec(name="n_1_address.line1_1", fields=(("n", 1), ("address.line1", 1))),
        IndexSpec(name="score_1_n_1", fields=(("score", 1), ("n", 1)), unique=True, partial={"score": {"$gt": 0}}),
        IndexSpec(name="address.line1_-1", fields=(("address.line1", -1),), sparse=True),
        IndexSpec(name="mine", fields=(("extra.size", 1),)),
    ]
    return {spec.name: spec for spec in specs}


def _model(name: str, members: dict[str, Any], collection: str, *indexes: Any) -> Any:
    """A model class of its own, as a version of a program has it."""
    meta = type("Meta", (), {"name": collection, "indexes": indexes})
    metaclass: Any = type(NoSQLModel)
    return metaclass(name, (NoSQLModel,), {"__module__": __name__, "Meta": meta, **members})


class DeclaredIndexContract:
    """Tags and ``Meta.indexes``."""

    async def test_declared_indexes_are_there_from_the_first_use(self, store: Store) -> None:
        assert await Customer.objects.filter(name="nobody").first() is None
        found = {spec.name: spec for spec in await store.list_indexes("contract_customers")}
        assert found.keys() == _declared().keys()
        for name, spec in _declared().items():
            assert tuple(map(tuple, found[name].fields)) == spec.fields
            assert (found[name].unique, found[name].sparse) == (spec.unique, spec.sparse)
            assert (found[name].partial, found[name].expire_after) == (spec.partial, spec.expire_after)

    async def test_they_hold_for_the_first_object_that_is_saved(self, store: Store) -> None:
        await Customer(name="a", email="x", score=1).save()
        with pytest.raises(DuplicateKey):
            await Customer(name="b", email="x", score=2).save()
        with pytest.raises(DuplicateKey):
            await Customer(name="a", email="y", score=1).save()
        assert await Customer.objects.count() == 1

    async def test_objects_whose_time_is_over_are_gone(self, store: Store) -> None:
        now = datetime.now(UTC)
        old = Customer(name="old", email="o", seen=now - timedelta(days=2))
        await old.save()
        await Customer(name="new", email="n", seen=now).save()
        await Customer(name="none", email="e").save()
        assert sorted([customer.name async for customer in Customer.objects.all()]) == ["new", "none"]
        assert await Customer.objects.count() == 2

    async def test_an_object_whose_time_is_over_is_changed_by_nobody_and_may_be_made_anew(self, store: Store) -> None:
        now = datetime.now(UTC)
        old = Customer(name="old", email="o", seen=now - timedelta(days=2))
        await old.save()
        with pytest.raises(DoesNotExist):
            await old.update(visits__inc=1)
        with pytest.raises(DoesNotExist):
            await old.expire(60)
        assert await Customer.objects.update(visits__inc=1) == 0
        old.seen = now
        with pytest.raises(Conflict):
            await old.save()
        assert await Customer.objects.count() == 0
        await old.save(replace=True)
        forget_all(store, Customer)
        (found,) = await Customer.objects.all()
        assert (found.name, found.visits) == ("old", 0)

    async def test_deleting_an_object_whose_time_is_over_finds_nothing(self, store: Store) -> None:
        old = Customer(name="old", email="o", seen=datetime.now(UTC) - timedelta(days=2))
        await old.save()
        result: Any = await old.delete()
        assert result.deleted_count == 0
        assert not old.__state__.persistent
        # Its id is free, and so is what it had in a unique index.
        again = Customer(name="new", email="o", seen=datetime.now(UTC))
        await again.save()
        assert await Customer.objects.all() == [again]

    async def test_many_first_uses_at_once_declare_them_once(self, store: Store) -> None:
        await asyncio.gather(*(Customer.objects.filter(score=number).count() for number in range(10)))
        assert len(await store.list_indexes("contract_customers")) == len(_declared())

    async def test_an_index_that_is_declared_otherwise_than_before_says_what_to_do(self, store: Store) -> None:
        await _model("Code", {"code": Str().tag(index=True)}, "codes").objects.count()
        changed = _model("Code", {"code": Str().tag(unique=True)}, "codes")
        with pytest.raises(IndexConflict, match=r"drop_index\('code_1'\)") as caught:
            await changed.objects.count()
        assert caught.value.server_code == 86
        await store.drop_indexes("codes", ["code_1"])
        assert await changed.objects.count() == 0
        assert [spec.unique for spec in await store.list_indexes("codes")] == [True]

    async def test_two_models_of_a_collection_agree_on_its_indexes(self, store: Store) -> None:
        _model("First", {"code": Str().tag(index=True)}, "shared codes")
        second = _model("Second", {"code": Str().tag(unique=True)}, "shared codes")
        with pytest.raises(ModelDefinitionError, match="code_1"):
            await second.objects.count()
        second = _model("Second", {"code": Str().tag(index=True), "other": Str().tag(index=-1)}, "shared codes")
        await second.objects.count()
        assert {spec.name for spec in await store.list_indexes("shared codes")} == {"code_1", "other_-1"}

    @pytest.mark.parametrize(
        "index",
        [
            IndexSpec(name="x", fields=[("code", 1), ("number", 1)], expire_after=5),
            IndexSpec(name="x", fields=[("code", 1)], sparse=True, partial={"number": 1}),
            IndexSpec(name="x", fields=[("nothing", 1)]),
            IndexSpec(name="x", fields=[("code", 2)]),
            IndexModel([("code", 1)], collation={"locale": "de"}),
            IndexModel("nothing"),
            "code__gt",
            ["code", "code"],
            object(),
        ],
    )
    async def test_what_cannot_be_an_index_is_a_mistake_in_the_model(self, store: Store, index: Any) -> None:
        model = _model("Mistaken", {"code": Str(), "number": Int()}, "mistakes", index)
        with pytest.raises(ModelDefinitionError) as caught:
            await model.objects.count()
        assert caught.value.model == spec_of(model).tag
