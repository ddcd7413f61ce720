"""`ModelSerializer` and its kin: the hooks by which a program takes part in flattening and restoring."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from ..errors import WrongModel
from ..model import REGISTRY, Model, ModelRegistry, spec_of
from ..model.unloaded import mark_loaded, mark_unloaded
from .awaiting import Detached, restore_awaiting, unflatten_awaiting
from .carefully import keep_rest, put_back_rest
from .converters import COERCERS, Coercers
from .generate import generated_for, json_flatten_for
from .hooks import hooks_of
from .identifiers import stored_form, stored_id
from .scope import FlattenScope, Form, RestoreScope
from .values import flatten_any


class ModelSerializer:
    """Turns models into plain data and back.

    A subclass may override `flatten`, `flatten_object`, `unflatten`, `unflatten_object`, `get_or_create` and
    `get_object_state`; models whose class body says ``serializer = MySerializer.instance()`` then have these called
    on every save and restore, in place of generated code.
    """

    _instances: ClassVar[dict[type, Any]] = {}

    #: What flattened data is for.
    form: ClassVar[Form] = Form.DOCUMENT

    @classmethod
    def instance(cls) -> Self:
        """The one serializer of this class."""
        if cls not in ModelSerializer._instances:
            ModelSerializer._instances[cls] = cls()
        found: Self = ModelSerializer._instances[cls]
        return found

    @property
    def registry(self) -> ModelRegistry:
        """``__model__`` names to model classes; writable, for the names of former versions."""
        return REGISTRY

    @property
    def coercers(self) -> Coercers:
        """``__py__`` names to ``f(value, scope)``, sync or async; writable."""
        return COERCERS

    def source(self, model: type[Model]) -> str:
        """The text of the functions generated for a model class: what tracebacks and debuggers show.

        Examples
        --------
        >>> print(User.serializer.source(User))  # doctest: +SKIP
        """
        return generated_for(model).source

    # -- flatten -----------------------------------------------------------------------------------------------------

    def flatten(self, v: Any, scope: Any = None) -> Any:
        """Flatten any value by its type."""
        return flatten_any(v, self._flatten_scope(scope))

    def flatten_object(self, obj: Any, scope: Any) -> Any:
        """Flatten a model where another one holds it."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a model is stored in another one")

    def get_state(self, obj: Any, scope: Any = None) -> dict[str, Any]:
        """What ``__getstate__`` gives: the state with ``__model__``, ``__ref__``, and ``_id`` where it is set."""
        scope = self._flatten_scope(scope)
        is_root = id(obj) not in scope.embeddings
        if is_root:
            scope.add_root(obj)
        scope[id(obj)] = obj
        state = self._state(obj, scope)
        if is_root:
            state["__ref__"] = 0
        _unshare(state)
        return state

    def _state(self, obj: Any, scope: FlattenScope) -> dict[str, Any]:
        model = _class_of(obj)
        if scope.form is Form.JSON:
            state = json_flatten_for(model)(obj, scope)
            if not spec_of(model).embedded and obj._id is not None:
                state["_id"] = flatten_any(obj._id, scope)
            return state
        _id = None if spec_of(model).embedded else stored_id(obj)
        state = generated_for(model).flatten(obj, _id, scope)
        if _id is None:
            state.pop("_id", None)
        return state

    def flatten_embedded(self, obj: Any, scope: FlattenScope) -> dict[str, Any]:
        """Flatten a model inside another one, once in each document."""
        return scope.embed(obj, lambda: self._embedded_state(obj, scope))

    def _embedded_state(self, obj: Any, scope: FlattenScope) -> dict[str, Any]:
        if hooks_of(_class_of(obj)).getstate:
            state: dict[str, Any] = dict(obj.__getstate__(scope))
            if state.get("__ref__") == 0:
                del state["__ref__"]
        else:
            state = self._state(obj, scope)
        if scope.form is Form.DOCUMENT:
            put_back_rest(obj, state)
        return state

    def _flatten_scope(self, scope: Any) -> FlattenScope:
        return scope if isinstance(scope, FlattenScope) else FlattenScope(self.form)

    # -- restore -----------------------------------------------------------------------------------------------------

    async def unflatten(self, v: Any, scope: Any = None) -> Any:
        """Restore any value by its stored form."""
        return await unflatten_awaiting(v, self._restore_scope(scope))

    async def unflatten_object(self, cls: Any, state: dict[str, Any], scope: Any) -> Any:
        """Restore a mention of a model: get or create the object, get its state, restore it."""
        scope = self._restore_scope(scope)
        obj, created = await self.get_or_create(cls, state, scope)
        scope.define(state, obj)
        if created:
            full = await self.get_object_state(obj, state, scope)
            if full is not None:
                await self._fill(obj, full, scope)
        return obj

    async def _fill(self, obj: Any, state: dict[str, Any], scope: RestoreScope) -> None:
        """Restore an object from its whole state; one that is refused its state stays unloaded."""
        if spec_of(type(obj)).embedded or state.get("_id") is None:
            await obj.__restorestate__(state, scope)
            return
        mark_loaded(obj)
        try:
            await obj.__restorestate__(state, scope)
        except BaseException:
            mark_unloaded(obj)
            raise
        scope.resolver.settle(obj, state)

    async def get_or_create(self, cls: Any, state: dict[str, Any], scope: Any) -> tuple[Any, bool]:
        """Give the object for a state, and whether it was made for it."""
        return cls.__new__(cls), True

    async def get_object_state(self, obj: Any, state: dict[str, Any], scope: Any) -> Any:
        """Give the whole state of an object of which a mention is known; None where there is none."""
        raise NotImplementedError(f"{type(self).__name__} does not say where states are")

    async def restore_state(self, obj: Any, state: dict[str, Any], scope: Any = None) -> None:
        """What ``__restorestate__`` does: set the members, observers told as they are set."""
        model = _class_of(obj)
        check_model(model, state)
        mark_loaded(obj)
        scope = self._restore_scope(scope)
        is_root = scope.owner is None or scope.owner is obj
        is_value = spec_of(model).embedded or (not is_root and state.get("_id") is None)
        if is_root:
            scope.enter(state, obj)
        elif is_value:
            scope.define(state, obj)
        else:  # another document, in which numbers mean other objects
            scope = RestoreScope(scope.resolver)
            scope.enter(state, obj)
        await restore_awaiting(obj, state, scope)
        if is_value:
            keep_rest(obj, state, spec_of(model))
        if not spec_of(model).embedded and spec_of(model).primary_key is None and state.get("_id") is not None:
            obj._id = state["_id"]
        obj.__restored__ = True

    async def restore_object(self, cls: Any, state: dict[str, Any], force: bool = False) -> Any:
        """What ``Model.restore`` does for a model without database."""
        model = check_model(cls, state)
        obj = model.__new__(model)
        await obj.__restorestate__(state)
        return obj

    def restore_embedded(self, model: Any, state: dict[str, Any], scope: RestoreScope) -> Any:
        """Restore an embedded model where nothing has to be awaited."""
        obj = model.__new__(model)
        scope.define(state, obj)
        muted = obj.set_notifications_enabled(False)
        outer, scope.document = scope.document, state
        try:
            generated_for(model).restore(obj, state, scope)
            keep_rest(obj, state, spec_of(model))
            obj.__restored__ = spec_of(model).embedded
        finally:
            scope.document = outer
            obj.set_notifications_enabled(muted)
        scope.resolver.announce_later(obj)
        return obj

    def _restore_scope(self, scope: Any) -> RestoreScope:
        return scope if isinstance(scope, RestoreScope) else RestoreScope(Detached())


