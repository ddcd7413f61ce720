"""What the exceptions of redis-py mean for a call: a server's refusal, no answer, or an error of ours."""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from redis import exceptions
from redis.asyncio.sentinel import MasterNotFoundError

from ...errors import StoreError, StoreUnavailable
from .faults import Refusal, Unanswered

#: Codes that redis-py cuts off, by the class that it makes of them.
_CODES: Final[dict[type, str]] = {
    exceptions.AskError: "ASK",
    exceptions.AuthenticationWrongNumberOfArgsError: "WRONGPASS",
    exceptions.BusyLoadingError: "LOADING",
    exceptions.ClusterDownError: "CLUSTERDOWN",
    exceptions.MasterDownError: "MASTERDOWN",
    exceptions.MovedError: "MOVED",
    exceptions.NoPermissionError: "NOPERM",
    exceptions.NoScriptError: "NOSCRIPT",
    exceptions.OutOfMemoryError: "OOM",
    exceptions.ReadOnlyError: "READONLY",
    exceptions.TryAgainError: "TRYAGAIN",
}
# A refusal within a script: Redis 6 puts a text of its own before it.
_IN_SCRIPT = re.compile(r"Error running script.*?: -?(?P<code>[A-Z]{2,}) ", re.DOTALL)
_CODE = re.compile(r"[A-Z]{2,}(?= )")
# How the pools of redis-py say so, before they had a class for it.
_POOL_EMPTY = frozenset({"Too many connections", "No connection available."})
# With these a connection was not made, so that nothing was sent.
_NOT_MADE = frozenset({errno.ECONNREFUSED, errno.ENOENT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES})


def failure_of(
    error: BaseException, url: str, *, sent: bool, handled: BaseException | None = None
) -> Refusal | Unanswered | StoreError:
    """What an exception of redis-py means.

    Parameters
    ----------
    error : BaseException
    url : str
        The store's address for messages.
    sent : bool
        The call may have reached the server, unless the exception shows that it has not.
    handled : BaseException, optional
        What was being handled when the call was made: it is in the context of `error` and no part of it.

    Returns
    -------
    Refusal
        A server answered.
    Unanswered
        None did, and one may when it is tried again.
    StoreError
        It would fail again.

    Raises
    ------
    RecursionError, MemoryError
        Where there is no room left for the call, no server is at fault.
    """
    for cause in _causes(error, handled):
        if isinstance(cause, RecursionError | MemoryError):
            raise cause
        if isinstance(cause, Refusal | Unanswered | StoreError):
            return cause
        if (refusal := _refusal(cause)) is not None:
            return refusal
        if isinstance(cause, ssl.SSLCertVerificationError):
            return StoreUnavailable(f"the server's certificate is not accepted: {cause.verify_message}", store=url)
        if (reason := _not_made(cause)) is not None:
            return Unanswered(reason, sent=False)
        if isinstance(cause, ssl.SSLError):
            return Unanswered(f"no TLS connection: {cause.reason or 'it was closed'}", sent=sent)
        if isinstance(cause, exceptions.InvalidResponse):
            return Unanswered("the server sent what is no reply", sent=sent)
        if isinstance(cause, OSError) and (reason := _system_reason(cause)) is not None:
            return Unanswered(f"the connection broke: {reason}", sent=sent)
        if not isinstance(cause, exceptions.RedisError | exceptions.RedisClusterException | OSError):
            # Of a provider of credentials, or of a function that somebody has redis-py call.
            return Unanswered(f"connecting failed with {type(cause).__name__}", sent=sent)
    if isinstance(error, exceptions.TimeoutError):
        return Unanswered(f"the server {'did not answer' if sent else 'could not be reached'} in time", sent=sent)
    return Unanswered("the server closed the connection" if sent else "the server cannot be reached", sent=sent)


def _causes(error: BaseException | None, handled: BaseException | None) -> Iterator[BaseException]:
    while error is not None and error is not handled:
        if isinstance(error, Exception):  # a timeout comes of a cancellation
            yield error
        error = error.__cause__ or error.__context__


def _refusal(error: BaseException) -> Refusal | None:
    """What a server has answered, if it has."""
    text = str(error)
    if isinstance(error, exceptions.AuthenticationError):
        return Refusal("NOAUTH" if "required" in text.lower() else "WRONGPASS")
    if not isinstance(error, exceptions.ResponseError | exceptions.BusyLoadingError):
        return None
    for kind in type(error).__mro__:
        if kind in _CODES:
            address = (error.host, error.port) if isinstance(error, exceptions.AskError) else None
            return Refusal(_CODES[kind], text, address)
    if "Protocol error: unauthenticated" in text:
        return Refusal("NOAUTH")  # so a server answers long commands
    if "The user executing the script can't" in text:
        return Refusal("NOPERM")
    if (within := _IN_SCRIPT.match(text)) is not None:
        return Refusal(within["code"], text)
    code = _CODE.match(text)
    return Refusal(code[0] if code is not None else "ERR", text)


def _not_made(error: BaseException) -> str | None:
    """Why there is no connection on which the call could have been sent; None where there may have been one."""
    if isinstance(error, MasterNotFoundError):
        return "the Sentinels cannot be reached, or know no service of this name"
    if isinstance(error, exceptions.SlotNotCoveredError):
        return "no server of the cluster serves this part of it"
    if "max number of clients" in str(error):
        return "the server has as many clients as it takes (its setting maxclients)"
    if isinstance(error, exceptions.MaxConnectionsError) or str(error) in _POOL_EMPTY:
        return "all connections that the client may have are in use (its max_connections)"
    if isinstance(error, socket.gaierror) or (isinstance(error, OSError) and _number_of(error) in _NOT_MADE):
        return f"the server cannot be reached: {_system_reason(error)}"
    return None


def _number_of(error: OSError) -> int | None:
    """The system's number; for several addresses asyncio has a text of them instead."""
    if error.errno is None and (found := re.search(r"\[Errno (\d+)\]", str(error))) is not None:
        return int(found[1])
    return error.errno


def _system_reason(error: OSError) -> str | None:
    """The system's words. asyncio has its own, with addresses."""
    number = _number_of(error)
    return os.strerror(number) if number is not None and number in errno.errorcode else error.strerror
