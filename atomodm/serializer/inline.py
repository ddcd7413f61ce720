"""Document models stored inside other documents, as the tag ``embed=True`` says: values without identity."""

from __future__ import annotations

from typing import Any

from ..errors import WrongModel
from ..model import REGISTRY, spec_of
from .scope import FlattenScope, RestoreScope, number_of
from .values import unflatten_model


def flatten_inline(obj: Any, scope: FlattenScope) -> dict[str, Any]:
    """Flatten all members of a document model in place of a reference to it."""
    state: dict[str, Any] = obj.serializer.flatten_embedded(obj, scope)
    if spec_of(type(obj)).primary_key is None:
        state.pop("_id", None)
    return state


def unflatten_inline(state: Any, scope: RestoreScope, expected: Any) -> Any:
    """Restore what `flatten_inline` stored: a new object that has no document of its own."""
    if state.__class__ is not dict or number_of(state) in scope:
        return unflatten_model(state, scope, expected)
    model = REGISTRY[state["__model__"]] if "__model__" in state else expected
    if not issubclass(model, expected):
        raise WrongModel(
            f"the member holds {expected.__name__}, the stored model is another one", model=model.__model__
        )
    return model.serializer.restore_embedded(model, state, scope)
