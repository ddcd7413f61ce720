"""Restoring with code of the program's that must be awaited: hooks, async tags and async coercers.

What is awaited happens before members are set: a value that was awaited stands in its document as `Resolved`.
"""

from __future__ import annotations

from inspect import isawaitable
from operator import call, is_
from typing import Any
from weakref import ref

from ..errors import StoreError
from ..model import REGISTRY, FieldSpec, spec_of
from .carefully import stored_key
from .converters import COERCERS
from .generate import generated_for
from .hooks import hooks_of, must_await_references
from .scope import RestoreScope, number_of
from .values import MARKS, Resolved, definition_of, is_mention, unflatten_any


class Detached:
    """Resolves references by their models' caches, and fetches nothing."""

    def object_for(self, model: Any, _id: Any) -> Any:
        """The object that the model's cache has or makes."""
        return model.objects.cache.object_for(model, _id)

    def announce_later(self, obj: Any) -> None:
        """Nobody observes an object that was just made."""

    def settle(self, obj: Any, document: dict[str, Any]) -> None:
        """Leave it to the model's cache."""
        obj.objects.cache.settle(obj, document)


async def unflatten_awaiting(stored: Any, scope: RestoreScope) -> Any:
    """Restore any value, awaiting what must be awaited."""
    return unflatten_any(await prepare(stored, scope), scope)


async def restore_awaiting(obj: Any, document: dict[str, Any], scope: RestoreScope) -> None:
    """Set all members from a document, after what must be awaited was."""
    model = spec_of(type(obj)).model
    prepared = await prepare_document(model, document, scope)
    outer, scope.document = scope.document, prepared
    try:
        generated_for(model).restore(obj, prepared, scope)
    finally:
        scope.document = outer


async def prepare_document(model: Any, document: dict[str, Any], scope: RestoreScope) -> dict[str, Any]:
    """Await what restoring a document must await; gives the document itself where that is nothing.

    What is refused is raised when its member is set, so that it follows the model's ``__on_error__``.
    """
    hooks = hooks_of(model)
    mentions = anything_to_await()
    if not hooks.async_unflatten and not mentions:
        return document
    prepared = dict(document)
    for field, _ in generated_for(model).restorers:
        key = stored_key(field, document)
        if key is not None and (mentions or field.name in hooks.async_unflatten):
            prepared[key] = await _prepare_member(model, field, document[key], scope)
    if mentions:
        for name in spec_of(model).extra_members:
            if name in document:
                prepared[name] = await prepare(document[name], scope)
    if document is scope.root:
        scope.prepared(prepared)
    return prepared


async def _prepare_member(model: Any, field: FieldSpec, stored: Any, scope: RestoreScope) -> Any:
    try:
        if field.name in hooks_of(model).async_unflatten:
            unflatten = field.unflatten or model.serializer.unflatten
            return Resolved(stored, await unflatten(stored, scope))
        return await prepare(stored, scope) if field.unflatten is None else stored
    except StoreError:
        raise  # says nothing about the value
    except Exception as error:  # what the program's own code raises, as when members are set
        return Resolved(stored, error=error)


#: The models and coercers that `anything_to_await` was last asked about, and the answer. Models may go meanwhile.
_last_answer: tuple[list[ref[Any]], list[Any], bool] = ([], [], False)


def anything_to_await() -> bool:
    """Whether some mention of a model, or some coercer, must be awaited."""
    # Asked by every fetch, of objects that do not change: only which ones there are is looked at again.
    global _last_answer
    models, coercers = list(REGISTRY.values()), list(COERCERS.values())
    known_models, known_coercers, answer = _last_answer
    if (
        len(models) != len(known_models)
        or len(coercers) != len(known_coercers)
        or not all(map(is_, models, map(call, known_models)))
        or not all(map(is_, coercers, known_coercers))
    ):
        answer = COERCERS.has_async() or any(map(must_await_references, models))
        _last_answer = [ref(model) for model in models], coercers, answer
    return answer


def must_await(model: Any, document: dict[str, Any]) -> bool:
    """Whether restoring a document runs code of the program's that must be awaited."""
    hooks = hooks_of(model)
    return hooks.restorestate or bool(hooks.async_unflatten) or (anything_to_await() and _holds_awaited(document))


def _holds_awaited(stored: Any) -> bool:
    """Whether there is anything in a stored value of which restoring must be awaited."""
    if stored.__class__ is list:
        return any(map(_holds_awaited, stored))
    if stored.__class__ is not dict:
        return False
    if "__py__" in stored and COERCERS.is_async(stored["__py__"]):
        return True
    return _awaited_model(stored) is not None or any(map(_holds_awaited, stored.values()))


def _awaited_model(stored: dict[str, Any]) -> Any:
    """The model that a stored value mentions, where restoring mentions of it must be awaited, else None."""
    tag = stored.get("__model__")
    model = REGISTRY.get(tag) if isinstance(tag, str) else None
    return model if model is not None and must_await_references(model) else None


async def prepare(stored: Any, scope: RestoreScope) -> Any:
    """Replace what must be awaited inside a stored value by what came of it."""
    kind = stored.__class__
    if kind is list:
        return [await prepare(item, scope) for item in stored]
    if kind is not dict:
        return stored
    if not MARKS.isdisjoint(stored):
        model = _awaited_model(stored)
        if model is not None:
            number = number_of(stored)
            if number is not None and number in scope:
                return Resolved(stored, scope[number])
            state = definition_of(stored, scope) if is_mention(stored) else stored
            model = REGISTRY[state["__model__"]]
            return Resolved(stored, await model.serializer.unflatten_object(model, state, scope))
        coercer = COERCERS.get(stored.get("__py__"))
        if coercer is not None:
            body = {
                key: unflatten_any(await prepare(item, scope), scope) for key, item in stored.items() if key != "__py__"
            }
            value = coercer(body, scope)
            return Resolved(stored, await value if isawaitable(value) else value)
    return {key: await prepare(item, scope) for key, item in stored.items()}
