"""Models: classes of atom objects, what is known about them, and how their edits are noticed."""

from .base import Model
from .options import Options
from .registry import REGISTRY, ModelRegistry
from .spec import FieldSpec, ModelSpec, is_db_field, spec_of
from .state import ObjectState

__all__ = [
    "REGISTRY",
    "FieldSpec",
    "Model",
    "ModelRegistry",
    "ModelSpec",
    "ObjectState",
    "Options",
    "is_db_field",
    "spec_of",
]
