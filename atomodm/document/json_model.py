"""`JSONModel`: a value inside documents."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from atom.api import set_default

from ..model import Model
from ..serializer import JSONSerializer


class JSONModel(Model, use_annotations=False):
    """An embedded value: stored inside the documents that hold it, and plain JSON on its own."""

    serializer: ClassVar[JSONSerializer] = JSONSerializer.instance()

    # The member itself is the base's.
    __restored__ = cast(Any, set_default(True))

    class Meta:
        abstract = True
