"""A model of annotations alone; atom reads them as objects, so they are not postponed here."""

from atomodm import NoSQLModel
from tests.zoo.kinds import Point


class Annotated(NoSQLModel, use_annotations=True):
    count: int = 3
    name: str = "new"
    tags: list[str]
    parts: dict[str, int]
    flags: set[int]
    point: Point | None
