"""Questions about documents: lookups, MongoDB's filter language, the syntax tree they become, and what it means."""

from .evaluator import compile_filter
from .filters import parse_filter
from .keys import encode_key
from .lookups import LOOKUPS, Resolved, Resolver
from .mongo import to_mongo
from .nodes import Node, describe
from .q import Q
from .sorting import sort_key

__all__ = [
    "LOOKUPS",
    "Node",
    "Q",
    "Resolved",
    "Resolver",
    "compile_filter",
    "describe",
    "encode_key",
    "parse_filter",
    "sort_key",
    "to_mongo",
]
