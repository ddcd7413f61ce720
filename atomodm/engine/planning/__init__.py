"""Choosing how a find is answered."""

from .planner import Planner

__all__ = ["Planner"]
