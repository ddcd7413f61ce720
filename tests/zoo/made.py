"""Model classes made with ``type()``, whose names and members a class statement would not allow."""

from __future__ import annotations

from typing import Any

from atomodm import NoSQLModel


def make_model(name: str, members: dict[str, Any], *, base: type = NoSQLModel, module: str = __name__) -> Any:
    """A model class of its own for each call."""
    metaclass: Any = type(base)
    return metaclass(name, (base,), {"__module__": module, **members})
