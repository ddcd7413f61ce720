"""The servers that all tests of a run share: started when a test first needs them, stopped when the run ends.

A test has a namespace of its own in them, and what it wrote is removed after it.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from importlib import import_module
from pathlib import Path
from typing import Protocol


class Server(Protocol):
    """What the shared servers have in common."""

    @property
    def url(self) -> str: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def flush(self) -> None: ...


#: For each name the class, which is imported with the client that it needs when a test needs it.
_CLASSES = {
    "redis": ("tests.servers.redis", "RedisServer"),
    "redis-cluster": ("tests.servers.redis_cluster", "RedisCluster"),
}
NAMES = frozenset(_CLASSES)


class SharedServers:
    """The servers of a run; their data is in a temporary folder."""

    def __init__(self) -> None:
        self._running: dict[str, Server] = {}
        self._used: set[str] = set()
        self._folder: Path | None = None

    def url(self, name: str) -> str:
        """The URL of an empty namespace of the server called `name`, which is started when it is not running."""
        self._used.add(name)
        return f"{self.server(name).url}?namespace=test-{uuid.uuid4().hex[:12]}"

    def server(self, name: str) -> Server:
        """The server itself."""
        if name not in self._running:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="atomodm-servers-"))
            module, kind = _CLASSES[name]
            server: Server = getattr(import_module(module), kind)(self._folder / name)
            try:
                server.start()
            except BaseException:
                server.stop()
                raise
            self._running[name] = server
        return self._running[name]

    def clear(self) -> None:
        """Remove what the test wrote that has just ended."""
        for name in self._used:
            self._running[name].flush()
        self._used.clear()

    def stop(self) -> None:
        """Stop all servers, and remove their folders."""
        while self._running:
            self._running.popitem()[1].stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


#: Those of this run.
SHARED = SharedServers()
