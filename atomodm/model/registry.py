"""Which class a stored ``__model__`` tag means."""

from __future__ import annotations

from typing import Any

from ..errors import ModelNotRegistered


class ModelRegistry(dict[str, Any]):
    """``__model__`` tags to model classes; writable, so that a program can map the names of former versions.

    Stored data never imports anything: a tag that is not here is refused.
    """

    def __missing__(self, tag: object) -> Any:
        name = tag if isinstance(tag, str) else type(tag).__name__
        raise ModelNotRegistered(
            f"no model is registered as {name!r}; import the module that defines it, "
            "or map a former name in Model.serializer.registry"
        )


#: All concrete model classes of the process; a class defined again under one tag takes the place of the former.
REGISTRY = ModelRegistry()
