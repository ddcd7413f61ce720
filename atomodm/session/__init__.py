"""The unit of work: what a load reads and what a save writes, for whole reference graphs."""

from .fetch import ALL, Fetch
from .following import OnConflict
from .merge import Disagreement
from .plan import Planner, Write, WriteKind
from .saving import Save, SaveResult

__all__ = ["ALL", "Disagreement", "Fetch", "OnConflict", "Planner", "Save", "SaveResult", "Write", "WriteKind"]
