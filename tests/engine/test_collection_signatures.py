"""Our collections and cursors take what PyMongo's take."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.command_cursor import AsyncCommandCursor
from pymongo.asynchronous.cursor import AsyncCursor

from atomodm.contract import Collection, CommandCursor, Cursor
from atomodm.engine.collection import EngineCollection, EngineCursor
from atomodm.engine.collection.list_cursor import ListCursor


def public_methods(kind: type) -> dict[str, Any]:
    """The methods of a class that programs call."""
    names = [name for name in dir(kind) if not name.startswith("_") or name in ("__anext__", "__aiter__")]
    return {name: found for name in names if inspect.isfunction(found := getattr(kind, name))}


def shape(method: Any) -> list[tuple[str, inspect._ParameterKind, Any]]:
    """What can be passed to a method."""
    return [(item.name, item.kind, item.default) for item in inspect.signature(method).parameters.values()]


PAIRS = [
    (ours, theirs, name)
    for ours, theirs in (
        (EngineCollection, AsyncCollection),
        (EngineCursor, AsyncCursor),
        (ListCursor, AsyncCommandCursor),
    )
    for name in public_methods(ours)
]


@pytest.mark.parametrize(("ours", "theirs", "name"), PAIRS, ids=[f"{ours.__name__}.{name}" for ours, _, name in PAIRS])
def test_a_method_takes_what_pymongos_takes(ours: type, theirs: type, name: str) -> None:
    assert shape(getattr(ours, name)) == shape(getattr(theirs, name))
    assert inspect.iscoroutinefunction(getattr(ours, name)) == inspect.iscoroutinefunction(getattr(theirs, name))


def test_find_takes_what_a_cursor_of_pymongo_takes() -> None:
    assert shape(EngineCursor.__init__) == shape(AsyncCursor.__init__)


@pytest.mark.parametrize(
    ("promised", "ours"), [(Collection, EngineCollection), (Cursor, EngineCursor), (CommandCursor, ListCursor)]
)
def test_what_the_contract_promises_is_what_we_have(promised: type, ours: type) -> None:
    for name, method in public_methods(promised).items():
        assert shape(method) == shape(getattr(ours, name)), name


def typed_alike(
    ours: EngineCollection, theirs: AsyncCollection[dict[str, Any]]
) -> tuple[list[Collection], list[Cursor]]:
    """Type checkers, too, see one API: this is checked, not run."""
    return [ours, theirs], [ours.find(), theirs.find()]


async def typed_as_one(collection: Collection) -> list[CommandCursor]:
    """Type checkers see what a program gets; this is checked, not run."""
    found: dict[str, Any] | None = await collection.find_one({"a": 1})
    documents: list[dict[str, Any]] = await collection.find({}, {"a": 1}).sort("a").limit(3).to_list()
    number: int = (await collection.update_one({"a": 1}, {"$inc": {"a": 1}}, upsert=True)).modified_count
    async for document in collection.find(found or documents[number]):
        await collection.insert_many([document, RawBSONDocument(b"")])
    async with collection.find().allow_disk_use(True) as cursor:
        number = (await cursor.next())["n"] + cursor.retrieved
    async with await collection.list_indexes() as listed:
        await listed.to_list()
    return [listed]
