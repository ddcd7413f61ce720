"""Models that take flattening and restoring into their own hands, hook by hook, and note each call."""

from __future__ import annotations

from typing import Any

from atom.api import Dict, ForwardInstance, Instance, Int, List, Str, Value

from atomodm import JSONModel, JSONSerializer, NoSQLModel, NoSQLModelSerializer

#: What the hooks were called for, in order; tests clear it.
CALLS: list[tuple[str, Any]] = []


class LoudFlatten(NoSQLModelSerializer):
    """Stores text in capitals."""

    def flatten(self, v: Any, scope: Any = None) -> Any:
        CALLS.append(("flatten", v))
        return v.upper() if isinstance(v, str) else super().flatten(v, scope)


class LoudFlattenObject(NoSQLModelSerializer):
    """Adds a key to references."""

    def flatten_object(self, obj: Any, scope: Any) -> Any:
        CALLS.append(("flatten_object", obj.name))
        return {**super().flatten_object(obj, scope), "label": obj.name}


class LoudUnflatten(NoSQLModelSerializer):
    """Restores text in small letters."""

    async def unflatten(self, v: Any, scope: Any = None) -> Any:
        CALLS.append(("unflatten", v))
        return v.lower() if isinstance(v, str) else await super().unflatten(v, scope)


class LoudUnflattenObject(NoSQLModelSerializer):
    """Notes what is restored."""

    async def unflatten_object(self, cls: Any, state: dict[str, Any], scope: Any) -> Any:
        CALLS.append(("unflatten_object", state["_id"]))
        return await super().unflatten_object(cls, state, scope)


class LoudGetOrCreate(NoSQLModelSerializer):
    """Notes which objects are made."""

    async def get_or_create(self, cls: Any, state: dict[str, Any], scope: Any) -> tuple[Any, bool]:
        obj, created = await super().get_or_create(cls, state, scope)
        CALLS.append(("get_or_create", created))
        return obj, created


class MakesItsOwn(NoSQLModelSerializer):
    """Makes objects without asking the cache."""

    async def get_or_create(self, cls: Any, state: dict[str, Any], scope: Any) -> tuple[Any, bool]:
        CALLS.append(("get_or_create", state["_id"]))
        return cls.__new__(cls), True


class LoudGetObjectState(NoSQLModelSerializer):
    """Marks the states that it fetches."""

    async def get_object_state(self, obj: Any, state: dict[str, Any], scope: Any) -> Any:
        CALLS.append(("get_object_state", state["_id"]))
        return await super().get_object_state(obj, state, scope)


class Hooked(NoSQLModel):
    """What all models here have."""

    name = Str()
    size = Int()
    other: Any = ForwardInstance(lambda: Hooked)
    others = List()

    class Meta:
        abstract = True


class FlattenHooked(Hooked):
    serializer = LoudFlatten.instance()


class FlattenObjectHooked(Hooked):
    serializer = LoudFlattenObject.instance()


class UnflattenHooked(Hooked):
    serializer = LoudUnflatten.instance()


class UnflattenObjectHooked(Hooked):
    serializer = LoudUnflattenObject.instance()


class GetOrCreateHooked(Hooked):
    serializer = LoudGetOrCreate.instance()


class OwnObjectsHooked(Hooked):
    serializer = MakesItsOwn.instance()


class GetObjectStateHooked(Hooked):
    serializer = LoudGetObjectState.instance()


class Unhooked(Hooked):
    """Generated code all the way."""


class LoudJSON(JSONSerializer):
    """Notes which embedded values are restored and stored."""

    def flatten_object(self, obj: Any, scope: Any) -> Any:
        CALLS.append(("flatten_object", obj.text))
        return super().flatten_object(obj, scope)

    async def get_or_create(self, cls: Any, state: dict[str, Any], scope: Any) -> tuple[Any, bool]:
        CALLS.append(("get_or_create", state["text"]))
        return await super().get_or_create(cls, state, scope)


class HookedValue(JSONModel):
    serializer = LoudJSON.instance()

    text = Str()
    more = Value()


class HoldsHooked(NoSQLModel):
    """Holds values whose restoring is awaited, beside others that it is not."""

    first: Any = Instance(HookedValue)
    rest = List()
    plain = Value()


class Versioned(NoSQLModel):
    """Adds keys to its documents, and migrates those of its first version."""

    first = Str()
    last = Str()
    size = Int()
    other: Any = ForwardInstance(lambda: Versioned)

    def __getstate__(self, scope: Any = None) -> dict[str, Any]:
        CALLS.append(("__getstate__", self.first))
        state = super().__getstate__(scope)
        state["version"] = 2
        state["search"] = f"{self.first} {self.last}".lower()
        return state

    async def __restorestate__(self, state: dict[str, Any], scope: Any = None) -> None:
        CALLS.append(("__restorestate__", state["_id"]))
        if state.get("version", 1) == 1 and "name" in state:
            first, _, last = state.pop("name").partition(" ")
            state.update(first=first, last=last)
        await super().__restorestate__(state, scope)


class VersionedValue(JSONModel):
    """The same for an embedded value."""

    text = Str()

    def __getstate__(self, scope: Any = None) -> dict[str, Any]:
        return {**super().__getstate__(scope), "length": len(self.text)}

    async def __restorestate__(self, state: dict[str, Any], scope: Any = None) -> None:
        if "body" in state:
            state = {**state, "text": state["body"]}
        await super().__restorestate__(state, scope)


class HoldsVersioned(NoSQLModel):
    one: Any = Instance(VersionedValue)
    two: Any = Instance(VersionedValue)
    any = Dict()
    name = Str()


class Fragile(NoSQLModel):
    """Refuses to be restored from some documents."""

    name = Str()

    async def __restorestate__(self, state: dict[str, Any], scope: Any = None) -> None:
        await super().__restorestate__(state, scope)
        if state["name"] == "broken":
            raise ValueError("cannot be migrated")
