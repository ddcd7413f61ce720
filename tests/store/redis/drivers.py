"""Drivers without a store around them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from atomodm.store.redis.clients import from_url
from atomodm.store.redis.connection import Connection
from atomodm.store.redis.driver import RedisDriver
from atomodm.store.redis.layout import Layout
from atomodm.store.urls import StoreURL

TIMEOUT = 5.0
MAX_CONNECTIONS = 50


def redis_connection(url: str) -> Connection:
    """The connection that a URL leads to."""
    target = from_url(StoreURL.parse(url, ["namespace"]), TIMEOUT, MAX_CONNECTIONS)
    return Connection(
        target.servers,
        timeout=TIMEOUT,
        url=target.url,
        clustered=target.clustered,
        max_calls=target.max_connections,
    )


def redis_layout(url: str) -> Layout:
    """The layout of a URL's namespace."""
    return Layout(parse_qs(urlsplit(url).query)["namespace"][0], clustered=url.startswith("redis+cluster:"))


def redis_driver(url: str) -> RedisDriver:
    """The driver for a URL, which is yet to be opened."""
    return RedisDriver(redis_connection(url), redis_layout(url))
