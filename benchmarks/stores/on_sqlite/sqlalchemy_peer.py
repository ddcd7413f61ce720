"""SQLAlchemy's object mapper on its asyncio extension and aiosqlite."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import bson
from sqlalchemy import JSON, delete, event, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ...documents import FIELDS, Document
from .files import FileContestant


class _Base(DeclarativeBase):
    pass


class AlchemyPerson(_Base):
    """The row of SQLAlchemy; what has no column type is JSON."""

    __tablename__ = "people"

    id: Mapped[bytes] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(index=True)
    age: Mapped[int] = mapped_column(index=True)
    score: Mapped[float]
    active: Mapped[bool]
    joined: Mapped[datetime]
    tags: Mapped[list[str]] = mapped_column(JSON)
    address: Mapped[dict[str, str]] = mapped_column(JSON)
    note: Mapped[str]


class SQLAlchemy(FileContestant):
    """Sessions that keep their objects' values after a commit, as its manual advises for asyncio."""

    name = "SQLAlchemy"

    async def open(self) -> None:
        self._engine = create_async_engine(f"sqlite+aiosqlite:///{self.path}")
        event.listen(self._engine.sync_engine, "connect", _set_durability)
        self._session = async_sessionmaker(self._engine, expire_on_commit=False)
        async with self._engine.begin() as connection:
            await connection.run_sync(_Base.metadata.create_all)

    async def close(self) -> None:
        await self._engine.dispose()

    async def empty(self) -> None:
        async with self._session() as session:
            await session.execute(delete(AlchemyPerson))
            await session.commit()

    def make(self, documents: Sequence[Document]) -> list[Any]:
        return [
            AlchemyPerson(id=document["_id"].binary, **{field: document[field] for field in FIELDS})
            for document in documents
        ]

    async def insert(self, objects: Sequence[Any]) -> None:
        async with self._session() as session:
            session.add_all(objects)
            await session.commit()

    async def list(self) -> Sequence[Any]:
        async with self._session() as session:
            return (await session.scalars(select(AlchemyPerson))).all()

    async def get(self, ids: Sequence[Any]) -> None:
        # One session for all, as for a request that reads several: its objects die with their last references.
        async with self._session() as session:
            for id in ids:
                await session.get_one(AlchemyPerson, id.binary)

    async def find(self, age: int) -> Sequence[Any]:
        async with self._session() as session:
            return (await session.scalars(select(AlchemyPerson).where(AlchemyPerson.age == age))).all()

    async def save(self, edits: Sequence[Any]) -> None:
        async with self._session() as session:
            session.add_all([person for person, _ in edits])
            for person, score in edits:
                person.score = score
                await session.commit()
            session.expunge_all()

    def values(self, obj: Any) -> dict[str, Any]:
        return {"_id": bson.ObjectId(obj.id), **{field: getattr(obj, field) for field in FIELDS}}


def _set_durability(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()
