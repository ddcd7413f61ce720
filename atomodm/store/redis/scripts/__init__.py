"""The Lua scripts: constant texts, to which data comes through KEYS and ARGV only."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1
from importlib.resources import files
from typing import Final


@dataclass(frozen=True, slots=True)
class Script:
    """One script.

    Attributes
    ----------
    name : str
    source : bytes
    sha : str
        Under which the server knows it.
    """

    name: str
    source: bytes
    sha: str


def _load(name: str) -> Script:
    source = files(__package__).joinpath(f"{name}.lua").read_bytes()
    return Script(name, source, sha1(source, usedforsecurity=False).hexdigest())


COMMIT: Final = _load("commit")
GET: Final = _load("get")
SCAN: Final = _load("scan")
ENTRIES: Final = _load("entries")
COUNT: Final = _load("count")
STATES: Final = _load("states")
LOG: Final = _load("log")
FORGET: Final = _load("forget")
CHECK_DOCUMENTS: Final = _load("check_documents")
CHECK_HEAD: Final = _load("check_head")
CHECK_IDS: Final = _load("check_ids")
CHECK_KEYS: Final = _load("check_keys")
CHECK_LOG: Final = _load("check_log")
CHECK_NAME: Final = _load("check_name")
CHECK_OPERATIONS: Final = _load("check_operations")
