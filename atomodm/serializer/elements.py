"""What is inside a member, flattened as it would be as a part of the whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from ..model.types import FieldType
from .expressions import flatten_expression
from .scope import FlattenScope, Form
from .source import Source

#: Gives the stored form of a value.
FlattenValue = Callable[[Any, FlattenScope], Any]


def element_flattener(kind: FieldType) -> FlattenValue:
    """The function that flattens a value at a place of a type, such as an element of a list."""
    try:
        return _remembered(kind)
    except TypeError:  # items of a choice need not be hashable
        return _generate(kind)


def _generate(kind: FieldType) -> FlattenValue:
    source = Source()
    source.add("def flatten(value, scope):", f"    return {flatten_expression(source, kind, 'value', Form.DOCUMENT)}")
    flatten: FlattenValue = source.compile("an element")["flatten"]
    return flatten


_remembered = lru_cache(maxsize=256)(_generate)
