"""Runs the server of a folder for as long as somebody uses it; a program of its own, which imports nothing of ours.

``python keeper.py folder redis-server argument …``

Everybody who uses the server shares a lock on the file ``users.lock``, which the system takes away from a process that
ends, however it ends. The keeper waits until it can have that lock alone: then nobody is left, and it stops the
server. A lock on ``server.lock`` says that there is a keeper, so that there is one at most. Should the keeper itself
be killed, Linux stops the server; elsewhere the next one who opens the folder does.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from types import FrameType

#: Seconds in which another process that only looks at the lock gives it back.
LOOKED_AT = 0.1
#: Seconds that a server has to write everything to its files and end.
STOPPING = 60.0
#: Seconds between two requests to end.
ASKING = 0.2
#: Bytes of log at which a new one begins.
LONGEST_LOG = 1_000_000

PR_SET_PDEATHSIG = 1


class ServerEnded(Exception):
    """The server ended without having been asked to."""


class Stop(Exception):
    """Somebody asked the keeper to end."""


def _lock(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _taken_alone(descriptor: int) -> bool:
    end = time.monotonic() + LOOKED_AT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.001)
        else:
            return True


def _server_ended(number: int, frame: FrameType | None) -> None:
    raise ServerEnded


def _asked_to_stop(number: int, frame: FrameType | None) -> None:
    raise Stop


def _start(command: list[str]) -> int:
    keeper = os.getpid()
    server = os.fork()
    if server:
        return server
    try:
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if sys.platform == "linux":
            import ctypes

            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() == keeper:
            os.execv(command[0], command)
    finally:
        os._exit(127)


def _stop(server: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    began = asked = time.monotonic()
    os.kill(server, signal.SIGTERM)
    while os.waitpid(server, os.WNOHANG) == (0, 0):
        now = time.monotonic()
        if now - asked > ASKING:
            # A server that is just starting forgets that it was asked.
            os.kill(server, signal.SIGTERM if now - began < STOPPING else signal.SIGKILL)
            asked = now
        time.sleep(0.002)


def keep(folder: str, command: list[str]) -> None:
    """Run a server in `folder` until nobody uses it any more."""
    os.chdir(folder)
    os.umask(0o077)
    if not _taken_alone(_lock("server.lock")):
        return  # somebody else was faster
    # Whoever started this waits for the first process only; the second one belongs to nobody.
    if os.fork():
        os._exit(0)
    os.setsid()
    log = os.open("redis.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    if os.fstat(log).st_size > LONGEST_LOG:
        os.truncate(log, 0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor, standard in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, standard)
    users = _lock("users.lock")
    signal.signal(signal.SIGCHLD, _server_ended)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _asked_to_stop)
    server = 0
    try:
        server = _start(command)
        fcntl.flock(users, fcntl.LOCK_EX)
    except ServerEnded:
        return
    except Stop:
        pass
    if server:
        _stop(server)


if __name__ == "__main__":
    keep(sys.argv[1], sys.argv[2:])
