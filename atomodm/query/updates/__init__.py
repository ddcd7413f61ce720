"""MongoDB's update language: operators that make one document out of another."""

from .operators import UpdateOperators
from .parsing import UPDATE_OPERATORS, parse_update
from .push import PUSH_MODIFIERS
from .upserts import upsert_document, upsert_id

__all__ = ["PUSH_MODIFIERS", "UPDATE_OPERATORS", "UpdateOperators", "parse_update", "upsert_document", "upsert_id"]
