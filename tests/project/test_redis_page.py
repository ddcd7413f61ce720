"""What the page on Redis says of rights is enough, and names what the store does."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest
from atom.api import Int, Str

from atomodm import AccessDenied, NoSQLModel, connect, save_all
from tests.project.test_documentation import DOCS
from tests.requirements import need_store
from tests.servers.redis import running

PAGE = (DOCS / "redis.md").read_text(encoding="utf-8")
CALLED = re.compile(r"call\('([A-Z]+)'")


class Note(NoSQLModel):
    class Meta:
        name = "notes"
        ttl = 1000

    title = Str().tag(unique=True)
    stars = Int().tag(index=True)


def rights() -> list[str]:
    """The arguments of ``ACL SETUSER app`` that the page shows."""
    found = re.search(r"^ACL SETUSER app (.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1].split()


def test_the_rights_name_each_command_that_a_script_calls() -> None:
    scripts = files("atomodm.store.redis") / "scripts"
    sources = [path.read_text() for path in scripts.iterdir() if path.name.endswith(".lua")]
    called = {command.lower() for source in sources for command in CALLED.findall(source)}
    assert called
    assert called <= {right.removeprefix("+") for right in rights()}


async def use_everything(url: str) -> None:
    async with connect(url) as store:
        position = await store.position()
        await save_all([Note(title=str(number), stars=number) for number in range(50)])
        first, second, third, fourth, *_ = await Note.objects.filter(stars__gte=10).order_by("-stars")
        first.stars = 3
        await first.save()
        await second.update(stars__inc=1)
        await third.expire(500)
        await fourth.delete()
        assert await Note.objects.count() == 49
        assert len((await store.changes(position)).entries) >= 54
        await Note.objects.delete_many({"stars": {"$lt": 5}})
        report = await store.check(repair=True)
        assert report.ok, report.problems
        await store.rename("notes", "papers")
        await store.drop_database()
        assert await store.list_collection_names() == []


async def test_a_user_with_these_rights_can_do_everything(tmp_path: Path) -> None:
    need_store("redis")
    with running(tmp_path) as server:
        server.command("ACL", "SETUSER", "app", *rights())
        await use_everything(f"redis://app:secret@127.0.0.1:{server.port}/0")
        server.command("ACL", "SETUSER", "app", "-xadd")
        with pytest.raises(AccessDenied):
            await use_everything(f"redis://app:secret@127.0.0.1:{server.port}/0")
