"""Which conversions a program took into its own hands.

Generated code steps aside for a class that overrides ``__getstate__`` or ``__restorestate__``, or whose serializer
overrides a hook of `ModelSerializer`, and for nobody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any

from ..model import Model

#: Hooks of a serializer that restore.
RESTORE_HOOKS = ("unflatten", "unflatten_object", "get_or_create", "get_object_state")


@dataclass(frozen=True, slots=True)
class Hooks:
    """What one class overrides.

    Attributes
    ----------
    getstate, restorestate : bool
        The model's own ``__getstate__`` and ``__restorestate__``.
    flatten, flatten_object : bool
        The serializer's hooks of these names.
    restore : frozenset of str
        Those of `RESTORE_HOOKS` that the serializer overrides.
    async_unflatten : frozenset of str
        Members whose values are awaited before they are set: those tagged with an async ``unflatten``, and all
        where the serializer overrides `unflatten`.
    """

    getstate: bool
    restorestate: bool
    flatten: bool
    flatten_object: bool
    restore: frozenset[str]
    async_unflatten: frozenset[str]

    @property
    def awaits(self) -> bool:
        """Whether restoring runs code of the program's that must be awaited."""
        return self.restorestate or bool(self.restore) or bool(self.async_unflatten)


def hooks_of(model: Any) -> Hooks:
    """What a class overrides, found at first use."""
    hooks: Hooks | None = model.__dict__.get("__atomodm_hooks__")
    if hooks is None:
        hooks = model.__atomodm_hooks__ = _find(model)
    return hooks


def _find(model: Any) -> Hooks:
    # The members themselves: the spec would resolve references, which other models may not be ready for.
    members = model.members()
    serializer = type(model.serializer)

    def overridden(name: str) -> bool:
        owner = next(base for base in serializer.__mro__ if name in vars(base))
        return not owner.__module__.startswith("atomodm.")

    restore = frozenset(name for name in RESTORE_HOOKS if overridden(name))
    return Hooks(
        getstate=model.__getstate__ is not Model.__getstate__,
        restorestate=model.__restorestate__ is not Model.__restorestate__,
        flatten=overridden("flatten"),
        flatten_object=overridden("flatten_object"),
        restore=restore,
        async_unflatten=frozenset(
            name for name in model.__fields__ if _is_awaited((members[name].metadata or {}).get("unflatten"), restore)
        ),
    )


def _is_awaited(unflatten: Any, restore: frozenset[str]) -> bool:
    return is_async(unflatten) if unflatten is not None else "unflatten" in restore


def is_async(function: Any) -> bool:
    """Whether calling `function`, or an object with an async ``__call__``, gives something to await."""
    return iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)


def must_await_references(model: Any) -> bool:
    """Whether a mention of `model` in a document is restored by code of the program's that must be awaited."""
    hooks = hooks_of(model)
    if model.__atomodm_embedded__:
        return hooks.awaits
    return bool(hooks.restore - {"unflatten"})
