"""What a server's refusals and the failures of a connection mean, as errors of ours.

A server's own text is not shown, because it may quote what it was sent; what scripts of ours report is.
"""

from __future__ import annotations

import errno
import os
import re
import ssl
from enum import Enum
from typing import Final

from redis import exceptions

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
from .link import LinkLost


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
# A refusal within a script: Redis 6 puts a text of its own before it.
_IN_SCRIPT = re.compile(r"ERR Error running script.*?: -?(?P<code>[A-Z]{2,}) ", re.DOTALL)
_OF_SCRIPT = re.compile(r"user_script|Error (running|compiling) script|script: [0-9a-f]{40}|Lua")
_SHOWN_CHARACTERS: Final = 300


def code_of(refusal: Exception) -> str:
    """The code of a server's refusal: ``"OOM"``."""
    text = str(refusal)
    if text.startswith("ERR Protocol error: unauthenticated"):
        return "NOAUTH"  # so a server answers long commands
    if "The user executing the script can't" in text:
        return "NOPERM"
    within = _IN_SCRIPT.match(text)
    return within["code"] if within is not None else text.partition(" ")[0]


def refused(refusal: Exception, url: str) -> AtomodmError:
    """The error for a refusal that nothing helps against, or nothing did in time."""
    code = code_of(refusal)
    if code in _DENIED:
        return denied(code, url)
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
    text = str(refusal)
    if _OF_SCRIPT.search(text):
        return StoreError(f"a script failed on the server: {text[:_SHOWN_CHARACTERS]}", store=url)
    return StoreError(f"the server refused a command with {code}", store=url)


def denied(code: str, url: str) -> AccessDenied:
    """The error for credentials that are wrong, missing or not enough."""
    reason = {
        "NOPERM": "the user may not do this; the documentation lists the commands and keys that a store needs",
        "NOAUTH": "the server wants a user name and a password, or a password: redis://user:password@host",
        "DENIED": "the server is in protected mode: it takes connections of its own machine only, or wants a password",
    }.get(code, "the server does not accept the user name and the password")
    return AccessDenied(reason, store=url)


def not_connected(error: BaseException, url: str) -> LinkLost | StoreError:
    """What a failed connect means: `LinkLost` where it may succeed later."""
    if isinstance(error, exceptions.AuthenticationError | exceptions.AuthenticationWrongNumberOfArgsError):
        text = str(error)
        return denied("NOAUTH" if "NOAUTH" in text or "required" in text.lower() else "WRONGPASS", url)
    if isinstance(error, exceptions.NoPermissionError):
        return denied("NOPERM", url)
    if "protected mode" in str(error):
        return denied("DENIED", url)
    if isinstance(error, exceptions.BusyLoadingError):
        return LinkLost(_UNAVAILABLE["LOADING"], sent=False)
    if isinstance(error, exceptions.ResponseError):
        if "DB index" in str(error) or "SELECT" in str(error):
            return StoreUnsuitable("the server has no database of this number", store=url)
        return LinkLost("the server refused the connection", sent=False)
    if "max number of clients" in str(error):
        return LinkLost("the server has as many clients as it takes (its setting maxclients)", sent=False)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return StoreUnavailable(f"the server's certificate is not accepted: {cause.verify_message}", store=url)
        if isinstance(cause, ssl.SSLError):
            return LinkLost(f"no TLS connection: {cause.reason or 'it was closed'}", sent=False)
        if isinstance(cause, OSError) and (reason := _reason_of(cause)):
            return LinkLost(f"the server cannot be reached: {reason}", sent=False)
        if not isinstance(cause, exceptions.RedisError | OSError):
            # Of a provider of credentials, or of a function that somebody has redis-py call.
            return LinkLost(f"connecting failed with {type(cause).__name__}", sent=False)
        cause = cause.__cause__ or cause.__context__
    return LinkLost("the server cannot be reached: it closed the connection", sent=False)


def _reason_of(error: OSError) -> str | None:
    """The system's words. asyncio has its own, with addresses, and for several addresses a text without a number."""
    number = error.errno
    if number is None and (found := re.search(r"\[Errno (\d+)\]", str(error))) is not None:
        number = int(found[1])
    return os.strerror(number) if number is not None and number in errno.errorcode else error.strerror
