"""The public contract suite of objects, on every store."""

from __future__ import annotations

from atomodm.testing.objects import ObjectContract


class TestObjects(ObjectContract):
    """On each store of the fixture ``store``."""
