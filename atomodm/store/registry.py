"""Which store a URL means. Stores are imported when they are first used, so that drivers are needed only then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, Protocol, cast

from ..contract.store import Store
from ..errors import DriverMissing, InvalidURL, UnsupportedHandle
from .urls import redact

__all__ = ["StoreLoader", "create_store", "data_stores", "redact", "register_store", "store_of_client"]


class StoreClass(Protocol):
    """What a registered class must have; one for clients has `from_client` too."""

    def from_url(self, url: str) -> Store:
        """Make a store, not yet opened; a class method.

        Raises
        ------
        InvalidURL
            The URL says nothing that the store understands.
        """

    def from_client(self, client: Any) -> Store:
        """Make the store that a client of a database's own library is set up for; a class method.

        Raises
        ------
        UnsupportedHandle
            The client is of another kind.
        """


@dataclass(frozen=True, slots=True)
class StoreLoader:
    """Where the class for a scheme is found.

    Attributes
    ----------
    scheme : str
    target : str
        ``"package.module:Class"``.
    extra : str or None
        What to install for its driver, as in ``pip install atomodm[extra]``.
    """

    scheme: str
    target: str
    extra: str | None = None

    def load(self) -> StoreClass:
        """Import the class.

        Raises
        ------
        DriverMissing
            Something that it needs is not installed.
        """
        module, _, name = self.target.partition(":")
        try:
            return cast(StoreClass, getattr(import_module(module), name))
        except ModuleNotFoundError as error:
            install = f"pip install atomodm[{self.extra}]" if self.extra else f"install {error.name}"
            raise DriverMissing(f"{self.scheme}:// needs {error.name}, which is not installed; {install}") from None


_LOADERS: dict[str, StoreLoader] = {
    loader.scheme: loader
    for loader in (
        StoreLoader("memory", "atomodm.store.memory:MemoryStore"),
        StoreLoader("sqlite", "atomodm.store.sqlite:SQLiteStore"),
        *(
            StoreLoader(scheme, "atomodm.store.redis:RedisStore", "redis")
            for scheme in (
                "redis",
                "rediss",
                "unix",
                "redis+unix",
                "redis+cluster",
                "rediss+cluster",
                "redis+sentinel",
                "rediss+sentinel",
                "redis+local",
            )
        ),
    )
}

# Clients of databases' own libraries: the first part of their module's name, and the scheme whose store takes them.
_CLIENTS: Mapping[str, str] = {"redis": "redis"}

#: The registered schemes; change them with `register_store`.
data_stores: Mapping[str, StoreLoader] = MappingProxyType(_LOADERS)


def register_store(scheme: str, target: str, *, extra: str | None = None) -> None:
    """Let URLs with `scheme` mean a store.

    Parameters
    ----------
    scheme : str
        Without ``://``. One that is registered already is replaced.
    target : str
        ``"package.module:Class"``, imported at the first such URL. The class derives from `Store` and has a class
        method ``from_url(url)``.
    extra : str, optional
        The extra of atomodm that installs what the store needs.

    Raises
    ------
    InvalidURL
        No URL can have such a scheme.
    ValueError
        `target` is not of this form.
    """
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        raise InvalidURL(f"{scheme!r} is no scheme of a URL: lower-case letters, digits, '+', '-' and '.'")
    if not re.fullmatch(r"[\w.]+:\w+", target):
        raise ValueError(f"{target!r} does not say 'package.module:Class'")
    _LOADERS[scheme] = StoreLoader(scheme, target, extra)


def create_store(url: str) -> Store:
    """Make the store that a URL means, not yet opened.

    Parameters
    ----------
    url : str
        ``memory://``, ``memory://name``, ``sqlite:///relative/file.db``, ``sqlite:////absolute/file.db``,
        ``redis://host:6379/0`` and the other URLs of Redis, or one with a scheme that `register_store` added.

    Returns
    -------
    Store

    Raises
    ------
    InvalidURL
        No store is registered for its scheme, or the store cannot read it.
    DriverMissing
        The store's driver is not installed.
    """
    if not isinstance(url, str):
        raise InvalidURL(f"a store's URL is a string, not {type(url).__name__}")
    scheme, separator, _ = url.partition("://")
    loader = _LOADERS.get(scheme.lower()) if separator else None
    if loader is None:
        known = ", ".join(f"{name}://" for name in sorted(_LOADERS))
        raise InvalidURL(f"no store is registered for this URL; registered are: {known}", store=redact(url))
    return loader.load().from_url(url)


def store_of_client(client: Any) -> Store:
    """Make the store that a client of a database's own library is set up for, not yet opened.

    Parameters
    ----------
    client : object
        A ``redis.asyncio.Redis`` or ``RedisCluster``. It is never closed.

    Returns
    -------
    Store

    Raises
    ------
    UnsupportedHandle
        It is nothing that a store can be made of.
    """
    for kind in type(client).__mro__:
        scheme = _CLIENTS.get(kind.__module__.partition(".")[0])
        if scheme is not None:
            return _LOADERS[scheme].load().from_client(client)
    kind = type(client)
    raise UnsupportedHandle(
        f"a {kind.__module__}.{kind.__qualname__} cannot be used as a database; assign a store of atomodm's, a URL "
        "(sqlite:///file.db, redis://host, memory://) or a client of redis.asyncio"
    )
