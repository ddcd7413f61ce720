"""Restoring with code of the program's that must be awaited: hooks, async tags and async coercers.

What is awaited happens before members are set: a value that was awaited stands in its document as `Resolved`.
"""

from __future__ import annotations

from inspect import isawaitable
from typing import Any

from ..model import REGISTRY, spec_of
from .converters import COERCERS
from .generate import generated_for
from .hooks import hooks_of, must_await_references
from .scope import RestoreScope
from .values import MARKS, Resolved, unflatten_any


class Detached:
    """Resolves references by their models' caches, and fetches nothing."""

    def object_for(self, model: Any, _id: Any) -> Any:
        """The object that the model's cache has or makes."""
        return model.objects.cache.object_for(model, _id)

    def announce_later(self, obj: Any) -> None:
        """Nobody observes an object that was just made."""


async def unflatten_awaiting(stored: Any, scope: RestoreScope) -> Any:
    """Restore any value, awaiting what must be awaited."""
    return unflatten_any(await prepare(stored, scope), scope)


async def restore_awaiting(obj: Any, document: dict[str, Any], scope: RestoreScope) -> None:
    """Set all members from a document, after what must be awaited was."""
    model = spec_of(type(obj)).model
    prepared = await prepare_document(model, document, scope)
    scope.document = prepared
    generated_for(model).restore(obj, prepared, scope)


async def prepare_document(model: Any, document: dict[str, Any], scope: RestoreScope) -> dict[str, Any]:
    """Await what restoring a document must await; gives the document itself where that is nothing."""
    hooks = hooks_of(model)
    prepared = document
    if hooks.async_unflatten:
        prepared = dict(document)
        for field, _ in generated_for(model).restorers:
            if field.name in hooks.async_unflatten and field.stored_name in document:
                stored = document[field.stored_name]
                unflatten = field.unflatten or model.serializer.unflatten
                prepared[field.stored_name] = Resolved(await unflatten(stored, scope))
    if not anything_to_await():
        return prepared
    return {key: await prepare(value, scope) for key, value in prepared.items()}


def anything_to_await() -> bool:
    """Whether some mention of a model, or some coercer, must be awaited."""
    return COERCERS.has_async() or any(must_await_references(model) for model in list(REGISTRY.values()))


async def prepare(stored: Any, scope: RestoreScope) -> Any:
    """Replace what must be awaited inside a stored value by what came of it."""
    kind = stored.__class__
    if kind is list:
        return [await prepare(item, scope) for item in stored]
    if kind is not dict:
        return stored
    if not MARKS.isdisjoint(stored):
        model = REGISTRY.get(stored.get("__model__"))
        if model is not None and must_await_references(model):
            number = stored.get("__ref__")
            if number is not None and number in scope:
                return Resolved(scope[number])
            return Resolved(await model.serializer.unflatten_object(model, stored, scope))
        coercer = COERCERS.get(stored.get("__py__"))
        if coercer is not None:
            body = {
                key: unflatten_any(await prepare(item, scope), scope) for key, item in stored.items() if key != "__py__"
            }
            value = coercer(body, scope)
            return Resolved(await value if isawaitable(value) else value)
    return {key: await prepare(item, scope) for key, item in stored.items()}
