"""Questions about documents: lookups, MongoDB's filter language, the syntax tree they become, and what it means.

Where to find what:

- `nodes` is the syntax tree. It comes from `filters`, MongoDB's language, or from `q` and `lookups`, keyword arguments;
  `mongo` writes it in MongoDB's language again. `operands`, `numbers` and `bits` read what conditions compare with.
- `evaluator` says what the tree means on a decoded document: `paths` where a condition looks, `conditions` what it asks
  of one value, `patterns` and `dialect` what of text. `positions` tells which element matched, for a positional ``$``.
- `keys` is the order of all values, as bytes; `number_keys` that of numbers, and `bson_types` the names of types.
- `sorting` puts documents in order. `document_keys` are the keys of a document in an index; `bounds`, `ranges`,
  `beginnings` and `implication` say which part of an index a condition needs.
- `updates` and `projection` are the other two languages. `changes` are what a save makes of its differences.
- `server_codes` are the codes with which servers refuse all this, and with which the collection API does.
"""

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
