"""Whether a server can serve as a store: asked once, when the store is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ...errors import StoreUnsuitable
from .faults import Unanswered

#: The oldest Redis that has what our scripts call.
OLDEST: Final = (6, 2)


def read_info(reply: bytes) -> dict[str, str]:
    """Take apart what INFO answers."""
    lines = (line.partition(":") for line in reply.decode(errors="replace").splitlines())
    return {name: value for name, colon, value in lines if colon}


def check_server(info: Mapping[str, str], *, clustered: bool, url: str) -> None:
    """Refuse a server that would not serve well.

    Raises
    ------
    StoreUnsuitable
        What is wrong, and what to write instead.
    Unanswered
        It cannot serve yet.
    """
    if info.get("redis_mode") == "sentinel":
        raise StoreUnsuitable("the server is a Sentinel; write redis+sentinel://host:port/service", store=url)
    # Valkey tells there which version of Redis it is like.
    version = info.get("redis_version", "")
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST:
        raise StoreUnsuitable(
            f"the server is Redis {version or 'of an unknown version'}; atomodm needs {OLDEST[0]}.{OLDEST[1]} or later",
            store=url,
        )
    if info.get("cluster_enabled") == "1" and not clustered:
        raise StoreUnsuitable(
            "the server is a part of a Redis Cluster; write redis+cluster:// (or rediss+cluster://) with the same host",
            store=url,
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy.startswith("allkeys-"):
        raise StoreUnsuitable(
            f"the server's setting maxmemory-policy is {policy}: it would remove documents when memory is short. Use "
            "'CONFIG SET maxmemory-policy noeviction', or volatile-ttl where others keep a cache in the same server",
            store=url,
        )
    if info.get("loading", "0") != "0" or info.get("async_loading", "0") != "0":
        raise Unanswered("the server is loading its data", sent=False)
