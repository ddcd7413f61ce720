"""Projections: which fields of a document a query gives."""

from .projection import compile_projection

__all__ = ["compile_projection"]
