"""The comparison on a Redis server that it starts itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec

import redis

from ..competition import Competition
from ..contestant import StoreContestant
from ..ours import Atomodm
from .floor import Fields, Strings
from .memory import print_memory
from .script import SameScript
from .server import running_server


@contextmanager
def competition(*, with_peers: bool) -> Iterator[Competition]:
    """Everybody, each in a database of its own of one server without persistence."""
    with running_server() as port:
        contestants: list[StoreContestant] = [
            Strings(port),
            Fields(port),
            SameScript(port),
            Atomodm(f"redis://127.0.0.1:{port}/0?expire_interval=0"),
        ]
        about = f"redis {_server_version(port)} without persistence, redis-py {version('redis')}"
        about += f", hiredis {version('hiredis')}"
        if with_peers:
            if find_spec("aredis_om") is None:
                print("redis-om is not installed and takes no part; the extra bench-redis has it")
            else:
                from .redis_om_peer import RedisOM

                contestants.append(RedisOM(port))
                about += f", redis-om {version('redis-om')}"
        yield Competition(
            about=about,
            contestants=contestants,
            floors={
                "list": Strings.name,
                "insert": Strings.name,
                "get": Strings.name,
                "save": SameScript.name,
                "find": Strings.name,
            },
            goals={"list": 1.5, "insert": 3, "save": 1.3},
            memory=partial(print_memory, port, [each for each in contestants if not isinstance(each, SameScript)]),
        )


def _server_version(port: int) -> str:
    with redis.Redis(port=port) as client:
        return str(client.info("server")["redis_version"])
