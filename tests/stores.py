"""The stores that suites of objects run on."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import atomodm
from tests.servers import shared

#: Names of the stores for which the fixture ``store`` runs a test, once each.
NAMES = ("memory", "sqlite", "redis", "redis-cluster")


def url_of(name: str, folder: Path) -> str:
    """The URL of an empty database; all stores that are opened with it share its documents."""
    if name in shared.NAMES:
        return shared.SHARED.url(name)
    return f"memory://{uuid.uuid4().hex}" if name == "memory" else f"sqlite:///{folder / 'test.db'}"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[atomodm.Store]:
    """An open store that is the default database; objects with unsaved edits may be left at the end."""
    store = await atomodm.connect(url)
    try:
        yield store
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", atomodm.UnsavedChangesWarning)
            await store.close()


async def read_again(obj: Any) -> Any:
    """Another object for the document of `obj`, read from the store as a program would that just started."""
    _id = obj._id
    type(obj).objects.cache.clear()
    return await type(obj).objects.get(_id=_id)


async def stored_document(obj: Any) -> Any:
    """What the store has for `obj`, as plain data."""
    return await type(obj).objects.find_one({"_id": obj._id})


async def change_stored(obj: Any, **values: Any) -> None:
    """Write fields of the document of `obj` as another program does, around the object."""
    document = {**await stored_document(obj), **values}
    await type(obj).objects.replace_one({"_id": obj._id}, document)
