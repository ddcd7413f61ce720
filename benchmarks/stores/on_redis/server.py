"""A redis-server that only the benchmark uses."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from atomodm.store.redis.local import find_server

#: Seconds within which a server must answer.
PATIENCE = 10


@contextmanager
def running_server() -> Iterator[int]:
    """Start a server that keeps everything in memory, and stop it in the end; gives its port on this machine."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [find_server(), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        settings = ["--save", "", "--appendonly", "no", "--loglevel", "warning"]
        process = subprocess.Popen([*command, *settings], stdout=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield port
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    with redis.Redis(port=port) as client:
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise SystemExit("redis-server does not answer") from None
                time.sleep(0.01)
