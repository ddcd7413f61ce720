"""Tortoise on aiosqlite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bson
from tortoise import Tortoise, fields
from tortoise.models import Model

from ...documents import FIELDS, Document
from .files import FileContestant


class TortoisePerson(Model):
    """The row of Tortoise; what has no field type is JSON."""

    id = fields.CharField(max_length=24, primary_key=True)
    name = fields.TextField()
    email = fields.CharField(max_length=100, db_index=True)
    age = fields.IntField(db_index=True)
    score = fields.FloatField()
    active = fields.BooleanField()
    joined = fields.DatetimeField()
    tags = fields.JSONField[list[str]]()
    address = fields.JSONField[dict[str, str]]()
    note = fields.TextField()

    class Meta:
        table = "people"


class TortoiseORM(FileContestant):
    """Inserts in bulk and saves the changed field only: the fastest that it offers."""

    name = "Tortoise"

    async def open(self) -> None:
        await Tortoise.init(
            db_url=f"sqlite://{self.path}?journal_mode=WAL&synchronous=NORMAL",
            modules={"models": [__name__]},
            use_tz=False,
        )
        await Tortoise.generate_schemas()

    async def close(self) -> None:
        await Tortoise.close_connections()

    async def empty(self) -> None:
        await TortoisePerson.all().delete()

    def make(self, documents: Sequence[Document]) -> list[Any]:
        return [
            TortoisePerson(id=str(document["_id"]), **{field: document[field] for field in FIELDS})
            for document in documents
        ]

    async def insert(self, objects: Sequence[Any]) -> None:
        await TortoisePerson.bulk_create(objects)

    async def list(self) -> Sequence[Any]:
        return await TortoisePerson.all()

    async def get(self, ids: Sequence[Any]) -> None:
        for id in ids:
            await TortoisePerson.get(id=str(id))

    async def find(self, age: int) -> Sequence[Any]:
        return await TortoisePerson.filter(age=age)

    async def save(self, edits: Sequence[Any]) -> None:
        for person, score in edits:
            person.score = score
            await person.save(update_fields=["score"])

    def values(self, obj: Any) -> dict[str, Any]:
        return {"_id": bson.ObjectId(obj.id), **{field: getattr(obj, field) for field in FIELDS}}
