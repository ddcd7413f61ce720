"""Serializers: objects to plain data and back, whole reference graphs included."""

from .converters import COERCERS, register_type
from .generate import Generated, generated_for
from .hooks import Hooks, hooks_of
from .scope import FlattenScope, Form, RestoreScope
from .serializer import JSONSerializer, ModelSerializer, NoSQLModelSerializer, check_model

__all__ = [
    "COERCERS",
    "FlattenScope",
    "Form",
    "Generated",
    "Hooks",
    "JSONSerializer",
    "ModelSerializer",
    "NoSQLModelSerializer",
    "RestoreScope",
    "check_model",
    "generated_for",
    "hooks_of",
    "register_type",
]
