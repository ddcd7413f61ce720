"""What a server's refusals mean, and what may help against them.

A server's own text is not shown, because it may quote what it was sent; what scripts of ours report is.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from ...errors import (
    AccessDenied,
    AtomodmError,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    StoreUnsuitable,
)


class Remedy(Enum):
    """What may help against a refusal."""

    NONE = "none"
    WAIT = "wait"
    LOAD = "load"
    MOVED = "moved"
    ASK = "ask"
    ROUTE = "route"


#: By the code of a refusal, which is its first word.
REMEDIES: Final = {
    "NOSCRIPT": Remedy.LOAD,
    "MOVED": Remedy.MOVED,
    "ASK": Remedy.ASK,
    "BUSY": Remedy.WAIT,
    "LOADING": Remedy.WAIT,
    "TRYAGAIN": Remedy.WAIT,
    "NOREPLICAS": Remedy.WAIT,
    "CLUSTERDOWN": Remedy.ROUTE,
    "MASTERDOWN": Remedy.ROUTE,
    "READONLY": Remedy.ROUTE,
}

_DENIED = frozenset({"NOAUTH", "WRONGPASS", "NOPERM", "DENIED"})
_UNAVAILABLE: Final = {
    "LOADING": "the server is loading its data",
    "TRYAGAIN": "the cluster is moving what was asked for",
    "NOREPLICAS": "the server has fewer replicas than its min-replicas-to-write; nothing was written",
    "CLUSTERDOWN": "the cluster is down, or nobody serves a part of it",
    "MASTERDOWN": "the replica has lost its master",
    "MISCONF": "the server cannot write to its disk and takes no writes; its log says why",
    "MOVED": "the cluster sent the call from one server to another until the time was over",
    "ASK": "the cluster sent the call from one server to another until the time was over",
    "NOSCRIPT": "the server had lost its scripts, and the time was over before they were loaded again",
}
_OF_SCRIPT = re.compile(r"user_script|Error (running|compiling) script|script: [0-9a-f]{40}|Lua")
_SHOWN_CHARACTERS: Final = 300


class Refusal(Exception):
    """A server answered with an error.

    Attributes
    ----------
    code : str
        The first word of the answer: ``"OOM"``.
    text : str
        The rest of it, which may have values in it.
    address : tuple of (str, int), optional
        Where a server of a cluster sends the call to.
    remedy : Remedy
    """

    def __init__(self, code: str, text: str = "", address: tuple[str, int] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.address = address
        self.remedy = REMEDIES.get(code, Remedy.NONE)


class Unanswered(Exception):
    """A call got no answer because of the way to the server.

    Attributes
    ----------
    reason : str
        For a message.
    sent : bool
        The server may have done what was asked.
    """

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


def refused(refusal: Refusal, url: str) -> AtomodmError:
    """The error for a refusal that nothing helps against, or nothing did in time."""
    code, text = refusal.code, refusal.text
    if code in _DENIED:
        return _denied(code, url)
    if code == "OOM":
        return StoreFull(
            "the server's memory is full (its setting maxmemory); nothing was written. Remove documents, or add memory",
            store=url,
        )
    if code == "READONLY":
        return StoreReadOnly("the server is a replica and takes no writes; connect to its master", store=url)
    if code == "BUSY":
        return StoreBusy("the server was busy with a long script all the time", store=url)
    if code == "WRONGTYPE":
        return StoreCorrupt(
            "a key of another kind stands under one of the store's names; use a namespace that nobody else writes to",
            store=url,
        )
    if code in _UNAVAILABLE:
        return StoreUnavailable(_UNAVAILABLE[code], store=url)
    if text.startswith(("DB index", "SELECT is not")):
        return StoreUnsuitable("the server has no database of this number", store=url)
    if "cluster support disabled" in text:
        return StoreUnsuitable(
            "the server is no part of a cluster; write redis:// instead of redis+cluster://", store=url
        )
    if _OF_SCRIPT.search(text):
        return StoreError(f"a script failed on the server: {text[:_SHOWN_CHARACTERS]}", store=url)
    return StoreError(f"the server refused a command with {code}", store=url)


def _denied(code: str, url: str) -> AccessDenied:
    """The error for credentials that are wrong, missing or not enough."""
    reason = {
        "NOPERM": "the user may not do this; the documentation lists the commands and keys that a store needs",
        "NOAUTH": "the server wants a user name and a password, or a password: redis://user:password@host",
        "DENIED": "the server is in protected mode: it takes connections of its own machine only, or wants a password",
    }.get(code, "the server does not accept the user name and the password")
    return AccessDenied(reason, store=url)