class JSONSerializer(ModelSerializer):
    """For embedded values: plain JSON on their own, plain BSON inside documents."""

    form = Form.JSON

    def flatten_object(self, obj: Any, scope: Any) -> Any:
        """Flatten the whole object, or refer to it where the document has it already."""
        return self.flatten_embedded(obj, self._flatten_scope(scope))

    async def get_object_state(self, obj: Any, state: dict[str, Any], scope: Any) -> Any:
        """The state itself: embedded values are whole."""
        return state


class NoSQLModelSerializer(ModelSerializer):
    """For documents: references by id."""

    def flatten_object(self, obj: Any, scope: Any) -> Any:
        """Flatten into a reference; without an id, and unless a save gives it one, into the whole state."""
        scope = self._flatten_scope(scope)
        _id = obj._id
        if _id is not None:
            _id = stored_form(_id)
        elif scope.id_of is not None:
            _id = scope.id_of(obj)
        if _id is None:
            return self.flatten_embedded(obj, scope)
        scope.references.append(obj)
        return {"_id": _id, "__model__": obj.__model__}

    async def get_or_create(self, cls: Any, state: dict[str, Any], scope: Any) -> tuple[Any, bool]:
        """The cached object of the state's id, else a new one, which is cached."""
        _id = state.get("_id")
        if _id is None:
            return cls.__new__(cls), True
        obj = self._restore_scope(scope).resolver.object_for(cls, _id)
        return obj, not obj.__restored__

    async def get_object_state(self, obj: Any, state: dict[str, Any], scope: Any) -> Any:
        """The document in the store; for a state without id the state itself."""
        _id = state.get("_id")
        return state if _id is None else await type(obj).objects.find_one({"_id": _id})


def check_model(cls: Any, state: Any) -> Any:
    """The class that a state is for: its ``__model__``, else `cls`.

    Raises
    ------
    WrongModel
        The state is no document, or its model is no subclass of `cls`.
    ModelNotRegistered
        Its model is unknown.
    """
    if not isinstance(state, dict):
        raise WrongModel(f"a state is a dict, not {type(state).__name__}", model=cls.__model__)
    tag = state.get("__model__")
    if tag is None or tag == cls.__model__:
        return cls
    model = REGISTRY[tag]
    if not issubclass(model, cls):
        raise WrongModel(f"the state is for {model.__model__}, which is no {cls.__name__}", model=cls.__model__)
    return model


def _unshare(place: Any) -> None:
    """Put copies where a flattened document shares a container with an object; only those are of atom's own classes.

    What was flattened stays the same dict, because the scope may add a ``__ref__`` to it later.
    """
    for key, value in place.items() if isinstance(place, dict) else enumerate(place):
        if value.__class__ is dict or value.__class__ is list:
            _unshare(value)
        elif isinstance(value, list):
            place[key] = [*value]
        elif isinstance(value, dict):
            place[key] = {**value}


def _class_of(obj: Any) -> Any:
    """The model of an object, unloaded ones too."""
    return spec_of(type(obj)).model
