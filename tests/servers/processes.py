"""Server processes for the tests: ports that nobody else takes, and processes that never outlive the run."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

#: Below the ports that systems give to clients (32768 on Linux), so that no client takes the port of a server that is
#: down for a moment; and 10,000 above them Redis Cluster's second port is free in the same way.
_PORTS = range(11_000, 22_000)
#: What Redis Cluster adds to a port for the port on which nodes talk to each other.
BUS_OFFSET = 10_000

# Run by the Python of the tests: asks the system for a SIGKILL when its parent ends, however that ends, and becomes the
# server. On systems other than Linux servers are stopped at the end of the run only.
_LAUNCHER = """
import os, sys
parent, command = int(sys.argv[1]), sys.argv[2:]
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None, use_errno=True).prctl(1, 9, 0, 0, 0)
if os.getppid() != parent:
    sys.exit("the parent has ended")
os.execv(command[0], command)
"""


def free_port() -> int:
    """A port of this machine on which nobody listens, nor on the one that Redis Cluster uses beside it."""
    for port in random.SystemRandom().sample(_PORTS, 200):
        if _is_free(port) and _is_free(port + BUS_OFFSET):
            return port
    raise AssertionError("no free port in 200 tries")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Connections of a former server that are still being closed do not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait until something holds.

    Raises
    ------
    AssertionError
        It does not after `seconds`; `what` says what did not come about.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.01)


class ServerProcess:
    """One server process; killed when the process that started it ends, even if that is killed itself.

    Parameters
    ----------
    command : sequence of str
        The program with its whole path, and its arguments.
    output : Path
        Where what it prints is added.

    Attributes
    ----------
    pid : int
    """

    def __init__(self, command: Sequence[str], output: Path) -> None:
        with output.open("ab") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                # Ctrl-C in a terminal is for the tests, which stop their servers then.
                start_new_session=True,
            )
        self.pid = self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def freeze(self) -> None:
        """Stop it where it is: its sockets stay open, and nobody answers."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a crash does, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def stop(self, seconds: float = 5) -> None:
        """Ask it to end, and end it if it does not within some time."""
        self.thaw()
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()
