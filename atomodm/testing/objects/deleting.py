"""What deleting a document means for those that refer to it, by the models of both."""

from __future__ import annotations

from typing import Any

import pytest
from atom.api import Instance, Int, Typed

from ... import DeletionRefused, NoSQLModel, Store, save_all
from .tools import forget_all


class _Numbered(NoSQLModel):
    number = Int().tag(primary_key=True)

    class Meta:
        abstract = True


class Farm(_Numbered):
    """Has ids that barns have as well."""

    class Meta:
        app_label = "contract.farms"


class Barn(_Numbered):
    """Has ids that farms have as well."""

    class Meta:
        app_label = "contract.farms"


class Deed(NoSQLModel):
    """Refers to documents of several collections."""

    of: Any = Instance(_Numbered).tag(on_delete="cascade")
    formerly_of: Any = Instance(_Numbered).tag(on_delete="nullify")

    class Meta:
        app_label = "contract.farms"


class Animal(NoSQLModel):
    """Shares its collection with models that mean other things by a member of one name."""

    class Meta:
        app_label = "contract.farms"
        name = "animals of a farm"


class Cow(Animal):
    """Goes with its farm."""

    farm: Any = Typed(Farm).tag(on_delete="cascade")

    class Meta:
        app_label = "contract.farms"


class Calf(Cow):
    """Goes with its farm as cows do."""

    class Meta:
        app_label = "contract.farms"


class Cat(Animal):
    """Outlives its farm."""

    farm: Any = Typed(Farm).tag(on_delete="nullify")

    class Meta:
        app_label = "contract.farms"


class Crow(Animal):
    """Does not care about its farm."""

    farm: Any = Typed(Farm)

    class Meta:
        app_label = "contract.farms"


class Guardian(Animal):
    """Stays with its farm, and with itself."""

    farm: Any = Typed(Farm).tag(on_delete="deny")
    image: Any = Instance(Animal).tag(on_delete="deny")

    class Meta:
        app_label = "contract.farms"


class Bell(NoSQLModel):
    """Goes with its calf, and holds back other animals."""

    calf: Any = Typed(Calf).tag(on_delete="cascade")
    animal: Any = Instance(Animal).tag(on_delete="deny")

    class Meta:
        app_label = "contract.farms"


class OnDeleteContract:
    """The rule is that of the referring document's own model, for what it really refers to."""

    async def test_a_document_of_another_collection_with_the_same_id_is_another_one(self, store: Store) -> None:
        farm, barn = Farm(number=1), Barn(number=1)
        of_farm, of_barn = Deed(of=farm), Deed(of=barn, formerly_of=farm)
        await save_all([of_farm, of_barn])
        await farm.delete()
        assert of_farm._id is None
        forget_all(store, Farm, Barn, Deed, Animal)
        (left,) = await Deed.objects.all().to_list()
        assert left.of.__model__ == Barn.__model__
        assert left.formerly_of is None

    async def test_models_of_one_collection_have_rules_of_their_own(self, store: Store) -> None:
        farm = Farm(number=1)
        cat, crow = Cat(farm=farm), Crow(farm=farm)
        await save_all([Cow(farm=farm), Calf(farm=farm), cat, crow])
        await farm.delete()
        stored = {document["_id"]: document async for document in store["animals of a farm"].find()}
        assert stored.keys() == {cat._id, crow._id}
        assert stored[cat._id]["farm"] is None
        assert stored[crow._id]["farm"]["_id"] == 1

    async def test_what_refers_to_a_subclass_of_what_goes_along_goes_along(self, store: Store) -> None:
        farm = Farm(number=1)
        calf = Calf(farm=farm)
        await save_all([Bell(calf=calf), Bell(calf=Calf(farm=Farm(number=2)))])
        await farm.delete()
        assert calf._id is None
        assert await Calf.objects.count() == 1
        assert await Bell.objects.count() == 1

    async def test_what_denies_a_subclass_of_what_would_go_along_denies_all(self, store: Store) -> None:
        farm = Farm(number=1)
        bell = Bell(animal=Calf(farm=farm))
        await bell.save()
        with pytest.raises(DeletionRefused) as caught:
            await farm.delete()
        assert (caught.value.model, caught.value.path) == (Bell.__model__, "animal")
        assert (await Farm.objects.count(), await Calf.objects.count(), await Bell.objects.count()) == (1, 1, 1)

    async def test_a_document_does_not_deny_its_own_deletion(self, store: Store) -> None:
        guardian = Guardian()
        guardian.image = guardian
        await guardian.save()
        result = await guardian.delete()
        assert result is not None
        assert result.deleted_count == 1
        assert await Guardian.objects.count() == 0

    async def test_a_handle_of_a_base_class_stands_for_the_document_that_there_is(self, store: Store) -> None:
        calf = Calf()
        await Bell(calf=calf).save()
        _id = calf._id
        del calf
        forget_all(store, Farm, Barn, Deed, Animal)
        await Animal(_id=_id).delete()
        assert (await Animal.objects.count(), await Bell.objects.count()) == (0, 0)
